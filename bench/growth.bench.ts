/**
 * What replicas of `gatewright serve` take of memory that have seen a cluster grow, beside one that finds it as it is:
 * `node bench/growth.bench.ts [routes=5000] [routes per second=100] [seconds of changes=60]`, without a cluster but with
 * dist/. The first one leads and writes all statuses, the second one watches, the third one starts at the end; each has
 * a simulated proxy. Exit status 1 if a bound is not kept.
 */
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { countFailures, report, reportMachine } from './report.ts'
import { eventually, keepConnected, ServeBed } from './serve-bed.ts'
import {
  assignAddress,
  countServedRoutes,
  putCluster,
  putRoute,
  putRouteWithBackend,
  putSlice,
} from './serve-cluster.ts'

const [routes = 5000, perSecond = 100, changeSeconds = 60] = process.argv.slice(2).map(Number)
const mebibyte = 1024 * 1024
/** MiB; 160 MB. */
const bound = routes === 5000 ? 152 : undefined
/** Milliseconds in which V8 has given back what it will. */
const rest = 10_000

const bed = await ServeBed.start()
const { server } = bed

async function addReplica(name: string) {
  const replica = await bed.startReplica(name)
  // While the Gateway has no Service nobody knows its proxies, and they are refused.
  await eventually('a Service for the Gateway', () => assignAddress(server))
  const proxy = await bed.connect(replica, `web-${name}`)
  await keepConnected(proxy, () => proxy.count('listener') > 0)
  return { name, replica }
}

function reportMemory(when: string, replicas: readonly Awaited<ReturnType<typeof addReplica>>[]): void {
  for (const { name, replica } of replicas)
    report(`RSS of the ${name} ${when}`, replica.memory().resident / mebibyte, 'MiB', bound)
}

reportMachine()
try {
  putCluster(server, 0, bed.namespace)
  const replicas = [await addReplica('leader'), await addReplica('follower')]
  await sleep(rest)
  reportMemory('in an empty cluster', replicas)
  const began = performance.now()
  for (let index = 0; index < routes; index++) {
    await sleep(Math.max(0, began + (index * 1000) / perSecond - performance.now()))
    putRouteWithBackend(server, index)
  }
  await eventually('the statuses of all routes', () => countServedRoutes(server) === routes, 200)
  await sleep(rest)
  reportMemory(`when ${routes} routes were made`, replicas)
  for (const { name, replica } of replicas) report(`CPU of the ${name} so far`, replica.cpu(), 's')
  for (let second = 1; second <= changeSeconds; second++) {
    const index = (second * 7919) % routes
    putRoute(server, index, second)
    if (second % 2 === 0) putSlice(server, index, (second % 250) + 2)
    await sleep(1_000)
  }
  reportMemory('after changes', replicas)
  const fresh = await addReplica('newcomer')
  await sleep(rest)
  reportMemory('that reads what is there', [fresh])
  for (const { replica } of [...replicas, fresh]) for (const line of replica.complaints()) console.log(`  ${line}`)
} finally {
  await bed.close()
}
process.exitCode = countFailures() > 0 ? 1 : 0
