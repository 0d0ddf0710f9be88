import { expect, test } from 'vitest'
import {
  buildGRPCMatchRank,
  buildHTTPMatchRank,
  buildRouteRank,
  compareHostedMatches,
  compareMatchRanks,
  type MatchRank,
} from './match-precedence.ts'
import { namespacedName } from './object-key.ts'
import type { GRPCRouteMatch } from './objects/grpc-route.ts'
import type { HTTPRouteMatch } from './objects/http-route.ts'

const route = (name: string, created?: string) => buildRouteRank(namespacedName('shop', name), created)
const path = (type: HTTPRouteMatch['path']['type'], value: string) => ({ path: { type, value } })
const header = (name: string) => ({ type: 'Exact' as const, name, value: 'x' })
const rank = (match: HTTPRouteMatch, from = route('a'), rule = 0, index = 0) =>
  buildHTTPMatchRank(from, rule, index, match)
const prefix = path('PathPrefix', '/a')

test.each<[string, MatchRank, MatchRank]>([
  ['an exact path before a longer prefix', rank(path('Exact', '/')), rank(path('PathPrefix', '/a/b/c'))],
  ['an exact path before a regular expression', rank(path('Exact', '/')), rank(path('RegularExpression', '/a.*'))],
  [
    'a regular expression before a longer prefix',
    rank(path('RegularExpression', '/')),
    rank(path('PathPrefix', '/abc')),
  ],
  [
    'a longer regular expression before a shorter one',
    rank(path('RegularExpression', '/abc')),
    rank(path('RegularExpression', '/a')),
  ],
  [
    'a longer prefix before a shorter one with more of everything else',
    rank(path('PathPrefix', '/ab')),
    rank({ ...prefix, method: 'GET', headers: [header('a')] }),
  ],
  [
    'a method before headers',
    rank({ ...prefix, method: 'GET' }),
    rank({ ...prefix, headers: [header('a'), header('b')] }),
  ],
  [
    'more headers before fewer',
    rank({ ...prefix, headers: [header('a'), header('b')] }),
    rank({ ...prefix, headers: [header('a')] }),
  ],
  [
    'headers before query parameters',
    rank({ ...prefix, headers: [header('a')] }),
    rank({ ...prefix, queryParams: [header('a'), header('b')] }),
  ],
  ['more query parameters before fewer', rank({ ...prefix, queryParams: [header('a')] }), rank(prefix)],
  [
    'the older route',
    rank(prefix, route('z', '2026-01-01T00:00:00Z')),
    rank(prefix, route('a', '2026-01-01T00:00:01Z')),
  ],
  [
    'the older route across time zones',
    rank(prefix, route('z', '2026-01-01T01:00:00+02:00')),
    rank(prefix, route('a', '2026-01-01T00:00:00Z')),
  ],
  [
    'a route with a creation time before one without',
    rank(prefix, route('z', '2026-01-01T00:00:00Z')),
    rank(prefix, route('a')),
  ],
  ['the first name among equally old routes', rank(prefix, route('a')), rank(prefix, route('b'))],
  ['the earlier rule', rank(prefix, route('a'), 0, 5), rank(prefix, route('a'), 1, 0)],
  ['the earlier match', rank(prefix, route('a'), 1, 0), rank(prefix, route('a'), 1, 1)],
])('%s', (_, first, second) => {
  expect(compareMatchRanks(first, second)).toBeLessThan(0)
  expect(compareMatchRanks(second, first)).toBeGreaterThan(0)
  expect(compareMatchRanks(first, first)).toBe(0)
})

test('the last slash of a prefix does not count', () => {
  expect(rank(path('PathPrefix', '/a/')).pathLength).toBe(2)
  expect(rank(path('PathPrefix', '/')).pathLength).toBe(1)
  expect(rank(path('Exact', '/a/')).pathLength).toBe(3)
})

test('headers are counted, not compared: equal counts leave it to the order of rules', () => {
  const first = rank({ ...prefix, headers: [header('b'), header('a')] }, route('a'), 0)
  const second = rank({ ...prefix, headers: [header('a'), header('b')] }, route('a'), 1)
  expect(compareMatchRanks(first, second)).toBeLessThan(0)
})

test('a narrower hostname of the route wins over its path', () => {
  const older = route('wide', '2026-01-01T00:00:00Z')
  const wide = { original: '*.example.com', rank: rank(path('PathPrefix', '/path/prefix'), older) }
  const narrow = { original: 'abc.example.com', rank: rank(path('PathPrefix', '/path'), route('narrow')) }
  expect([wide, narrow].sort(compareHostedMatches)).toEqual([narrow, wide])
  expect([narrow, { ...narrow, original: '' }].sort(compareHostedMatches)[0]).toBe(narrow)
})

const grpcRank = (match: GRPCRouteMatch, from = route('a'), rule = 0) => buildGRPCMatchRank(from, rule, 0, match)
const method = (service?: string, name?: string, type: 'Exact' | 'RegularExpression' = 'Exact'): GRPCRouteMatch => ({
  method: { type, ...(service !== undefined && { service }), ...(name !== undefined && { method: name }) },
})

test.each<[string, MatchRank, MatchRank]>([
  ['a longer service', grpcRank(method('a.bc')), grpcRank(method('a.b', 'LongMethod'))],
  ['a longer method of equal services', grpcRank(method('a.b', 'Get')), grpcRank(method('a.b'))],
  ['a service rather than a method', grpcRank(method('a')), grpcRank(method(undefined, 'LongMethod'))],
  ['more headers', grpcRank({ ...method('a'), headers: [header('x')] }), grpcRank(method('a'))],
  [
    'an exact match before a longer pattern',
    grpcRank(method('a')),
    grpcRank(method('aaa.*', '.*', 'RegularExpression')),
  ],
  ['a pattern before everything', grpcRank(method('a', undefined, 'RegularExpression')), grpcRank({})],
  ['everything with a header before everything', grpcRank({ headers: [header('x')] }), grpcRank({})],
  ['the older route', grpcRank({}, route('z', '2026-01-01T00:00:00Z')), grpcRank({}, route('a'))],
  ['the first rule', grpcRank({}, route('a'), 0), grpcRank({}, route('a'), 1)],
  [
    'gRPC before HTTP, whatever the path and the age',
    grpcRank({}),
    rank(path('Exact', '/a'), route('z', '2020-01-01T00:00:00Z')),
  ],
])('of gRPC matches: %s', (_, first, second) => {
  expect(compareMatchRanks(first, second)).toBeLessThan(0)
  expect(compareMatchRanks(second, first)).toBeGreaterThan(0)
})
