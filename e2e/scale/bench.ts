/**
 * What the control plane costs in a cluster: `make bench-cluster` (ROUTES=5000, SECONDS=60 of changes).
 * N HTTPRoutes, each with a Service and an EndpointSlice of its own, one Gateway. Prints memory, CPU under one edit a
 * second and one change of endpoints every two, and how long replicas take that start: until they know everything, and
 * until a stock Envoy on this machine, which has nothing, has got everything from them.
 */
import process from 'node:process'
import { quantile } from '../../bench/report.ts'
import { type ApiProxy, openApiProxy } from '../testing/api-proxy.ts'
import { controlPlanePods, readMetrics, untilControlPlaneReady } from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { gatewayClass, programmedAddress, systemNamespace } from '../testing/gateway.ts'
import { createNamespace, deleteNamespace, find, kubectl, readLogsOf } from '../testing/kubectl.ts'
import { FreshProxy } from './fresh-proxy.ts'
import { untilDeaf } from './held-forwarder.ts'

const count = Number(process.env['ROUTES'] ?? 5000)
const changeSeconds = Number(process.env['SECONDS'] ?? 60)
const restarts = 3
/** The chart's own choice. */
const xdsPort = 18_000
/** In the image. */
const nodeFile = '/usr/local/bin/node'
const namespace = 'e2e-bench'
const routes = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes`
const services = `/api/v1/namespaces/${namespace}/services`
const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`

const route = (number: number, version: string) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: `route-${number}` },
  spec: {
    parentRefs: [{ name: 'bench' }],
    hostnames: [`host-${number}.example.com`],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        filters: [
          { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-version', value: version }] } },
        ],
        backendRefs: [{ name: `service-${number}`, port: 80 }],
      },
    ],
  },
})

const slice = (number: number, last: number) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `service-${number}`, labels: { 'kubernetes.io/service-name': `service-${number}` } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  // For documentation (RFC 5737): nothing is sent there.
  endpoints: [{ addresses: [`192.0.2.${last}`], conditions: { ready: true } }],
})

interface Usage {
  readonly rss: number
  readonly cpu: number
  readonly sentBytes: number
  /** When the process started, in milliseconds of Unix time. */
  readonly startedAt: number
}

async function readUsage(pod: string): Promise<Usage> {
  const lines = await readMetrics(pod)
  const value = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1])
  return {
    rss: value('process_resident_memory_bytes'),
    cpu: value('process_cpu_seconds_total'),
    sentBytes: value('gatewright_xds_sent_bytes_total'),
    startedAt: value('process_start_time_seconds') * 1000,
  }
}

async function allUsage(): Promise<Map<string, Usage>> {
  const pods = await controlPlanePods()
  return new Map(
    await Promise.all(pods.map(async ({ metadata }) => [metadata.name, await readUsage(metadata.name)] as const)),
  )
}

const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`

function reportUsage(title: string, usage: ReadonlyMap<string, Usage>): void {
  for (const [pod, { rss, cpu }] of usage)
    console.log(`${title}: ${pod} RSS ${mebibytes(rss)}, CPU so far ${cpu.toFixed(2)} s`)
}

async function createObjects(api: ApiProxy): Promise<void> {
  const numbers = Array.from({ length: count }, (_, number) => number)
  const began = performance.now()
  await api.each(numbers, async (number) => {
    // Without an address of its own: few clusters have a range for thousands.
    const spec = { clusterIP: 'None', ports: [{ port: 80, targetPort: 8080 }] }
    await api.call('POST', services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `service-${number}` },
      spec,
    })
    await api.call('POST', slices, slice(number, 1))
    await api.call('POST', routes, route(number, '0'))
  })
  console.log(
    `${count} Services, EndpointSlices and HTTPRoutes made in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  )
  const counted = performance.now()
  await eventually('attachedRoutes', 120_000, async () => {
    const gateway = await find('gateway', 'bench', namespace)
    return gateway?.['status'].listeners[0].attachedRoutes === count
  })
  console.log(`attachedRoutes right ${(performance.now() - counted).toFixed(0)} ms later`)
}

async function change(api: ApiProxy): Promise<void> {
  const until = performance.now() + changeSeconds * 1000
  const merge = 'application/merge-patch+json'
  for (let tick = 1; performance.now() < until; tick++) {
    const number = (tick * 7919) % count
    await api.call('PATCH', `${routes}/route-${number}`, { spec: route(number, String(tick)).spec }, merge)
    if (tick % 2 === 0) {
      const { endpoints } = slice(number, (tick % 250) + 2)
      await api.call('PATCH', `${slices}/service-${number}`, { endpoints }, merge)
    }
    await pause(1000 - (performance.now() % 1000))
  }
}

/** @returns when everything was known to a replica, in milliseconds of Unix time */
async function readKnown(pod: string): Promise<number> {
  const lines = (await readLogsOf(pod, systemNamespace)).split('\n').filter((line) => line.startsWith('{'))
  const entries = lines.map((line) => JSON.parse(line) as { time: string; message: string })
  const known = entries.find(({ message }) => message.includes('objects of the cluster are known'))
  if (!known) throw new Error(`${pod} does not say when it served:\n${lines.join('\n')}`)
  return Date.parse(known.time)
}

