import { afterEach, describe, expect, it } from 'vitest'
import type { HTTPRoute } from './gatewayapi/objects/http-route.ts'
import { applyObjects, gatewayYaml, httpRouteYaml, parseObjects, serviceYaml } from './testing/builders.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { Load } from './testing/load.ts'
import { type FixtureOptions, type ServingControlPlane, ServingFixture } from './testing/serving-fixture.ts'

/*
 * A virtual host that stock Envoy refuses and that our checks let through: made by hand, because no input
 * that does it is known.
 */

const tenants = 20

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const hostOf = (tenant: number) => `tenant-${tenant}.example.com`

const gateway = gatewayYaml('web', '[{name: http, protocol: HTTP, port: 8080}]')

const backendYaml = ({ address, port }: EchoBackend) => `${serviceYaml('echo')}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-a, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
endpoints: [{addresses: [${address}]}]
ports: [{port: ${port}}]
---
`

/** The route of a tenant; the mark tells which version of it answers. */
const routeYaml = (tenant: number, mark: string) =>
  httpRouteYaml(
    `tenant-${tenant}`,
    `  parentRefs: [{name: web}]
  hostnames: [${hostOf(tenant)}]
  rules:
    - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-mark, value: ${mark}}]}}]
      backendRefs: [{name: echo, port: 80}]`,
  )

/** A path that Envoy's own rules forbid, and that the schema of the API would not let through. */
function spoil(controlPlane: ServingControlPlane, tenant: number): void {
  const [route] = parseObjects(routeYaml(tenant, 'bad'))
  const spoilt = structuredClone(route) as HTTPRoute & { spec: { rules: { matches?: unknown }[] } }
  for (const rule of spoilt.spec.rules) rule.matches = [{ path: { type: 'PathPrefix', value: '/a?b' } }]
  applyObjects(controlPlane, [spoilt])
}

async function start(more: FixtureOptions & { readonly spoilt?: readonly number[] } = {}) {
  const backend = await startEchoBackend({ service: 'echo' })
  cleanups.push(() => backend.close())
  const routes = Array.from({ length: tenants }, (_, tenant) => routeYaml(tenant, 'v1'))
  const yaml = gateway + backendYaml(backend) + routes.join('')
  const beforeSync = (controlPlane: ServingControlPlane) => {
    for (const tenant of more.spoilt ?? []) spoil(controlPlane, tenant)
  }
  const fixture = await ServingFixture.start(yaml, { ...more, beforeSync })
  cleanups.push(() => fixture.stop())
  return { fixture, yaml, apply: (tenant: number, mark: string) => fixture.apply(routeYaml(tenant, mark)) }
}

/** What each tenant is answered. */
const askAll = (fixture: ServingFixture) =>
  Promise.all(Array.from({ length: tenants }, (_, tenant) => fixture.envoy.ask('/', hostOf(tenant))))

const expected = (others: Readonly<Record<number, string>> = {}) =>
  Array.from({ length: tenants }, (_, tenant) => others[tenant] ?? 'echo:v1')

/** Routes that are told that Envoy refused them. */
const toldRoutes = ({ controlPlane }: ServingFixture) =>
  [...controlPlane.statuses.routes.HTTPRoute.entries()]
    .filter(([, { parents }]) => parents.some((p) => p.conditions.some((c) => c.message.includes('Envoy refused'))))
    .map(([key]) => key)
    .sort()

const nacks = ({ controlPlane }: ServingFixture) =>
  [...controlPlane.xds.counters.nacks.values()].reduce((a, b) => a + b, 0)

const patience = { timeout: 10_000, interval: 20 }

describe.each(['never', 'always'] as const)('tables divided: %s', (tables) => {
  it('a fresh Envoy and a fresh control plane end with one virtual host answering 500 and the others serving', async () => {
    const { fixture } = await start({ tables, spoilt: [7] })
    await expect.poll(() => askAll(fixture), patience).toEqual(expected({ 7: '500' }))
    await expect.poll(() => toldRoutes(fixture), patience).toEqual(['default/tenant-7'])
    const before = nacks(fixture)
    expect(before).toBeGreaterThan(0)

    const { envoy } = fixture
    await envoy.restart()
    await expect.poll(() => askAll(fixture).catch(String), patience).toEqual(expected({ 7: '500' }))
    // A fresh one gets only what is known to load.
    expect(nacks(fixture)).toBe(before)
    fixture.apply(routeYaml(7, 'cured'))
    await expect.poll(() => askAll(fixture), patience).toEqual(expected({ 7: 'echo:cured' }))
    await expect.poll(() => toldRoutes(fixture), patience).toEqual([])
  })
})

it('an edit that Envoy refuses harms nobody: its own virtual host keeps its last good form', async () => {
  const { fixture, apply } = await start()
  const { envoy, controlPlane } = fixture
  await expect.poll(() => askAll(fixture).catch(String), patience).toEqual(expected())
  const load = new Load({
    url: envoy.url(),
    host: hostOf(3),
    protocols: ['http1', 'http2'],
    keepAliveClients: 10,
    newConnectionClients: 10,
    allowed: { '/': ['echo:v1'] },
  })
  await load.running
  spoil(controlPlane, 3)
  await expect.poll(() => toldRoutes(fixture), patience).toEqual(['default/tenant-3'])
  for (let turn = 0; turn < 20; turn++) {
    apply(4, `turn-${turn}`)
    await envoy.askUntil('/', hostOf(4), [`echo:turn-${turn}`])
  }
  const result = await load.stop()
  expect([result.failed, result.misrouted], result.failures.join('\n')).toEqual([0, 0])
  // The bad bytes have been to Envoy once, whatever was edited around them.
  expect(nacks(fixture)).toBe(1)
  expect(await askAll(fixture)).toEqual(expected({ 4: 'echo:turn-19' }))
})

it('after a restart of the control plane, Envoy keeps the last good form that only it knows until another edit comes', async () => {
  const { fixture, yaml } = await start()
  await expect.poll(() => askAll(fixture).catch(String), patience).toEqual(expected())
  spoil(fixture.controlPlane, 3)
  await expect.poll(() => toldRoutes(fixture), patience).toEqual(['default/tenant-3'])

  const next = await fixture.replaceControlPlane(yaml, (controlPlane) => spoil(controlPlane, 3))
  cleanups.push(() => next.controlPlane.xds.close())
  await expect.poll(() => toldRoutes(next), patience).toEqual(['default/tenant-3'])
  expect(await askAll(next)).toEqual(expected())
  next.apply(routeYaml(4, 'v2'))
  await expect.poll(() => askAll(next), patience).toEqual(expected({ 3: '500', 4: 'echo:v2' }))
  next.apply(routeYaml(3, 'cured'))
  await expect.poll(() => askAll(next), patience).toEqual(expected({ 3: 'echo:cured', 4: 'echo:v2' }))
  expect(toldRoutes(next)).toEqual([])
})
