import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'

const gateway = (name: string, port: number, parameters = '') => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  gatewayClassName: gatewright
  listeners: [{name: http, protocol: HTTP, port: ${port}}]
${parameters}
---
`

let backend: EchoBackend
let fixture: StandaloneFixture

beforeAll(async () => {
  backend = await startEchoBackend({ service: 'echo' })
  fixture = await StandaloneFixture.start({
    all: `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: gatewright.dev/gateway-controller}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: verbose}
data: {headers: verbose}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: internal}
data: {internalAddresses: "10.0.0.0/8, 127.0.0.0/8"}
---
${gateway('quiet', 8080)}
${gateway('verbose', 8081, '  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: verbose}}')}
${gateway('internal', 8082, '  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: internal}}')}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo}
spec:
  parentRefs: [{name: quiet}, {name: verbose}, {name: internal}]
  rules:
    - matches: [{path: {value: /old}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}]
      backendRefs: [{name: echo, port: 3000}]
    - backendRefs: [{name: echo, port: 3000}]
---
${backendYaml(backend, { service: 'echo' })}`,
  })
})

afterAll(async () => {
  await fixture?.stop()
  await backend?.close()
})

const client = { Accept: '*/*', 'User-Agent': 'curl/8.5.0' }

describe('the quiet habit', () => {
  it('shows the backend the client, and nothing of Envoy (journey 9)', async () => {
    const { echo } = await fixture.get('default/quiet/http', '/get', { host: 'www.example.com', headers: client })
    expect(Object.keys(echo.headers).sort()).toEqual([
      'Accept',
      'User-Agent',
      'X-Envoy-External-Address',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Request-Id',
    ])
    expect(echo.headers['X-Forwarded-For']?.[0]).toMatch(/^[0-9a-f.:]+$/)
    expect(echo.headers['X-Forwarded-Proto']).toEqual(['http'])
    expect(echo.headers['X-Request-Id']?.[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })

  it('does not tell the backend the path before a rewrite', async () => {
    const { echo } = await fixture.get('default/quiet/http', '/old/a?b=c', { headers: client })
    expect(echo.path).toBe('/new/a?b=c')
    expect(Object.keys(echo.headers)).not.toContain('X-Envoy-Original-Path')
  })

  it('shows the client the headers of the backend only (journey 28)', async () => {
    const { headerNames } = await fixture.get('default/quiet/http', '/get')
    expect([...headerNames].sort()).toEqual(['content-length', 'content-type', 'date', 'x-content-type-options'])
  })

  it('has no server of its own in answers that Envoy makes', async () => {
    const { status, headerNames } = await fixture.get('default/quiet/http', '/%00')
    expect(status).toBe(400)
    expect(headerNames).not.toContain('server')
  })
})

describe('the verbose habit', () => {
  it('names Envoy and the time that the backend took (journey 64)', async () => {
    const { headers } = await fixture.get('default/verbose/http', '/get')
    expect(headers['server']).toBe('envoy')
    expect(headers['x-envoy-upstream-service-time']).toMatch(/^\d+$/)
  })

  it('tells the backend the path before a rewrite', async () => {
    const { echo } = await fixture.get('default/verbose/http', '/old/a')
    expect(echo.headers['X-Envoy-Original-Path']).toEqual(['/old/a'])
  })
})

describe.each(['quiet', 'verbose'])('with the %s habit', (name) => {
  it('believes no client that it is internal, for its address or its word', async () => {
    const { echo } = await fixture.get(`default/${name}/http`, '/get', { headers: { 'x-envoy-internal': 'true' } })
    expect(Object.keys(echo.headers)).not.toContain('X-Envoy-Internal')
    expect(Object.keys(echo.headers)).toContain('X-Envoy-External-Address')
  })

  it('lets no client steer Envoy by x-envoy-* headers', async () => {
    const headers = {
      'x-envoy-upstream-rq-timeout-ms': '20',
      'x-envoy-upstream-alt-stat-name': 'spoofed',
      'x-envoy-retry-on': '5xx',
      'x-envoy-max-retries': '3',
      'x-envoy-expected-rq-timeout-ms': '1',
    }
    const { status } = await fixture.get(`default/${name}/http`, '/get?delay=200', { headers })
    expect(status).toBe(200)
    const before = backend.seen.length
    expect((await fixture.get(`default/${name}/http`, '/status/503', { headers })).status).toBe(503)
    expect(backend.seen.length).toBe(before + 1)
  })

  it('adds the client to the end of x-forwarded-for and keeps the Host with its port', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' }
    const { echo } = await fixture.get(`default/${name}/http`, '/get', { host: 'very.specific.com:1234', headers })
    expect(echo.host).toBe('very.specific.com:1234')
    // Envoy writes an address of the machine for a client on loopback.
    expect(echo.headers['X-Forwarded-For']?.[0]).toMatch(/^203\.0\.113\.7,[0-9a-f.:]+$/)
    expect(echo.headers['X-Envoy-External-Address']?.[0]).toMatch(/^127\./)
    expect(echo.headers['X-Forwarded-Proto']).toEqual(['http'])
  })
})

describe('a class or Gateway with internal addresses', () => {
  it('tells the backend that a client of them is internal, and nobody else’s (journey 29)', async () => {
    const inside = await fixture.get('default/internal/http', '/get', { headers: client })
    expect(inside.echo.headers['X-Envoy-Internal']).toEqual(['true'])
    const outside = await fixture.get('default/quiet/http', '/get', { headers: client })
    expect(Object.keys(outside.echo.headers)).not.toContain('X-Envoy-Internal')
  })
})
