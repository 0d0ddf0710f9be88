import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, loopbackBackendYaml } from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { GRPCClient } from '../testing/grpc-backend.ts'
import { ServingFixture } from '../testing/serving-fixture.ts'
import { StaticEnvoy } from '../testing/static-envoy.ts'
import { startTraceCollector, type TraceCollector } from '../testing/trace-collector.ts'

/* Traces of requests through stock Envoy, by policies of its Gateway, with a collector that keeps the spans. */

let echo: EchoBackend

beforeAll(async () => {
  echo = await startEchoBackend({ service: 'web' })
})
afterAll(async () => {
  await echo?.close()
})

const provider = 'backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: collector}'
const backendRefs = 'backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: web}]'
const route = httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules: [{${backendRefs}}]`)

const policyYaml = (tracing = '', headers = '') => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XTelemetryPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  tracing: {mode: Enabled, provider: {${provider}${headers}}${tracing}}
---
`

/**
 * @param tracing fields of spec.tracing besides its mode and whom to tell
 * @param routes in place of one that leads everything to the backend, and of its listener
 */
async function withTracing(
  tracing: string,
  headers: string,
  use: (envoy: StaticEnvoy, collector: TraceCollector) => Promise<void>,
  { routes = route, listener = '[{name: http, protocol: HTTP, port: 80}]' } = {},
): Promise<void> {
  const collector = await startTraceCollector()
  const gateway = gatewayYaml('web', listener)
  const backends = loopbackBackendYaml('web', [echo.port]) + loopbackBackendYaml('collector', [collector.port])
  const envoy = await StaticEnvoy.start(
    [gatewayClassYaml, gateway, backends, routes, policyYaml(tracing, headers)].join(''),
  )
  try {
    await use(envoy, collector)
  } finally {
    await envoy.stop()
    await collector.close()
  }
}

/** Envoy tells every 5 s what it has. */
const patience = { timeout: 20_000, interval: 50 }

const traceOf = (request: number) => (request + 1).toString(16).padStart(32, '0')
const parent = 'b7ad6b7169203331'
/** As somebody who has begun a trace. */
const within = (trace: string, sampled: boolean) => ({
  headers: { traceparent: `00-${trace}-${parent}-${sampled ? '01' : '00'}` },
})

