/** One Gateway that several teams share: routes from other namespaces, rewrites, weights, and a backend that is missing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverApplication } from '../testing/backend.ts'
import { curl, hostOf } from '../testing/curl.ts'
import { eventually, pause } from '../testing/eventually.ts'
import {
  conditionOf,
  gatewayClass,
  infrastructureOf,
  parentConditionOf,
  programmedAddress,
  soleInfrastructureOf,
} from '../testing/gateway.ts'
import { apply, createNamespace, deleteNamespace, find, forwardPort, kubectl } from '../testing/kubectl.ts'

const gateways = 'e2e-shared-gateways'
const httpbin = 'e2e-shared-httpbin'
const workload = 'e2e-shared-workload'
const host = 'api.example.com'
let address = ''

const get = (path: string, ...args: string[]) =>
  curl(`http://${hostOf(address)}:8080${path}`, '-H', `Host: ${host}`, ...args)

interface Seen {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
const seenBy = async (path: string, ...args: string[]): Promise<Seen> => {
  const { status, body } = await get(path, ...args)
  if (status !== 200) throw new Error(`${path} answered ${status}`)
  return JSON.parse(body) as Seen
}

/** A route of the older version, from another namespace than its Gateway's. */
const httpbinRoute = (rules: string) => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: {name: httpbin}
spec:
  parentRefs: [{name: http, namespace: ${gateways}}]
  hostnames: [${host}]
  rules:
${rules}
`

const workloadRoute = (rules: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: my-workload}
spec:
  parentRefs: [{name: http, namespace: ${gateways}}]
  hostnames: [${host}]
  rules:
${rules}
`

beforeAll(async () => {
  for (const namespace of [gateways, httpbin, workload]) await createNamespace(namespace)
  await apply(serverApplication({ name: 'httpbin', port: 8000 }), httpbin)
  for (const version of [1, 2]) {
    const message = `Hello From My Workload (v${version})!`
    await apply(serverApplication({ name: `my-workload-v${version}`, port: 8080, message }), workload)
  }
})
afterAll(async () => {
  for (const namespace of [gateways, httpbin, workload]) await deleteNamespace(namespace)
})

