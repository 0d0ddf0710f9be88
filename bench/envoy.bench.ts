/**
 * From a change of a Source to the first 200 through stock Envoy, at several sizes of a port, and the longest
 * answer that a bystander on the same port sees meanwhile. Exit status 1 if a bound is not kept.
 * node bench/envoy.bench.ts [samples=60]
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { applyObjects } from '../src/testing/builders.ts'
import { ServingFixture } from '../src/testing/serving-fixture.ts'
import type { Order, Role } from './envoy-worker.ts'
import { countFailures, quantile, report, reportMachine } from './report.ts'
import { hostOf, makeGatewayObjects, makeHostRoute } from './route-objects.ts'

const samples = Number(process.argv[2] ?? 60)

/** Bounds of the median, milliseconds. */
const cases = [
  { hosts: 100, tables: 'never' },
  { hosts: 1_000, tables: 'never' },
  { hosts: 3_000, tables: 'never', bound: 45 },
  { hosts: 5_000, tables: 'never' },
  { hosts: 3_000, tables: 'always', bound: 12 },
  { hosts: 5_000, tables: 'always', bound: 12 },
  { hosts: 20_000, tables: 'always', bound: 15 },
] as const

/** The longest that an answer may take because of an update, milliseconds; asked of the tables that large ports have. */
const stallBound = 15

const now = (): number => performance.timeOrigin + performance.now()

function startWorker(role: Role): Worker {
  return new Worker(new URL('./envoy-worker.ts', import.meta.url), { workerData: role })
}

async function answerOf<T>(worker: Worker, order?: Order): Promise<T> {
  if (order !== undefined) worker.postMessage(order)
  const [message] = await once(worker, 'message')
  return message as T
}

async function measure({ hosts, tables, bound }: (typeof cases)[number] & { readonly bound?: number }): Promise<void> {
  const backend = startWorker({ role: 'backend' })
  const port = await answerOf<number>(backend)
  const fixture = await ServingFixture.start('', { concurrency: 2, tables })
  const { envoy, controlPlane } = fixture
  const routes = Array.from({ length: hosts }, (_, i) => makeHostRoute(i))
  applyObjects(controlPlane, [...makeGatewayObjects('127.0.0.1', port), ...routes])
  await untilServed(fixture, hostOf(hosts - 1))
  const bystander = startWorker({ role: 'bystander', url: envoy.url() })
  const probe = startWorker({ role: 'probe', url: envoy.url() })
  const ended = new Promise<never>((_, reject) => {
    for (const worker of [bystander, probe]) worker.once('error', reject)
  })
  const run = async () => {
    await sleep(500)
    await answerOf(bystander, { tell: true })
    await sleep(1_000)
    const quiet = await answerOf<number>(bystander, { tell: true })
    const bytesBefore = controlPlane.xds.counters.bytesSent
    const busyBefore = await measureMainThread(envoy.pid)
    const times: number[] = []
    const stalls: number[] = []
    for (let i = 0; i < samples; i++) {
      const route = makeHostRoute(hosts + i)
      await answerOf(probe, { host: hostOf(hosts + i) })
      const from = now()
      applyObjects(controlPlane, [route])
      const { servedAt } = await answerOf<{ servedAt: number }>(probe)
      times.push(servedAt - from)
      await sleep(30)
      stalls.push(await answerOf<number>(bystander, { tell: true }))
    }
    const form = tables === 'never' ? 'in one table' : 'divided'
    console.log(`${hosts} hosts ${form}: a route for a new host`)
    report('Source event to the first 200, p50', quantile(times, 0.5), 'ms', bound)
    report('p99', quantile(times, 0.99), 'ms')
    report('bytes sent for each', (controlPlane.xds.counters.bytesSent - bytesBefore) / samples, 'B')
    const busy = ((await measureMainThread(envoy.pid)) - busyBefore) / samples
    report('of which the main thread of Envoy is busy, on average', busy, 'ms')
    report('longest answer to a bystander while nothing changes', quiet, 'ms')
    report(
      'the same during each change, p50',
      quantile(stalls, 0.5),
      'ms',
      tables === 'always' ? stallBound : undefined,
    )
    report('of all changes', Math.max(...stalls), 'ms')
  }
  try {
    await Promise.race([run(), ended])
  } finally {
    for (const worker of [bystander, probe]) await worker.terminate()
    await fixture.stop()
    await backend.terminate()
  }
}

/** How long it has run, milliseconds; no number where the system does not tell. */
async function measureMainThread(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').catch(() => '')
  return Number(text.split(' ')[0] || Number.NaN) / 1e6
}

async function untilServed(fixture: ServingFixture, host: string): Promise<void> {
  const deadline = now() + 120_000
  for (;;) {
    const outcome = await fixture.envoy.ask('/', host).catch(String)
    if (outcome === 'echo') return
    if (now() > deadline) throw new Error(`${host} is not served: ${outcome}`)
    await sleep(50)
  }
}

reportMachine()
for (const each of cases) await measure(each)
process.exit(countFailures() > 0 ? 1 : 0)
