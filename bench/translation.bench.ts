/**
 * `make bench`, or `node --expose-gc bench/translation.bench.ts [routes...]`: what an edit costs at several sizes,
 * from the Source event to the bytes that a stream would send. What counts are the ratios between sizes within one run.
 */
import process from 'node:process'
import { silentLogger } from '../src/base/logger.ts'
import { bindToOwnPorts } from '../src/bind-to-own-ports.ts'
import type { Collection } from '../src/collections/collection.ts'
import { type ControlPlane, createOfflineControlPlane } from '../src/control-plane.ts'
import { defaultTablePolicy, type TablePolicy } from '../src/envoy/table-form.ts'
import { type NamespacedName, namespacedName } from '../src/gatewayapi/object-key.ts'
import { EndpointSlice } from '../src/gatewayapi/objects/endpoint-slice.ts'
import { Gateway } from '../src/gatewayapi/objects/gateway.ts'
import { GatewayClass } from '../src/gatewayapi/objects/gateway-class.ts'
import { HTTPRoute } from '../src/gatewayapi/objects/http-route.ts'
import { Service } from '../src/gatewayapi/objects/service.ts'
import type { EnvoyResource } from '../src/xds/resource.ts'

const controllerName = 'gatewright.dev/gateway-controller'
const group = 'gateway.networking.k8s.io'
const edits = 300
const warmUp = 100

const metadata = (name: string, more: object = {}) => ({ name, namespace: 'bench', generation: 1, ...more })

function makeRoute(index: number, gateway: string, revision: number): HTTPRoute {
  return HTTPRoute.parse({
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { ...metadata(`route-${index}`), generation: revision },
    spec: {
      parentRefs: [{ name: gateway }],
      hostnames: [`host-${index}.example.com`],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: { set: [{ name: 'x-revision', value: String(revision) }] },
            },
          ],
          backendRefs: [{ name: `service-${index}`, port: 80 }],
        },
        {
          matches: [{ path: { type: 'PathPrefix', value: '/api' } }],
          backendRefs: [{ name: `service-${index}`, port: 80 }],
        },
      ],
    },
  })
}

const makeGateway = (name: string) =>
  Gateway.parse({
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: metadata(name),
    spec: { gatewayClassName: 'bench', listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }] },
  })

const gatewayClass = GatewayClass.parse({
  apiVersion: `${group}/v1`,
  kind: 'GatewayClass',
  metadata: { name: 'bench' },
  spec: { controllerName },
})

const makeService = (index: number) =>
  Service.parse({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(`service-${index}`),
    spec: { ports: [{ port: 80 }] },
  })

const makeSlice = (index: number, host: number) =>
  EndpointSlice.parse({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadata(`service-${index}-a`, { labels: { 'kubernetes.io/service-name': `service-${index}` } }),
    addressType: 'IPv4',
    endpoints: [{ addresses: [`10.0.${host}.1`] }, { addresses: [`10.0.${host}.2`] }],
    ports: [{ port: 8080 }],
  })

interface World {
  readonly controlPlane: ControlPlane
  readonly gatewayOf: (index: number) => string
  /** Milliseconds for everything at once. */
  readonly cold: number
  /** Bytes per route. */
  readonly heap: number
}

const key = (name: string): NamespacedName => namespacedName('bench', name)

