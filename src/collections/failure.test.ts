import { describe, expect, test, vi } from 'vitest'
import { type Logger, silentLogger } from '../base/logger.ts'
import { Scheduler } from './scheduler.ts'

/** A scheduler with one source of numbers, and a short way to write to it. */
function setUp(options: { logger?: Logger; rethrow?: boolean } = { rethrow: true }) {
  const scheduler = new Scheduler(options)
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

function recordingLogger() {
  const error = vi.fn<Logger['error']>()
  return { error, logger: { ...silentLogger, error } }
}

describe('A throw in a derivation', () => {
  const setUpFailing = (options: { logger?: Logger; rethrow?: boolean }) => {
    const { scheduler, numbers, write } = setUp(options)
    const limits = scheduler.source<string, number>('limits')
    const limit = (n: number) => scheduler.batch(() => limits.set('max', n))
    const checked = scheduler.derive('checked', numbers, (n, reads) => {
      const max = reads.get(limits, 'max') ?? 10
      if (n > max) throw new Error(`${n} is more than ${max}`)
      return n
    })
    return { scheduler, write, limit, checked }
  }

  test('keeps the last good value of its key, and stops no other key', () => {
    const { write, checked } = setUpFailing({})
    write({ a: 1, b: 1 })
    write({ a: 11, b: 2, c: 12, d: 4 })
    expect(Object.fromEntries(checked.entries())).toEqual({ a: 1, b: 2, d: 4 })
    write({ a: 5 })
    expect(checked.get('a')).toBe(5)
  })

  test('is logged with its key, counted, and shown by dump and explain until it is over', () => {
    const { error, logger } = recordingLogger()
    const { scheduler, write, checked } = setUpFailing({ logger })
    const failing = () => scheduler.dump().collections.find((c) => c.name === 'checked')
    write({ a: 1 })
    write({ a: 11 })
    expect(error).toHaveBeenCalledExactlyOnceWith('A derivation threw: its last good value stays', {
      collection: 'checked',
      key: 'a',
      error: new Error('11 is more than 10'),
    })
    expect([failing()?.failures, failing()?.failing]).toEqual([1, { a: '11 is more than 10' }])
    expect(scheduler.explain(checked, 'a')).toMatchObject({ value: 1, failure: '11 is more than 10' })
    write({ a: 2 })
    expect([failing()?.failures, failing()?.failing]).toEqual([1, {}])
    expect(scheduler.explain(checked, 'a').failure).toBeUndefined()
    write({ a: 11, b: 11 })
    write({ a: undefined, b: undefined })
    expect([failing()?.failures, failing()?.failing, failing()?.size]).toEqual([3, {}, 0])
  })

  test('is tried again when what it had read changes', () => {
    const { write, limit, checked } = setUpFailing({})
    write({ a: 11 })
    expect(checked.get('a')).toBeUndefined()
    limit(20)
    expect(checked.get('a')).toBe(11)
    limit(5)
    expect(checked.get('a')).toBe(11)
  })

  test('surfaces in tests after everything has settled and everyone was told', () => {
    const { write, checked } = setUpFailing({ rethrow: true })
    const listener = vi.fn()
    checked.subscribe(listener)
    expect(() => write({ a: 11, b: 1 })).toThrow('11 is more than 10')
    expect(checked.get('b')).toBe(1)
    expect(listener).toHaveBeenCalledTimes(1)
    expect(() => write({ a: 11, b: 2 })).not.toThrow()
    expect(() => write({ a: 12, b: 13 })).toThrow(AggregateError)
  })

  test('surfaces in tests from the call that created the derivation', () => {
    const { scheduler, numbers, write } = setUp({ rethrow: true })
    write({ a: 1 })
    const create = () =>
      scheduler.derive('derived', numbers, () => {
        throw new Error('always')
      })
    expect(create).toThrow('always')
    expect(() => scheduler.batch(() => {})).not.toThrow()
  })

  test('in a listener surfaces in tests too, after everyone was told', () => {
    const { numbers, write } = setUp({ rethrow: true })
    const second = vi.fn()
    numbers.subscribe(() => {
      throw new Error('wrong expectation')
    })
    numbers.subscribe(second)
    expect(() => write({ a: 1 })).toThrow('wrong expectation')
    expect(second).toHaveBeenCalledTimes(1)
  })

  test('half-way through a generator keeps all entries of the input', () => {
    const { scheduler, numbers, write } = setUp({})
    const many = scheduler.deriveMany('many', numbers, function* (n, _reads, key) {
      yield [`${key}1`, n] as const
      if (n > 10) throw new Error('too much')
      yield [`${key}2`, n] as const
    })
    write({ a: 1 })
    write({ a: 11 })
    expect(Object.fromEntries(many.entries())).toEqual({ a1: 1, a2: 1 })
  })

  test('in a group keeps the entry, and the entry goes with its members', () => {
    const { scheduler, numbers, write } = setUp({})
    const all = scheduler.index('all', numbers, () => ['all'])
    const sum = scheduler.group('sum', all, (_key, _reads, members) => {
      if (members.length > 2) throw new Error('too many')
      return members.length
    })
    write({ a: 1, b: 2 })
    write({ c: 3 })
    expect(sum.get('all')).toBe(2)
    write({ a: undefined, b: undefined, c: undefined })
    expect(sum.get('all')).toBeUndefined()
  })

  test('in an equality counts as a change', () => {
    const { scheduler, numbers, write } = setUp({})
    const equals = () => {
      throw new Error('no opinion')
    }
    const copy = scheduler.derive('copy', numbers, (n) => n, { equals })
    write({ a: 1 })
    write({ a: 2 })
    expect(copy.get('a')).toBe(2)
    expect(scheduler.statistics().collections[1]).toMatchObject({ name: 'copy', failures: 1, computations: 2 })
  })
})
