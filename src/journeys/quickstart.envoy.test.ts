import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'

/*
 * Journeys 8, 9, 27, 28, 53: one class, one Gateway, one route, and what goes over the wire.
 *
 * Features: Gateway, HTTPRoute.
 */

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: gatewright.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: store}
spec:
  gatewayClassName: gatewright
  listeners:
    - {name: http, protocol: HTTP, port: 80}
`
const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend}
spec:
  parentRefs: [{name: store}]
  hostnames: [www.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /get}}]
      backendRefs: [{group: "", kind: Service, name: backend, port: 3000, weight: 1}]
`
/** What curl sends. */
const curl = { 'user-agent': 'curl/8.5.0', accept: '*/*' }

let backend: EchoBackend
let fixture: StandaloneFixture
beforeAll(async () => {
  backend = await startEchoBackend({ service: 'backend', namespace: 'default' })
  fixture = await StandaloneFixture.start({ gateway, route, backend: backendYaml(backend, { service: 'backend' }) })
})
afterAll(async () => {
  await fixture?.stop()
  await backend?.close()
})
const get = (
  path: string,
  options: { host?: string; headers?: Readonly<Record<string, string>>; method?: string } = {},
) => fixture.get('default/store/http', path, { host: 'www.example.com', headers: curl, ...options })

describe('journey 8: the first request', () => {
  test('reaches the backend, and is answered with what the backend saw', async () => {
    const answer = await get('/get')
    expect(answer).toMatchObject({ status: 200, statusText: 'OK', httpVersion: '1.1' })
    expect(answer.echo).toMatchObject({
      path: '/get',
      host: 'www.example.com',
      method: 'GET',
      proto: 'HTTP/1.1',
      namespace: 'default',
      ingress: '',
      service: 'backend',
    })
    expect(answer.echo.pod).toMatch(/^backend-/)
  })

  test('keeps the rest of the path and the query', async () => {
    expect((await get('/get/a%20b?x=1&x=2')).echo.path).toBe('/get/a%20b?x=1&x=2')
  })

  test('works for other methods', async () => {
    expect((await get('/get', { method: 'DELETE' })).echo.method).toBe('DELETE')
  })
})

describe('journey 9: the headers that the backend sees', () => {
  test('are those of the client and six in all, no others', async () => {
    const { echo } = await get('/get')
    expect(Object.keys(echo.headers).sort()).toEqual([
      'Accept',
      'User-Agent',
      'X-Envoy-External-Address',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Request-Id',
    ])
    expect(echo.headers).toMatchObject({
      Accept: ['*/*'],
      'User-Agent': ['curl/8.5.0'],
      'X-Forwarded-Proto': ['http'],
    })
    expect(echo.headers['X-Envoy-External-Address']?.[0]).toMatch(/^127\.\d+\.\d+\.\d+$/)
    // For a client on loopback Envoy writes an address of this machine that others can reach, if there is one.
    const own = Object.values(networkInterfaces()).flatMap((i) => i?.map(({ address }) => address) ?? [])
    const [forwardedFor, ...more] = echo.headers['X-Forwarded-For'] ?? []
    expect(more).toEqual([])
    expect([...own, echo.headers['X-Envoy-External-Address']?.[0]]).toContain(forwardedFor)
    expect(echo.headers['X-Request-Id']?.[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })

  test('cannot be forged by the client', async () => {
    const { echo } = await get('/get', {
      headers: {
        ...curl,
        'x-envoy-external-address': '203.0.113.9',
        'x-forwarded-proto': 'https',
        'x-envoy-internal': 'true',
        'x-envoy-original-path': '/elsewhere',
        'x-envoy-upstream-rq-timeout-ms': '1',
      },
    })
    expect(echo.headers['X-Envoy-External-Address']?.[0]).toMatch(/^127\./)
    expect(echo.headers['X-Forwarded-Proto']).toEqual(['http'])
    expect(Object.keys(echo.headers)).not.toContain('X-Envoy-Internal')
    expect(Object.keys(echo.headers)).not.toContain('X-Envoy-Upstream-Rq-Timeout-Ms')
  })

  test('give every request another id', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await get('/get')).echo.headers['X-Request-Id']?.[0]))
    expect(new Set(ids).size).toBe(3)
  })
})

describe('journey 27: the host', () => {
  test('matches whatever port stands behind it, and is forwarded as it was sent', async () => {
    for (const host of ['www.example.com', 'www.example.com:8888', 'www.example.com:80', 'WWW.Example.com'])
      expect((await get('/get', { host })).echo.host).toBe(host)
  })

  test('of nobody is answered with 404', async () => {
    for (const host of ['example.com', 'other.example.com', 'www.example.com.evil.test', '127.0.0.1']) {
      const answer = await get('/get', { host })
      expect([host, answer.status, answer.statusText]).toEqual([host, 404, 'Not Found'])
    }
  })
})

describe('journey 28: the headers of the response', () => {
  test('are those of the backend, and nothing else', async () => {
    const answer = await get('/get')
    expect([...answer.headerNames].sort()).toEqual(['content-length', 'content-type', 'date', 'x-content-type-options'])
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
  })

  test('are quiet too where the backend answers with an error', async () => {
    const answer = await get('/get/none')
    expect(answer.headers).not.toHaveProperty('server')
    expect(answer.headers).not.toHaveProperty('x-envoy-upstream-service-time')
  })
})

describe('journey 53: a path of nobody', () => {
  test('is answered with 404, also where it begins with the same letters', async () => {
    for (const path of ['/', '/delay/1', '/getting', '/Get', '/ge']) {
      expect([path, (await get(path)).status]).toEqual([path, 404])
    }
  })

  test('does not reach the backend', async () => {
    const before = backend.seen.length
    await get('/delay/1')
    expect(backend.seen.length).toBe(before)
  })
})
