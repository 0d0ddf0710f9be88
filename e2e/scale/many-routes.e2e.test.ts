/** A thousand routes: what their statuses cost the API server, and how soon the count is right. */
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controlPlanePods, readMetrics, untilControlPlaneReady } from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { find, kubectl, list } from '../testing/kubectl.ts'
import { createWeb, type Web } from '../testing/web.ts'

const namespace = 'e2e-many-routes'
const count = Number(process.env['GATEWRIGHT_E2E_ROUTES'] ?? 1000)
let web: Web

const route = (number: number) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: `route-${number}`, namespace },
  spec: {
    parentRefs: [{ name: 'web' }],
    hostnames: [`host-${number}.example.com`],
    rules: [{ backendRefs: [{ name: 'web', port: 80 }] }],
  },
})

/** Answers of the API server to writes of statuses, all replicas together. */
async function countWrites(kind: string): Promise<number> {
  const lines = (await Promise.all((await controlPlanePods()).map(({ metadata }) => readMetrics(metadata.name)))).flat()
  return lines
    .filter((line) => line.startsWith(`gatewright_status_writes_total{kind="${kind}"`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

const attachedRoutes = async () =>
  (await find('gateway', 'web', namespace))?.['status'].listeners[0].attachedRoutes as number

beforeAll(async () => {
  await untilControlPlaneReady()
  web = await createWeb(namespace)
})
afterAll(() => web.remove())

describe(`${count} HTTPRoutes`, () => {
  test('cost one status write each, few of the Gateway, and are counted within a second', async () => {
    const before = { routes: await countWrites('HTTPRoute'), gateway: await countWrites('Gateway') }
    const items = Array.from({ length: count }, (_, number) => route(number))
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    await kubectl(['create', '-f', '-'], { input, limit: 180_000 })
    const began = performance.now()
    await eventually('attachedRoutes', 30_000, async () => (await attachedRoutes()) === count + 1)
    const counted = performance.now() - began
    await eventually('all statuses', 60_000, async () => {
      const routes = await list('httproutes', namespace)
      return routes.length === count + 1 && routes.every(({ status }) => status?.parents?.length === 1)
    })
    const writes = {
      routes: (await countWrites('HTTPRoute')) - before.routes,
      gateway: (await countWrites('Gateway')) - before.gateway,
    }
    console.log(
      `    counted ${counted.toFixed(0)} ms after the last one; ${writes.routes} writes of routes, ${writes.gateway} of the Gateway`,
    )
    expect(writes.routes).toBe(count)
    expect(writes.gateway).toBeLessThanOrEqual(15)
    expect(counted).toBeLessThan(2_000)
  }, 300_000)

  test('cost nothing while nothing changes', async () => {
    const before = [await countWrites('HTTPRoute'), await countWrites('Gateway')]
    await pause(20_000)
    expect([await countWrites('HTTPRoute'), await countWrites('Gateway')]).toEqual(before)
  })
})