describe('A shared Gateway', () => {
  test('48 leaves the NodePort of an application alone', async () => {
    await kubectl(['-n', httpbin, 'rollout', 'status', 'deployment/httpbin', '--timeout=30s'])
    await kubectl(['-n', httpbin, 'patch', 'service', 'httpbin', '-p', '{"spec": {"type": "NodePort"}}'])
    const node = (await kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}'])).trim()
    const service = await find('service', 'httpbin', httpbin)
    const answer = await eventually('the NodePort', 10_000, () =>
      curl(`http://${hostOf(node)}:${service?.['spec'].ports[0].nodePort}/get`),
    )
    expect(answer.status).toBe(200)
  })

  test('49 listens on its own port, in its own namespace', async () => {
    await apply(
      `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http}
spec:
  gatewayClassName: ${gatewayClass}
  listeners: [{name: http, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}]
`,
      gateways,
    )
    address = await programmedAddress('http', gateways)
    await eventually('all proxies to be ready', 10_000, async () => {
      const { spec, status } = await soleInfrastructureOf('deployment', 'http', gateways)
      return status.readyReplicas === spec.replicas
    })
    const service = await soleInfrastructureOf('service', 'http', gateways)
    expect(service['spec'].ports).toMatchObject([{ port: 8080, protocol: 'TCP' }])
  })

  test('50 does not fight for the nodePort and the labels that a user sets on its Service', async () => {
    const { metadata } = await soleInfrastructureOf('service', 'http', gateways)
    const patch = {
      metadata: { labels: { team: 'edge' } },
      spec: { ports: [{ port: 8080, protocol: 'TCP', nodePort: 30_001 }] },
    }
    await kubectl(['-n', gateways, 'patch', 'service', metadata.name, '-p', JSON.stringify(patch)])
    // An unrelated change makes the control plane look at it again.
    await kubectl(['-n', gateways, 'annotate', 'gateway', 'http', 'e2e/touched=1'])
    const infrastructure = { spec: { infrastructure: { labels: { touched: 'yes' } } } }
    await kubectl(['-n', gateways, 'patch', 'gateway', 'http', '--type=merge', '-p', JSON.stringify(infrastructure)])
    const label = (service: Awaited<ReturnType<typeof find>>) => service?.metadata.labels?.['touched']
    const touched = await eventually('the label of the Gateway on its Service', 15_000, async () => {
      const service = await find('service', metadata.name, gateways)
      return label(service) === 'yes' && service
    })
    await pause(1_000)
    const later = await find('service', metadata.name, gateways)
    for (const service of [touched, later]) {
      expect(service?.['spec'].ports[0].nodePort).toBe(30_001)
      expect(service?.metadata.labels?.['team']).toBe('edge')
    }
    expect(later?.metadata.resourceVersion).toBe(touched.metadata.resourceVersion)
  })

  test('52 takes a route of v1beta1 from another namespace, with its defaults', async () => {
    await apply(
      httpbinRoute(`
    - matches: [{path: {type: Exact, value: /get}}]
      backendRefs: [{name: httpbin, port: 8000}]`),
      httpbin,
    )
    await eventually('the first 200', 15_000, async () => (await get('/get')).status === 200)
    const live = await find('httproute', 'httpbin', httpbin)
    expect(live?.['spec'].rules[0].backendRefs).toEqual([
      { group: '', kind: 'Service', name: 'httpbin', port: 8000, weight: 1 },
    ])
  })

  test('51 listens on the same port in its pods', async () => {
    const { metadata } = await soleInfrastructureOf('deployment', 'http', gateways)
    const forward = await forwardPort(`deployment/${metadata.name}`, 8080, gateways)
    try {
      expect((await curl(`http://127.0.0.1:${forward.port}/get`, '-H', `Host: ${host}`)).status).toBe(200)
    } finally {
      forward.close()
    }
  })

  test('53 answers 404 where no rule matches, and heeds no port in the Host', async () => {
    expect((await get('/delay/1')).status).toBe(404)
    expect((await curl(`http://${hostOf(address)}:8080/get`, '-H', `Host: ${host}:30001`)).status).toBe(200)
  })

  test('54-55 rewrites a prefix and adds a header', async () => {
    await apply(
      httpbinRoute(`
    - matches: [{path: {type: PathPrefix, value: /api/httpbin/}}]
      filters:
        - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
        - type: RequestHeaderModifier
          requestHeaderModifier: {add: [{name: Authorization, value: Bearer my-api-key}]}
      backendRefs: [{name: httpbin, port: 8000}]`),
      httpbin,
    )
    const seen = await eventually('the new rule', 10_000, () => seenBy('/api/httpbin/get'))
    expect(seen).toMatchObject({ path: '/get', headers: { authorization: 'Bearer my-api-key' } })
    expect(await seenBy('/api/httpbin/delay/1')).toMatchObject({ path: '/delay/1' })
  })

  test('56 prefers the rule that asks for a header', async () => {
    await apply(
      workloadRoute(`
    - matches: [{path: {type: PathPrefix, value: /api/my-workload}}]
      backendRefs: [{name: my-workload-v1, port: 8080}]
    - matches: [{path: {type: PathPrefix, value: /api/my-workload}, headers: [{name: version, value: v2}]}]
      backendRefs: [{name: my-workload-v2, port: 8080}]`),
      workload,
    )
    const { body } = await eventually('the new route', 10_000, () => seenBy('/api/my-workload'))
    expect(body).toBe('Hello From My Workload (v1)!')
    expect((await seenBy('/api/my-workload', '-H', 'version: v2')).body).toBe('Hello From My Workload (v2)!')
  })

  test('57 halves requests', async () => {
    await apply(
      workloadRoute(`
    - matches: [{path: {type: PathPrefix, value: /api/my-workload}}]
      backendRefs: [{name: my-workload-v1, port: 8080, weight: 50}, {name: my-workload-v2, port: 8080, weight: 50}]`),
      workload,
    )
    await eventually('the second version', 10_000, async () => (await seenBy('/api/my-workload')).body.includes('v2'))
    const counts = { v1: 0, v2: 0 }
    for (let i = 0; i < 200; i++) counts[(await seenBy('/api/my-workload')).body.includes('v1') ? 'v1' : 'v2']++
    expect(counts.v1).toBeGreaterThan(60)
    expect(counts.v2).toBeGreaterThan(60)
  })

  test('58-59 answers 500 for the share of a backend that is missing, and says so in the status', async () => {
    await apply(
      workloadRoute(`
    - matches: [{path: {type: PathPrefix, value: /api/my-workload}}]
      backendRefs: [{name: my-workload-v1, port: 8080, weight: 50}, {name: my-bad-workload-v2, port: 8080, weight: 50}]`),
      workload,
    )
    const condition = await eventually('ResolvedRefs to be False', 10_000, async () => {
      const told = parentConditionOf(await find('httproute', 'my-workload', workload), 'ResolvedRefs')
      return told?.status === 'False' && told
    })
    expect(condition).toMatchObject({ reason: 'BackendNotFound' })
    expect(condition.message).toContain('Service "my-bad-workload-v2" not found')
    await eventually('the first 500', 10_000, async () => (await get('/api/my-workload')).status === 500)
    const statuses: number[] = []
    for (let i = 0; i < 100; i++) {
      const { status, headers } = await get('/api/my-workload')
      statuses.push(status)
      if (status === 500) expect(headers['content-length']).toBe('0')
    }
    expect(new Set(statuses)).toEqual(new Set([200, 500]))
    const failed = statuses.filter((status) => status === 500).length
    expect(failed).toBeGreaterThan(25)
    expect(failed).toBeLessThan(75)
  })

  test('59 is well again when the good route is applied', async () => {
    await apply(
      workloadRoute(`
    - matches: [{path: {type: PathPrefix, value: /api/my-workload}}]
      backendRefs: [{name: my-workload-v1, port: 8080}]`),
      workload,
    )
    await eventually('ResolvedRefs to be True', 10_000, async () => {
      const live = await find('httproute', 'my-workload', workload)
      return parentConditionOf(live, 'ResolvedRefs')?.status === 'True'
    })
    for (let i = 0; i < 20; i++) expect((await get('/api/my-workload')).status).toBe(200)
  })

  test("62 has Envoy's admin page on loopback in the pod only", async () => {
    const { metadata } = await soleInfrastructureOf('deployment', 'http', gateways)
    const forward = await forwardPort(`deployment/${metadata.name}`, 19_000, gateways)
    try {
      const stats = await curl(`http://127.0.0.1:${forward.port}/stats/prometheus`)
      expect(stats.status).toBe(200)
      expect(stats.body).toContain('envoy_cluster_upstream_rq')
      expect((await curl(`http://127.0.0.1:${forward.port}/`)).body).toContain('config_dump')
    } finally {
      forward.close()
    }
    const [pod] = await infrastructureOf('pod', 'http', gateways)
    const script = `fetch('http://${pod?.['status'].podIP}:19000/').then(r => console.log(r.status), e => console.log(e.cause?.code))`
    const reached = await kubectl(['-n', httpbin, 'exec', 'deployment/httpbin', '--', 'node', '-e', script])
    expect(reached.trim()).toBe('ECONNREFUSED')
  })

  test('says nothing twice: its status is written once', async () => {
    const before = await find('gateway', 'http', gateways)
    await pause(5_000)
    const after = await find('gateway', 'http', gateways)
    expect(conditionOf(after, 'Programmed')?.status).toBe('True')
    expect(after?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion)
  })
})
