import { describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../base/logger.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import type { KindName } from '../gatewayapi/kinds.ts'
import { envoy } from '../gen/envoy.js'
import { createSink } from '../object-sink.ts'
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
import { resourceKey } from '../xds/resource.ts'
import { renderResource } from './proto-json.ts'
import type { EnvoyResources } from './resources.ts'
import { buildThreshold } from './trace-sampler.ts'

/* What of an XTelemetryPolicy stands where: an edit changes what it stands in, and nothing else. */

interface PolicyOptions {
  readonly tracing?: string
  readonly headers?: string
  readonly collector?: string
}

const policyYaml = ({ tracing = '', headers = '', collector = 'name: otel, port: 4317' }: PolicyOptions = {}) => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XTelemetryPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  tracing: {mode: Enabled, provider: {backendRef: {${collector}}${headers && `, headers: [${headers}]`}}${tracing && `, ${tracing}`}}
`
const disabledYaml = policyYaml().replace(/tracing: .*/, 'tracing: {mode: Disabled}')
const collectorYaml = (name: string, port: number) => serviceYaml(name, `[{port: ${port}}]`)
const trustYaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: otel}
spec:
  targetRefs: [{group: "", kind: Service, name: otel}]
  validation: {hostname: otel.test, wellKnownCACertificates: System}
`
const routeCount = 30
const routes = Array.from({ length: routeCount }, (_, index) =>
  httpRouteYaml(
    `r${index}`,
    `  parentRefs: [{name: edge}, {name: untraced}]\n  hostnames: [h${index}.test]\n  rules: [{backendRefs: [{name: web, port: 80}]}]`,
  ),
)
const grpcRouteYaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: grpc}
spec: {parentRefs: [{name: edge}], hostnames: [grpc.test], rules: [{backendRefs: [{name: web, port: 80}]}]}
`
const listenersYaml =
  '[{name: http, protocol: HTTP, port: 80}, {name: more, protocol: HTTP, port: 81, hostname: h1.test}]'
const worldYaml = [
  gatewayClassYaml,
  gatewayYaml('edge', listenersYaml),
  gatewayYaml('untraced', listenersYaml),
  serviceYaml('web'),
  collectorYaml('otel', 4317),
  collectorYaml('otel-too', 4317),
  ...routes,
  grpcRouteYaml,
]

class World {
  readonly #plane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  #changed: string[] = []

  constructor(...yamls: readonly string[]) {
    const { fleets, scheduler, sources, resources } = this.#plane
    fleets.subscribe((changes) => {
      scheduler.batch(() => {
        for (const { key } of changes)
          sources.bindings.set(key, { listenAddress: '127.0.0.1', ports: {}, addresses: [], portProblems: {} })
      })
    })
    this.apply(...worldYaml, ...yamls)
    for (const type of Object.keys(resources) as (keyof EnvoyResources)[])
      resources[type].subscribe((changes) => {
        this.#changed.push(...changes.map(({ key }) => `${type} ${key.replace('\n', ' ')}`))
      })
  }

  apply(...yamls: readonly string[]): void {
    applyObjects(this.#plane, parseObjects(yamls.join('\n---\n')))
  }

  remove(kind: KindName, yaml: string): void {
    createSink(this.#plane).apply(parseObjects(yaml).map((object) => ({ kind, key: keyOf(object), object: undefined })))
  }

  /** "type namespace/gateway name" of what changed since it was asked last. */
  takeChanges(): string[] {
    const changed = this.#changed.sort()
    this.#changed = []
    return changed
  }

  has(type: keyof EnvoyResources, name: string): boolean {
    return this.#plane.resources[type].has(resourceKey('default/edge', name))
  }

  /** A resource of Gateway edge as proto JSON. */
  render(type: keyof EnvoyResources, name: string): unknown {
    const found = this.#plane.resources[type].get(resourceKey('default/edge', name))
    return found && renderResource(found)
  }

  /** The tables of a Gateway as bytes. */
  tables(gateway: string): string[] {
    return [...this.#plane.resources.route.entries()]
      .filter(([key]) => key.startsWith(gateway))
      .map(([key, { bytes }]) => `${key} ${Buffer.from(bytes).toString('latin1')}`)
  }
}

const tables = ['route default/edge port-80', 'route default/edge port-81']
const listeners = ['listener default/edge port-80', 'listener default/edge port-81']
const cluster = 'cluster default/edge telemetry-collector'
const endpoint = 'endpoint default/edge telemetry-collector'

const attribute = (index: number, value = '') =>
  `{name: attribute.${index}, sourceType: Literal, literalValue: "${value || index}"}`
const attributes = (...list: readonly string[]) => `attributes: [${list.join(', ')}]`
/** As long as attributes mostly are. */
const twenty = Array.from({ length: 20 }, (_, index) => attribute(index, 'a value of some length'))
const quarter = 'samplingRate: {numerator: 1, denominator: 4}'
const ignoring = 'parentBasedSampling: {mode: Disabled}'

describe('no listener changes, and nothing of other Gateways, with an edit of', () => {
  it.each<[what: string, before: PolicyOptions, after: PolicyOptions, changed: string[]]>([
    ['the sampling rate', {}, { tracing: quarter }, tables],
    [
      'the sampling rate, however fine it is',
      { tracing: quarter },
      { tracing: 'samplingRate: {numerator: 1, denominator: 300000000}' },
      tables,
    ],
    ['an attribute', { tracing: attributes(attribute(1)) }, { tracing: attributes(attribute(1, 'other')) }, tables],
    ['the first attribute', {}, { tracing: attributes(attribute(1)) }, tables],
    [
      'an attribute among twenty',
      { tracing: attributes(...twenty) },
      { tracing: attributes(...twenty.slice(1)) },
      tables,
    ],
    ['the span name', { tracing: 'spanName: one' }, { tracing: 'spanName: other' }, tables],
    ['the span name where callers are ignored', { tracing: ignoring }, { tracing: `${ignoring}, spanName: x` }, tables],
    ['the headers of exports', {}, { headers: '{name: X-Token, value: secret}' }, [cluster]],
    ['the collector', {}, { collector: 'name: otel-too, port: 4317' }, [cluster, endpoint]],
    ['nothing at all', { tracing: 'parentBasedSampling: {mode: Enabled}' }, {}, []],
  ])('%s', (_what, before, after, changed) => {
    const world = new World(policyYaml(before))
    world.apply(policyYaml(after))
    expect(world.takeChanges()).toEqual(changed)
  })

  it("the collector's port", () => {
    const world = new World(policyYaml(), serviceYaml('otel', '[{name: a, port: 4317}, {name: b, port: 4318}]'))
    world.apply(policyYaml({ collector: 'name: otel, port: 4318' }))
    expect(world.takeChanges()).toEqual([cluster])
  })

  it('whom to trust for the collector', () => {
    const world = new World(policyYaml())
    world.apply(trustYaml)
    expect(world.takeChanges()).toEqual([cluster])
  })
})

describe('the cluster of a collector', () => {
  it('is made as those of routes are, with TLS and names that are looked up', () => {
    const world = new World(policyYaml(), trustYaml)
    expect(world.render('cluster', 'telemetry-collector')).toMatchObject({
      name: 'telemetry-collector',
      alt_stat_name: 'default/otel/4317',
      type: 'EDS',
      transport_socket: { typed_config: { sni: 'otel.test', common_tls_context: { alpn_protocols: ['h2'] } } },
    })
    world.apply(
      `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: far}
