import { describe, expect, test, vi } from 'vitest'
import type { Reads } from './collection.ts'
import { Scheduler } from './scheduler.ts'

describe('An index', () => {
  const setUpIndex = () => {
    const scheduler = new Scheduler({ rethrow: true })
    const tagged = scheduler.source<string, { readonly tags: readonly string[]; readonly n?: number }>('tagged')
    const byTag = scheduler.index('by tag', tagged, (value) => value.tags)
    const write = (entries: Readonly<Record<string, { tags: readonly string[]; n?: number } | undefined>>) =>
      scheduler.batch(() => {
        for (const [key, value] of Object.entries(entries)) {
          if (value === undefined) tagged.delete(key)
          else tagged.set(key, value)
        }
      })
    return { scheduler, tagged, byTag, write }
  }

  test('puts a value under each of its keys once, however often they are named', () => {
    const { byTag, write } = setUpIndex()
    write({ v: { tags: ['x', 'y', 'x', 'x'] }, w: { tags: [] } })
    expect(byTag.count('x')).toBe(1)
    expect(byTag.lookup('x')).toEqual([{ tags: ['x', 'y', 'x', 'x'] }])
    expect([...byTag.keys()].sort()).toEqual(['x', 'y'])
  })

  test('follows a value to its new keys', () => {
    const { scheduler, byTag, write } = setUpIndex()
    write({ v: { tags: ['x', 'y'] }, w: { tags: ['y'] } })
    write({ v: { tags: ['y', 'z'], n: 1 } })
    expect(byTag.lookup('x')).toEqual([])
    expect(byTag.lookup('y')).toEqual([{ tags: ['y', 'z'], n: 1 }, { tags: ['y'] }])
    expect(byTag.lookup('z')).toEqual([{ tags: ['y', 'z'], n: 1 }])
    expect(scheduler.retained()).toMatchObject({ buckets: 2, members: 2 })
  })

  test('finds a value again that stood still while its keys could not be told', () => {
    const scheduler = new Scheduler()
    const numbers = scheduler.source<string, number>('numbers')
    const byHalf = scheduler.index('by half', numbers, (n) => {
      if (n < 0) throw new Error('negative')
      return [`${Math.floor(n / 2)}`]
    })
    const write = (n: number) => scheduler.batch(() => numbers.set('v', n))
    write(2)
    write(-1)
    expect(byHalf.lookup('1')).toEqual([2])
    write(-2)
    write(6)
    expect(byHalf.lookup('1')).toEqual([])
    expect(byHalf.lookup('3')).toEqual([6])
    write(-1)
    scheduler.batch(() => numbers.delete('v'))
    expect([...byHalf.keys()]).toEqual([])
    expect(scheduler.retained()).toMatchObject({ buckets: 0, members: 0, pending: 0, failing: 0 })
  })

  test('reports keys that are not the same each time', () => {
    const scheduler = new Scheduler({ rethrow: true })
    const numbers = scheduler.source<string, number>('numbers')
    let calls = 0
    scheduler.index('fickle', numbers, (n) => {
      if (++calls === 2) throw new Error('not again')
      return [`${n}`]
    })
    scheduler.batch(() => numbers.set('v', 1))
    expect(() => scheduler.batch(() => numbers.set('v', 2))).toThrow('not again')
  })

  test('keeps its members in the order of their keys, whether they come alone or in a crowd', () => {
    for (const perBatch of [1, 3, 7, 500]) {
      const { byTag, tagged, scheduler } = setUpIndex()
      // 7919 is prime to 500, so this visits every number once, in a shuffled order.
      const order = Array.from({ length: 500 }, (_, i) => (i * 7919) % 500)
      for (let i = 0; i < order.length; i += perBatch) {
        scheduler.batch(() => {
          for (const n of order.slice(i, i + perBatch)) tagged.set(String(n).padStart(3, '0'), { tags: ['all'], n })
        })
      }
      const numbers = () => byTag.lookup('all').map((value) => value.n)
      expect(numbers()).toEqual(Array.from({ length: 500 }, (_, n) => n))
      for (let i = 0; i < order.length; i += perBatch) {
        scheduler.batch(() => {
          for (const n of order.slice(i, i + perBatch)) if (n % 3 !== 0) tagged.delete(String(n).padStart(3, '0'))
        })
      }
      expect(numbers()).toEqual(Array.from({ length: 167 }, (_, i) => 3 * i))
    }
  })

  test('hands out the same members until one changes, and never changes what it has handed out', () => {
    const { byTag, write } = setUpIndex()
    write({ a: { tags: ['x'] }, c: { tags: ['x'] } })
    const first = byTag.lookup('x')
    write({ d: { tags: ['y'] } })
    expect(byTag.lookup('x')).toBe(first)
    write({ b: { tags: ['x'] } })
    const second = byTag.lookup('x')
    expect(second).not.toBe(first)
    write({ b: { tags: ['x'], n: 1 } })
    write({ b: { tags: ['x'], n: 2 } })
    const third = byTag.lookup('x')
    write({ a: undefined })
    write({ b: undefined, c: undefined, e: { tags: ['x'] }, f: { tags: ['x'] }, g: { tags: ['x'] } })
    expect(first).toEqual([{ tags: ['x'] }, { tags: ['x'] }])
    expect(second).toEqual([{ tags: ['x'] }, { tags: ['x'] }, { tags: ['x'] }])
    expect(third).toEqual([{ tags: ['x'] }, { tags: ['x'], n: 2 }, { tags: ['x'] }])
    expect(byTag.lookup('nobody')).toBe(byTag.lookup('nobody either'))
  })

  test('runs who counts only when the count has changed', () => {
    const { scheduler, byTag, write } = setUpIndex()
    const only = scheduler.source<string, number>('only')
    scheduler.batch(() => only.set('x', 0))
    const count = vi.fn((_n: number, reads: Reads, key: string) => reads.count(byTag, key))
    const look = vi.fn((_n: number, reads: Reads, key: string) => reads.lookup(byTag, key))
    const counts = scheduler.derive('counts', only, count)
    scheduler.derive('members', only, look)
    write({ a: { tags: ['x'] }, b: { tags: ['x'] } })
    expect([counts.get('x'), count.mock.calls.length, look.mock.calls.length]).toEqual([2, 2, 2])
    write({ a: { tags: ['x'], n: 1 } })
    expect([count.mock.calls.length, look.mock.calls.length]).toEqual([2, 3])
    write({ a: undefined, c: { tags: ['x'] } })
    expect([count.mock.calls.length, look.mock.calls.length]).toEqual([2, 4])
    write({ b: undefined })
    expect([counts.get('x'), count.mock.calls.length]).toEqual([1, 3])
  })

  test('leaves a value where it stands when its keys cannot be told, until they can', () => {
    const scheduler = new Scheduler()
    const source = scheduler.source<string, string>('source')
    const index = scheduler.index('index', source, (value) => {
      if (value === 'bad') throw new Error('no keys')
      return [value]
    })
    const write = (key: string, value: string) => scheduler.batch(() => source.set(key, value))
    write('a', 'x')
    write('a', 'bad')
    write('b', 'y')
    expect([index.lookup('x'), index.lookup('y')]).toEqual([['x'], ['y']])
    expect(scheduler.explain(index, 'x').failure).toBe('a: no keys')
    write('a', 'z')
    expect([index.lookup('x'), index.lookup('z')]).toEqual([[], ['z']])
    write('a', 'bad')
    scheduler.batch(() => source.replace([]))
    expect(Object.values(scheduler.retained())).toEqual(Object.values(scheduler.retained()).map(() => 0))
  })
})

