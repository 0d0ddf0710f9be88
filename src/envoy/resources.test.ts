import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { type ControlPlane, createOfflineControlPlane } from '../control-plane.ts'
import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import {
  applyObjects,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  keyOf,
  parseObjects,
  serviceYaml,
  testControllerName,
} from '../testing/builders.ts'
import { type EnvoyResource, resourceKey } from '../xds/resource.ts'
import { renderResource } from './proto-json.ts'
import type { EnvoyResources } from './resources.ts'

type Type = keyof EnvoyResources

class Translation {
  readonly plane: ControlPlane
  /** "type name" of what changed since it was asked last. */
  #changed: string[] = []

  constructor(...yamls: readonly string[]) {
    this.plane = createOfflineControlPlane({
      controllerNames: [testControllerName],
      logger: silentLogger,
      rethrow: true,
    })
    this.#bind()
    this.apply(gatewayClassYaml, ...yamls)
    for (const type of Object.keys(this.plane.resources) as Type[])
      this.plane.resources[type].subscribe((changes) => {
        this.#changed.push(...changes.map(({ key }) => `${type} ${key.slice(key.indexOf('\n') + 1)}`))
      })
  }

  /** Every Gateway gets its ports as it asks for them. */
  #bind(): void {
    const { fleets, scheduler, sources } = this.plane
    fleets.subscribe((changes) => {
      scheduler.batch(() => {
        for (const { key } of changes)
          sources.bindings.set(key, { listenAddress: '127.0.0.1', ports: {}, addresses: [], portProblems: {} })
      })
    })
  }

  apply(...yamls: readonly string[]): this {
    applyObjects(this.plane, parseObjects(yamls.join('\n---\n')))
    return this
  }

  /** @param name "namespace/name" */
  removeRoute(name: string): this {
    this.plane.scheduler.batch(() => this.plane.sources.httpRoutes.delete(name as NamespacedName))
    return this
  }

  takeChanges(): string[] {
    const changed = this.#changed.sort()
    this.#changed = []
    return changed
  }

  names(type: Type, gateway = 'default/edge'): string[] {
    const all = [...this.plane.resources[type].entries()].map(([, resource]) => resource)
    return all
      .filter((resource) => resource.scope === gateway)
      .map((resource) => resource.name)
      .sort()
  }

  resource(type: Type, name: string, gateway = 'default/edge'): EnvoyResource {
    const found = this.plane.resources[type].get(resourceKey(gateway, name))
    if (!found) throw new Error(`there is no ${type} ${name} of ${gateway}`)
    return found
  }

  /** Virtual hosts of a table by their domain: for each route where it leads to. */
  hosts(table: string, gateway = 'default/edge'): Record<string, string[]> {
    const { virtual_hosts: hosts = [] } = renderResource(this.resource('route', table, gateway)) as unknown as {
      virtual_hosts?: {
        name: string
        domains: string[]
        routes?: { route?: { cluster: string }; direct_response?: { status: number } }[]
      }[]
    }
    return Object.fromEntries(
      hosts.map(({ domains, routes = [] }) => [
        domains.join(' '),
        routes.map((r) => r.route?.cluster.split('/')[2] ?? String(r.direct_response?.status)),
      ]),
    )
  }

  /** Everything, as text. */
  digest(): string[] {
    return (Object.keys(this.plane.resources) as Type[])
      .flatMap((type) =>
        [...this.plane.resources[type].entries()].map(
          ([key, r]) => `${type} ${key} ${r.version} ${Buffer.from(r.bytes).toString('base64')} ${r.sources.join()}`,
        ),
      )
      .sort()
  }
}

const route = (
  name: string,
  {
    hostnames = '',
    path = '/',
    backend = name,
    parent = 'edge',
  }: { hostnames?: string; path?: string; backend?: string; parent?: string } = {},
) =>
  httpRouteYaml(
    name,
    `  parentRefs: [{name: ${parent.split('/')[0]}${parent.includes('/') ? `, sectionName: ${parent.split('/')[1]}` : ''}}]
${hostnames === '' ? '' : `  hostnames: [${hostnames}]\n`}  rules:
    - matches: [{path: {type: PathPrefix, value: ${path}}}]
      backendRefs: [{name: ${backend}, port: 80}]
`,
  )

