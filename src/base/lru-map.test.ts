import { expect, test } from 'vitest'
import { LruMap } from './lru-map.ts'

test('the entry that was used longest ago goes when there is no room', () => {
  const map = new LruMap<string, number>(3)
  for (const [key, value] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    map.set(key, value)
  expect(map.get('a')).toBe(1)
  map.set('d', 4)
  expect([map.get('a'), map.get('b'), map.get('c'), map.get('d')]).toEqual([1, undefined, 3, 4])
  // Writing an entry again is a use, too, and takes no further room.
  map.set('a', 5)
  map.set('e', 6)
  expect([map.get('a'), map.get('c'), map.get('d'), map.get('e')]).toEqual([5, undefined, 4, 6])
  map.delete('a')
  expect([map.get('a'), map.size]).toEqual([undefined, 2])
})

test('it never grows beyond its limit', () => {
  const map = new LruMap<number, number>(100)
  for (let i = 0; i < 10_000; i++) map.set(i, i)
  expect(map.size).toBe(100)
  expect([map.get(9_899), map.get(9_900)]).toEqual([undefined, 9_900])
})
