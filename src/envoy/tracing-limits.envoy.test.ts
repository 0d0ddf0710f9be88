import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, loopbackBackendYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { buildStaticBootstrap } from '../testing/static-bootstrap.ts'
import { StaticEnvoy, translateManifests } from '../testing/static-envoy.ts'
import { startTraceCollector, type TraceCollector } from '../testing/trace-collector.ts'

/*
 * Why a policy that comes or goes, or names another service, changes listeners (ADR 13): what stock Envoy does with
 * tracing elsewhere. Where one of these fails with a newer Envoy, less may have to stand in the connection manager.
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
}

/** What a policy says that has something in the routes, too. */
const everything = `
    spanName: named
    serviceName: ours
    attributes: [{name: service.name, sourceType: Literal, literalValue: theirs}]`

/** Starts what a policy leads to, with another connection manager. */
async function withManager(
  tracing: string,
  change: (manager: Manager, bootstrap: Bootstrap) => void,
  use: (envoy: StaticEnvoy) => Promise<void>,
  headers = '',
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
  const backends = loopbackBackendYaml('web', [echo.port]) + loopbackBackendYaml('collector', [collector.port])
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
        headers,
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
