import { describe, expect, test, vi } from 'vitest'
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

describe('A group', () => {
  test('has one entry per index key with members, and none where nothing is computed', () => {
    const { scheduler, numbers, write } = setUp()
    const parity = scheduler.index('parity', numbers, (n) => [n % 2 === 0 ? 'even' : 'odd', 'all'])
    const sums = scheduler.group('sums', parity, (key, _reads, members) =>
      key === 'all' ? undefined : members.reduce((a, b) => a + b, 0),
    )
    write({ a: 1, b: 2, c: 3 })
    expect(Object.fromEntries(sums.entries())).toEqual({ odd: 4, even: 2 })
    expect(sums.size).toBe(2)
    write({ b: 5 })
    expect(Object.fromEntries(sums.entries())).toEqual({ odd: 9 })
  })

  test('gets its members in the order of their keys, and reads what else it needs', () => {
    const { scheduler, numbers, write } = setUp()
    const names = scheduler.source<string, string>('names')
    const parity = scheduler.index('parity', numbers, (n) => [n % 2 === 0 ? 'even' : 'odd'])
    const lists = scheduler.group('lists', parity, (key, reads, members) => `${reads.get(names, key)}:${members}`)
    write({ c: 5, a: 3, b: 1 })
    scheduler.batch(() => names.set('odd', 'ungerade'))
    expect(lists.get('odd')).toBe('ungerade:3,1,5')
  })
})

describe('A join', () => {
  test('shows the earlier collection, and the later one when the earlier lets go', () => {
    const { scheduler, numbers, write } = setUp()
    const fallback = scheduler.source<string, number>('fallback')
    const joined = scheduler.join('joined', [numbers, fallback])
    const listener = vi.fn()
    joined.subscribe(listener)
    scheduler.batch(() => fallback.set('a', 1))
    write({ a: 2 })
    scheduler.batch(() => fallback.set('a', 3))
    expect(joined.get('a')).toBe(2)
    write({ a: undefined })
    expect(joined.get('a')).toBe(3)
    expect(listener.mock.calls.map(([changes]) => changes)).toEqual([
      [{ key: 'a', before: undefined, after: 1 }],
      [{ key: 'a', before: 1, after: 2 }],
      [{ key: 'a', before: 2, after: 3 }],
    ])
  })

  test('says nothing when an equal value takes over', () => {
    const scheduler = new Scheduler({ rethrow: true })
    const first = scheduler.source<string, readonly number[]>('first')
    const second = scheduler.source<string, readonly number[]>('second')
    const joined = scheduler.join('joined', [first, second])
    scheduler.batch(() => {
      first.set('a', [1])
      second.set('a', [1])
    })
    const before = joined.get('a')
    const listener = vi.fn()
    joined.subscribe(listener)
    scheduler.batch(() => first.delete('a'))
    expect(joined.get('a')).toBe(before)
    expect(listener).not.toHaveBeenCalled()
  })

  test('of nothing is empty', () => {
    expect(new Scheduler().join('nothing', []).size).toBe(0)
  })
})
