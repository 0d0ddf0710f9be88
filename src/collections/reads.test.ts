import { describe, expect, test, vi } from 'vitest'
import type { Reads } from './collection.ts'
import { Scheduler } from './scheduler.ts'

/** A scheduler with one source of numbers, and a short way to write to it. */
function setUp() {
  const scheduler = new Scheduler({ rethrow: true })
  const numbers = scheduler.source<string, number>('numbers')
  const write = (values: Readonly<Record<string, number | undefined>>) =>
    scheduler.batch(() => {
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) numbers.delete(key)
        else numbers.set(key, value)
      }
    })
  return { scheduler, numbers, write }
}

describe('Reads', () => {
  test('are followed as they change from run to run', () => {
    const { scheduler, numbers, write } = setUp()
    const pointers = scheduler.source<string, string>('pointers')
    const compute = vi.fn((target: string, reads: Reads) => reads.get(numbers, target))
    const followed = scheduler.derive('followed', pointers, compute)
    write({ a: 1, b: 2 })
    scheduler.batch(() => pointers.set('p', 'a'))
    scheduler.batch(() => pointers.set('p', 'b'))
    expect(followed.get('p')).toBe(2)
    compute.mockClear()
    write({ a: 10 })
    expect(compute).not.toHaveBeenCalled()
    write({ b: 20 })
    expect(followed.get('p')).toBe(20)
    expect(scheduler.retained()).toMatchObject({ reads: 1, readers: 1, watches: 1 })
  })

  test('of one key by many are all woken, and all forgotten', () => {
    const { scheduler, numbers, write } = setUp()
    const readers = scheduler.source<string, string>('readers')
    const values = scheduler.derive('values', readers, (target, reads) => reads.get(numbers, target))
    const names = Array.from({ length: 30 }, (_, i) => `r${i}`)
    const point = (to: string) =>
      scheduler.batch(() => {
        for (const name of names) readers.set(name, to)
      })
    point('a')
    write({ a: 7 })
    expect(names.map((name) => values.get(name))).toEqual(names.map(() => 7))
    expect(scheduler.retained()).toMatchObject({ reads: 30, readers: 30, watches: 1 })
    for (const name of names.slice(1)) scheduler.batch(() => readers.set(name, 'b'))
    write({ a: 8 })
    expect([values.get('r0'), values.get('r1'), values.get('r29')]).toEqual([8, undefined, undefined])
    scheduler.batch(() => readers.replace([]))
    expect(scheduler.retained()).toMatchObject({ reads: 0, readers: 0, watches: 0 })
  })

  test('that are made in a different order are the same reads', () => {
    const { scheduler, numbers, write } = setUp()
    const orders = scheduler.source<string, readonly string[]>('orders')
    const sums = scheduler.derive('sums', orders, (keys, reads) =>
      keys.reduce((sum, key) => sum + (reads.get(numbers, key) ?? 0), 0),
    )
    write({ a: 1, b: 2, c: 3 })
    for (const keys of [
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'b', 'c', 'a'],
      ['c', 'a'],
    ]) {
      scheduler.batch(() => orders.set('o', keys))
      expect(scheduler.retained()).toMatchObject({ reads: new Set(keys).size, readers: new Set(keys).size })
    }
    write({ a: 10, b: 20 })
    expect(sums.get('o')).toBe(13)
  })

  test('of a generator are tracked while it is consumed', () => {
    const { scheduler, numbers, write } = setUp()
    const lists = scheduler.source<string, readonly string[]>('lists')
    const many = scheduler.deriveMany('many', lists, function* (keys, reads) {
      for (const key of keys) yield [key, reads.get(numbers, key) ?? -1] as const
    })
    scheduler.batch(() => lists.set('l', ['a', 'b']))
    write({ b: 5 })
    expect(Object.fromEntries(many.entries())).toEqual({ a: -1, b: 5 })
  })

  test('of a collection that was created later are refused', () => {
    const { scheduler, numbers, write } = setUp()
    const derived = scheduler.derive('early', numbers, (_n, reads): number | undefined => reads.get(late, 'a'))
    const late = scheduler.derive('late', numbers, (n) => n)
    expect(() => write({ a: 1 })).toThrow('"early" reads only what was created before it, not "late"')
    expect(derived.get('a')).toBeUndefined()
  })

  test('of itself are refused', () => {
    const { scheduler, numbers, write } = setUp()
    const loop = scheduler.derive('loop', numbers, (_n, reads): number | undefined => reads.get(loop, 'a'))
    expect(() => write({ a: 1 })).toThrow('"loop" reads only what was created before it, not "loop"')
  })

  test('of what another scheduler made are refused', () => {
    const { scheduler, numbers, write } = setUp()
    const foreign = setUp().numbers
    scheduler.derive('derived', numbers, (_n, reads) => reads.get(foreign, 'a'))
    expect(() => write({ a: 1 })).toThrow('"derived" reads only what its own scheduler made, not "numbers"')
    expect(() => scheduler.derive('other', foreign, (n) => n)).toThrow('"numbers" was made by another scheduler')
  })

  test('that are kept for later are refused, even while another key is computed', () => {
    const { scheduler, numbers, write } = setUp()
    const kept: Reads[] = []
    scheduler.derive('leaky', numbers, (_n, reads) => {
      kept.push(reads)
      return kept[0]?.get(numbers, 'a')
    })
    expect(() => write({ a: 1 })).not.toThrow()
    expect(() => kept[0]?.get(numbers, 'a')).toThrow('"leaky" reads only while it computes')
    expect(() => write({ b: 1 })).toThrow('"leaky" reads only while it computes')
    expect(scheduler.retained().watches).toBe(1)
  })
})
