import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scheduler } from '../collections/scheduler.ts'
import { bucketCounts } from './bucket-expression.ts'
import { chooseBuckets, defaultTablePolicy, keepTableForms, type TableForm, type TableSize } from './table-form.ts'

const size = (virtualHosts: number, wildcards = 1): TableSize => ({ virtualHosts, wildcards })
const choose = (current: TableForm['buckets'], virtualHosts: number, wildcards = 1) =>
  chooseBuckets(current, size(virtualHosts, wildcards), defaultTablePolicy)

describe('the number of buckets', () => {
  it('is 64 from 2,000 virtual hosts on and 256 from 10,000', () => {
    expect([1, 1999, 2000, 9_999, 10_000].map((hosts) => choose(1, hosts))).toEqual([1, 1, 64, 64, 256])
  })

  it('stays until half of that is left', () => {
    expect([10_000, 5_000, 4_999, 1_000, 999].map((hosts) => choose(256, hosts))).toEqual([256, 256, 64, 64, 1])
    expect([1_000, 999].map((hosts) => choose(64, hosts))).toEqual([64, 1])
    expect([1_000, 999].map((hosts) => choose(16, hosts, 20))).toEqual([16, 1])
  })

  it('stays small where copies of wildcards would cost more than they save', () => {
    expect(choose(1, 3000, 23)).toBe(64)
    expect(choose(1, 3000, 24)).toBe(16)
    expect(choose(64, 3000, 46)).toBe(64)
    expect(choose(64, 3000, 47)).toBe(16)
    expect(choose(1, 3000, 93)).toBe(16)
    expect(choose(1, 3000, 94)).toBe(1)
    expect(choose(16, 3000, 187)).toBe(16)
    expect(choose(16, 3000, 188)).toBe(1)
    expect(choose(1, 30_000, 59)).toBe(64)
    expect(choose(1, 30_000, 300)).toBe(16)
  })

  it('can be asked for and refused', () => {
    expect(chooseBuckets(1, size(1), { ...defaultTablePolicy, tables: 'always' })).toBe(16)
    expect(chooseBuckets(1, size(30_000), { ...defaultTablePolicy, tables: 'always' })).toBe(256)
    expect(chooseBuckets(64, size(30_000), { ...defaultTablePolicy, tables: 'never' })).toBe(1)
  })

  it('changes at most once while sizes stay within a factor of two', () => {
    const walk = fc
      .record({
        base: fc.integer({ min: 1, max: 30_000 }),
        start: fc.constantFrom(1 as const, ...bucketCounts),
      })
      .chain(({ base, start }) =>
        fc.record({ start: fc.constant(start), sizes: fc.array(fc.integer({ min: base, max: 2 * base - 1 })) }),
      )
    fc.assert(
      fc.property(walk, ({ start, sizes }) => {
        let current: TableForm['buckets'] = start
        const directions: number[] = []
        for (const hosts of sizes) {
          const next = choose(current, hosts)
          if (next !== current) directions.push(Math.sign(next - current))
          current = next
        }
        // Two steps in one direction, where the walk begins far away; never to and fro.
        expect(new Set(directions).size).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('the forms of tables', () => {
  const policy = { tables: 'auto' as const, divideFrom: 100 }
  const bed = (isServing: boolean) => {
    const scheduler = new Scheduler({ rethrow: true })
    const sizes = scheduler.source<string, TableSize>('sizes')
    const forms = scheduler.source<string, TableForm>('forms')
    const tasks: (() => void)[] = []
    keepTableForms(scheduler, sizes, forms, {
      policy,
      ...(isServing && { afterDrain: (run) => void tasks.push(run) }),
    })
    return {
      set: (hosts: number) => scheduler.batch(() => sizes.set('t', size(hosts))),
      delete: () => scheduler.batch(() => sizes.delete('t')),
      drain: () => tasks.shift()?.(),
      get form() {
        return forms.get('t')
      },
    }
  }

  it('remember what they were, which no derivation could', () => {
    const tables = bed(false)
    tables.set(99)
    expect(tables.form).toBeUndefined()
    tables.set(100)
    expect(tables.form).toEqual({ buckets: 16, fading: [] })
    tables.set(50)
    expect(tables.form).toEqual({ buckets: 16, fading: [] })
    tables.set(49)
    expect(tables.form).toBeUndefined()
  })

  it('keep a division that is left until connections have drained', () => {
    const tables = bed(true)
    tables.set(100)
    tables.set(1000)
    expect(tables.form).toEqual({ buckets: 256, fading: [16] })
    tables.set(10)
    expect(tables.form).toEqual({ buckets: 1, fading: [16, 256] })
    // The first change has drained, but the second has not.
    tables.drain()
    expect(tables.form).toEqual({ buckets: 1, fading: [16, 256] })
    tables.set(100)
    expect(tables.form).toEqual({ buckets: 16, fading: [256] })
    tables.drain()
    tables.drain()
    expect(tables.form).toEqual({ buckets: 16, fading: [] })
  })

  it('go with their table', () => {
    const tables = bed(true)
    tables.set(100)
    tables.delete()
    expect(tables.form).toBeUndefined()
  })
})
