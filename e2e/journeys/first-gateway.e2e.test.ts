/** From nothing to two backends, weights and TLS behind one Gateway: the tutorial of a cloud provider. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { echoApplication } from '../testing/backend.ts'
import { runCommand } from '../testing/command.ts'
import { curl, curlEcho, hostOf } from '../testing/curl.ts'
import { eventually } from '../testing/eventually.ts'
import {
  conditionOf,
  controllerName,
  gatewayClass,
  infrastructureOf,
  parentConditionOf,
  programmedAddress,
  soleInfrastructureOf,
  systemNamespace,
} from '../testing/gateway.ts'
import { apply, createNamespace, deleteNamespace, find, jsonPath, kubectl, list } from '../testing/kubectl.ts'

const namespace = 'e2e-first-gateway'
const host = 'www.example.com'
let address = ''
let certificates = ''

const route = (rule: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend}
spec:
  parentRefs: [{name: ack-gateway}]
  hostnames: [${host}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /get}}]
${rule.replace(/^/gm, '      ')}
`

const backendRef = (name: string, weight: number) =>
  `{group: "", kind: Service, name: ${name}, port: 3000, weight: ${weight}}`

/** The route answers by its current generation: what is asked next is not asked of an older one. */
async function applyRoute(rule: string): Promise<void> {
  await apply(route(rule), namespace)
  await eventually('the HTTPRoute to be Accepted', 10_000, async () => {
    const live = await find('httproute', 'backend', namespace)
    return parentConditionOf(live, 'Accepted')?.status === 'True'
  })
}

const get = () => curlEcho(`http://${hostOf(address)}/get`, '-H', `Host: ${host}`)

beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), 'gatewright-e2e-'))
  await createNamespace(namespace)
})
afterAll(async () => {
  await deleteNamespace(namespace)
  await rm(certificates, { recursive: true, force: true })
})

