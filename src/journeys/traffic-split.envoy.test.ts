import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, count, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'

/* Journeys 10, 11, 57, 73, 74: one route, changed in place, and how requests are shared out. */

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
/** The route "backend", always under the same name. @param rule fields of its only rule */
const route = (rule: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend}
spec:
  parentRefs: [{name: store}]
  hostnames: [www.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /get}}]
${rule}
`
const toBackend = '      backendRefs: [{name: backend, port: 3000}]'
const split = (first: number, second: number) =>
  `      backendRefs: [{name: backend, port: 3000, weight: ${first}}, {name: backend-2, port: 3000, weight: ${second}}]`
const addHeader = (value: string) => `      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: {add: [{name: added-header, value: ${value}}]}
${toBackend}`
const canary = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: canary}
spec:
  parentRefs: [{name: store}]
  hostnames: [canary.example.com]
  rules:
    - backendRefs:
        - {name: backend, port: 3000, weight: 3}
        - {name: backend-2, port: 3000, weight: 1}
`

let backends: EchoBackend[]
let fixture: StandaloneFixture
beforeAll(async () => {
  backends = await Promise.all(['backend', 'backend-2'].map((service) => startEchoBackend({ service })))
  const services = backends.map((b, i) => backendYaml(b, { service: ['backend', 'backend-2'][i] as string })).join('')
  fixture = await StandaloneFixture.start({ gateway, route: route(toBackend), canary, services })
})
afterAll(async () => {
  await fixture?.stop()
  await Promise.all((backends ?? []).map((b) => b.close()))
})

const ask = (host = 'www.example.com', path = '/get') => fixture.get('default/store/http', path, { host })
/** Who answered how many of so many requests. */
const share = async (times: number, host?: string, path?: string) =>
  count((await repeat(times, () => ask(host, path))).map((a) => (a.status === 200 ? a.echo.service : `${a.status}`)))
/** Five standard deviations of a fair split: chance fails this less than once in a million runs. */
const tolerance = (times: number, share: number) => 5 * Math.sqrt(times * share * (1 - share))

function expectShare(counts: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>) {
  const times = Object.values(counts).reduce((a, b) => a + b, 0)
  const total = Object.values(expected).reduce((a, b) => a + b, 0)
  expect(Object.keys(counts).sort()).toEqual(Object.keys(expected).sort())
  for (const [who, weight] of Object.entries(expected)) {
    const wanted = (times * weight) / total
    const slack = tolerance(times, weight / total)
    expect(counts[who], `${who} of ${JSON.stringify(counts)}`).toBeGreaterThan(wanted - slack)
    expect(counts[who], `${who} of ${JSON.stringify(counts)}`).toBeLessThan(wanted + slack)
  }
}

describe('journey 10: a header is added by an edit of the route', () => {
  test('and the backend sees it, then its new value, then nothing', async () => {
    expect((await ask()).echo.headers).not.toHaveProperty('Added-Header')
    fixture.apply('route', route(addHeader('foo')))
    await fixture.eventually(async () => expect((await ask()).echo.headers['Added-Header']).toEqual(['foo']))
    fixture.apply('route', route(addHeader('bar')))
    await fixture.eventually(async () => expect((await ask()).echo.headers['Added-Header']).toEqual(['bar']))
    fixture.apply('route', route(toBackend))
    await fixture.eventually(async () => expect((await ask()).echo.headers).not.toHaveProperty('Added-Header'))
  })

  test('is appended to what the client has sent', async () => {
    fixture.apply('route', route(addHeader('foo')))
    await fixture.eventually(async () => expect((await ask()).echo.headers['Added-Header']).toEqual(['foo']))
    const headers = { 'added-header': 'mine' }
    const answer = await fixture.get('default/store/http', '/get', { host: 'www.example.com', headers })
    expect(answer.echo.headers['Added-Header']?.join(',')).toBe('mine,foo')
  })

  test('fails no request while edits go through', async () => {
    let done = false
    const statuses: number[] = []
    const load = (async () => {
      while (!done) statuses.push((await ask()).status)
    })()
    for (let i = 0; i < 10; i++) {
      fixture.apply('route', route(addHeader(`v${i}`)))
      await fixture.eventually(async () => expect((await ask()).echo.headers['Added-Header']).toEqual([`v${i}`]))
    }
    done = true
    await load
    expect(statuses.length).toBeGreaterThan(10)
    expect(count(statuses.map(String))).toEqual({ 200: statuses.length })
  })
})

describe('journeys 11 and 57: weights', () => {
  test('8:2 send four of five requests to the first', async () => {
    fixture.apply('route', route(split(8, 2)))
    await fixture.eventually(async () => expect(Object.keys(await share(20)).sort()).toEqual(['backend', 'backend-2']))
    expectShare(await share(400), { backend: 8, 'backend-2': 2 })
  })

  test('50:50 share equally', async () => {
    fixture.apply('route', route(split(50, 50)))
    await fixture.eventually(async () => expect((await share(100))['backend-2'] ?? 0).toBeGreaterThan(33))
    expectShare(await share(400), { backend: 50, 'backend-2': 50 })
  })

  test('0 send nothing', async () => {
    fixture.apply('route', route(split(1, 0)))
    await fixture.eventually(async () => expect(await share(20)).toEqual({ backend: 20 }))
    expect(await share(100)).toEqual({ backend: 100 })
  })
})

describe('journeys 73 and 74: a canary without a match', () => {
  test('answers every path, three to one', async () => {
    expect((await ask('canary.example.com', '/')).status).toBe(200)
    expectShare(await share(400, 'canary.example.com', '/any/path'), { backend: 3, 'backend-2': 1 })
  })

  test('gives the body of the page as it is', async () => {
    const answer = await ask('canary.example.com', '/index.html')
    expect(JSON.parse(answer.body)).toMatchObject({ path: '/index.html' })
    expect(Buffer.byteLength(answer.body)).toBe(Number(answer.headers['content-length']))
  })
})
