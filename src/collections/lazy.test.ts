import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Reads } from './collection.ts'
import { Scheduler } from './scheduler.ts'

describe('A lazy collection', () => {
  function setUpLazy() {
    const scheduler = new Scheduler({ rethrow: true })
    const numbers = scheduler.source<string, number>('numbers')
    const offsets = scheduler.source<string, number>('offsets')
    const compute = (value: number, reads: Reads, key: string) => value + (reads.get(offsets, key) ?? 0)
    const eager = scheduler.derive('eager', numbers, compute)
    const lazy = scheduler.derive('lazy', numbers, compute, { isLazy: true })
    const fill = (count: number) =>
      scheduler.batch(() => {
        for (let i = 0; i < count; i++) numbers.set(`n${i}`, i)
      })
    return { scheduler, numbers, offsets, eager, lazy, fill }
  }

  test('costs nothing until somebody subscribes', () => {
    const { scheduler, offsets, eager, lazy, fill } = setUpLazy()
    fill(3)
    scheduler.batch(() => offsets.set('n1', 10))
    expect(lazy.size).toBe(0)
    expect(scheduler.statistics().collections.find(({ name }) => name === 'lazy')?.computations).toBe(0)
    const told: unknown[] = []
    lazy.subscribe((changes) => told.push(changes))
    expect([...lazy.entries()]).toEqual([...eager.entries()])
    scheduler.batch(() => offsets.delete('n1'))
    expect(told).toEqual([[{ key: 'n1', before: 11, after: 1 }]])
  })

  test('is awakened in turns, while batches settle everywhere else at once', async () => {
    const { scheduler, numbers, eager, lazy, fill } = setUpLazy()
    fill(10)
    const sizes: number[] = []
    await scheduler.awakenInTurns(
      [lazy],
      async () => {
        sizes.push(lazy.size)
        scheduler.batch(() => numbers.set('n0', -sizes.length))
        expect(eager.get('n0')).toBe(-sizes.length)
      },
      4,
    )
    expect(sizes.slice(0, 2)).toEqual([4, 8])
    expect([...lazy.entries()].sort()).toEqual([...eager.entries()].sort())
  })

  test('ends up as if it had never slept, whatever comes while it awakens', async () => {
    const edit = fc.record({
      isOffset: fc.boolean(),
      key: fc.integer({ min: 0, max: 9 }).map((n) => `n${n}`),
      value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    })
    const edits = fc.array(edit, { maxLength: 30 })
    const property = fc.asyncProperty(edits, edits, fc.integer({ min: 1, max: 4 }), async (first, later, size) => {
      const { scheduler, numbers, offsets, eager, lazy } = setUpLazy()
      const apply = ({ isOffset, key, value }: (typeof first)[number]) => {
        const source = isOffset ? offsets : numbers
        if (value === undefined) source.delete(key)
        else source.set(key, value)
      }
      scheduler.batch(() => first.forEach(apply))
      const left = [...later]
      const pause = async () => {
        const next = left.splice(0, 2)
        scheduler.batch(() => next.forEach(apply))
      }
      await scheduler.awakenInTurns([lazy], pause, size)
      for (const next of left) scheduler.batch(() => apply(next))
      expect(new Map(lazy.entries())).toEqual(new Map(eager.entries()))
      scheduler.batch(() => {
        numbers.replace([])
        offsets.replace([])
      })
      expect(Object.values(scheduler.retained()).every((count) => count === 0)).toBe(true)
    })
    await fc.assert(property, { numRuns: 300 })
  })

  test('that somebody reads while it awakens is there at once', async () => {
    const { scheduler, lazy, fill } = setUpLazy()
    fill(10)
    const seen: number[] = []
    await scheduler.awakenInTurns(
      [lazy],
      async () => {
        lazy.subscribe(() => {})
        seen.push(lazy.size)
      },
      4,
    )
    expect(seen[0]).toBe(10)
  })
})