function heapUsed(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** @param routesPerGateway how many routes share one table */
function load(routes: number, routesPerGateway: number, tables: TablePolicy['tables']): World {
  const gatewayOf = (index: number) => `gateway-${Math.floor(index / routesPerGateway)}`
  const objects = Array.from({ length: routes }, (_, i) => ({
    route: makeRoute(i, gatewayOf(i), 1),
    service: makeService(i),
    slice: makeSlice(i, 0),
  }))
  const before = heapUsed()
  const controlPlane = createOfflineControlPlane({
    controllerNames: [controllerName],
    logger: silentLogger,
    rethrow: true,
    tablePolicy: { ...defaultTablePolicy, tables },
  })
  bindToOwnPorts(controlPlane)
  const { scheduler, sources } = controlPlane
  const started = performance.now()
  scheduler.batch(() => {
    sources.gatewayClasses.set(namespacedName('', 'bench'), gatewayClass)
    for (let i = 0; i < Math.ceil(routes / routesPerGateway); i++)
      sources.gateways.set(key(`gateway-${i}`), makeGateway(`gateway-${i}`))
    for (const [i, { route, service, slice }] of objects.entries()) {
      sources.httpRoutes.set(key(`route-${i}`), route)
      sources.services.set(key(`service-${i}`), service)
      sources.endpointSlices.set(key(`service-${i}-a`), slice)
    }
  })
  const cold = performance.now() - started
  return { controlPlane, gatewayOf, cold, heap: (heapUsed() - before) / routes }
}

interface Cost {
  readonly p50: number
  readonly p99: number
  readonly bytes: number
}

/** Times edits and counts the bytes of the resources that changed because of them. */
function measure({ controlPlane }: World, edit: (turn: number) => void): Cost {
  let bytes = 0
  const collections: readonly Collection<string, EnvoyResource>[] = Object.values(controlPlane.resources)
  const stops = collections.map((collection) =>
    collection.subscribe((changes) => {
      for (const { after } of changes) bytes += after?.bytes.length ?? 0
    }),
  )
  const times: number[] = []
  for (let turn = 0; turn < warmUp + edits; turn++) {
    if (turn === warmUp) bytes = 0
    const started = performance.now()
    edit(turn)
    if (turn >= warmUp) times.push(performance.now() - started)
  }
  for (const stop of stops) stop()
  times.sort((a, b) => a - b)
  return { p50: times[Math.floor(edits * 0.5)] ?? 0, p99: times[Math.floor(edits * 0.99)] ?? 0, bytes: bytes / edits }
}

function report(
  title: string,
  sizes: readonly number[],
  routesPerGateway: (routes: number) => number,
  tables: TablePolicy['tables'] = 'never',
): void {
  console.log(`\n${title}`)
  console.log('  routes   route edit p50/p99 ms   ratio   bytes/edit   endpoint edit p50 ms   cold ms   heap KB/route')
  let first: number | undefined
  for (const routes of sizes) {
    const world = load(routes, routesPerGateway(routes), tables)
    const { scheduler, sources } = world.controlPlane
    // Objects are made beforehand: parsing them is the provider's cost, not the translation's.
    const turns = Array.from({ length: warmUp + edits }, (_, turn) => (turn * 7919) % routes)
    const revised = turns.map((index, turn) => makeRoute(index, world.gatewayOf(index), turn + 2))
    const moved = turns.map((index, turn) => makeSlice(index, (turn % 250) + 1))
    const route = measure(world, (turn) =>
      scheduler.batch(() => sources.httpRoutes.set(key(`route-${turns[turn]}`), revised[turn] as HTTPRoute)),
    )
    const endpoint = measure(world, (turn) =>
      scheduler.batch(() => sources.endpointSlices.set(key(`service-${turns[turn]}-a`), moved[turn] as EndpointSlice)),
    )
    first ??= route.p50
    const cells = [
      String(routes).padStart(8),
      `${route.p50.toFixed(3)} / ${route.p99.toFixed(3)}`.padStart(23),
      `${(route.p50 / first).toFixed(1)}x`.padStart(7),
      route.bytes.toFixed(0).padStart(12),
      endpoint.p50.toFixed(3).padStart(22),
      world.cold.toFixed(0).padStart(9),
      (world.heap / 1024).toFixed(1).padStart(15),
    ]
    console.log(cells.join(' '))
  }
}

const given = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [100, 1000, 5000, 20_000]
// Code that is compiled while the first world is filled is no heap of its routes.
load(500, 100, 'auto')
report('One Gateway for each 100 routes', sizes, () => 100)
report('All routes on one Gateway, in one table', sizes, (routes) => routes)
report(
  'All routes on one Gateway, in scoped tables (64, at 20,000 routes 256)',
  sizes.filter((size) => size >= 5000),
  (routes) => routes,
  'auto',
)
