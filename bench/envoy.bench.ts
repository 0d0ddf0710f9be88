/**
 * From a change of a Source to the first 200 through stock Envoy, at several sizes of a port, and the longest
 * answer that a bystander on the same port sees meanwhile. Exit status 1 if a bound is not kept.
 * node bench/envoy.bench.ts [samples=60]
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { KubernetesObject } from '../src/gatewayapi/kinds.ts'
import { applyObjects } from '../src/testing/builders.ts'
import { ServedEnvoy, ServingFixture, startServingControlPlane } from '../src/testing/serving-fixture.ts'
import type { Order, Role } from './envoy-worker.ts'
import { encodeResponse, FloorServer, watchChanges } from './floor-server.ts'
import { countFailures, quantile, report, reportMachine } from './report.ts'
import { hostOf, makeGatewayObjects, makeHostRoute } from './route-objects.ts'

const samples = Number(process.argv[2] ?? 60)

type Tables = 'never' | 'always'

interface Case {
  readonly hosts: number
  readonly tables: Tables
  /** Of the median, milliseconds. */
  readonly bound?: number
}

const cases: readonly Case[] = [
  { hosts: 100, tables: 'never' },
  { hosts: 1_000, tables: 'never' },
  { hosts: 3_000, tables: 'never', bound: 45 },
  { hosts: 5_000, tables: 'never' },
  { hosts: 3_000, tables: 'always', bound: 12 },
  { hosts: 5_000, tables: 'always', bound: 12 },
  { hosts: 20_000, tables: 'always', bound: 15 },
]

/** Envoy as proxies run it; tests have it look for unknown fields, which takes a third of the time of a table. */
const asProxies = { concurrency: 2, strict: false }

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

/** An Envoy that serves a port of so many hosts, and somebody who tells it of more. */
interface Rig {
  readonly envoy: ServedEnvoy
  /** Sent since the last call. */
  readonly countBytes: () => number
  /** Makes the route for a new host, and all else that is not measured. @returns what is measured, until the host is served */
  prepare(index: number): () => void
  stop(): Promise<void>
}

async function startControlPlane(objects: readonly KubernetesObject[], tables: Tables): Promise<Rig> {
  const fixture = await ServingFixture.start('', { ...asProxies, tables })
  const { envoy, controlPlane } = fixture
  applyObjects(controlPlane, objects)
  let told = 0
  return {
    envoy,
    countBytes: () => {
      const before = told
      told = controlPlane.xds.counters.bytesSent
      return told - before
    },
    prepare: (index) => {
      const route = makeHostRoute(index)
      return () => applyObjects(controlPlane, [route])
    },
    stop: () => fixture.stop(),
  }
}

/** The same bytes from a server that has made them beforehand: what this machine allows to anybody. */
async function startFloor(objects: readonly KubernetesObject[], tables: Tables): Promise<Rig> {
  const envoy = await ServedEnvoy.start(asProxies)
  const socket = join(envoy.directory, 'unused.sock')
  const controlPlane = await startServingControlPlane({ socket, listenAddress: envoy.address, tables })
  applyObjects(controlPlane, objects)
  const server = await FloorServer.start(envoy.socket, controlPlane.resources)
  const takeChanges = watchChanges(controlPlane.resources)
  let sent = 0
  return {
    envoy,
    countBytes: () => {
      const bytes = sent
      sent = 0
      return bytes
    },
    prepare: (index) => {
      applyObjects(controlPlane, [makeHostRoute(index)])
      const responses = takeChanges().map(encodeResponse)
      for (const response of responses) sent += response.length
      return () => {
        for (const response of responses) server.push(response)
      }
    },
    stop: async () => {
      await envoy.stop()
      server.close()
      await controlPlane.xds.close()
    },
  }
}

async function measure({ hosts, tables, bound }: Case): Promise<void> {
  const backend = startWorker({ role: 'backend' })
  const port = await answerOf<number>(backend)
  const routes = Array.from({ length: hosts }, (_, i) => makeHostRoute(i))
  const objects = [...makeGatewayObjects('127.0.0.1', port), ...routes]
  console.log(`${hosts} hosts ${tables === 'never' ? 'in one table' : 'divided'}: a route for a new host`)
  const floor = await sample(await startFloor(objects, tables), hosts)
  const seen = await sample(await startControlPlane(objects, tables), hosts)
  report('Source event to the first 200, p50', quantile(seen.times, 0.5), 'ms', bound)
  report('p99', quantile(seen.times, 0.99), 'ms')
  report('the same bytes from a server that does nothing else, p50', quantile(floor.times, 0.5), 'ms')
  report('p99', quantile(floor.times, 0.99), 'ms')
  report('bytes sent for each', seen.bytes, 'B')
  report('of which the main thread of Envoy is busy, on average', seen.busy, 'ms')
  report('longest answer to a bystander while nothing changes', seen.quiet, 'ms')
  const stalled = tables === 'always' ? stallBound : undefined
  report('the same during each change, p50', quantile(seen.stalls, 0.5), 'ms', stalled)
  report('of all changes', Math.max(...seen.stalls), 'ms')
  await backend.terminate()
}

/** Milliseconds, and bytes of a change. */
interface Sample {
  readonly times: readonly number[]
  /** The longest answer to a bystander during each change, and while nothing changed. */
  readonly stalls: readonly number[]
  readonly quiet: number
  readonly bytes: number
  readonly busy: number
}

/** Ends the rig, too. */
async function sample(rig: Rig, hosts: number): Promise<Sample> {
  const { envoy } = rig
  await untilServed(envoy, hostOf(hosts - 1))
  const bystander = startWorker({ role: 'bystander', url: envoy.url() })
  const probe = startWorker({ role: 'probe', url: envoy.url() })
  const ended = new Promise<never>((_, reject) => {
    for (const worker of [bystander, probe]) worker.once('error', reject)
  })
  const run = async (): Promise<Sample> => {
    await sleep(500)
    await answerOf(bystander, { tell: true })
    await sleep(1_000)
    const quiet = await answerOf<number>(bystander, { tell: true })
    rig.countBytes()
    const busyBefore = await measureMainThread(envoy.pid)
    const times: number[] = []
    const stalls: number[] = []
    for (let i = 0; i < samples; i++) {
      const change = rig.prepare(hosts + i)
      await answerOf(probe, { host: hostOf(hosts + i) })
      const from = now()
      change()
      const { servedAt } = await answerOf<{ servedAt: number }>(probe)
      times.push(servedAt - from)
      await sleep(30)
      stalls.push(await answerOf<number>(bystander, { tell: true }))
    }
    const busy = ((await measureMainThread(envoy.pid)) - busyBefore) / samples
    return { times, stalls, quiet, bytes: rig.countBytes() / samples, busy }
  }
  try {
    return await Promise.race([run(), ended])
  } finally {
    for (const worker of [bystander, probe]) await worker.terminate()
    await rig.stop()
  }
}

/** How long it has run, milliseconds; no number where the system does not tell. */
async function measureMainThread(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').catch(() => '')
  return Number(text.split(' ')[0] || Number.NaN) / 1e6
}

async function untilServed(envoy: ServedEnvoy, host: string): Promise<void> {
  const deadline = now() + 120_000
  for (;;) {
    const outcome = await envoy.ask('/', host).catch(String)
    if (outcome === 'echo') return
    if (now() > deadline) throw new Error(`${host} is not served: ${outcome}`)
    await sleep(50)
  }
}

reportMachine()
for (const each of cases) await measure(each)
process.exit(countFailures() > 0 ? 1 : 0)
