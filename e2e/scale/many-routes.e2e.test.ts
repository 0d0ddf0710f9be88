/** A thousand routes: what their statuses cost the API server, and how soon the count is right. */
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controlPlanePods, readMetrics, untilControlPlaneReady } from '../testing/control-plane.ts'
import { eventually, pause } from '../testing/eventually.ts'
import { find, kubectl, list } from '../testing/kubectl.ts'
import { createWeb, type Web } from '../testing/web.ts'

const namespace = 'e2e-many-routes'
const count = Number(process.env['GATEWRIGHT_E2E_ROUTES'] ?? 1000)
const idleSeconds = Number(process.env['GATEWRIGHT_E2E_IDLE_SECONDS'] ?? 20)
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

/** The value of a metric, all its samples and all replicas together. */
async function countMetric(prefix: string): Promise<number> {
  const lines = (await Promise.all((await controlPlanePods()).map(({ metadata }) => readMetrics(metadata.name)))).flat()
  return lines.filter((line) => line.startsWith(prefix)).reduce((sum, line) => sum + sampleValue(line), 0)
}

const sampleValue = (line: string) => Number(line.slice(line.lastIndexOf(' ') + 1))

/** Answers of the API server to writes of statuses. */
const countWrites = (kind: string) => countMetric(`gatewright_status_writes_total{kind="${kind}"`)

/** All that the control plane has written by its own account, beside its Lease. */
async function countAllWrites(): Promise<Record<string, number>> {
  const done = ['created', 'applied', 'deleted']
  const objects = done.map((result) => countMetric(`gatewright_infrastructure_objects_total{result="${result}"}`))
  return {
    statuses: await countMetric('gatewright_status_writes_total{'),
    objects: (await Promise.all(objects)).reduce((sum, some) => sum + some, 0),
  }
}

/** What the API server has been asked to write by anybody, by resource. */
async function countApiWrites(): Promise<Map<string, number>> {
  const writes = new Map<string, number>()
  for (const line of (await kubectl(['get', '--raw', '/metrics'])).split('\n')) {
    if (!line.startsWith('apiserver_request_total{')) continue
    const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? ''
    if (!/^(POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION)$/.test(label('verb'))) continue
    const subresource = label('subresource') === '' ? '' : `/${label('subresource')}`
    const resource = `${label('group')} ${label('resource')}${subresource}`.trim()
    writes.set(resource, (writes.get(resource) ?? 0) + sampleValue(line))
  }
  return writes
}

/** What others write all the time, on a cluster that nobody uses. */
const writtenByOthers = [
  /^coordination\.k8s\.io leases$/,
  /^events$|^events\.k8s\.io events$/,
  /^nodes\/status$|^pods\/status$|^serviceaccounts\/token$/,
  // Questions, which change nothing.
  /^authentication\.k8s\.io |^authorization\.k8s\.io /,
]

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

  test(
    `cost no write in ${idleSeconds} s without a change`,
    async () => {
      await pause(2_000)
      const before = await countAllWrites()
      const beforeOfAll = await countApiWrites()
      await pause(idleSeconds * 1000)
      expect(await countAllWrites()).toEqual(before)
      const written = [...(await countApiWrites())]
        .map(([resource, writes]) => [resource, writes - (beforeOfAll.get(resource) ?? 0)] as const)
        .filter(([, writes]) => writes > 0)
      console.log(`    of all: ${written.map(([resource, writes]) => `${resource} ${writes}`).join(', ')}`)
      // On a cluster that is not ours, others may be at work.
      if (process.env['own_cluster'] === '1')
        expect(written.filter(([resource]) => !writtenByOthers.some((known) => known.test(resource)))).toEqual([])
    },
    idleSeconds * 1000 + 60_000,
  )
})