const sliceYaml = (service: string, address: string) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-a, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [${address}]}]
---
`

const plain = gatewayYaml('edge', '[{name: http, protocol: HTTP, port: 80}]')

describe('the resources of a Gateway', () => {
  it('are a listener, a table, and the clusters of the backends that its routes name', () => {
    const translation = new Translation(plain, route('web'), serviceYaml('web'), serviceYaml('unused'))
    expect(translation.names('listener')).toEqual(['port-80'])
    expect(translation.names('route')).toEqual(['port-80'])
    expect(translation.names('cluster')).toEqual(['Service/default/web/80/http1'])
    expect(translation.names('endpoint')).toEqual(['Service/default/web/80/http1'])
    expect(translation.resource('route', 'port-80').sources).toEqual([
      'gateway.networking.k8s.io/HTTPRoute/default/web',
    ])
    expect(translation.resource('cluster', 'Service/default/web/80/http1').sources).toEqual(['/Service/default/web'])
  })

  it('stay apart from those of other Gateways', () => {
    const translation = new Translation(
      plain,
      gatewayYaml('other', '[{name: http, protocol: HTTP, port: 80}]'),
      serviceYaml('web'),
      route('web'),
      route('second', { parent: 'other', backend: 'web' }),
    )
    const name = 'Service/default/web/80/http1'
    expect(translation.names('cluster', 'default/other')).toEqual([name])
    translation.removeRoute('default/second')
    expect(translation.names('cluster', 'default/other')).toEqual([])
    expect(translation.names('cluster')).toEqual([name])
  })

  it('keep the cluster of a backend that gets nothing now, so that a change of weights finds it warm', () => {
    const spec = (weights: readonly [number, number]) => `  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: a, port: 80, weight: ${weights[0]}}, {name: b, port: 80, weight: ${weights[1]}}]}]
`
    const translation = new Translation(plain, serviceYaml('a'), serviceYaml('b'), httpRouteYaml('web', spec([1, 0])))
    expect(translation.names('cluster')).toEqual(['Service/default/a/80/http1', 'Service/default/b/80/http1'])
    translation.takeChanges()
    translation.apply(httpRouteYaml('web', spec([0, 1])))
    expect(translation.takeChanges()).toEqual(['route port-80'])
  })
})

describe('the cost of an event', () => {
  const base = [
    plain,
    serviceYaml('a'),
    serviceYaml('b'),
    route('a', { hostnames: 'a.test' }),
    route('b', { hostnames: 'b.test' }),
    sliceYaml('a', '10.0.0.1'),
    sliceYaml('b', '10.0.0.2'),
  ]

  it('is one ClusterLoadAssignment for an EndpointSlice', () => {
    const translation = new Translation(...base)
    translation.apply(sliceYaml('a', '10.0.0.9'))
    expect(translation.takeChanges()).toEqual(['endpoint Service/default/a/80/http1'])
  })

  it('is one table for an HTTPRoute, of which one fragment, one virtual host and one chunk are made again', () => {
    const translation = new Translation(...base)
    const count = () =>
      new Map(translation.plane.scheduler.statistics().collections.map((c) => [c.name, c.computations]))
    const before = count()
    translation.apply(route('a', { hostnames: 'a.test', path: '/new' }))
    expect(translation.takeChanges()).toEqual(['route port-80'])
    const after = count()
    const cost = ['RouteFragment of an attachment', 'VirtualHost of a listener', 'TableChunk'].map(
      (name) => [name, (after.get(name) ?? 0) - (before.get(name) ?? 0)] as const,
    )
    expect(Object.fromEntries(cost)).toEqual({
      'RouteFragment of an attachment': 1,
      'VirtualHost of a listener': 1,
      TableChunk: 1,
    })
  })

  it('is nothing for a route that says the same in other words', () => {
    const translation = new Translation(...base)
    translation.apply(route('a', { hostnames: 'A.test'.toLowerCase() }))
    expect(translation.takeChanges()).toEqual([])
  })
})

describe('the hosts of a port', () => {
  const listeners = gatewayYaml(
    'edge',
    `
    - {name: any, protocol: HTTP, port: 80}
    - {name: wide, protocol: HTTP, port: 80, hostname: "*.example.com"}
    - {name: narrow, protocol: HTTP, port: 80, hostname: "*.foo.example.com"}
    - {name: one, protocol: HTTP, port: 80, hostname: abc.foo.example.com}`,
  )

  it('belong to the most specific listener, also to one without a route (GatewayHTTPListenerIsolation)', () => {
    const translation = new Translation(listeners, serviceYaml('any'), route('any', { parent: 'edge/any' }))
    expect(translation.hosts('port-80')).toEqual({
      '*': ['any'],
      '*.example.com': [],
      '*.foo.example.com': [],
      'abc.foo.example.com': [],
    })
  })

  it('take no hostname of a route on a listener that another listener has a better claim to', () => {
    const hostnames = '"*.example.com", bar.com, abc.foo.example.com, x.foo.example.com, x.example.com'
    const routes = ['any', 'wide', 'narrow', 'one'].flatMap((name) => [
      serviceYaml(name),
      route(name, { parent: `edge/${name}`, hostnames }),
    ])
    const translation = new Translation(listeners, ...routes)
    expect(translation.hosts('port-80')).toEqual({
      '*': [],
      'bar.com': ['any'],
      '*.example.com': ['wide'],
      'x.example.com': ['wide', 'wide'],
      '*.foo.example.com': ['narrow'],
      'x.foo.example.com': ['narrow', 'narrow'],
      'abc.foo.example.com': ['one'],
    })
  })

  it('fall through to the rules of wider hostnames on the same listener (ADR 1)', () => {
    const translation = new Translation(
      plain,
      ...['one', 'wide', 'any'].map((name) => serviceYaml(name)),
      route('any', { path: '/a/very/long/path' }),
      route('wide', { hostnames: '"*.example.com"', path: '/a/long' }),
      route('one', { hostnames: 'a.example.com', path: '/a' }),
    )
    expect(translation.hosts('port-80')).toEqual({
      '*': ['any'],
      '*.example.com': ['wide', 'any'],
      'a.example.com': ['one', 'wide', 'any'],
    })
  })

  it('put the route with the narrower hostname of its own first, whatever the paths', () => {
    const one = gatewayYaml('edge', '[{name: http, protocol: HTTP, port: 80, hostname: abc.example.com}]')
    const translation = new Translation(
      one,
      serviceYaml('wide'),
      serviceYaml('narrow'),
      route('wide', { hostnames: '"*.example.com"', path: '/path/prefix' }),
      route('narrow', { hostnames: 'abc.example.com', path: '/path' }),
    )
    expect(translation.hosts('port-80')).toEqual({ 'abc.example.com': ['narrow', 'wide'] })
  })

  it('answer 500 for a Service that is missing, in its place among the rules', () => {
    const translation = new Translation(
      plain,
      serviceYaml('web'),
      route('web'),
      route('gone', { path: '/gone', backend: 'gone' }),
    )
    expect(translation.hosts('port-80')).toEqual({ '*': ['500', 'web'] })
    translation.apply(serviceYaml('gone'))
    expect(translation.hosts('port-80')).toEqual({ '*': ['gone', 'web'] })
  })

  it('keep a table when the last route goes, so that Envoy answers 404', () => {
    const translation = new Translation(plain, serviceYaml('web'), route('web'))
    translation.removeRoute('default/web')
    expect(translation.hosts('port-80')).toEqual({ '*': [] })
    expect(translation.names('cluster')).toEqual([])
  })
})

describe('a table', () => {
  it('names who it came from, also when another route with the same content takes over', () => {
    const translation = new Translation(plain, serviceYaml('web'), route('one', { backend: 'web' }))
    const { version } = translation.resource('route', 'port-80')
    translation.plane.scheduler.batch(() => {
      translation.plane.sources.httpRoutes.delete('default/one' as NamespacedName)
      const [second] = parseObjects(route('two', { backend: 'web' })) as [KubernetesObject]
      translation.plane.sources.httpRoutes.set(keyOf(second), second as never)
    })
    const table = translation.resource('route', 'port-80')
    expect(table.sources).toEqual(['gateway.networking.k8s.io/HTTPRoute/default/two'])
    expect(table.version).toBe(version)
  })

  it('awaits the clusters that warm slowly', () => {
    const translation = new Translation(
      plain,
      `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: far}