describe('A first Gateway', () => {
  test('1 finds a control plane that watches and forwards nothing itself', async () => {
    const pods = await list('pods', systemNamespace, '-l', 'app.kubernetes.io/component=control-plane')
    expect(pods.length).toBeGreaterThan(0)
    for (const { status } of pods) expect(status.containerStatuses).toMatchObject([{ ready: true }])
  })

  test('3 finds the default GatewayClass, Accepted', async () => {
    const [header = '', row = ''] = (await kubectl(['get', 'gatewayclass', gatewayClass])).split('\n')
    expect(header.split(/\s+/)).toEqual(['NAME', 'CONTROLLER', 'ACCEPTED', 'AGE'])
    expect(row.split(/\s+/).slice(0, 3)).toEqual([gatewayClass, controllerName, 'True'])
  })

  test('3 may use a class of its own making', async () => {
    const name = 'e2e-own-class'
    const yaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ${name}}
spec: {controllerName: ${controllerName}}
`
    try {
      await apply(yaml)
      await eventually(
        'the class to be Accepted',
        10_000,
        async () => conditionOf(await find('gatewayclass', name), 'Accepted')?.status === 'True',
      )
    } finally {
      await kubectl(['delete', 'gatewayclass', name, '--ignore-not-found'])
    }
  })

  test('4 has two applications', async () => {
    await apply(echoApplication('backend'), namespace)
    await apply(echoApplication('backend-2'), namespace)
    for (const name of ['backend', 'backend-2'])
      await kubectl(['-n', namespace, 'rollout', 'status', `deployment/${name}`, '--timeout=30s'])
  })

  test('5 gets a Deployment, and a LoadBalancer Service on the port of the listener', async () => {
    await apply(
      `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ack-gateway}
spec:
  gatewayClassName: ${gatewayClass}
  listeners: [{name: http, protocol: HTTP, port: 80}]
`,
      namespace,
    )
    address = await programmedAddress('ack-gateway', namespace)
    await eventually('a ready proxy', 10_000, async () => {
      const deployment = await soleInfrastructureOf('deployment', 'ack-gateway', namespace)
      return deployment['status'].readyReplicas > 0
    })
    const service = await soleInfrastructureOf('service', 'ack-gateway', namespace)
    expect(service['spec']).toMatchObject({ type: 'LoadBalancer', ports: [{ port: 80, protocol: 'TCP' }] })
  })

  test('7 tells its address', async () => {
    const told = await jsonPath('gateway', 'ack-gateway', '{.status.addresses[*].value}', namespace)
    expect(told.split(' ')).toContain(address)
  })

  test('8 leads a request to the backend of a route', async () => {
    await applyRoute(`backendRefs: [${backendRef('backend', 1)}]`)
    const answer = await eventually('the first 200', 10_000, get)
    expect(answer).toMatchObject({
      path: '/get',
      host,
      method: 'GET',
      proto: 'HTTP/1.1',
      namespace,
      service: 'backend',
    })
    expect(answer.pod).toMatch(/^backend-/)
  })

  test('9 lets the backend see its client, and nothing of the proxy', async () => {
    const { headers } = await get()
    expect(Object.keys(headers).sort()).toEqual([
      'Accept',
      'User-Agent',
      'X-Envoy-External-Address',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Request-Id',
    ])
    expect(headers['X-Forwarded-For']).toEqual(headers['X-Envoy-External-Address'])
    expect(headers['X-Forwarded-Proto']).toEqual(['http'])
    expect(headers['X-Request-Id']?.[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })

  test('10 adds a header when the route is changed in place', async () => {
    await applyRoute(`
filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: added-header, value: foo}]}}]
backendRefs: [${backendRef('backend', 1)}]`)
    await eventually('the header', 5_000, async () => (await get()).headers['Added-Header']?.[0] === 'foo')
  })

  test('11 shares requests 8 to 2', async () => {
    await applyRoute(`backendRefs: [${backendRef('backend', 8)}, ${backendRef('backend-2', 2)}]`)
    await eventually('the second backend', 10_000, async () => (await get()).service === 'backend-2')
    const services: string[] = []
    for (let i = 0; i < 200; i++) services.push((await get()).service)
    const share = services.filter((service) => service === 'backend-2').length / services.length
    // Five standard deviations of a fair draw.
    expect(share).toBeGreaterThan(0.06)
    expect(share).toBeLessThan(0.34)
  })

  test('12-14 serves TLS on a listener that is added by a patch, while HTTP goes on', async () => {
    await makeCertificate()
    const inFolder = (file: string) => join(certificates, file)
    await kubectl([
      '-n',
      namespace,
      'create',
      'secret',
      'tls',
      'example-cert',
      `--key=${inFolder('leaf.key')}`,
      `--cert=${inFolder('leaf.crt')}`,
    ])
    const listener = {
      name: 'https',
      protocol: 'HTTPS',
      port: 443,
      tls: { mode: 'Terminate', certificateRefs: [{ kind: 'Secret', group: '', name: 'example-cert' }] },
    }
    const patch = JSON.stringify([{ op: 'add', path: '/spec/listeners/-', value: listener }])
    await kubectl(['-n', namespace, 'patch', 'gateway', 'ack-gateway', '--type=json', '-p', patch])
    const https = () =>
      curlEcho(`https://${host}/get`, '--resolve', `${host}:443:${hostOf(address)}`, '--cacert', inFolder('ca.crt'))
    const answer = await eventually('the first answer over TLS', 10_000, https)
    expect(answer.headers['X-Forwarded-Proto']).toEqual(['https'])
    expect((await get()).path).toBe('/get')
    const service = await soleInfrastructureOf('service', 'ack-gateway', namespace)
    expect(service['spec'].ports.map((p: { port: number }) => p.port).sort()).toEqual([443, 80])
    const from = await jsonPath(
      'gateway',
      'ack-gateway',
      '{.spec.listeners[*].allowedRoutes.namespaces.from}',
      namespace,
    )
    expect(from).toBe('Same Same')
  })

  test('6 lets its owner decide about the Deployment, the Service and an autoscaler', async () => {
    await apply(
      `
apiVersion: v1
kind: ConfigMap
metadata: {name: proxies}
data:
  minReplicas: "1"
  maxReplicas: "3"
  targetCPUUtilization: "70"
  cpuRequest: 60m
  serviceAnnotations: 'example.com/scheme: internal'
`,
      namespace,
    )
    const infrastructure = { parametersRef: { group: '', kind: 'ConfigMap', name: 'proxies' } }
    const patch = JSON.stringify({ spec: { infrastructure } })
    await kubectl(['-n', namespace, 'patch', 'gateway', 'ack-gateway', '--type=merge', '-p', patch])
    await eventually('the autoscaler', 15_000, async () => {
      const [scaler] = await infrastructureOf('hpa', 'ack-gateway', namespace)
      return scaler?.['spec'].maxReplicas === 3
    })
    const deployment = await soleInfrastructureOf('deployment', 'ack-gateway', namespace)
    expect(deployment['spec'].template.spec.containers[0].resources.requests.cpu).toBe('60m')
    const service = await soleInfrastructureOf('service', 'ack-gateway', namespace)
    expect(service.metadata.annotations).toMatchObject({ 'example.com/scheme': 'internal' })
  })

  test('answers 404 for a host that no route has', async () => {
    expect((await curl(`http://${hostOf(address)}/get`, '-H', 'Host: other.example.com')).status).toBe(404)
  })

  test('takes everything with it when it goes', async () => {
    await kubectl(['-n', namespace, 'delete', 'gateway', 'ack-gateway', '--timeout=30s'])
    for (const kind of ['deployment', 'service', 'serviceaccount', 'configmap', 'pod'])
      await eventually(
        `the ${kind} to go`,
        90_000,
        async () => (await infrastructureOf(kind, 'ack-gateway', namespace)).length === 0,
      )
  })
})

/** As the tutorial does it: an authority, and a leaf with an RSA key of 2048 bits. */
async function makeCertificate(): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { status, stderr } = await runCommand('openssl', args, { env: { HOME: certificates } })
    if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
  }
  const file = (name: string) => join(certificates, name)
  await openssl(
    ...[
      'req',
      '-x509',
      '-sha256',
      '-nodes',
      '-days',
      '365',
      '-newkey',
      'rsa:2048',
      '-subj',
      '/O=example/CN=example.com',
    ],
    ...['-keyout', file('ca.key'), '-out', file('ca.crt')],
  )
  await openssl(
    ...[
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${host}/O=example`,
      '-addext',
      `subjectAltName=DNS:${host}`,
    ],
    ...['-keyout', file('leaf.key'), '-out', file('leaf.csr')],
  )
  await openssl(
    ...['x509', '-req', '-sha256', '-days', '365', '-set_serial', '1', '-copy_extensions', 'copy'],
    ...['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-in', file('leaf.csr'), '-out', file('leaf.crt')],
  )
}
