import { describe, expect, test, vi } from 'vitest'
import type { Reads } from './collection.ts'
import { Scheduler } from './scheduler.ts'

/** A scheduler with one source of numbers, and a short way to write to it. */
function setUp(options: { rethrow?: boolean } = { rethrow: true }) {
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

describe('A batch', () => {
  test('returns what its function returns', () => {
    const { scheduler } = setUp()
    expect(scheduler.batch(() => 42)).toBe(42)
  })

  test('shows its writes to itself and to nobody else', () => {
    const { scheduler, numbers, write } = setUp()
    const doubled = scheduler.derive('doubled', numbers, (n) => 2 * n)
    write({ a: 1, b: 2 })
    scheduler.batch(() => {
      numbers.set('a', 10)
      numbers.delete('b')
      numbers.set('c', 3)
      expect(Object.fromEntries(numbers.entries())).toEqual({ a: 10, c: 3 })
      expect([numbers.get('a'), numbers.has('b'), numbers.size]).toEqual([10, false, 2])
      expect(Object.fromEntries(doubled.entries())).toEqual({ a: 2, b: 4 })
    })
    expect(Object.fromEntries(doubled.entries())).toEqual({ a: 20, c: 6 })
  })

  test('that is nested joins the outer one', () => {
    const { scheduler, numbers } = setUp()
    const compute = vi.fn((n: number) => n)
    const copy = scheduler.derive('copy', numbers, compute)
    scheduler.batch(() => {
      scheduler.batch(() => numbers.set('a', 1))
      expect(copy.get('a')).toBeUndefined()
      scheduler.batch(() => numbers.set('a', 2))
    })
    expect(copy.get('a')).toBe(2)
    expect(compute).toHaveBeenCalledTimes(1)
  })

  test('that throws changes nothing, and the throw passes through', () => {
    const { scheduler, numbers, write } = setUp()
    write({ a: 1 })
    const listener = vi.fn()
    numbers.subscribe(listener)
    const run = () =>
      scheduler.batch(() => {
        numbers.set('a', 2)
        scheduler.batch(() => numbers.set('b', 2))
        throw new Error('half done')
      })
    expect(run).toThrow('half done')
    expect(Object.fromEntries(numbers.entries())).toEqual({ a: 1 })
    expect(listener).not.toHaveBeenCalled()
    expect(scheduler.retained().pending).toBe(0)
    write({ c: 3 })
    expect(Object.fromEntries(numbers.entries())).toEqual({ a: 1, c: 3 })
  })

  test('that throws in a listener loses its own writes only', () => {
    const { scheduler, numbers, write } = setUp({})
    const answers = scheduler.source<string, number>('answers')
    numbers.subscribe(() => scheduler.batch(() => answers.set('good', 1)))
    numbers.subscribe(() =>
      scheduler.batch(() => {
        answers.set('bad', 1)
        throw new Error('half done')
      }),
    )
    write({ a: 1 })
    expect(Object.fromEntries(answers.entries())).toEqual({ good: 1 })
  })

  test('of one listener is not seen by the others before it is settled, not even in sources', () => {
    const { scheduler, numbers, write } = setUp()
    const answers = scheduler.source<string, number>('answers')
    const copies = scheduler.derive('copies', answers, (n) => n)
    const seen: unknown[] = []
    numbers.subscribe(() => scheduler.batch(() => answers.set('a', 1)))
    numbers.subscribe(() => {
      seen.push(answers.get('a'), copies.get('a'))
      scheduler.batch(() => seen.push(answers.get('a'), [...answers.entries()], answers.size))
    })
    write({ a: 1 })
    expect(seen).toEqual([undefined, undefined, 1, [['a', 1]], 1])
    expect(copies.get('a')).toBe(1)
  })

  test('must be synchronous', () => {
    const { scheduler } = setUp()
    expect(() => scheduler.batch(async () => {})).toThrow('a batch is synchronous')
  })

  test('is needed to write', () => {
    const { numbers } = setUp()
    expect(() => numbers.set('a', 1)).toThrow('"numbers" is changed inside a batch only')
    expect(() => numbers.delete('a')).toThrow('"numbers" is changed inside a batch only')
  })

  test('cannot be opened by a derivation', () => {
    const { scheduler, numbers, write } = setUp()
    scheduler.derive('naughty', numbers, () => scheduler.batch(() => 1))
    expect(() => write({ a: 1 })).toThrow('derivations are pure')
  })
})

describe('Settling', () => {
  test('computes each key once, however many of its inputs and reads have changed', () => {
    const { scheduler, numbers, write } = setUp()
    const doubled = scheduler.derive('doubled', numbers, (n) => 2 * n)
    const squared = scheduler.derive('squared', numbers, (n) => n * n)
    const compute = vi.fn((n: number, reads: Reads, key: string) => ({
      is: [n, reads.get(doubled, key), reads.get(squared, key), reads.get(squared, key)],
    }))
    const all = scheduler.derive('all', numbers, compute)
    write({ a: 3, b: 1 })
    expect(compute).toHaveBeenCalledTimes(2)
    write({ a: 4 })
    expect(compute).toHaveBeenCalledTimes(3)
    expect(all.get('a')).toEqual({ is: [4, 8, 16, 16] })
  })

  test('never shows a diamond half updated', () => {
    const { scheduler, numbers, write } = setUp()
    const left = scheduler.derive('left', numbers, (n) => ({ n }))
    const right = scheduler.derive('right', numbers, (n) => ({ n }))
    const parity = scheduler.index('right by parity', right, (value) => [value.n % 2 === 0 ? 'even' : 'odd'])
    const counted = scheduler.group('counted', parity, (_key, _reads, members) => members.map((member) => member.n))
    const seen: unknown[] = []
    scheduler.derive('bottom', left, (value, reads, key) => {
      seen.push([value.n, reads.get(right, key)?.n, reads.get(counted, value.n % 2 === 0 ? 'even' : 'odd')])
      return undefined
    })
    for (const n of [1, 2, 3]) write({ a: n })
    expect(seen).toEqual([
      [1, 1, [1]],
      [2, 2, [2]],
      [3, 3, [3]],
    ])
  })

  test('touches only the keys that an edit concerns', () => {
    const { scheduler, numbers, write } = setUp()
    const perKey = vi.fn((n: number) => ({ bucket: n % 10 }))
    const perBucket = vi.fn((_key: string, _reads: Reads, members: readonly unknown[]) => members.length)
    const derived = scheduler.derive('derived', numbers, perKey)
    const byBucket = scheduler.index('by bucket', derived, (value) => [String(value.bucket)])
    scheduler.group('sizes', byBucket, perBucket)
    write(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`n${i}`, i])))
    perKey.mockClear()
    perBucket.mockClear()
    write({ n7: 1003 })
    expect(perKey).toHaveBeenCalledTimes(1)
    expect(perBucket.mock.calls.map(([key]) => key).sort()).toEqual(['3', '7'])
  })

  test('stops where the output is equal', () => {
    const { scheduler, numbers, write } = setUp()
    const sign = scheduler.derive('sign', numbers, (n) => ({ isPositive: n > 0, list: [new Map([['n', n > 0]])] }))
    const compute = vi.fn((value: { isPositive: boolean }) => value.isPositive)
    scheduler.derive('after', sign, compute)
    write({ a: 1 })
    const before = sign.get('a')
    write({ a: 2 })
    expect(sign.get('a')).toBe(before)
    expect(compute).toHaveBeenCalledTimes(1)
    write({ a: -1 })
    expect(compute).toHaveBeenCalledTimes(2)
  })

  test('remembers nothing of what a filter leaves out', () => {
    const { scheduler, numbers, write } = setUp()
    const even = scheduler.derive('even', numbers, (n) => (n % 2 === 0 ? n : undefined))
    scheduler.deriveMany('none', numbers, () => [])
    write({ a: 1, b: 2, c: 4 })
    write({ c: 5, d: 7 })
    expect(Object.fromEntries(even.entries())).toEqual({ b: 2 })
    expect(scheduler.retained().cells).toBe(1)
    write({ a: 6 })
    expect(Object.fromEntries(even.entries())).toEqual({ a: 6, b: 2 })
  })

  test('asks the equality that a collection was given', () => {
    const { scheduler, numbers, write } = setUp()
    const close = (a: number, b: number) => Math.abs(a - b) < 10
    const rough = scheduler.derive('rough', numbers, (n) => n, { equals: close })
    const source = scheduler.source<string, number>('rough source', { equals: close })
    write({ a: 1 })
    write({ a: 5 })
    expect(rough.get('a')).toBe(1)
    write({ a: 50 })
    expect(rough.get('a')).toBe(50)
    for (const n of [1, 5]) scheduler.batch(() => source.set('a', n))
    expect(source.get('a')).toBe(1)
  })

  test('fills a collection at once when it is created onto what is there', () => {
    const { scheduler, numbers, write } = setUp()
    write({ a: 1, b: 2 })
    const doubled = scheduler.derive('doubled', numbers, (n) => 2 * n)
    const many = scheduler.deriveMany('many', doubled, (n, _reads, key) => [[`${key}!`, n] as const])
    const joined = scheduler.join('joined', [doubled, many])
    const index = scheduler.index('index', joined, (n) => [String(n)])
    const group = scheduler.group('group', index, (_key, _reads, members) => members.length)
    expect(Object.fromEntries(group.entries())).toEqual({ '2': 2, '4': 2 })
  })

  test('fills a collection that was created inside a batch, even if the batch throws', () => {
    const { scheduler, numbers, write } = setUp()
    write({ a: 1 })
    const doubled = scheduler.batch(() => {
      numbers.set('b', 2)
      return scheduler.derive('doubled', numbers, (n) => 2 * n)
    })
    expect(Object.fromEntries(doubled.entries())).toEqual({ a: 2, b: 4 })
    const created: { get(key: string): number | undefined }[] = []
    const run = () =>
      scheduler.batch(() => {
        numbers.set('a', 100)
        created.push(scheduler.derive('tripled', numbers, (n) => 3 * n))
        throw new Error('half done')
      })
    expect(run).toThrow('half done')
    expect(created[0]?.get('a')).toBe(3)
  })

  test('fills a collection that a listener creates with the state that the listener sees', () => {
    const { scheduler, numbers, write } = setUp()
    const seen: unknown[] = []
    const unsubscribe = numbers.subscribe(() => {
      unsubscribe()
      scheduler.batch(() => numbers.set('a', 2))
      const copy = scheduler.derive('copy', numbers, (n) => n)
      seen.push(copy.get('a'))
      copy.subscribe((changes) => seen.push(changes))
    })
    write({ a: 1 })
    expect(seen).toEqual([1, [{ key: 'a', before: 1, after: 2 }]])
  })
})

