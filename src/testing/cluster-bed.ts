import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import type { LogFields, Logger } from '../base/logger.ts'
import type { ClusterControlPlane } from '../cli/serve.ts'
import { serveOptions } from '../config/serve-options.ts'
import { type ClusterOptions, startCluster } from '../kubernetes.ts'
import { bundleOf, parseAuthority } from '../providers/kubernetes/xds-authority.ts'
import { ClusterProxy } from './cluster-proxy.ts'
import { FakeApiServer, type FakeApiServerOptions } from './fake-api-server.ts'
import type { FakeObject } from './fake-api-store.ts'
import { FakeTokenIssuer } from './fake-token-issuer.ts'
import { LeapClock } from './leap-clock.ts'

export interface ClusterLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: LogFields
}

const namespace = 'gatewright-system'
const serverName = `gatewright.${namespace}.svc`
/** For what takes moments, on a machine that is busy. */
const patience = { timeout: 20_000, interval: 10 }
const verbsOfWrites = ['create', 'update', 'patch', 'delete'] as const

/** One control plane in this process. */
export class Replica {
  readonly name: string
  readonly logs: ClusterLog[] = []
  #running: ClusterControlPlane | undefined

  constructor(name: string) {
    this.name = name
  }

  async start(options: Omit<ClusterOptions, 'logger'>): Promise<void> {
    const log =
      (level: ClusterLog['level']) =>
      (message: string, fields: LogFields = {}) =>
        void this.logs.push({ level, message, fields })
    const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
    process.env['POD_NAME'] = this.name
    const starting = startCluster({ ...options, logger, identity: this.name })
    delete process.env['POD_NAME']
    this.#running = await starting
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
    this.#running = undefined
  }

  get xdsAddress(): string {
    return this.#addressIn('Serving xDS')
  }

  get adminAddress(): string {
    return this.#addressIn('Serving health and metrics')
  }

  /** Lines for operators that have all these words in them. */
  told(...words: string[]): ClusterLog[] {
    return this.logs.filter(({ level, message, fields }) => {
      const text = `${message} ${JSON.stringify(fields)}`
      return level !== 'debug' && words.every((word) => text.includes(word))
    })
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`http://${this.adminAddress}/readyz`)).ok
  }

  /** The samples of /metrics by their text, e.g. `gatewright_xds_streams_count`. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.adminAddress}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
  }

  #addressIn(message: string): string {
    const address = this.logs.findLast((entry) => entry.message === message)?.fields['address']
    if (typeof address !== 'string') throw new Error(`nobody has said "${message}"`)
    return address
  }
}

/**
 * A cluster without nodes: a fake API server, real control planes against it over HTTP and a kubeconfig file, and
 * proxies that connect to them. The test is kubelet, the load balancer and the users.
 */
export class ClusterBed {
  readonly server: FakeApiServer
  /** Of the API server and of all control planes. */
  readonly clock: LeapClock
  readonly issuer = new FakeTokenIssuer()
  readonly replicas: Replica[] = []
  readonly proxies: ClusterProxy[] = []
  readonly #directory: string

  private constructor(server: FakeApiServer, directory: string, clock: LeapClock) {
    this.server = server
    this.#directory = directory
    this.clock = clock
    this.issuer.answerAt(server)
  }

  static async start(options: FakeApiServerOptions = {}): Promise<ClusterBed> {
    const clock = new LeapClock()
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-cluster-'))
    return new ClusterBed(await FakeApiServer.start({ clock, ...options }), directory, clock)
  }

