import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bucket } from './bucket.ts'
import { Scheduler } from './scheduler.ts'
import { WatchTable } from './watch.ts'

type Value = readonly number[]

function setUpBucket() {
  const table: WatchTable<Bucket<Value>> = new WatchTable('index', (of, key) => new Bucket<Value>(of, key))
  return table.obtain('key')
}

describe('A bucket', () => {
  test('gives out the array of a single member once, and never changes it', () => {
    const bucket = setUpBucket()
    bucket.apply([{ key: 'a', value: [1] }])
    expect(bucket.glance()).toEqual([[1]])
    const first = bucket.values
    expect(bucket.values).toBe(first)
    expect(bucket.glance()).toBe(first)
    bucket.apply([{ key: 'a', value: [2] }])
    const second = bucket.values
    bucket.apply([{ key: 'b', value: [3] }])
    const third = bucket.values
    bucket.apply([{ key: 'a', value: undefined }])
    expect([first, second, third, bucket.values]).toEqual([[[1]], [[2]], [[2], [3]], [[3]]])
  })

  // The values are arrays themselves, so that a bare one could be taken for the array of all.
  test('has the members of a sorted Map, whoever looks in between', () => {
    const edit = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      value: fc.option(fc.array(fc.nat(9), { maxLength: 2 }), { nil: undefined }),
    })
    const step = fc.record({
      edits: fc.uniqueArray(edit, { maxLength: 6, selector: ({ key }) => key }),
      look: fc.constantFrom('not', 'values', 'glance'),
    })
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const bucket = setUpBucket()
        const model = new Map<string, Value>()
        const given: { readonly array: readonly Value[]; readonly copy: readonly Value[] }[] = []
        for (const { edits, look } of steps) {
          bucket.apply(edits)
          for (const { key, value } of edits) {
            if (value === undefined) model.delete(key)
            else model.set(key, value)
          }
          const keys = [...model.keys()].sort()
          const expected = keys.map((key) => model.get(key) as Value)
          expect([bucket.size, bucket.keys]).toEqual([keys.length, keys])
          if (look === 'not') continue
          const array = look === 'values' ? bucket.values : bucket.glance()
          expect(array).toEqual(expected)
          if (look === 'values') expect(bucket.values).toBe(array)
          given.push({ array, copy: [...array] })
        }
        for (const { array, copy } of given) expect(array).toEqual(copy)
      }),
    )
  })

  test('that is only read is not a key of its index, and goes with its last reader', () => {
    const scheduler = new Scheduler({ rethrow: true })
    const source = scheduler.source<string, string>('source')
    const index = scheduler.index('index', source, (value) => [value])
    const readers = scheduler.source<string, string>('readers')
    const seen = scheduler.derive('seen', readers, (key, reads) => reads.lookup(index, key).length)
    scheduler.batch(() => readers.set('r', 'x'))
    expect([[...index.keys()], index.count('x'), index.lookup('x')]).toEqual([[], 0, []])
    expect(index.lookup('x')).toBe(index.lookup('nobody'))
    expect(scheduler.retained()).toMatchObject({ buckets: 0, watches: 1 })
    scheduler.batch(() => source.set('a', 'x'))
    expect([[...index.keys()], seen.get('r')]).toEqual([['x'], 1])
    scheduler.batch(() => readers.set('r', 'y'))
    expect(scheduler.retained()).toMatchObject({ buckets: 1, watches: 1 })
    scheduler.batch(() => source.delete('a'))
    expect([[...index.keys()], scheduler.retained().buckets]).toEqual([[], 0])
    scheduler.batch(() => readers.delete('r'))
    expect(Object.values(scheduler.retained()).every((n) => n === 0)).toBe(true)
  })
})
