import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { packBytes, unpackBytes } from '../base/packed-bytes.ts'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, loopbackBackendYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { startPassingApplication } from '../testing/passing-application.ts'
import { buildStaticBootstrap } from '../testing/static-bootstrap.ts'
import { StaticEnvoy, translateManifests } from '../testing/static-envoy.ts'
import { startTraceCollector, type TraceCollector } from '../testing/trace-collector.ts'
import { renderMessage } from './proto-json.ts'
import { replaceVirtualHosts } from './table-parts.ts'
import type { EncodedVirtualHost } from './virtual-host.ts'

/*
 * Why a policy that comes or goes, names another service, or has callers not decide, changes listeners (ADR 13): what
 * stock Envoy does with tracing elsewhere. Where one of these fails with a newer Envoy, less may have to stand in the
 * connection manager.
 */

let echo: EchoBackend
let collector: TraceCollector

beforeAll(async () => {
  echo = await startEchoBackend({ service: 'web' })
  collector = await startTraceCollector()
})
afterAll(async () => {
  await echo?.close()
  await collector?.close()
})

const reference = (name: string) => `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}}`

/** As much of a bootstrap as is changed here. */
interface Bootstrap {
  readonly static_resources: {
    readonly listeners: ReadonlyArray<{
      readonly filter_chains: ReadonlyArray<{
        readonly filters: ReadonlyArray<{ readonly typed_config: Record<string, unknown> }>
      }>
    }>
    clusters: ReadonlyArray<{ readonly name: string }>
  }
}

interface Manager {
  tracing?: { provider: { typed_config: Record<string, unknown> }; [field: string]: unknown }
  early_header_mutation_extensions?: unknown
  readonly route_config: object
}

/** What a policy says that has something in the routes, too. */
const everything = `
    spanName: named
    serviceName: ours
    attributes: [{name: service.name, sourceType: Literal, literalValue: theirs}]`

/**
 * Starts what a policy leads to, with another connection manager.
 * @param backendPort instead of the echo's
 */