  /** A control plane that is started, not necessarily synced. */
  async startReplica(name = 'gatewright-0', more: Partial<ClusterOptions> = {}): Promise<Replica> {
    const kubeconfig = join(this.#directory, 'kubeconfig')
    const replicaToken = join(this.#directory, `${name}.token`)
    await writeFile(kubeconfig, this.server.kubeconfig)
    await writeFile(replicaToken, this.issuer.issue({ namespace, serviceAccount: 'gatewright', pod: name }))
    const { help: _help, logLevel: _level, logFormat: _format, ...flags } = serveOptions
    const defaults = Object.fromEntries(Object.entries(flags).map(([key, option]) => [key, option.parse([])]))
    const replica = new Replica(name)
    this.replicas.push(replica)
    await replica.start({
      ...(defaults as unknown as Omit<ClusterOptions, 'logger'>),
      kubeconfig,
      replicaToken,
      namespace,
      xdsAddress: '127.0.0.1:0',
      adminAddress: '127.0.0.1:0',
      clock: this.clock,
      ...more,
    })
    return replica
  }

  /** What an installation of the chart has, and one Gateway with one route to one Service. */
  install(): void {
    for (const name of ['shop', namespace])
      this.server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: {} } })
    this.putClass('gatewright')
    this.putGateway('gw')
    this.putRoute('web')
    this.putService('cart')
  }

  putClass(name: string, controllerName = 'gatewright.dev/gateway-controller'): FakeObject {
    return this.#put('GatewayClass', '', name, { controllerName })
  }

  putGateway(name: string, spec: object = {}): FakeObject {
    const listeners = [{ name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }]
    return this.#put('Gateway', 'shop', name, { gatewayClassName: 'gatewright', listeners, ...spec })
  }

  putRoute(name: string, spec: object = {}): FakeObject {
    return this.#put('HTTPRoute', 'shop', name, {
      parentRefs: [{ name: 'gw' }],
      hostnames: [`${name}.example.com`],
      rules: [{ backendRefs: [{ name: 'cart', port: 80 }] }],
      ...spec,
    })
  }

  /** With one endpoint. */
  putService(name: string, address = '10.1.0.1'): void {
    const port = { name: 'http', port: 80, protocol: 'TCP' }
    this.server.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name },
      spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [port] },
    })
    this.server.put({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: 'shop', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    })
  }

  /** A Gateway with everything, from the load balancer to a proxy that has its configuration. */
  async bringUp(replica: Replica): Promise<ClusterProxy> {
    await vi.waitFor(() => expect(this.server.get('Deployment', 'shop', 'gw-gatewright')).toBeDefined(), patience)
    const proxy = this.connectProxy(replica)
    this.assignAddress()
    this.setReadiness(true)
    await vi.waitFor(() => expect(this.condition('Gateway', 'gw', 'Programmed')).toBe('True Programmed'), patience)
    await vi.waitFor(() => expect(proxy.text('endpoint')).toContain('10.1.0.1'), patience)
    return proxy
  }

  /** As a load balancer does. */
  assignAddress(name = 'gw-gatewright', ip = '192.0.2.1'): void {
    if (!this.server.assignAddress('shop', name, ip)) throw new Error(`there is no Service ${name}`)
  }

  /** As the endpoint slice controller does when the pods of a Gateway are ready, or are not. */
  setReadiness(ready: boolean, service = 'gw-gatewright'): void {
    this.server.put({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: 'shop', name: `${service}-1`, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 10080, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.1.0.100'], conditions: { ready } }],
    })
  }

  /** As the endpoint slice controller does for the Service of the control plane. */
  announce(...replicas: readonly Replica[]): void {
    for (const { name, xdsAddress } of replicas)
      this.server.put({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { namespace, name, labels: { 'kubernetes.io/service-name': 'gatewright' } },
        addressType: 'IPv4',
        ports: [{ name: 'grpc-xds', port: Number(xdsAddress.split(':')[1]), protocol: 'TCP' }],
        endpoints: [
          { addresses: ['127.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name, namespace } },
        ],
      })
  }

  /** What pods trust the control plane by. */
  trust(): string {
    const state = parseAuthority(this.server.get('Secret', namespace, 'gatewright-xds')?.['data'])
    if (typeof state !== 'object') throw new Error('there is no authority')
    return bundleOf(state)
  }

  /** A pod of a Gateway that connects to a replica. */
  connectProxy(replica: Replica, pod = 'gw-1', serviceAccount = 'gw-gatewright'): ClusterProxy {
    const proxy = new ClusterProxy(`shop/${pod}`)
    this.proxies.push(proxy)
    this.reconnect(proxy, replica, pod, serviceAccount)
    return proxy
  }

  reconnect(proxy: ClusterProxy, { xdsAddress }: Replica, pod = 'gw-1', serviceAccount = 'gw-gatewright'): void {
    const token = this.issuer.issue({ namespace: 'shop', serviceAccount, pod })
    proxy.connect({ address: xdsAddress, trust: this.trust(), serverName, token })
  }

  /** Writes that were asked for since the requests were last reset, but renewals of the Lease, as "verb resource name". */
  writes(): string[] {
    return verbsOfWrites
      .flatMap((verb) => this.server.requests.list({ verb }))
      .filter(({ resource }) => !['leases', 'tokenreviews'].includes(resource))
      .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`.trim())
      .sort()
  }

  condition(kind: string, name: string, type: string): string | undefined {
    return conditionOf(this.server.get(kind, kind === 'GatewayClass' ? '' : 'shop', name), type)
  }

  async stop(): Promise<void> {
    for (const proxy of this.proxies) proxy.close()
    await Promise.all(this.replicas.map((replica) => replica.stop()))
    await this.server.close()
    await rm(this.#directory, { recursive: true })
  }

  #put(kind: string, inNamespace: string, name: string, spec: object): FakeObject {
    const place = inNamespace === '' ? {} : { namespace: inNamespace }
    return this.server.put({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind,
      metadata: { name, ...place },
      spec,
    })
  }
}

interface WithConditions {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[]
  readonly parents?: readonly WithConditions[]
}

/** "status reason", of a route that of its first parent; undefined while there is none. */
function conditionOf(object: FakeObject | undefined, type: string): string | undefined {
  const status = object?.status as WithConditions | undefined
  const found = (status?.conditions ?? status?.parents?.[0]?.conditions)?.find((c) => c.type === type)
  return found && `${found.status} ${found.reason}`
}
