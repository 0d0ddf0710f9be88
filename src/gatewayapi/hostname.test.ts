import { describe, expect, test } from 'vitest'
import { compareHostnames, hostnameMatches, intersectHostname, intersectHostnames } from './hostname.ts'

test.each<[string | undefined, string, boolean]>([
  [undefined, 'a.com', true],
  ['', 'a.com', true],
  ['*', 'a.com', true],
  ['a.com', 'a.com', true],
  ['a.com', 'A.COM', true],
  ['A.com', 'a.com', true],
  ['a.com', 'b.a.com', false],
  ['*.a.com', 'b.a.com', true],
  ['*.a.com', 'c.b.a.com', true],
  ['*.a.com', 'a.com', false],
  ['*.a.com', 'xa.com', false],
  ['*.a.com', '.a.com', false],
  ['*.com', 'a.com', true],
])('the hostname %s matches %s: %s', (pattern, host, expected) => {
  expect(hostnameMatches(pattern, host)).toBe(expected)
})

test.each<[string | undefined, string | undefined, string | undefined]>([
  [undefined, undefined, '*'],
  [undefined, 'a.com', 'a.com'],
  ['a.com', '', 'a.com'],
  ['A.com', 'a.COM', 'a.com'],
  ['*.a.com', 'b.a.com', 'b.a.com'],
  ['b.a.com', '*.a.com', 'b.a.com'],
  ['*.a.com', '*.b.a.com', '*.b.a.com'],
  ['*.a.com', '*.a.com', '*.a.com'],
  ['*.com', '*.a.com', '*.a.com'],
  ['*.a.com', 'a.com', undefined],
  ['*.a.com', '*.b.com', undefined],
  ['a.com', 'b.com', undefined],
])('%s and %s have %s in common', (a, b, expected) => {
  expect(intersectHostname(a, b)).toBe(expected)
  expect(intersectHostname(b, a)).toBe(expected)
})

describe('the hostnames of a route on a listener', () => {
  test.each<[string, string | undefined, string[] | undefined, [string, string][]]>([
    ["are the listener's where the route has none", '*.a.com', undefined, [['*.a.com', '']]],
    ['are every host where neither has any', undefined, [], [['*', '']]],
    [
      "are the route's where the listener has none",
      undefined,
      ['B.com', '*.a.com'],
      [
        ['b.com', 'b.com'],
        ['*.a.com', '*.a.com'],
      ],
    ],
    ['leave out what the listener does not serve', '*.a.com', ['x.a.com', 'b.com'], [['x.a.com', 'x.a.com']]],
    ['are none without anything in common', 'a.com', ['b.com'], []],
    [
      'remember the narrowest of several that give the same',
      'x.a.com',
      ['*.com', '*.a.com', 'x.a.com'],
      [['x.a.com', 'x.a.com']],
    ],
    ['remember the wildcard that gave an exact one', 'x.a.com', ['*.com', '*.a.com'], [['x.a.com', '*.a.com']]],
  ])('%s', (_, listener, route, expected) => {
    const actual = intersectHostnames(listener, route).map(({ hostname, original }) => [hostname, original])
    expect(actual).toEqual(expected)
  })
})

test('the more specific hostname goes first', () => {
  const inOrder = ['aa.b.example.com', 'b.example.com', '*.b.example.com', '*.example.com', '*.com', '']
  const shuffled = [3, 0, 5, 2, 4, 1].map((index) => inOrder[index])
  expect(shuffled.sort(compareHostnames)).toEqual(inOrder)
  expect(compareHostnames('a.com', 'b.com')).toBe(0)
  expect(compareHostnames(undefined, '*')).toBe(0)
})
