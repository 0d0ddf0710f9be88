/**
 * What `gatewright serve` costs: memory, CPU, start. `node bench/serve.bench.ts [seconds of changes=60] [routes...]`
 * needs dist/ and no cluster: the process reads a simulated API server of this one, and one simulated proxy connects.
 * Exit status 1 if a bound is not kept.
 */
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterProxy } from '../src/testing/cluster-proxy.ts'
import { countFailures, quantile, report, reportMachine } from './report.ts'
import { eventually, keepConnected, ServeBed } from './serve-bed.ts'
import { assignAddress, countServedRoutes, putCluster, putRoute, putSlice } from './serve-cluster.ts'
import { measureFloor } from './serve-floor.ts'
import type { ServeProcess } from './serve-process.ts'

const [changeSeconds = 60, ...given] = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [1000, 5000]
const mebibyte = 1024 * 1024
const startsEach = 3

interface Bounds {
  /** MiB. */
  readonly memory?: number
  /** Cores. */
  readonly cpu?: number
  /** Milliseconds until a proxy has everything. */
  readonly start?: number
}

const bounds: Readonly<Record<number, Bounds>> = {
  1000: { start: 1000 },
  // 160 MB.
  5000: { start: 3000, memory: 152, cpu: 0.03 },
}

/** The longest that the health port kept somebody waiting, until it is told to end. */
function probeHealth(serve: ServeProcess): () => Promise<number> {
  let isOver = false
  let longest = 0
  const probing = (async () => {
    while (!isOver) {
      longest = Math.max(longest, (await serve.probe()) ?? 0)
      await sleep(20)
    }
  })()
  return async () => {
    isOver = true
    await probing
    return longest
  }
}

async function measure(routes: number): Promise<void> {
  const bound = bounds[routes] ?? {}
  const bed = await ServeBed.start()
  const { server } = bed
  putCluster(server, routes, bed.namespace)
  const hasAll = (one: ClusterProxy) =>
    one.count('endpoint') >= routes && one.count('route') + one.count('scopedRoute') > 0
  const isServed = () => countServedRoutes(server) === routes
  console.log(`${routes} HTTPRoutes, Services and EndpointSlices`)

  // The first start in a cluster: all statuses have to be written.
  try {
    let serve = await bed.startReplica()
    const longest = probeHealth(serve)
    await eventually('a Service for the Gateway', () => assignAddress(server))
    const proxy = await bed.connect(serve)
    await keepConnected(proxy, () => hasAll(proxy))
    await eventually('the statuses of all routes', isServed, 200)
    report('longest wait for the health port during the first start', await longest(), 'ms')
    await sleep(5_000)
    report('RSS after the first start, all statuses written', serve.memory().resident / mebibyte, 'MiB', bound.memory)
    report('CPU of the first start', serve.cpu(), 's')
    proxy.close()
    await serve.stop()

    // Starts in a cluster where everything is as it should be. A fresh proxy, which has to be sent everything,
    // and nobody who probes meanwhile.
    const starts: number[] = []
    const restart = async () => {
      serve = await bed.startReplica()
      const one = await bed.connect(serve)
      await keepConnected(one, () => hasAll(one))
      starts.push(performance.now() - serve.startedAt)
      return one
    }
    let fresh = await restart()
    while (starts.length < startsEach) {
      fresh.close()
      await serve.stop()
      fresh = await restart()
    }
    report(`start until a new proxy has everything, median of ${startsEach}`, quantile(starts, 0.5), 'ms', bound.start)
    const late = (await serve.metrics()).get('gatewright_admin_event_loop_delay_seconds{quantile="1"}') ?? Number.NaN
    report('event loop late at most', late * 1000, 'ms')
    report('CPU of the start', serve.cpu(), 's')
    // A proxy that has everything, endpoints too, comes from another replica.
    await sleep(1_000)
    fresh.close()
    await sleep(500)
    const before = fresh.resources
    fresh.reopen()
    await sleep(3_000)
    report('resources sent again to a proxy that has everything', fresh.resources - before, '', 0)
    await sleep(5_000)
    const { resident, anonymous } = serve.memory()
    report('RSS after a start, settled', resident / mebibyte, 'MiB', bound.memory)
    report('of that, not code mapped from files', anonymous / mebibyte, 'MiB')
    report('heap in use', ((await serve.metrics()).get('nodejs_heap_size_used_bytes') ?? Number.NaN) / mebibyte, 'MiB')

    const cpu = serve.cpu()
    for (let second = 1; second <= changeSeconds; second++) {
      const index = (second * 7919) % routes
      putRoute(server, index, second)
      if (second % 2 === 0) putSlice(server, index, (second % 250) + 2)
      await sleep(1_000)
    }
    report('cores with an edit/s and an endpoint change per 2 s', (serve.cpu() - cpu) / changeSeconds, '', bound.cpu)
    const delays = await serve.metrics()
    const edited = delays.get('gatewright_admin_event_loop_delay_seconds{quantile="1"}') ?? Number.NaN
    report('event loop late at most, with these changes', edited * 1000, 'ms')
    report('RSS after these changes', serve.memory().resident / mebibyte, 'MiB', bound.memory)
    fresh.close()
    for (const line of serve.complaints()) console.log(`  ${line}`)
    await serve.stop()
    const floor = await measureFloor(['HTTPRoute', 'Service', 'EndpointSlice'].flatMap((kind) => server.list(kind)))
    report('for comparison: RSS of Node.js with a gRPC server, idle', floor.idle / mebibyte, 'MiB')
    report('the same with the specs of the same objects', floor.full / mebibyte, 'MiB')
    report('CPU of parsing them, and nothing else', floor.cpu, 's')
  } finally {
    await bed.close()
  }
}

reportMachine()
for (const routes of sizes) await measure(routes)
process.exitCode = countFailures() > 0 ? 1 : 0