describe('A scheduler', () => {
  test('gives each name once', () => {
    const { scheduler, numbers } = setUp()
    expect(() => scheduler.derive('numbers', numbers, (n) => n)).toThrow('two collections have the name "numbers"')
  })

  test('lets no derivation create collections', () => {
    const { scheduler, numbers, write } = setUp()
    scheduler.derive('naughty', numbers, () => scheduler.source('more').size)
    expect(() => write({ a: 1 })).toThrow('derivations are pure')
  })

  test('lets no entry be undefined', () => {
    const scheduler = new Scheduler({ rethrow: true })
    const source = scheduler.source<string, undefined>('source')
    expect(() => scheduler.batch(() => source.set('a', undefined))).toThrow('an entry of "source" is never undefined')
    const inputs = scheduler.source<string, number>('inputs')
    scheduler.deriveMany('many', inputs, () => [['k', undefined] as const])
    expect(() => scheduler.batch(() => inputs.set('a', 1))).toThrow('an entry of "many" is never undefined')
  })
})

describe('A batch in turns', () => {
  function build() {
    const scheduler = new Scheduler()
    const numbers = scheduler.source<string, number>('numbers')
    const doubles = scheduler.derive('doubles', numbers, (n) => n * 2)
    const fill = (count: number) => () => {
      for (let i = 0; i < count; i++) numbers.set(`n${i}`, i)
    }
    return { scheduler, numbers, doubles, fill }
  }

  test('pauses between pieces, and tells listeners once, when everything has settled', async () => {
    const { scheduler, doubles, fill } = build()
    const told: number[] = []
    doubles.subscribe((changes) => told.push(changes.length))
    const sizes: number[] = []
    const pause = async () => {
      sizes.push(doubles.size)
      expect(told).toEqual([])
    }
    await scheduler.batchInTurns(fill(10), pause, { keys: 4 })
    expect(sizes).toEqual([4, 8, 10])
    expect(told).toEqual([10])
  })

  test('tells early of one collection that somebody waits for, once', async () => {
    const { scheduler, numbers, doubles, fill } = build()
    const sums = scheduler.derive('sums', doubles, (n, reads, key) => n + (reads.get(numbers, key) ?? 0))
    const told: string[] = []
    doubles.subscribe((changes) => told.push(`doubles ${changes.length} with ${sums.size} sums`))
    sums.subscribe((changes) => told.push(`sums ${changes.length}`))
    const onSettled = async () => {
      told.push('settled')
      await Promise.resolve()
      told.push('waited')
    }
    const early = { collection: doubles, onSettled }
    await scheduler.batchInTurns(fill(10), () => Promise.resolve(), { keys: 4, early })
    expect(told).toEqual(['doubles 10 with 0 sums', 'settled', 'waited', 'sums 10'])
    // Nothing is different.
    await scheduler.batchInTurns(fill(10), () => Promise.resolve(), { keys: 4, early })
    expect(told.slice(4)).toEqual(['settled', 'waited'])
  })

  test('settles before batches that come in its pauses, which see each other as ever', async () => {
    const { scheduler, numbers, doubles, fill } = build()
    const told: string[][] = []
    doubles.subscribe((changes) => told.push(changes.map(({ key, before, after }) => `${key} ${before} ${after}`)))
    let isFirst = true
    const pause = async () => {
      if (!isFirst) return
      isFirst = false
      scheduler.batch(() => numbers.set('n0', 5))
      scheduler.batch(() => numbers.set('n0', (numbers.get('n0') ?? 0) + 1))
    }
    await scheduler.batchInTurns(fill(2), pause, { keys: 1 })
    expect(told).toEqual([['n0 undefined 0', 'n1 undefined 2'], ['n0 0 12']])
  })

  test('that throws changes nothing, and is refused while another is under way', async () => {
    const { scheduler, numbers, doubles, fill } = build()
    const refused = scheduler.batchInTurns(
      () => {
        numbers.set('n', 1)
        throw new Error('no')
      },
      () => undefined,
    )
    await expect(refused).rejects.toThrow('no')
    expect([...doubles.entries()]).toEqual([])
    const first = scheduler.batchInTurns(fill(3), () => Promise.resolve(), { keys: 1 })
    await expect(scheduler.batchInTurns(fill(1), () => undefined)).rejects.toThrow('nothing else is under way')
    await first
    expect(doubles.size).toBe(3)
  })
})