async function withManager(
  tracing: string,
  change: (manager: Manager, bootstrap: Bootstrap) => void,
  use: (envoy: StaticEnvoy) => Promise<void>,
  { headers = '', backendPort = echo.port } = {},
): Promise<void> {
  const policy = `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XTelemetryPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  tracing:
    mode: Enabled
    provider: {backendRef: ${reference('collector')}${headers}}${tracing}
---
`
  const route = httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules: [{backendRefs: [${reference('web')}]}]`)
  const gateway = gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]')
  const backends = loopbackBackendYaml('web', [backendPort]) + loopbackBackendYaml('collector', [collector.port])
  const resources = translateManifests([gatewayClassYaml, gateway, backends, route, policy].join(''))
  const bootstrap = buildStaticBootstrap(resources) as unknown as Bootstrap
  const manager = bootstrap.static_resources.listeners[0]?.filter_chains[0]?.filters[0]?.typed_config
  expect(manager?.['tracing']).toBeDefined()
  change(manager as unknown as Manager, bootstrap)
  const envoy = await StaticEnvoy.startWith(bootstrap)
  try {
    await use(envoy)
  } finally {
    await envoy.stop()
  }
}

const begun = (sampled: boolean) => `00-${'ab'.repeat(16)}-b7ad6b7169203331-${sampled ? '01' : '00'}`

/** What a backend sees of a request: of one that begins a trace, and of one in a trace of the caller's. */
async function askBoth(envoy: StaticEnvoy): Promise<(string | undefined)[]> {
  const seen = []
  for (const headers of [{}, { traceparent: begun(true) }])
    seen.push((await envoy.send(80, '/', { headers })).echo.headers['Traceparent']?.[0])
  return seen
}

/** Longer than Envoy waits with spans that it has. */
const flushed = 5500

describe('whether there is a tracer', () => {
  it('is not for routes to say: without one in the connection manager their tracing does nothing', async () => {
    const before = collector.spans.length
    await withManager(
      everything,
      (manager) => delete manager.tracing,
      async (envoy) => {
        expect(await askBoth(envoy)).toEqual([undefined, begun(true)])
        await sleep(flushed)
        expect(collector.spans.length).toBe(before)
      },
    )
  })

  it('is seen by backends even where it traces nothing: it begins and changes contexts', async () => {
    await withManager(
      '',
      ({ tracing }) => {
        Object.assign(tracing ?? {}, { overall_sampling: { value: 0 } })
        delete tracing?.provider.typed_config['sampler']
      },
      async (envoy) => {
        const [fresh, inherited] = await askBoth(envoy)
        expect(fresh).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
        expect(inherited).not.toBe(begun(true))
      },
    )
  })

  it('goes unseen only if that is said in the connection manager, where it then holds for every policy, too', async () => {
    await withManager(
      everything,
      ({ tracing }) => Object.assign(tracing ?? {}, { no_context_propagation: true }),
      async (envoy) => expect(await askBoth(envoy)).toEqual([undefined, begun(true)]),
    )
  })
})

describe('the name of the service', () => {
  it('is that of the tracer, whatever attributes of routes say', async () => {
    const before = collector.spans.length
    await withManager(
      everything,
      () => undefined,
      async (envoy) => {
        await envoy.send(80, '/')
        await vi.waitFor(() => expect(collector.spans.length).toBe(before + 1), { timeout: 20_000 })
        expect(collector.spans.at(-1)).toMatchObject({ service: 'ours', attributes: { 'service.name': 'theirs' } })
      },
    )
  })

  it('cannot be asked of routes: this Envoy does not know the resource detector that reads their metadata', async () => {
    const detector = 'envoy.extensions.tracers.opentelemetry.resource_detectors.v3.PerRouteResourceDetectorConfig'
    const started = withManager(
      everything,
      ({ tracing }) =>
        Object.assign(tracing?.provider.typed_config ?? {}, { resource_detectors: [extension(detector)] }),
      async () => undefined,
    )
    await expect(started).rejects.toThrow('PerRouteResourceDetectorConfig')
  })
})

const extension = (type: string, config: object = {}) => ({
  name: type,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...config },
})

/** Has headers set before anything else looks at a request. */
const setEarly = (headers: Readonly<Record<string, string>>) => [
  extension('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
    mutations: Object.entries(headers).map(([key, value]) => ({
      append: { header: { key, value }, append_action: 'ADD_IF_ABSENT' },
    })),
  }),
]

const headersOfRequest = { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'headers' } }
const text = (value: string) => ({ const_expr: { string_value: value } })
const call = (name: string, ...args: object[]) => ({ call_expr: { function: name, args } })
const hasContext = { select_expr: { operand: headersOfRequest, field: 'traceparent', test_only: true } }

/** Has an expression decide, whoever has begun a trace. */
const decideBy = (expr: object) => (manager: Manager) => {
  const sampler = extension('envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig', {
    expression: { parsed_expr: { expr } },
  })
  Object.assign(manager.tracing?.provider.typed_config ?? {}, { sampler })
}
const keepAll = decideBy({ const_expr: { bool_value: true } })

/*
 * Where callers do not decide, all proxies on the way of a trace should keep the same traces. The rate and the mode
 * would stand in tables, as that of traces that begin here does, if an expression could decide as the trace id does.
 */
describe('which traces are kept where callers do not decide', () => {
  it('is not for expressions to say: of a trace that begins they see no context, and formatters no trace id', async () => {
    await withManager(
      '',
      (manager) => {
        decideBy(hasContext)(manager)
        manager.early_header_mutation_extensions = setEarly({ 'x-seen': '[%TRACE_ID%]' })
      },
      async (envoy) => {
        const [fresh, inherited] = await askBoth(envoy)
        expect(fresh).toMatch(/-00$/)
        expect(inherited).toMatch(/-01$/)
        expect((await envoy.send(80, '/')).echo.headers['X-Seen']).toEqual(['[]'])
      },
    )
  })

  it('cannot be known before by bringing a context along: it makes a parent that nobody has seen, or no span', async () => {
    const before = collector.spans.length
    await withManager(
      '',
      (manager) => {
        keepAll(manager)
        manager.early_header_mutation_extensions = setEarly({ traceparent: begun(false) })
      },
      async (envoy) => {
        await envoy.send(80, '/')
        await vi.waitFor(() => expect(collector.spans.length).toBe(before + 1), { timeout: 20_000 })
        expect(collector.spans.at(-1)?.parent).toBe('b7ad6b7169203331')
      },
    )
    const rootless = `00-${'ab'.repeat(16)}-${'0'.repeat(16)}-00`
    await withManager(
      '',
      (manager) => {
        keepAll(manager)
        manager.early_header_mutation_extensions = setEarly({ traceparent: rootless })
      },
      async (envoy) => {
        expect((await envoy.send(80, '/')).echo.headers['Traceparent']).toEqual([rootless])
      },
    )
  })

  it('cannot be told to others by a number in tracestate: a trace that begins has none', async () => {
    await withManager(
      '',
      (manager) => {
        keepAll(manager)
        manager.early_header_mutation_extensions = setEarly({ tracestate: 'ot=rv:%UNIQUE_ID%' })
      },
      async (envoy) => {
        const { headers } = (await envoy.send(80, '/')).echo
        expect(headers['Traceparent']?.[0]).toMatch(/-01$/)
        expect(headers['Tracestate']).toEqual([''])
      },
    )
  })

  const half = `
    samplingRate: {numerator: 1, denominator: 2}
    parentBasedSampling: {mode: Disabled}`
  const requests = 200

  /**
   * Sends requests through a proxy, an application that passes on as much as OpenTelemetry does, and another proxy.
   * @returns how many traces both proxies keep, one or none of them
   */
  async function keepOnBoth(change: (manager: Manager) => void) {
    const kept = { both: 0, one: 0, none: 0 }
    const useSecond = (manager: Manager) => {
      change(manager)
      manager.early_header_mutation_extensions = setEarly({ 'x-first': '%REQ(TRACEPARENT)%' })
    }
    await withManager(half, useSecond, async (second) => {
      const application = await startPassingApplication(`http://${second.address(80)}`)
      const useBoth = async (first: StaticEnvoy) => {
        const answers = await Promise.all(Array.from({ length: requests }, () => first.send(80, '/')))
        for (const { echo: seen } of answers) {
          const contexts = [seen.headers['X-First']?.[0], seen.headers['Traceparent']?.[0]]
          for (const context of contexts) expect(context).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
          const count = contexts.filter((context) => context?.endsWith('1')).length
          kept[count === 2 ? 'both' : count === 1 ? 'one' : 'none']++
        }
      }
      try {
        await withManager(half, change, useBoth, { backendPort: application.port })
      } finally {
        application.close()
      }
    })
    return kept
  }

  const requestId = { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'id' } }
  const byRequest = call('_<_', requestId, text('8'))
  const byContext = call('_<_', call('_[_]', headersOfRequest, text('traceparent')), text('00-8'))

  it('is the same for two proxies that go by the trace id', async () => {
    const kept = await keepOnBoth(() => undefined)
    expect(kept.one).toBe(0)
    // Seven standard deviations from half of them.
    expect(kept.both).toBeGreaterThan(50)
    expect(kept.none).toBeGreaterThan(50)
  })

  it.each<[what: string, change: (manager: Manager) => void]>([
    ['the context of a caller, and else the request id', decideBy(call('_?_:_', hasContext, byContext, byRequest))],
    [
      'request ids, although they are left as they are',
      (manager) => {
        decideBy(byRequest)(manager)
        Object.assign(manager, { preserve_external_request_id: true })
      },
    ],
  ])('is another for each of two that go by %s: half of all traces have a gap', async (_what, change) => {
    const kept = await keepOnBoth(change)
    expect(kept.one).toBeGreaterThan(50)
    expect(kept.both).toBeLessThan(100)
  })
})

