import { expect, test } from 'vitest'
import { isOlderVersion, WatchPosition } from './resource-version.ts'

test.each([
  ['9', '10', true],
  ['10', '9', false],
  ['10', '10', false],
  ['9007199254740993', '9007199254740994', true],
  ['99999999999999999999', '100000000000000000000', true],
  ['abc', '10', false],
  ['10', 'abc', false],
  ['010', '9', false],
])('%s is older than %s: %s', (a, b, older) => {
  expect(isOlderVersion(a, b)).toBe(older)
})

test('A watch that broke is resumed a few events back, one that was confirmed where it ended', () => {
  const position = new WatchPosition('100')
  expect(position.resumeAt).toBe('100')
  position.advance('103')
  position.advance('101')
  expect([position.newest, position.resumeAt]).toEqual(['103', '100'])
  for (let version = 110; version < 130; version++) position.advance(String(version))
  expect([position.newest, position.resumeAt]).toEqual(['129', '121'])
  position.confirm()
  expect(position.resumeAt).toBe('129')
  position.advance('130')
  position.confirm('135')
  expect([position.newest, position.resumeAt]).toEqual(['135', '135'])
  position.confirm('131')
  expect(position.newest).toBe('135')
})

test('Versions that are no numbers count in the order in which they come', () => {
  const position = new WatchPosition('a7')
  position.advance('a3')
  expect([position.newest, position.resumeAt]).toEqual(['a3', 'a3'])
})