spec: {endpoints: [{fqdn: {hostname: otel.example.com, port: 4317}}]}
`,
      policyYaml({ collector: 'group: gateway.envoyproxy.io, kind: Backend, name: far' }),
    )
    expect(world.takeChanges()).toEqual([cluster, endpoint])
    expect(world.render('cluster', 'telemetry-collector')).toMatchObject({
      name: 'telemetry-collector',
      type: 'STRICT_DNS',
      load_assignment: { cluster_name: 'telemetry-collector' },
    })
    expect(world.has('endpoint', 'telemetry-collector')).toBe(false)
  })

  it('is another one than that of routes to it', () => {
    const toCollector = '  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: otel, port: 4317}]}]'
    const world = new World(
      policyYaml({ headers: '{name: X-Token, value: secret}' }),
      serviceYaml('otel', '[{port: 4317, appProtocol: kubernetes.io/h2c}]'),
      httpRouteYaml('to-collector', toCollector),
    )
    expect(JSON.stringify(world.render('cluster', 'telemetry-collector'))).toContain('x-token')
    expect(JSON.stringify(world.render('cluster', 'Service/default/otel/4317/h2c'))).not.toContain('x-token')
  })
})

/* Whether there is a tracer, and the name of the service, stand nowhere else: see tracing-limits.envoy.test.ts. */
describe('listeners change, and nothing of other Gateways, with', () => {
  const create = [cluster, endpoint, ...listeners, ...tables]

  it('a policy that comes, is switched off and on, and goes', () => {
    const world = new World()
    world.apply(policyYaml())
    expect(world.takeChanges()).toEqual(create)
    world.apply(disabledYaml)
    expect(world.takeChanges()).toEqual(create)
    world.apply(policyYaml())
    expect(world.takeChanges()).toEqual(create)
    world.remove('XTelemetryPolicy', policyYaml())
    expect(world.takeChanges()).toEqual(create)
  })

  it.each<[what: string, before: PolicyOptions, after: PolicyOptions, changed: string[]]>([
    ['the service name', {}, { tracing: 'serviceName: shop' }, listeners],
    ['whether callers decide', {}, { tracing: ignoring }, [...listeners, ...tables]],
    [
      'the sampling rate, where callers do not decide',
      { tracing: ignoring },
      { tracing: `${ignoring}, ${quarter}` },
      listeners,
    ],
    [
      'attributes that are too long for every Route',
      { tracing: attributes(...Array.from({ length: 90 }, (_, index) => attribute(index))) },
      { tracing: attributes(...Array.from({ length: 91 }, (_, index) => attribute(index))) },
      listeners,
    ],
  ])('%s', (_what, before, after, changed) => {
    const world = new World(policyYaml(before))
    world.apply(policyYaml(after))
    expect(world.takeChanges()).toEqual(changed)
  })
})

describe('an edit costs itself', () => {
  it('encodes no route again, and no virtual host unless it changes', () => {
    const { Route, VirtualHost } = envoy.config.route.v3
    const { Listener } = envoy.config.listener.v3
    const world = new World(policyYaml())
    const encoded = [Route, VirtualHost, Listener].map((codec) => vi.spyOn(codec, 'encode'))
    const count = (edit: PolicyOptions) => {
      for (const spy of encoded) spy.mockClear()
      world.apply(policyYaml(edit))
      return encoded.map((spy) => spy.mock.calls.length)
    }
    // One for each hostname and one for the listener of each port; the span name once for all Routes.
    const hosts = routeCount + 1 + 1 + 1
    expect(count({ tracing: quarter })).toEqual([0, hosts, 0])
    expect(count({ tracing: `${quarter}, spanName: x` })).toEqual([1, hosts, 0])
    expect(count({ tracing: `${quarter}, spanName: x`, headers: '{name: a, value: b}' })).toEqual([1, 0, 0])
    expect(count({ tracing: `${quarter}, spanName: x`, headers: '{name: a, value: b}' })).toEqual([0, 0, 0])
    for (const spy of encoded) spy.mockRestore()
  })

  it('leaves nothing behind', () => {
    const world = new World()
    const [before, other] = [world.tables('default/edge'), world.tables('default/untraced')]
    world.apply(policyYaml({ tracing: `${quarter}, spanName: x` }))
    expect(world.tables('default/edge')).not.toEqual(before)
    expect(world.tables('default/untraced')).toEqual(other)
    world.remove('XTelemetryPolicy', policyYaml())
    expect(world.tables('default/edge')).toEqual(before)
  })
})

describe('the threshold of request ids', () => {
  it.each([
    [0, 1, '00000000-0000'],
    [1, 1_000_000, '000010c6-f7a0'],
    [1, 5_000_000, '0000035a-fe53'],
    [1, 2 ** 31 - 1, '00000002-0000'],
    [1, 4, '40000000-0000'],
    [1, 3, '55555555-5555'],
    [1, 2, '80000000-0000'],
    [2 ** 31 - 2, 2 ** 31 - 1, 'fffffffd-ffff'],
    [7, 7, '~'],
  ])('of %i in %i is %s', (numerator, denominator, threshold) => {
    expect(buildThreshold({ numerator, denominator })).toBe(threshold)
  })

  it('keeps none, some and all', () => {
    const ids = ['00000000-0000-4000-8000-000000000000', '3fffffff-ffff-4000-8000-000000000000', 'req-1']
    const kept = (numerator: number) => ids.filter((id) => id < buildThreshold({ numerator, denominator: 4 })).length
    expect([0, 1, 4].map(kept)).toEqual([0, 2, 3])
  })
})