describe('A lazy index', () => {
  const setUpLazy = () => {
    const scheduler = new Scheduler({ rethrow: true })
    const routes = scheduler.source<string, string>('routes')
    const questions = scheduler.source<string, string>('questions')
    const byTarget = scheduler.index('by target', routes, (target) => [target], { isLazy: true })
    const targets = scheduler.keys('targets', byTarget)
    const byLetter = scheduler.index('by letter', targets, (target) => [target.charAt(0)])
    const answers = scheduler.derive('answers', questions, (letter, reads) => reads.lookup(byLetter, letter).join())
    return { scheduler, routes, questions, byTarget, byLetter, answers }
  }

  test('costs nothing until somebody reads what is derived from it', () => {
    const { scheduler, routes, questions, answers } = setUpLazy()
    scheduler.batch(() => {
      routes.set('r', 'alpha')
      routes.set('s', 'beta')
    })
    const costs = () => scheduler.statistics().collections.map(({ computations, size }) => computations + size)
    expect(costs()).toEqual([2, 0, 0, 0, 0, 0])
    expect(scheduler.retained()).toMatchObject({ entries: 2, buckets: 0, members: 0, pending: 0 })
    scheduler.batch(() => questions.set('q', 'a'))
    expect(answers.get('q')).toBe('alpha')
    expect(scheduler.retained()).toMatchObject({ buckets: 4, members: 4, pending: 0 })
  })

  test('has what was there before it was read, what came with that, and what comes after it', () => {
    const { scheduler, routes, questions, answers, byTarget, byLetter } = setUpLazy()
    scheduler.batch(() => {
      routes.set('r', 'alpha')
      routes.set('s', 'beta')
    })
    scheduler.batch(() => {
      routes.set('r', 'apple')
      routes.set('t', 'avocado')
      questions.set('q', 'a')
    })
    expect(answers.get('q')).toBe('apple,avocado')
    scheduler.batch(() => {
      routes.set('r', 'banana')
      routes.set('s', 'almond')
    })
    expect(answers.get('q')).toBe('almond,avocado')
    expect([...byTarget.keys()].sort()).toEqual(['almond', 'avocado', 'banana'])
    scheduler.batch(() => {
      for (const key of ['r', 's', 't']) routes.delete(key)
      questions.delete('q')
    })
    expect([...byLetter.keys()]).toEqual([])
    expect(Object.values(scheduler.retained())).toEqual(Object.values(scheduler.retained()).map(() => 0))
  })

  test('is filled for a listener of what is derived from it', () => {
    const { scheduler, routes, byTarget } = setUpLazy()
    scheduler.batch(() => routes.set('r', 'alpha'))
    const counts = scheduler.group('counts', byTarget, (_key, _reads, members) => members.length)
    expect([...counts.entries()]).toEqual([])
    const listener = vi.fn()
    counts.subscribe(listener)
    expect([...counts.entries()]).toEqual([['alpha', 1]])
    expect(listener).not.toHaveBeenCalled()
    scheduler.batch(() => routes.set('s', 'alpha'))
    expect(listener).toHaveBeenCalledExactlyOnceWith([{ key: 'alpha', before: 1, after: 2 }])
  })
})
