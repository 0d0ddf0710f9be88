import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, count, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'

/* Journeys 58, 59, 64: a bad backend gets its share of errors, the status says why, and all is well again. */

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: chatty}
spec:
  controllerName: gatewright.dev/gateway-controller
  parametersRef: {group: "", kind: ConfigMap, name: look, namespace: edge}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: look, namespace: edge}
data: {headers: verbose}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: edge}
spec:
  gatewayClassName: chatty
  listeners:
    - {name: http, protocol: HTTP, port: 8080, allowedRoutes: {namespaces: {from: All}}}
`
const route = (second: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: my-workload, namespace: my-workload}
spec:
  parentRefs: [{name: http, namespace: edge}]
  hostnames: [api.example.com]
  rules:
    - matches: [{path: {value: /api/my-workload}}]
      backendRefs:
        - {name: my-workload-v1, port: 8080, weight: 50}
        - {name: ${second}, port: 8080, weight: 50}
`
const good = route('my-workload-v2')
const bad = route('my-bad-workload-v2')

let backends: EchoBackend[]
let fixture: StandaloneFixture
beforeAll(async () => {
  const names = ['my-workload-v1', 'my-workload-v2']
  backends = await Promise.all(names.map((service) => startEchoBackend({ service, namespace: 'my-workload' })))
  const services = backends
    .map((b, i) => backendYaml(b, { service: names[i] as string, namespace: 'my-workload', port: 8080 }))
    .join('')
  fixture = await StandaloneFixture.start({ gateway, route: good, services })
})
afterAll(async () => {
  await fixture?.stop()
  await Promise.all((backends ?? []).map((b) => b.close()))
})

const ask = () => fixture.get('edge/http/http', '/api/my-workload', { host: 'api.example.com' })
const outcomes = async (times: number) => {
  const answers = await repeat(times, ask)
  return count(answers.map((a) => (a.status === 200 ? a.echo.service : String(a.status))))
}
const resolvedRefs = () =>
  fixture.conditions('HTTPRoute', 'my-workload', 'my-workload').find((c) => c.type === 'ResolvedRefs')

describe('journey 64: a class whose ConfigMap says headers: verbose', () => {
  test('shows what Envoy adds to responses', async () => {
    const { headers } = await ask()
    expect(headers).toMatchObject({ server: 'envoy' })
    expect(headers['x-envoy-upstream-service-time']).toMatch(/^\d+$/)
  })
})

describe('journeys 58, 59: a backend that does not exist', () => {
  test('turns its share of requests into 500, and leaves the other share alone', async () => {
    expect(resolvedRefs()).toMatchObject({ status: 'True', observedGeneration: 1 })
    fixture.apply('route', bad)
    await fixture.eventually(async () => expect(await outcomes(30)).toHaveProperty('500'))
    await fixture.eventually(async () => expect(await outcomes(30)).not.toHaveProperty('my-workload-v2'))
    const shares = await outcomes(400)
    expect(Object.keys(shares).sort()).toEqual(['500', 'my-workload-v1'])
    // Half of 400, give or take five standard deviations.
    expect(shares['500']).toBeGreaterThan(150)
    expect(shares['500']).toBeLessThan(250)
  })

  test('answers those with an empty body', async () => {
    const answers = await repeat(30, ask)
    const failed = answers.find((a) => a.status === 500)
    expect(failed).toMatchObject({ statusText: 'Internal Server Error', httpVersion: '1.1', body: '' })
    expect(failed?.headers).toMatchObject({ server: 'envoy', 'content-length': '0' })
  })

  test('is named in the status of the route', () => {
    expect(resolvedRefs()).toMatchObject({
      about: 'parent edge/http',
      status: 'False',
      reason: 'BackendNotFound',
      message: 'Service "my-bad-workload-v2" not found',
      observedGeneration: 2,
    })
    const accepted = fixture.conditions('HTTPRoute', 'my-workload', 'my-workload').find((c) => c.type === 'Accepted')
    expect(accepted).toMatchObject({ status: 'True', observedGeneration: 2 })
  })

  test('is forgotten when the good file is applied again', async () => {
    fixture.apply('route', good)
    await fixture.eventually(() => expect(resolvedRefs()).toMatchObject({ status: 'True', observedGeneration: 3 }))
    await fixture.eventually(async () => expect(await outcomes(30)).not.toHaveProperty('500'))
    expect(Object.keys(await outcomes(100)).sort()).toEqual(['my-workload-v1', 'my-workload-v2'])
  })

  test('works as soon as it does exist', async () => {
    fixture.apply('route', bad)
    await fixture.eventually(() => expect(resolvedRefs()?.status).toBe('False'))
    fixture.apply(
      'late',
      backendYaml(backends[1] as EchoBackend, { service: 'my-bad-workload-v2', namespace: 'my-workload', port: 8080 }),
    )
    await fixture.eventually(() => expect(resolvedRefs()?.status).toBe('True'))
    await fixture.eventually(async () => expect(await outcomes(30)).not.toHaveProperty('500'))
    fixture.remove('late')
    await fixture.eventually(() => expect(resolvedRefs()).toMatchObject({ status: 'False', reason: 'BackendNotFound' }))
    await fixture.eventually(async () => expect(await outcomes(30)).toHaveProperty('500'))
  })
})

describe('journey 64: the words of Envoy', () => {
  test('go when the ConfigMap says quiet, without a restart', async () => {
    fixture.apply('gateway', gateway.replace('headers: verbose', 'headers: quiet'))
    await fixture.eventually(async () => {
      const { status, headers } = await ask()
      expect(status === 200 && headers).not.toHaveProperty('server')
      expect(status).toBe(200)
      expect(headers).not.toHaveProperty('x-envoy-upstream-service-time')
    })
  })
})
