import { expect, test } from 'vitest'
import { Scheduler } from './scheduler.ts'

function setUp() {
  const scheduler = new Scheduler({ rethrow: true })
  const words = scheduler.source<string, string>('words')
  const letters = scheduler.keys(
    'letters',
    scheduler.index('words by letter', words, (word) => word),
  )
  const write = (values: Readonly<Record<string, string | undefined>>) =>
    scheduler.batch(() => {
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) words.delete(key)
        else words.set(key, value)
      }
    })
  return { scheduler, words, letters, write }
}

test('The keys of an index are those with members, and each is its own value', () => {
  const { letters, write } = setUp()
  write({ a: 'xy', b: 'y' })
  expect([...letters.entries()].sort()).toEqual([
    ['x', 'x'],
    ['y', 'y'],
  ])
  write({ a: 'z' })
  expect([letters.size, letters.has('x'), letters.get('y'), letters.get('z')]).toEqual([2, false, 'y', 'z'])
})

test('Whatever becomes of members, only a key that comes or goes is told', () => {
  const { scheduler, letters, write } = setUp()
  write({ a: 'xy', b: 'y' })
  const told: unknown[] = []
  letters.subscribe((changes) => told.push(...changes))
  let computations = 0
  scheduler.derive('computed', letters, (letter) => {
    computations++
    return letter
  })
  write({})
  expect(computations).toBe(2)
  write({ a: 'yx', c: 'y' })
  write({ b: undefined })
  expect([told, computations]).toEqual([[], 2])
  write({ a: 'y', c: 'yz' })
  expect(told).toEqual([
    { key: 'x', before: 'x', after: undefined },
    { key: 'z', before: undefined, after: 'z' },
  ])
  expect(computations).toBe(3)
})

test('Keys of an index that has members already are there at once', () => {
  const { scheduler, words, write } = setUp()
  write({ a: 'xy' })
  const index = scheduler.index('again', words, (word) => word)
  expect([...scheduler.keys('later', index).entries()]).toEqual([
    ['x', 'x'],
    ['y', 'y'],
  ])
})
