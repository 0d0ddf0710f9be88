/**
 * The engine at the size the product promises: 20,000 routes through ten collections and four indexes.
 * node --expose-gc bench/collections.bench.ts
 */
import { Scheduler } from '../src/collections/scheduler.ts'

const count = Number(process.argv[2] ?? 20_000)
const rounds = 2_000

interface Route {
  readonly gateway: string
  readonly hostname: string
  readonly backend: string
  readonly path: string
}

const routeOf = (i: number, round = 0): Route => ({
  gateway: `infra/gateway-${i % 4}`,
  hostname: `host-${Math.floor(i / 5)}.example.com`,
  backend: `shop/service-${i % 1000}`,
  path: `/v${round}`,
})

function build(scheduler: Scheduler) {
  const gateways = scheduler.source<string, { readonly port: number }>('Gateway')
  const routes = scheduler.source<string, Route>('HTTPRoute')
  const services = scheduler.source<string, { readonly port: number }>('Service')
  const nodes = scheduler.derive('RouteNode', routes, (route, reads) => ({
    route,
    gateway: reads.get(gateways, route.gateway),
    service: reads.get(services, route.backend),
  }))
  const attachments = scheduler.deriveMany('RouteAttachment', nodes, ({ route }, reads, name) =>
    reads.has(gateways, route.gateway) ? [[`${name}>${route.gateway}`, { name, ...route }]] : [],
  )
  const byHostname = scheduler.index('RouteAttachment by hostname', attachments, (a) => [a.hostname])
  const byGateway = scheduler.index('RouteAttachment by Gateway', attachments, (a) => [a.gateway])
  const byBackend = scheduler.index('RouteAttachment by backend', attachments, (a) => [a.backend])
  const virtualHosts = scheduler.group('VirtualHost', byHostname, (hostname, _reads, members) => ({
    hostname,
    paths: members.map((member) => member.path),
  }))
  const clusters = scheduler.derive('Cluster', services, (service, reads, name) =>
    reads.count(byBackend, name) === 0 ? undefined : { name, port: service.port },
  )
  const counts = scheduler.derive('attachedRoutes', gateways, (_gateway, reads, name) => reads.count(byGateway, name))
  const status = scheduler.derive('RouteStatus', nodes, (node) => ({ accepted: node.gateway !== undefined }))
  const resources = scheduler.join<string, object>('resources', [virtualHosts, clusters])
  return { gateways, routes, services, byGateway, counts, status, resources }
}

const heap = () => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function measure(what: string, run: (i: number) => void, times = rounds): void {
  const durations: number[] = []
  for (let i = 0; i < times; i++) {
    const start = performance.now()
    run(i)
    durations.push(performance.now() - start)
  }
  durations.sort((a, b) => a - b)
  const at = (share: number) => `${(1000 * (durations[Math.floor(share * durations.length)] ?? 0)).toFixed(0)} µs`
  console.log(`${what}: median ${at(0.5)}, 99% ${at(0.99)}, worst ${at(0.9999)}`)
}

const name = (i: number) => `shop/route-${String(i).padStart(6, '0')}`
const values = Array.from({ length: count }, (_, i) => [name(i), routeOf(i)] as const)
const scheduler = new Scheduler({ rethrow: true })
const network = build(scheduler)
scheduler.batch(() => {
  for (let i = 0; i < 4; i++) network.gateways.set(`infra/gateway-${i}`, { port: 80 })
  for (let i = 0; i < 1000; i++) network.services.set(`shop/service-${i}`, { port: 80 })
})

const before = heap()
const start = performance.now()
scheduler.batch(() => network.routes.replace(values))
console.log(`${count} routes at once: ${(performance.now() - start).toFixed(0)} ms`)
console.log(`heap per route, without the route itself: ${Math.round((heap() - before) / count)} bytes`)
const { reads, cells, entries, members } = scheduler.retained()
console.log(
  `of which per route: ${[reads / count, cells / count, entries / count, members / count].map((n) => n.toFixed(1))} reads, cells, entries, memberships`,
)

const at = (i: number) => (i * 7919) % count
let round = 0
const edit = (i: number) => scheduler.batch(() => network.routes.set(name(at(i)), routeOf(at(i), ++round)))
measure('warm-up', edit, 20_000)
measure('one route edited', edit)
measure('one route edited, and all routes of its gateway looked at', (i) => {
  edit(i)
  network.byGateway.lookup(routeOf(at(i)).gateway)
})
measure('one route deleted', (i) => scheduler.batch(() => network.routes.delete(name(at(i)))))
measure('one route created', (i) => scheduler.batch(() => network.routes.set(name(at(i)), routeOf(at(i)))))
measure('an equal route written', (i) => scheduler.batch(() => network.routes.set(name(at(i)), routeOf(at(i)))))
measure('all routes written again, equal', () => scheduler.batch(() => network.routes.replace(values)), 10)
measure(
  'one gateway edited, read by a quarter of the routes',
  (i) => scheduler.batch(() => network.gateways.set('infra/gateway-0', { port: i })),
  10,
)
