import { expect, test } from 'vitest'
import { namespacedName } from '../../gatewayapi/object-key.ts'
import { KnownVersions } from './known-versions.ts'

const [a, b] = [namespacedName('shop', 'a'), namespacedName('shop', 'b')]

test('Equal and older versions are not news, unless they are to be believed', () => {
  const known = new KnownVersions()
  expect(known.put(a, '5', false)).toBe(true)
  expect(known.put(a, '5', true)).toBe(false)
  expect(known.put(a, '4', false)).toBe(false)
  expect(known.put(a, '4', true)).toBe(true)
  expect(known.put(a, '6', false)).toBe(true)
})

test('A deletion is remembered for a while, so that a late event does not bring the object back', () => {
  const known = new KnownVersions()
  known.put(a, '5', false)
  expect(known.delete(a, '4')).toBe(false)
  expect(known.delete(a, '7')).toBe(true)
  expect(known.delete(a, '7')).toBe(false)
  expect(known.put(a, '6', false)).toBe(false)
  known.settle()
  expect(known.put(a, '6', false)).toBe(false)
  expect(known.put(a, '8', false)).toBe(true)
})

test('After two quiet times a deletion is forgotten', () => {
  const known = new KnownVersions()
  known.put(a, '5', false)
  known.delete(a, '7')
  known.settle()
  known.settle()
  expect(known.put(a, '6', false)).toBe(true)
})

test('A complete load tells what is gone', () => {
  const known = new KnownVersions()
  known.put(a, '5', false)
  known.put(b, '6', false)
  expect(known.retain(new Set([b]))).toEqual([a])
  expect(known.size).toBe(1)
})

test('Versions that are no numbers, or not written as such, are told apart', () => {
  const known = new KnownVersions()
  for (const version of ['5', '05', '5.0', 'NaN', '12345678901234567890', '12345678901234567891']) {
    expect(known.put(a, version, true), version).toBe(true)
    expect(known.put(a, version, true), version).toBe(false)
  }
  expect(known.put(a, '12345678901234567890', false)).toBe(false)
  expect(known.delete(a, '12345678901234567890')).toBe(false)
})
