import { describe, expect, test, vi } from 'vitest'
import { type Logger, silentLogger } from '../base/logger.ts'
import { Scheduler } from './scheduler.ts'

function recordingLogger() {
  const error = vi.fn<Logger['error']>()
  return { error, logger: { ...silentLogger, error } }
}

describe('A key that two inputs claim', () => {
  function setUpClaims(options: { logger?: Logger; rethrow?: boolean }) {
    const scheduler = new Scheduler(options)
    const lists = scheduler.source<string, Readonly<Record<string, string>>>('lists')
    const many = scheduler.deriveMany('many', lists, (list) => Object.entries(list))
    const write = (key: string, value: Readonly<Record<string, string>> | undefined) =>
      scheduler.batch(() => (value === undefined ? lists.delete(key) : lists.set(key, value)))
    return { scheduler, lists, many, write }
  }

  test('goes to the smallest input key, in whatever order they come, and is logged', () => {
    for (const order of [
      ['a', 'b', 'c'],
      ['c', 'b', 'a'],
      ['b', 'c', 'a'],
    ]) {
      const { error, logger } = recordingLogger()
      const { many, write } = setUpClaims({ logger })
      for (const key of order) write(key, { k: `from ${key}` })
      expect(Object.fromEntries(many.entries())).toEqual({ k: 'from a' })
      expect(many.size).toBe(1)
      expect(error).toHaveBeenCalledTimes(2)
      expect(error.mock.calls[1]?.[1]).toMatchObject({
        collection: 'many',
        key: 'k',
        error: { message: 'Bug in Gatewright: "many" derives the key "k" from a and from b and from c' },
      })
    }
  })

  test('goes to the next one when the winner lets go', () => {
    const { scheduler, many, write } = setUpClaims({})
    for (const key of ['a', 'b', 'c']) write(key, { k: `from ${key}` })
    const listener = vi.fn()
    many.subscribe(listener)
    write('a', { other: 'x' })
    expect(many.get('k')).toBe('from b')
    write('c', { k: 'changed behind' })
    write('b', undefined)
    expect(many.get('k')).toBe('changed behind')
    write('c', undefined)
    write('a', undefined)
    expect(many.get('k')).toBeUndefined()
    expect(listener).toHaveBeenCalledTimes(4)
    expect(scheduler.retained().cells).toBe(0)
  })

  test('is no conflict when it moves from one input to the other in one batch', () => {
    const { scheduler, lists, many, write } = setUpClaims({ rethrow: true })
    write('b', { k: 'same' })
    const before = many.get('k')
    scheduler.batch(() => {
      lists.set('a', { k: 'same' })
      lists.set('b', {})
    })
    expect(many.get('k')).toBe(before)
  })

  test('surfaces in tests', () => {
    const { write } = setUpClaims({ rethrow: true })
    write('b', { k: 'from b' })
    expect(() => write('a', { k: 'from a' })).toThrow('"many" derives the key "k" from a and from b')
  })

  test('goes to the first when one input yields it twice', () => {
    const scheduler = new Scheduler()
    const source = scheduler.source<string, readonly string[]>('source')
    const many = scheduler.deriveMany('many', source, (list) => list.map((value) => ['k', value] as const))
    scheduler.batch(() => source.set('a', ['first', 'second']))
    expect(many.get('k')).toBe('first')
    expect(scheduler.statistics().collections[1]?.failures).toBe(1)
  })
})
