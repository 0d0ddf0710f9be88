import { expect, test } from 'vitest'
import { parseDuration } from './duration.ts'

test.each<[string, number | undefined]>([
  ['0s', 0],
  ['10ms', 10],
  ['1h30m', 5_400_000],
  ['1m1m', 120_000],
  ['1h2m3s4ms', 3_723_004],
  ['99999h', 359_996_400_000],
  ['100000h', undefined],
  ['1h2m3s4ms5s', undefined],
  ['1.5s', undefined],
  ['-1s', undefined],
  ['1us', undefined],
  ['10', undefined],
  ['', undefined],
  ['1s\n', undefined],
  ['1 s', undefined],
])('%j is %s milliseconds', (text, expected) => {
  expect(parseDuration(text)).toBe(expected)
})
