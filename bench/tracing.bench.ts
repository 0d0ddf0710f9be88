/**
 * What attributes of an XTelemetryPolicy cost that stand in every Route: at each edit of a rule Envoy's main thread,
 * and memory all the time. Exit status 1 if a list as long as Routes may have costs too much. What longer ones would
 * cost is seen with another `maxRouteAttributes` in src/envoy/tracing.ts (ADR 13).
 * node bench/tracing.bench.ts [samples=4] [bytes...]
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HTTPRoute } from '../src/gatewayapi/objects/http-route.ts'
import { XTelemetryPolicy } from '../src/gatewayapi/objects/x-telemetry-policy.ts'
import { applyObjects } from '../src/testing/builders.ts'
import { type ServedEnvoy, ServingFixture } from '../src/testing/serving-fixture.ts'
import { countFailures, quantile, report, reportMachine } from './report.ts'
import { makeGatewayObjects, makeRouteOf } from './route-objects.ts'

const [samples = 4, ...given] = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [0, 512, 1024]
/** What `maxRouteAttributes` is. */
const longest = 1024

/** Of two Routes each: few, nearly as many as a table may have that is not divided, and many. */
const hostCounts = [100, 1_900, 20_000]

/** Of the memory that a proxy may have by default, 1 GiB, megabytes. */
const memoryBound = 600
/** Milliseconds of the main thread for an edit of one rule of the largest table that is not divided. */
const editBound = 250

function makeRoute(index: number, revision = 0): HTTPRoute {
  const rules = ['/', `/${revision}`].map((value) => ({
    matches: [{ path: { type: 'PathPrefix', value } }],
    backendRefs: [{ name: 'echo', port: 80 }],
  }))
  return makeRouteOf(index, revision, rules)
}

/** What one of {@link makePolicy} takes in a Route. */
const attributeSize = 51

function makePolicy(size: number): XTelemetryPolicy {
  const attributes = Array.from({ length: Math.floor(size / attributeSize) }, (_, index) => ({
    name: `attribute.${String(index).padStart(8, '0')}`,
    sourceType: 'Literal',
    literalValue: 'x'.repeat(attributeSize - 26),
  }))
  return XTelemetryPolicy.parse({
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XTelemetryPolicy',
    metadata: { name: 'traces', namespace: 'default' },
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
      tracing: { mode: 'Enabled', provider: { backendRef: { name: 'echo', port: 80 } }, attributes },
    },
  })
}

/** Milliseconds that the main thread has run. */
const readBusy = ({ pid }: ServedEnvoy): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6

const readResident = ({ pid }: ServedEnvoy): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Until the main thread has nothing left to do. */
async function settle(envoy: ServedEnvoy): Promise<void> {
  for (let last = Number.NEGATIVE_INFINITY; readBusy(envoy) - last > 15; ) {
    last = readBusy(envoy)
    await sleep(700)
  }
}

async function measure(hosts: number): Promise<void> {
  const { envoy, controlPlane, stop } = await startServed(hosts)
  console.log(`${hosts * 2} Routes`)
  for (const size of sizes) {
    applyObjects(controlPlane, [makePolicy(size)])
    await settle(envoy)
    const busy: number[] = []
    for (let sample = 0; sample < samples; sample++) {
      const before = readBusy(envoy)
      applyObjects(controlPlane, [makeRoute(1, size * samples + sample + 1)])
      await settle(envoy)
      busy.push(readBusy(envoy) - before)
    }
    const isLongest = size === longest
    report(
      `${size} bytes of attributes: an edit of a rule, p50`,
      quantile(busy, 0.5),
      'ms',
      isLongest ? editBound : undefined,
    )
    report('memory of Envoy', readResident(envoy), 'MB', isLongest ? memoryBound : undefined)
  }
  await stop()
}

async function startServed(hosts: number) {
  const fixture = await ServingFixture.start('', { concurrency: 2, strict: false })
  const { envoy, controlPlane } = fixture
  const routes = Array.from({ length: hosts }, (_, index) => makeRoute(index))
  applyObjects(controlPlane, [...makeGatewayObjects('127.0.0.1', 9), ...routes])
  await settle(envoy)
  return { envoy, controlPlane, stop: () => fixture.stop() }
}

reportMachine()
for (const hosts of hostCounts) await measure(hosts)
process.exit(countFailures() > 0 ? 1 : 0)
