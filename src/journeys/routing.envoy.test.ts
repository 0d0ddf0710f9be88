import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, count, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'

/*
 * Journeys 38, 39, 40, 52 to 56: parents, matches, timeouts, mirrors, rewrites, header rules.
 *
 * Features: HTTPRouteDestinationPortMatching, HTTPRouteParentRefPort.
 */

const names = ['httpbin', 'my-workload-v1', 'my-workload-v2', 'shadow'] as const
const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: gatewright.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: edge}
spec:
  gatewayClassName: gatewright
  listeners:
    - {name: public, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}
    - {name: partners, protocol: HTTP, port: 8080, hostname: partners.example.com, allowedRoutes: {namespaces: {from: All}}}
    - {name: internal, protocol: HTTP, port: 8081, allowedRoutes: {namespaces: {from: All}}}
`
/** A route of namespace apps towards the Gateway of another namespace. */
const route = (name: string, parent: string, spec: string, version = 'v1') => `
apiVersion: gateway.networking.k8s.io/${version}
kind: HTTPRoute
metadata: {name: ${name}, namespace: apps}
spec:
  parentRefs: [{name: http, namespace: edge${parent}}]
${spec}
---
`
const to = (service: string) => `[{name: ${service}, port: 8000}]`
const public_ = ', sectionName: public'

const routes = [
  route(
    'httpbin',
    public_,
    `
  hostnames: [api.example.com]
  rules:
    - matches: [{path: {type: Exact, value: /get}}]
      backendRefs: ${to('httpbin')}
    - matches: [{path: {type: PathPrefix, value: /api/httpbin/}}]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: {add: [{name: Authorization, value: Bearer my-api-key}]}
        - type: URLRewrite
          urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
      backendRefs: ${to('httpbin')}
    - matches: [{path: {type: PathPrefix, value: /store}}]
      filters:
        - type: URLRewrite
          urlRewrite: {hostname: inner.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2/shop}}
      backendRefs: ${to('httpbin')}`,
    'v1beta1',
  ),
  route(
    'my-workload',
    public_,
    `
  hostnames: [api.example.com]
  rules:
    - matches: [{path: {value: /api/my-workload}}]
      backendRefs: ${to('my-workload-v1')}
    - matches: [{path: {value: /api/my-workload}, headers: [{name: version, value: v2}]}]
      backendRefs: ${to('my-workload-v2')}`,
  ),
  route(
    'by-section',
    ', sectionName: internal',
    `
  hostnames: [section.example.com]
  rules: [{backendRefs: ${to('my-workload-v1')}}]`,
  ),
  route(
    'by-port',
    ', port: 8080',
    `
  rules: [{matches: [{path: {value: /both}}], backendRefs: ${to('my-workload-v2')}}]`,
  ),
  route(
    'matches',
    public_,
    `
  hostnames: [matches.example.com]
  rules:
    - matches:
        - {path: {value: /both}, headers: [{name: a, value: "1"}], queryParams: [{name: b, value: "2"}]}
        - {method: POST, path: {value: /post}}
      backendRefs: ${to('my-workload-v1')}`,
  ),
  route(
    'timeouts',
    public_,
    `
  hostnames: [slow.example.com]
  rules:
    - matches: [{path: {value: /request}}]
      timeouts: {request: 300ms}
      backendRefs: ${to('httpbin')}
    - matches: [{path: {value: /backend}}]
      timeouts: {backendRequest: 300ms}
      backendRefs: ${to('httpbin')}
    - matches: [{path: {value: /none}}]
      timeouts: {request: 0s}
      backendRefs: ${to('httpbin')}`,
  ),
  route(
    'mirror',
    public_,
    `
  hostnames: [mirror.example.com]
  rules:
    - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 8000}}}]
      backendRefs: ${to('httpbin')}`,
  ),
].join('')

let backends: Map<string, EchoBackend>
let fixture: StandaloneFixture
beforeAll(async () => {
  const started = await Promise.all(names.map((service) => startEchoBackend({ service, namespace: 'apps' })))
  backends = new Map(started.map((backend, i) => [names[i] as string, backend]))
  const services = [...backends]
    .map(([service, b]) => backendYaml(b, { service, namespace: 'apps', port: 8000 }))
    .join('')
  fixture = await StandaloneFixture.start({ gateway, routes, services })
})
afterAll(async () => {
  await fixture?.stop()
  for (const backend of backends?.values() ?? []) await backend.close()
})

type Options = Parameters<StandaloneFixture['get']>[2]
const api = (path: string, options: Options = {}) =>
  fixture.get('edge/http/public', path, { host: 'api.example.com', ...options })
const on = (listener: string, host: string, path: string, options: Options = {}) =>
  fixture.get(`edge/http/${listener}`, path, { host, ...options })

describe('journey 38: parents', () => {
  test('by sectionName: only that listener', async () => {
    expect((await on('internal', 'section.example.com', '/')).echo.service).toBe('my-workload-v1')
    expect((await on('public', 'section.example.com', '/')).status).toBe(404)
  })

  test('by port: every listener on it, and no other', async () => {
    expect((await on('public', 'whoever.example.com', '/both')).echo.service).toBe('my-workload-v2')
    expect((await on('partners', 'partners.example.com', '/both')).echo.service).toBe('my-workload-v2')
    expect((await on('internal', 'whoever.example.com', '/both')).status).toBe(404)
  })

  test('are each told about, and counted once', () => {
    for (const name of ['public', 'partners'])
      expect(fixture.listener(`edge/http/${name}`).attachedRoutes).toBe(name === 'public' ? 6 : 1)
    expect(fixture.conditions('HTTPRoute', 'apps', 'by-port').map((c) => `${c.type}=${c.status}`)).toEqual([
      'Accepted=True',
      'ResolvedRefs=True',
    ])
  })
})

describe('journey 38: matches', () => {
  const ask = (path: string, options: Options = {}) => on('public', 'matches.example.com', path, options)

  test('hold all of one match', async () => {
    expect((await ask('/both?b=2', { headers: { a: '1' } })).echo.service).toBe('my-workload-v1')
    // The rule of the route by port is wider, and gets what this one does not match.
    for (const [path, headers] of [
      ['/both?b=2', {}],
      ['/both', { a: '1' }],
      ['/both?b=3', { a: '1' }],
      ['/both?B=2', { a: '1' }],
    ] as const)
      expect((await ask(path, { headers })).echo.service).toBe('my-workload-v2')
  })

  test('or one of several', async () => {
    expect((await ask('/post', { method: 'POST', body: 'x' })).echo).toMatchObject({
      method: 'POST',
      service: 'my-workload-v1',
    })
    expect((await ask('/post')).status).toBe(404)
  })

  test('of a rule without any: every path', async () => {
    expect((await on('internal', 'section.example.com', '/any/thing?at=all')).echo.path).toBe('/any/thing?at=all')
  })
})

describe('journey 39: timeouts', () => {
  const timed = async (path: string) => {
    const started = performance.now()
    const { status } = await on('public', 'slow.example.com', path)
    return { status, took: performance.now() - started }
  }

  test.each(['/request', '/backend'])('%s: a slow answer is given up with 504', async (path) => {
    const { status, took } = await timed(`${path}?delay=2000`)
    expect(status).toBe(504)
    expect(took).toBeGreaterThan(250)
    expect(took).toBeLessThan(1900)
  })

  test.each(['/request', '/backend'])('%s: a fast one is not', async (path) => {
    expect((await timed(path)).status).toBe(200)
  })

  test('0s: no limit', async () => {
    expect((await timed('/none?delay=1000')).status).toBe(200)
  })
})

describe('journey 40', () => {
  test('redirect and rewrite together: the file is refused with its line, and what was in force stays', async () => {
    const both = route(
      'httpbin',
      public_,
      `
  hostnames: [api.example.com]
  rules:
    - filters:
        - {type: RequestRedirect, requestRedirect: {scheme: https}}
        - {type: URLRewrite, urlRewrite: {hostname: inner.example.com}}`,
    )
    fixture.apply('routes', both + routes.slice(routes.indexOf('---') + 4))
    await fixture.eventually(() => {
      const problem = fixture.fileProblems.find((p) =>
        p.includes('URLRewrite is not allowed together with RequestRedirect'),
      )
      expect(problem).toMatch(/routes\.yaml:\d+/)
    })
    expect((await api('/get')).status).toBe(200)
    fixture.apply('routes', routes)
  })

  test('a mirror gets a copy of each request, and its answer is dropped', async () => {
    const shadow = backends.get('shadow') as EchoBackend
    const before = shadow.seen.length
    const answers = await repeat(10, (i) => on('public', 'mirror.example.com', `/copy/${i}?q=1`))
    expect(count(answers.map((a) => `${a.status} ${a.echo.service}`))).toEqual({ '200 httpbin': 10 })
    await fixture.eventually(() => expect(shadow.seen.length).toBe(before + 10))
    const copied = shadow.seen.slice(before).map((seen) => seen.path)
    expect(copied.sort()).toEqual(Array.from({ length: 10 }, (_, i) => `/copy/${i}?q=1`))
  })

  test('a mirror that fails harms nobody', async () => {
    const failing = await on('public', 'mirror.example.com', '/status/503')
    // Both answer 503 here; what counts is whose answer it is.
    expect(JSON.parse(failing.body)).toMatchObject({ service: 'httpbin' })
  })
})

describe('journeys 52, 53: an exact path of a v1beta1 route in another namespace', () => {
  test('matches itself, with and without a query', async () => {
    expect((await api('/get')).echo).toMatchObject({ service: 'httpbin', path: '/get' })
    expect((await api('/get?a=b')).echo.path).toBe('/get?a=b')
  })

  test.each(['/get/', '/get/more', '/delay/1', '/GET'])('and not %s', async (path) => {
    expect((await api(path)).status).toBe(404)
  })

  test('also where the host has a port', async () => {
    expect((await api('/get', { host: 'api.example.com:30001' })).echo.host).toBe('api.example.com:30001')
  })

  test('shows the defaults in its status', () => {
    const status = fixture.view().statuses.find((s) => s.name === 'httpbin')?.status
    expect(status).toMatchObject({
      parents: [
        {
          parentRef: {
            group: 'gateway.networking.k8s.io',
            kind: 'Gateway',
            name: 'http',
            namespace: 'edge',
            sectionName: 'public',
          },
        },
      ],
    })
  })
})

describe('journeys 54, 55: a prefix is replaced', () => {
  test.each([
    ['/api/httpbin/delay/1', '/delay/1'],
    ['/api/httpbin/get', '/get'],
    ['/api/httpbin/', '/'],
    ['/api/httpbin', '/'],
    ['/api/httpbin/get?show=env', '/get?show=env'],
    ['/api/httpbin?show=env', '/?show=env'],
    ['/api/httpbin/a/b/', '/a/b/'],
  ])('by "/", without a double slash: %s becomes %s', async (sent, seen) => {
    expect((await api(sent)).echo.path).toBe(seen)
  })

  test.each([
    ['/store', '/v2/shop'],
    ['/store/', '/v2/shop/'],
    ['/store/item?id=1', '/v2/shop/item?id=1'],
  ])('by another one, with another host: %s becomes %s', async (sent, seen) => {
    expect((await api(sent)).echo).toMatchObject({ path: seen, host: 'inner.example.com' })
  })

  test('in whole segments only', async () => {
    expect((await api('/stores')).status).toBe(404)
    expect((await api('/api/httpbinary')).status).toBe(404)
  })

  test('while a header is added', async () => {
    expect((await api('/api/httpbin/get')).echo.headers['Authorization']).toEqual(['Bearer my-api-key'])
    expect((await api('/get')).echo.headers).not.toHaveProperty('Authorization')
  })
})

describe('journey 56: a header decides', () => {
  test.each([
    [{}, 'my-workload-v1'],
    [{ version: 'v1' }, 'my-workload-v1'],
    [{ version: 'v2' }, 'my-workload-v2'],
    [{ Version: 'v2' }, 'my-workload-v2'],
    [{ version: 'V2' }, 'my-workload-v1'],
    [{ version: 'v22' }, 'my-workload-v1'],
  ])('%j goes to %s, whatever the order of the rules', async (headers, service) => {
    expect((await api('/api/my-workload', { headers })).echo.service).toBe(service)
  })
})