spec: {endpoints: [{fqdn: {hostname: far.test, port: 80}}]}
`,
      httpRouteYaml(
        'far',
        `  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: far}]}]
`,
      ),
    )
    const name = 'gateway.envoyproxy.io/Backend/default/far/0/http1'
    expect(translation.resource('cluster', name).slowToWarm).toBe(true)
    expect(translation.resource('route', 'port-80').awaits).toEqual([name])
    expect(translation.names('endpoint')).toEqual([])
  })
})

describe('whatever the history', () => {
  const services = ['a', 'b', 'c'].map((name) => serviceYaml(name))
  const hostnames = ['', 'a.test', '"*.test"', 'a.test, b.test', '*.a.test'].map((h) => h.replace(/^\*.*$/, '"$&"'))
  const definition = fc.record({
    hostnames: fc.constantFrom(...hostnames),
    path: fc.constantFrom('/', '/a', '/a/b'),
    backend: fc.constantFrom('a', 'b', 'c', 'missing'),
  })
  const step = fc.record({ name: fc.constantFrom('r1', 'r2', 'r3', 'r4'), set: fc.option(definition, { freq: 3 }) })

  it('equal manifests give equal bytes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const edited = new Translation(plain, ...services)
        const last = new Map<string, string>()
        for (const { name, set } of steps) {
          last.delete(name)
          if (!set) edited.removeRoute(`default/${name}`)
          else {
            last.set(name, route(name, set))
            edited.apply(route(name, set))
          }
        }
        expect(edited.digest()).toEqual(new Translation(plain, ...services, ...last.values()).digest())
      }),
      { numRuns: 60 },
    )
  })
})
