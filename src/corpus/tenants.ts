import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../base/logger.ts'
import { bindToOwnPorts } from '../bind-to-own-ports.ts'
import type { PrintedStatus } from '../cli/offline.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import { createSink } from '../object-sink.ts'
import { listStatuses } from '../printed-status.ts'
import { FileProvider } from '../providers/file/file-provider.ts'
import { formatProblem } from '../providers/file/report.ts'
import { testControllerName } from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import type { EnvoyResource } from '../xds/resource.ts'
import { type BadCase, backendPort, gatewayObject, manifestOf, object, sharedGateway } from './bad-case.ts'

/** A Gateway has room for 64 listeners, of which it needs some itself. */
const listenersOfCases = 56

export const healthyHost = 'healthy.example.com'
const healthyCertificate = issueCertificate({ dnsNames: [healthyHost], isAuthority: true })
/** PEM of who signed the certificate of the healthy listener. */
export const healthyAuthority = healthyCertificate.certificate

/** Names of the Gateways that hold the listeners of these cases; the first is the one that routes attach to. */
export function listSharedGateways(cases: readonly BadCase[]): string[] {
  return shareListeners(cases).map((_, index) => gatewayName(index))
}

interface Surroundings {
  /** How many healthy tenants there are. */
  readonly tenants?: number
  /** Where requests of all tenants end. */
  readonly backend?: { readonly address: string; readonly port: number }
}

/** Hostname of a healthy tenant, counted from 0. */
export function healthyHostOf(tenant: number): string {
  return tenant === 0 ? healthyHost : `healthy-${tenant}.example.com`
}

/** The files of healthy tenants and of bad cases, by name without ".yaml". */
export function buildFiles(
  cases: readonly BadCase[],
  { tenants = 1, backend = { address: '127.0.0.1', port: backendPort } }: Surroundings = {},
): Record<string, string | Uint8Array> {
  const gateways = listSharedGateways(cases)
  const files: Record<string, string | Uint8Array> = { gateways: manifestOf(...buildGateways(cases)) }
  for (let tenant = 0; tenant < tenants; tenant++)
    files[`healthy-${tenant}`] = manifestOf(...buildHealthyTenant(tenant, gateways, backend))
  for (const { name, manifest } of cases) {
    if (manifest === '') continue
    // Cases name a port that stands for the real one.
    files[name] =
      typeof manifest === 'string' ? manifest.replaceAll(`"port": ${backendPort}`, `"port": ${backend.port}`) : manifest
  }
  return files
}

function gatewayName(index: number): string {
  return index === 0 ? sharedGateway.name : `${sharedGateway.name}-${index + 1}`
}

/** The listeners of one case stay together, since it is about how they stand to each other. */
function shareListeners(cases: readonly BadCase[]): object[][] {
  const shares: object[][] = [[]]
  for (const { listeners = [] } of cases) {
    const last = shares.at(-1) as object[]
    if (last.length + listeners.length > listenersOfCases) shares.push([...listeners])
    else last.push(...listeners)
  }
  return shares
}

function buildGateways(cases: readonly BadCase[]): object[] {
  const { namespace } = sharedGateway
  const own = [
    { name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } },
    { name: 'closed', port: 81, protocol: 'HTTP' },
    {
      name: 'https',
      port: 8443,
      protocol: 'HTTPS',
      hostname: healthyHost,
      tls: { certificateRefs: [{ name: 'healthy' }] },
      allowedRoutes: { namespaces: { from: 'All' } },
    },
  ]
  return [
    object(
      'gateway.networking.k8s.io/v1',
      'GatewayClass',
      { name: 'gatewright' },
      {
        spec: { controllerName: testControllerName },
      },
    ),
    secretObject(namespace, 'healthy'),
    ...shareListeners(cases).map((listeners, index) =>
      gatewayObject(namespace, [...own, ...listeners], {}, gatewayName(index)),
    ),
  ]
}

function secretObject(namespace: string, name: string): object {
  const stringData = { 'tls.crt': healthyCertificate.certificate, 'tls.key': healthyCertificate.privateKey }
  return object('v1', 'Secret', { name, namespace }, { type: 'kubernetes.io/tls', stringData })
}

function buildHealthyTenant(
  tenant: number,
  gateways: readonly string[],
  { address, port }: { readonly address: string; readonly port: number },
): object[] {
  const namespace = tenant === 0 ? 'healthy' : `healthy-${tenant}`
  const labels = { 'kubernetes.io/service-name': 'web' }
  const parentRefs = gateways.flatMap((name) =>
    (tenant === 0 ? ['http', 'https'] : ['http']).map((sectionName) => ({
      namespace: sharedGateway.namespace,
      name,
      sectionName,
    })),
  )
  return [
    object('v1', 'Service', { name: 'web', namespace }, { spec: { ports: [{ port: 80 }] } }),
    object(
      'discovery.k8s.io/v1',
      'EndpointSlice',
      { name: 'web-1', namespace, labels },
      {
        addressType: 'IPv4',
        endpoints: [{ addresses: [address] }],
        ports: [{ port }],
      },
    ),
    secretObject(namespace, 'key'),
    // Older than the routes of the cases, so that none can take its requests.
    object(
      'gateway.networking.k8s.io/v1',
      'HTTPRoute',
      { name: 'web', namespace, creationTimestamp: '2020-01-01T00:00:00Z' },
      {
        spec: { parentRefs, hostnames: [healthyHostOf(tenant)], rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] },
      },
    ),
  ]
}

export interface Translation {
  readonly problems: readonly string[]
  readonly statuses: readonly PrintedStatus[]
  readonly resources: readonly EnvoyResource[]
}

/** What `gatewright translate` makes of cases beside healthy tenants, with private keys as Envoy gets them. */
export async function translateCases(cases: readonly BadCase[]): Promise<Translation> {
  const directory = mkdtempSync(join(tmpdir(), 'gatewright-corpus-'))
  try {
    for (const [name, content] of Object.entries(buildFiles(cases)))
      writeFileSync(join(directory, `${name}.yaml`), content)
    const controlPlane = createOfflineControlPlane({
      controllerNames: [testControllerName],
      logger: silentLogger,
      rethrow: true,
    })
    bindToOwnPorts(controlPlane)
    const provider = new FileProvider(createSink(controlPlane), { paths: [directory], logger: silentLogger })
    const { problems } = await provider.load()
    provider.close()
    return {
      problems: problems.map(formatProblem),
      statuses: listStatuses(controlPlane),
      resources: Object.values(controlPlane.resources).flatMap((c) => [...c.entries()].map(([, resource]) => resource)),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The conditions that tell of something to mend, as "Kind namespace/name (about): Type=Status Reason: message". */
export function listComplaints(statuses: readonly PrintedStatus[]): string[] {
  return statuses.flatMap(({ kind, namespace, name, conditions }) =>
    conditions
      .filter(
        ({ condition: { type, status } }) =>
          status === (goodStatus.get(type) === 'True' ? 'False' : 'True') && goodStatus.has(type),
      )
      .map(
        ({ about, condition: { type, status, reason, message } }) =>
          `${kind} ${namespace}/${name} (${about}): ${type}=${status} ${reason}: ${message}`,
      ),
  )
}

/** Conditions that do not depend on a running proxy. */
const goodStatus: ReadonlyMap<string, 'True' | 'False'> = new Map([
  ['Accepted', 'True'],
  ['ResolvedRefs', 'True'],
  ['Conflicted', 'False'],
  ['PartiallyInvalid', 'False'],
])
