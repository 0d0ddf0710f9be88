import { describe, expect, test } from 'vitest'
import { GraphFixture, grpcRouteYaml, serviceYaml } from '../testing/builders.ts'
import { resolvePath } from './grpc-route.ts'

const services = serviceYaml('shop/cart') + serviceYaml('shop/ws', '[{port: 80, appProtocol: kubernetes.io/ws}]')

/** The node of a route shop/web with these rules, as flow YAML. */
const resolve = (rules: string) =>
  new GraphFixture(services + grpcRouteYaml('shop/web', `  rules: ${rules}`)).route('shop/web', 'GRPCRoute')

const problems = (node: ReturnType<typeof resolve>) => node.problems.map((p) => `${p.on} ${p.reason} ${p.path}`)

test.each([
  [undefined, 'PathPrefix /'],
  [{ type: 'Exact', service: 'a.B', method: 'C' }, 'Exact /a.B/C'],
  [{ type: 'Exact', service: 'a.B' }, 'PathPrefix /a.B/'],
  [{ type: 'Exact', method: 'C' }, 'RegularExpression /[^/]+/C'],
  [{ type: 'Exact', service: '', method: 'C' }, 'RegularExpression /[^/]+/C'],
  [{ type: 'RegularExpression', service: 'a|b' }, 'RegularExpression /(?:a|b)/[^/]+'],
  [{ type: 'RegularExpression', service: 'a', method: 'b|c' }, 'RegularExpression /(?:a)/(?:b|c)'],
] as const)('%j is the path %s', (match, path) => {
  const { type, value } = resolvePath(match)
  expect(`${type} ${value}`).toBe(path)
})

describe('a rule', () => {
  test.each(['[{}]', '[{matches: []}]'])('without matches takes every gRPC request (%s)', (rules) => {
    const [rule] = resolve(rules).rules
    expect(rule?.matches).toMatchObject([{ grpc: true, match: { path: { type: 'PathPrefix', value: '/' } } }])
  })

  test('fails with 503, which is UNAVAILABLE for gRPC', () => {
    expect(resolve('[{}]').rules[0]?.failureStatus).toBe(503)
  })

  test('counts headers that differ in case once', () => {
    const [rule] = resolve('[{matches: [{headers: [{name: A, value: x}, {name: a, value: y}]}]}]').rules
    expect(rule?.matches[0]?.rank).toMatchObject({ headers: 1 })
    expect(rule?.matches[0]?.match.headers).toEqual([{ type: 'Exact', name: 'A', value: 'x' }])
  })
})

describe('backends', () => {
  test('are spoken to by HTTP/2, whatever their Service says', () => {
    const [ref] = resolve('[{backendRefs: [{name: cart, port: 80}]}]').rules[0]?.backendRefs ?? []
    expect(ref?.backend?.protocol).toBe('h2c')
  })

  test('for WebSocket are refused', () => {
    const node = resolve('[{backendRefs: [{name: ws, port: 80}]}]')
    expect(node.rules[0]?.backendRefs[0]?.backend).toBeUndefined()
    expect(problems(node)).toEqual(['ResolvedRefs UnsupportedProtocol spec.rules[0].backendRefs[0]'])
  })
})

describe('patterns that RE2 does not take', () => {
  const bad = '{method: {type: RegularExpression, method: "(?=a)"}}'

  test('are left out beside others', () => {
    const node = resolve(`[{matches: [${bad}, {method: {service: a.B}}]}]`)
    expect(node.rules[0]?.matches).toHaveLength(1)
    expect(problems(node)).toEqual(['PartiallyInvalid UnsupportedValue spec.rules[0].matches[0].method.method'])
  })

  test('leave nothing to accept when there is nothing else', () => {
    expect(problems(resolve(`[{matches: [${bad}]}]`))).toEqual([
      'Accepted UnsupportedValue spec.rules[0].matches[0].method.method',
    ])
  })

  test('are judged together, too: a service and a method that are long by themselves', () => {
    const long = 'a'.repeat(1000)
    const match = `{method: {type: RegularExpression, service: ${long}, method: ${long}}}`
    expect(problems(resolve(`[{matches: [${match}]}]`))).toEqual([
      'Accepted UnsupportedValue spec.rules[0].matches[0].method',
    ])
  })
})
