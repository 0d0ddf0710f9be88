import { describe, expect, test } from 'vitest'
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

describe('An inspection', () => {
  test('dumps its network as plain data', () => {
    const { scheduler, numbers, write } = setUp()
    const doubled = scheduler.derive('doubled', numbers, (n, reads) => n + (reads.get(numbers, 'a') ?? 0))
    const parity = scheduler.index('parity', doubled, (n) => [String(n % 2)])
    const sizes = scheduler.group('sizes', parity, (_key, _reads, members) => members.length)
    scheduler.join('all', [doubled, sizes])
    write({ a: 1, b: 2, c: 4 })
    const dump = scheduler.dump()
    expect(JSON.parse(JSON.stringify(dump))).toEqual(dump)
    const common = { failures: 0, failing: {} }
    expect(dump.collections).toEqual([
      { ...common, name: 'numbers', kind: 'source', size: 3, computations: 0, inputs: [], reads: 0 },
      { ...common, name: 'doubled', kind: 'derive', size: 3, computations: 3, inputs: ['numbers'], reads: 3 },
      { ...common, name: 'parity', kind: 'index', size: 2, computations: 3, inputs: ['doubled'], reads: 0 },
      { ...common, name: 'sizes', kind: 'group', size: 2, computations: 2, inputs: ['parity'], reads: 0 },
      { ...common, name: 'all', kind: 'join', size: 5, computations: 0, inputs: ['doubled', 'sizes'], reads: 0 },
    ])
    expect(scheduler.statistics().batches).toBe(1)
  })

  test('explains an entry by its inputs, its reads, and who depends on it', () => {
    const { scheduler, numbers, write } = setUp()
    const names = scheduler.source<string, string>('names')
    const named = scheduler.derive('named', numbers, (n, reads, key) => {
      reads.has(names, 'absent')
      return { n, name: reads.get(names, key) }
    })
    const parity = scheduler.index('parity', named, (value) => [String(value.n % 2), 'all'])
    const sizes = scheduler.group(
      'sizes',
      parity,
      (_key, reads, members) => members.length + reads.count(parity, 'all'),
    )
    const details = scheduler.deriveMany('details', named, (value, reads, key) => [
      [`${key}/1`, reads.lookup(parity, 'all').length],
      [`${key}/2`, value.n],
    ])
    const joined = scheduler.join('joined', [details, sizes])
    write({ a: 1, b: 2 })
    scheduler.batch(() => names.set('a', 'Anna'))

    expect(scheduler.explain(named, 'a')).toEqual({
      collection: 'named',
      kind: 'derive',
      key: 'a',
      value: { n: 1, name: 'Anna' },
      failure: undefined,
      inputs: [{ collection: 'numbers', key: 'a' }],
      reads: [
        { collection: 'names', key: 'a' },
        { collection: 'names', key: 'absent' },
      ],
      dependents: [
        { collection: 'details', key: 'a/1' },
        { collection: 'details', key: 'a/2' },
        { collection: 'parity', key: '1' },
        { collection: 'parity', key: 'all' },
      ],
    })
    expect(scheduler.explain(parity, 'all')).toMatchObject({
      value: [{ n: 1, name: 'Anna' }, { n: 2 }],
      inputs: [
        { collection: 'named', key: 'a' },
        { collection: 'named', key: 'b' },
      ],
      dependents: [
        { collection: 'details', key: 'a/1' },
        { collection: 'details', key: 'a/2' },
        { collection: 'details', key: 'b/1' },
        { collection: 'details', key: 'b/2' },
        { collection: 'sizes', key: '0' },
        { collection: 'sizes', key: '1' },
        { collection: 'sizes', key: 'all' },
      ],
    })
    expect(scheduler.explain(details, 'b/1')).toMatchObject({
      value: 2,
      inputs: [{ collection: 'named', key: 'b' }],
      reads: [{ collection: 'parity', key: 'all' }],
      dependents: [{ collection: 'joined', key: 'b/1' }],
    })
    expect(scheduler.explain(sizes, '0')).toMatchObject({
      inputs: [{ collection: 'parity', key: '0' }],
      reads: [{ collection: 'parity', key: 'all' }],
    })
    expect(scheduler.explain(joined, '0')).toMatchObject({
      inputs: [{ collection: 'sizes', key: '0' }],
      dependents: [],
    })
    expect(scheduler.explain(names, 'absent')).toMatchObject({
      value: undefined,
      inputs: [],
      dependents: [
        { collection: 'named', key: 'a' },
        { collection: 'named', key: 'b' },
      ],
    })
    expect(scheduler.explain(named, 'nobody')).toMatchObject({
      value: undefined,
      inputs: [],
      reads: [],
      dependents: [],
    })
  })
})
