/**
 * Requests per second through stock Envoy by the position of their rule among 500 of one host: Envoy looks at one
 * rule after the other. Exit status 1 if the last one is served much slower than the first.
 * node bench/rules.bench.ts [rounds=5]
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { applyObjects } from '../src/testing/builders.ts'
import { Load } from '../src/testing/load.ts'
import { ServingFixture } from '../src/testing/serving-fixture.ts'
import type { Role } from './envoy-worker.ts'
import { countFailures, quantile, report, reportMachine } from './report.ts'
import { hostOf, makeGatewayObjects, makeRuleRoutes, rulePath } from './route-objects.ts'

const rounds = Number(process.argv[2] ?? 5)
const rules = 500
/** Milliseconds of load on one rule. */
const slice = 1_000

/** The most that the first rule may be faster than the last, in requests per second of the same run. */
const bound = 1.2

const positions = [0, rules / 2 - 1, rules - 1]

interface Sample {
  readonly perSecond: number
  /** Of Envoy, microseconds for each request. */
  readonly cpu: number
}

/** Of a process, in the ticks of Linux, of which there are 100 in a second; elsewhere nothing. */
function readTicks(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return Number.NaN
  }
}

async function sample(fixture: ServingFixture, position: number): Promise<Sample> {
  const load = new Load({
    url: `${fixture.envoy.url()}${rulePath(position)}`,
    host: hostOf(0),
    keepAliveClients: 16,
    newConnectionClients: 0,
  })
  await load.running
  const [began, ticks] = [performance.now(), readTicks(fixture.envoy.pid)]
  await new Promise((resolve) => setTimeout(resolve, slice))
  const used = readTicks(fixture.envoy.pid) - ticks
  const { requests, failed, failures } = await load.stop()
  if (failed > 0) throw new Error(`${failed} requests failed: ${failures.join(', ')}`)
  const seconds = (performance.now() - began) / 1000
  return { perSecond: requests / seconds, cpu: (used * 10_000) / requests }
}

reportMachine()
const role: Role = { role: 'backend' }
const backend = new Worker(new URL('./envoy-worker.ts', import.meta.url), { workerData: role })
const [port] = (await once(backend, 'message')) as [number]
const fixture = await ServingFixture.start('')
try {
  applyObjects(fixture.controlPlane, [...makeGatewayObjects('127.0.0.1', port), ...makeRuleRoutes(rules)])
  await fixture.envoy.askUntil(rulePath(rules - 1), hostOf(0), ['echo'])
  const samples = new Map(positions.map((position) => [position, [] as Sample[]]))
  // In turns, so that whatever else the machine does is shared by all.
  for (let round = 0; round <= rounds; round++)
    for (const position of positions) {
      const found = await sample(fixture, position)
      // The first round warms up.
      if (round > 0) samples.get(position)?.push(found)
    }
  const median = (position: number, field: keyof Sample) =>
    quantile(
      (samples.get(position) ?? []).map((s) => s[field]),
      0.5,
    )
  console.log(`${rules} rules of one host`)
  for (const position of positions) {
    report(`rule ${position + 1}: requests per second, p50`, median(position, 'perSecond'), '/s')
    report('CPU of Envoy for each', median(position, 'cpu'), 'µs')
  }
  const [first = 0, , last = 0] = positions
  report(
    'how much faster the first is than the last',
    median(first, 'perSecond') / median(last, 'perSecond'),
    'x',
    bound,
  )
} finally {
  await fixture.stop()
  await backend.terminate()
}
process.exit(countFailures() > 0 ? 1 : 0)
