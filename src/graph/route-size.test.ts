import { expect, test } from 'vitest'
import type { HTTPRoute } from '../gatewayapi/objects/http-route.ts'
import { findCondition, GraphFixture, gatewayClassYaml, gatewayYaml, parseObjects } from '../testing/builders.ts'
import { estimateRouteSize, maxRouteSize } from './route-size.ts'

const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index))

function routeYaml(spec: object): string {
  const whole = { parentRefs: [{ name: 'web' }], ...spec }
  const head = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'large' } }
  return JSON.stringify({ ...head, spec: whole })
}

const hostnames = (length: number) => many(length, (i) => `h${i}.example.com`)
const headers = (size: number) => [
  {
    type: 'RequestHeaderModifier',
    requestHeaderModifier: { set: many(16, (i) => ({ name: `x-${i}`, value: 'a'.repeat(size) })) },
  },
]
const backends = (length: number) => many(length, (i) => ({ name: `s${i}`, port: 80 }))
const matches = (length: number) => many(length, (i) => ({ path: { value: `/${i}` } }))

function sizeOf(spec: object): number {
  const [route] = parseObjects(routeYaml(spec))
  return estimateRouteSize(route as HTTPRoute)
}

test('a filter counts once for each match, backend and hostname', () => {
  const small = sizeOf({
    hostnames: hostnames(1),
    rules: [{ matches: matches(1), filters: headers(1000), backendRefs: backends(1) }],
  })
  const large = sizeOf({
    hostnames: hostnames(16),
    rules: [{ matches: matches(64), filters: headers(1000), backendRefs: backends(16) }],
  })
  expect(large / small).toBeGreaterThan(0.9 * 16 * 64 * 16)
  expect(large / small).toBeLessThan(1.1 * 16 * 64 * 16)
})

test('origins of CORS count as headers do, and so do codes of retries', () => {
  const of = (more: object) => sizeOf({ rules: [{ matches: matches(1), backendRefs: backends(1), ...more }] })
  const cors = { allowOrigins: many(64, (i) => `https://${'a'.repeat(200)}${i}.test`) }
  expect(of({ filters: [{ type: 'CORS', cors }] }) - of({})).toBeGreaterThan(64 * 200)
  expect(of({ retry: { codes: many(100, (i) => 400 + i) } }) - of({})).toBe(200)
})

test('the largest ordinary route is accepted', () => {
  const rules = many(2, () => ({ matches: matches(64), filters: headers(1), backendRefs: backends(1) }))
  expect(sizeOf({ hostnames: hostnames(16), rules })).toBeLessThan(maxRouteSize)
})

test('a route that would fill the memory of the proxy is not accepted, and not attached', () => {
  const fixture = new GraphFixture(
    `${gatewayClassYaml}${gatewayYaml('web', '[{name: http, port: 80, protocol: HTTP}]')}`,
  )
  fixture.apply(
    routeYaml({
      hostnames: hostnames(16),
      rules: [{ matches: matches(64), filters: headers(4000), backendRefs: backends(16) }],
    }),
  )
  const accepted = findCondition(fixture.parentStatus('default/large').conditions, 'Accepted')
  expect(accepted).toMatchObject({ status: 'False', reason: 'UnsupportedValue' })
  expect(accepted.message).toMatch(/about 10\d\d MiB.*at most 4 MiB/)
  expect(fixture.attachments('default/web/http')).toEqual([])
})