describe('a virtual host that stands for one which Envoy has refused', () => {
  it('answers 500 without a trace, and within those that callers have begun', async () => {
    const before = collector.spans.length
    const refused: EncodedVirtualHost = {
      gateway: namespacedName('default', 'web'),
      table: 'port-80',
      hostname: '*',
      packed: packBytes(new Uint8Array()),
      version: '',
      awaits: [],
      sources: [],
    }
    const [standIn] = replaceVirtualHosts([refused], new Map([['*', undefined]]))
    await withManager(
      '',
      (manager) => {
        const bytes = unpackBytes(standIn?.packed ?? refused.packed)
        Object.assign(manager.route_config, {
          virtual_hosts: [renderMessage('envoy.config.route.v3.VirtualHost', bytes)],
        })
      },
      async (envoy) => {
        expect((await envoy.send(80, '/')).status).toBe(500)
        expect((await envoy.send(80, '/', { headers: { traceparent: begun(true) } })).status).toBe(500)
        await vi.waitFor(() => expect(collector.spans.length).toBeGreaterThan(before), { timeout: 20_000 })
        // What there is of both is told at once.
        expect(collector.spans.slice(before)).toMatchObject([{ trace: 'ab'.repeat(16), parent: 'b7ad6b7169203331' }])
      },
    )
  })
})

describe('the collector', () => {
  it('is asked for by the name of its cluster: the headers of exports are for a cluster to add, Host and :authority are not', async () => {
    const headers = ', headers: [{name: X-Token, value: secret}]'
    for (const [name, refusal] of [
      ['x-other', undefined],
      ['host', /host headers may not be modified/],
      [':authority', /:-prefixed/],
    ] as const) {
      const started = withManager(
        '',
        (_manager, bootstrap) => {
          const text = JSON.stringify(bootstrap.static_resources.clusters)
          expect(text).toContain('"x-token"')
          bootstrap.static_resources.clusters = JSON.parse(text.replaceAll('"x-token"', `"${name}"`))
        },
        async (envoy) => expect((await envoy.send(80, '/')).status).toBe(200),
        { headers },
      )
      if (refusal) await expect(started).rejects.toThrow(refusal)
      else await started
    }
  })

  it('may be missing: requests go on, with traces that nobody gets', async () => {
    await withManager(
      everything,
      (_manager, { static_resources: resources }) => {
        resources.clusters = resources.clusters.filter(({ name }) => name !== 'telemetry-collector')
      },
      async (envoy) => {
        for (let request = 0; request < 20; request++) expect((await envoy.send(80, '/')).status).toBe(200)
      },
    )
  })
})