describe('a policy with nothing but a collector', () => {
  it('traces every request in the name of the Gateway, and goes on with what callers have begun', async () => {
    await withTracing('', '', async (envoy, collector) => {
      const { echo: seen } = await envoy.send(80, '/new')
      expect(seen.headers['Traceparent']?.[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      for (let request = 0; request < 10; request++)
        await envoy.send(80, '/begun', within(traceOf(request), request % 2 === 0))
      await vi.waitFor(() => expect(collector.spans).toHaveLength(6), patience)
      const [first, ...others] = collector.spans
      expect(seen.headers['Traceparent']?.[0]).toContain(first?.trace)
      expect(first).toMatchObject({ parent: '', service: 'web.default' })
      expect(first?.attributes).toMatchObject({ 'http.method': 'GET', 'http.status_code': '200' })
      expect(others.map((span) => span.trace)).toEqual([0, 2, 4, 6, 8].map(traceOf))
      expect(others.map((span) => span.parent)).toEqual(Array.from(others, () => parent))
    })
  })
})

describe('a policy that says everything', () => {
  it('is followed in names, headers and attributes', async () => {
    const attributes = [
      '{name: user, sourceType: Header, headerName: X-User}',
      '{name: region, sourceType: Literal, literalValue: "10%PROTOCOL%"}',
      ...[
        'client.address',
        'http.request.method',
        'http.response.status_code',
        'network.peer.address',
        'server.address',
        'url.path',
        'url.scheme',
        'user_agent.original',
        'http.request.body.size',
      ].map((key) => `{name: my.${key}, sourceType: Attribute, attributeKey: ${key}}`),
    ].join(', ')
    const names = ', serviceName: edge/prod, spanName: one request'
    const headers = ', headers: [{name: X-Token, value: "50% off"}]'
    await withTracing(`${names}, attributes: [${attributes}]`, headers, async (envoy, collector) => {
      await envoy.send(80, '/path?q=secret', {
        host: 'shop.test',
        method: 'POST',
        body: 'hello',
        headers: { 'x-user': 'alice', 'user-agent': 'test' },
      })
      await vi.waitFor(() => expect(collector.spans).toHaveLength(1), patience)
      expect(collector.spans[0]).toMatchObject({ name: 'one request', service: 'edge/prod' })
      expect(collector.spans[0]?.attributes).toMatchObject({
        user: 'alice',
        region: '10%PROTOCOL%',
        'my.client.address': '127.0.0.1',
        'my.http.request.method': 'POST',
        'my.http.response.status_code': '200',
        'my.network.peer.address': '127.0.0.1',
        'my.server.address': 'shop.test',
        'my.url.path': '/path',
        'my.url.scheme': 'http',
        'my.user_agent.original': 'test',
        'my.http.request.body.size': '5',
      })
      expect(collector.metadata[0]).toMatchObject({ 'x-token': '50% off' })
    })
  })
})

describe('attributes that are too long for every Route', () => {
  it('stand beside what is in the Route', async () => {
    const many = Array.from(
      { length: 160 },
      (_, index) => `{name: a${index}, sourceType: Literal, literalValue: "${index}"}`,
    )
    await withTracing(`, spanName: named, attributes: [${many.join(', ')}]`, '', async (envoy, collector) => {
      await envoy.send(80, '/')
      await vi.waitFor(() => expect(collector.spans).toHaveLength(1), patience)
      expect(collector.spans[0]).toMatchObject({ name: 'named', attributes: { a0: '0', a159: '159' } })
    })
  })

  it('arrive with every span, as many as a policy may have', async () => {
    const value = 'x'.repeat(1000)
    const many = Array.from(
      { length: 512 },
      (_, index) => `{name: a${String(index).padStart(23, '0')}, sourceType: Literal, literalValue: ${value}}`,
    )
    await withTracing(`, attributes: [${many.join(', ')}]`, '', async (envoy, collector) => {
      for (let request = 0; request < 20; request++) await envoy.send(80, '/')
      await vi.waitFor(() => expect(collector.spans).toHaveLength(20), patience)
      for (const { attributes } of collector.spans) expect(attributes[`a${'511'.padStart(23, '0')}`]).toBe(value)
    })
  })
})

describe('requests of every kind', () => {
  const listener = '[{name: http, protocol: HTTP, port: 80, hostname: "*.test"}]'
  const routes = httpRouteYaml(
    'r',
    `  parentRefs: [{name: web}]
  hostnames: [shop.test]
  rules:
    - {matches: [{path: {value: /forward}}], ${backendRefs}}
    - {matches: [{path: {value: /redirect}}], filters: [{type: RequestRedirect, requestRedirect: {hostname: b.test}}]}
    - {matches: [{path: {value: /missing}}], backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: none}]}`,
  )

  it('are traced by name, those that no rule matches without, and those to hosts of no listener if the caller does', async () => {
    await withTracing(
      ', spanName: named',
      '',
      async (envoy, collector) => {
        const ask = async (path: string, host = 'shop.test', request = {}) =>
          (await envoy.send(80, path, { host, ...request })).status
        expect(await ask('/forward')).toBe(200)
        expect(await ask('/redirect')).toBe(302)
        expect(await ask('/missing')).toBe(500)
        expect(await ask('/nothing')).toBe(404)
        expect(await ask('/unknown', 'unknown.example')).toBe(404)
        expect(await ask('/unknown', 'unknown.example', within(traceOf(1), true))).toBe(404)
        await vi.waitFor(() => expect(collector.spans).toHaveLength(5), patience)
        expect(
          collector.spans.map(({ name, parent, attributes }) => [attributes['http.status_code'], name, parent]),
        ).toEqual([
          ['200', 'named', ''],
          ['302', 'named', ''],
          ['500', 'named', ''],
          ['404', 'ingress', ''],
          ['404', 'ingress', parent],
        ])
      },
      { routes, listener },
    )
  })

  it('are traced to hosts of no listener, too, where callers do not decide', async () => {
    await withTracing(
      ', parentBasedSampling: {mode: Disabled}',
      '',
      async (envoy, collector) => {
        expect((await envoy.send(80, '/', { host: 'unknown.example' })).status).toBe(404)
        await vi.waitFor(() => expect(collector.spans).toHaveLength(1), patience)
        expect(collector.spans[0]?.attributes).toMatchObject({ 'http.status_code': '404' })
      },
      { routes, listener },
    )
  })
})

describe('a collector', () => {
  it('with a BackendTLSPolicy is told with TLS', async () => {
    const authority = issueCertificate({ commonName: 'authority', isAuthority: true })
    const collector = await startTraceCollector(issueCertificate({ dnsNames: ['otel.test'], issuer: authority }))
    const trustYaml = `
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: ${JSON.stringify(authority.certificate)}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: collector}
spec:
  targetRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: collector}]
  validation: {hostname: otel.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
---
`
    const envoy = await StaticEnvoy.start(
      [
        gatewayClassYaml,
        gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]'),
        loopbackBackendYaml('web', [echo.port]),
        loopbackBackendYaml('collector', [collector.port]),
        trustYaml,
        route,
        policyYaml('', ', headers: [{name: X-Token, value: secret}]'),
      ].join(''),
    )
    try {
      await envoy.send(80, '/')
      await vi.waitFor(() => expect(collector.spans).toHaveLength(1), patience)
      expect(collector.metadata[0]).toMatchObject({ 'x-token': 'secret' })
    } finally {
      await envoy.stop()
      await collector.close()
    }
  })
})

describe('a divided table', () => {
  it('traces as a whole one does, for HTTPRoutes and GRPCRoutes', async () => {
    const collector = await startTraceCollector()
    const leading = (hostname: string) =>
      `  parentRefs: [{name: web}]\n  hostnames: [${hostname}]\n  rules: [{${backendRefs}}]`
    const grpcRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: g}
spec:
${leading('grpc.test')}
---
`
    const fixture = await ServingFixture.start(
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 8080}]') +
        loopbackBackendYaml('web', [echo.port]) +
        loopbackBackendYaml('collector', [collector.port]) +
        httpRouteYaml('r', leading('a.test')) +
        grpcRoute +
        policyYaml(', spanName: named, attributes: [{name: a, sourceType: Literal, literalValue: b}]'),
      { tables: 'always' },
    )
    try {
      await fixture.envoy.askUntil('/', 'a.test', ['web'])
      const client = new GRPCClient(`${fixture.envoy.address}:8080`, 'grpc.test')
      // The backend speaks no HTTP/2, which does not matter here.
      expect((await client.call('/p.Service/Method')).code).toBe(status.UNAVAILABLE)
      client.close()
      // Before the table was there, requests were answered, and traced, without a rule.
      const ruled = () => collector.spans.filter(({ attributes }) => attributes['http.status_code'] !== '404')
      await vi.waitFor(() => expect(ruled()).toHaveLength(2), patience)
      for (const { name, attributes } of ruled()) {
        expect(name).toBe('named')
        expect(attributes).toMatchObject({ a: 'b' })
      }
      const hosts = ruled().map(({ attributes }) => new URL(attributes['http.url'] ?? '').hostname)
      expect(hosts).toEqual(['a.test', 'grpc.test'])
    } finally {
      await fixture.stop()
      await collector.close()
    }
  })
})

describe('a sampling rate', () => {
  const requests = 400
  /** Four standard deviations of a quarter of them around a hundred. */
  const [least, most] = [65, 135]
  const quarter = ', samplingRate: {numerator: 1, denominator: 4}'

  it('is for traces that begin here', async () => {
    await withTracing(quarter, '', async (envoy, collector) => {
      for (let request = 0; request < requests; request++) await envoy.send(80, '/new')
      for (let request = 0; request < 40; request++) await envoy.send(80, '/begun', within(traceOf(request), true))
      const begun = () => collector.spans.filter((span) => span.parent !== '')
      await vi.waitFor(() => expect(begun()).toHaveLength(40), patience)
      const count = collector.spans.length - 40
      expect(count).toBeGreaterThan(least)
      expect(count).toBeLessThan(most)
    })
  })

  it('is for all where callers do not decide', async () => {
    await withTracing(`${quarter}, parentBasedSampling: {mode: Disabled}`, '', async (envoy, collector) => {
      for (let request = 0; request < requests; request++) {
        const trace = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')
        await envoy.send(80, '/begun', within(trace, request % 2 === 0))
      }
      await vi.waitFor(() => expect(collector.spans.length).toBeGreaterThan(least), patience)
      expect(collector.spans.length).toBeLessThan(most)
    })
  })
})