interface NewReplica {
  readonly pod: string
  readonly address: string
  /** Milliseconds from the start of its process until everything was known. */
  readonly known: number
}

/** A replica is made anew, while the proxies have everything. */
async function replaceOne(api: ApiProxy): Promise<NewReplica> {
  const old = (await controlPlanePods(api)).map(({ metadata }) => metadata.name)
  await api.call('DELETE', `/api/v1/namespaces/${systemNamespace}/pods/${old[0]}`)
  const { metadata, ...fields } = await eventually('the new replica', 60_000, async () =>
    (await controlPlanePods(api)).find(
      (pod) => !old.includes(pod.metadata.name) && pod['status'].containerStatuses?.[0].ready === true,
    ),
  )
  await untilControlPlaneReady()
  await pause(5_000)
  const { rss, sentBytes, startedAt } = await readUsage(metadata.name)
  const known = (await readKnown(metadata.name)) - startedAt
  console.log(`a new replica: everything known ${known.toFixed(0)} ms after its process started`)
  console.log(`a new replica: RSS ${mebibytes(rss)}, ${sentBytes} bytes sent to proxies that connected to it`)
  return { pod: metadata.name, address: fields['status'].podIP, known }
}

interface FreshStart {
  /** Milliseconds from the start of a process until a proxy that had nothing was answered in full: had got all clusters. */
  readonly answered: number
  /** Milliseconds until that proxy, a stock Envoy, had everything. */
  readonly full: number
}

/**
 * The process of a replica starts anew, and a proxy that has nothing waits for it.
 * @param replica whose process has never ended: one that ends again within minutes is not started at once
 */
async function restartForFreshProxy(api: ApiProxy, { pod, address }: NewReplica): Promise<FreshStart> {
  const target = { host: address, port: xdsPort }
  const proxy = await FreshProxy.start(api, 'bench', namespace, `fresh-${pod}`)
  try {
    await pause(2_000)
    await kubectl(['-n', systemNamespace, 'exec', pod, '--', nodeFile, '-e', 'process.kill(1)'])
    await untilDeaf(target, 30_000)
    proxy.ask(target)
    const readyAt = await proxy.ready()
    const answeredAt = proxy.answeredAt(count)
    await untilControlPlaneReady()
    const { startedAt, sentBytes } = await readUsage(pod)
    const [answered, full] = [answeredAt - startedAt, readyAt - startedAt]
    const known = (await readKnown(pod)) - startedAt
    console.log(
      `its process anew: everything known after ${known.toFixed(0)} ms, a proxy that has nothing answered in full after ${answered.toFixed(0)} ms, all that it needs there after ${full.toFixed(0)} ms (${(sentBytes / 1024).toFixed(0)} KiB)`,
    )
    return { answered, full }
  } finally {
    await proxy.stop()
  }
}

function reportMedian(what: string, values: readonly number[]): void {
  const median = quantile([...values], 0.5).toFixed(0)
  console.log(`median of ${values.length}: ${what} ${median} ms after the process started`)
}

await untilControlPlaneReady()
await createNamespace(namespace)
const api = await openApiProxy()
try {
  await kubectl(['-n', namespace, 'apply', '-f', '-'], {
    input: `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: bench}
spec:
  gatewayClassName: ${gatewayClass}
  listeners: [{name: http, protocol: HTTP, port: 28080}]
`,
  })
  await programmedAddress('bench', namespace)
  reportUsage('empty', await allUsage())
  await createObjects(api)
  await pause(10_000)
  const before = await allUsage()
  reportUsage(`${count} routes`, before)
  const began = performance.now()
  await change(api)
  const seconds = (performance.now() - began) / 1000
  const after = await allUsage()
  for (const [pod, { rss, cpu, sentBytes }] of after) {
    const cores = (cpu - (before.get(pod)?.cpu ?? 0)) / seconds
    const bytes = sentBytes - (before.get(pod)?.sentBytes ?? 0)
    console.log(
      `1 edit/s, 1 endpoint change/2 s: ${pod} ${cores.toFixed(3)} cores, RSS ${mebibytes(rss)}, ${(bytes / seconds / 1024).toFixed(1)} KiB/s to proxies`,
    )
  }
  const replaced: NewReplica[] = []
  const fresh: FreshStart[] = []
  while (fresh.length < restarts) {
    const replica = await replaceOne(api)
    replaced.push(replica)
    fresh.push(await restartForFreshProxy(api, replica))
    await pause(5_000)
  }
  reportMedian(
    'everything known to a new replica',
    replaced.map(({ known }) => known),
  )
  reportMedian(
    'a proxy that has nothing answered in full',
    fresh.map(({ answered }) => answered),
  )
  reportMedian(
    'that proxy had everything',
    fresh.map(({ full }) => full),
  )
} finally {
  api.close()
  await deleteNamespace(namespace, 600)
}
