import { describe, expect, test } from 'vitest'
import { isStructurallyEqual } from './equality.ts'

class Point {
  readonly x: number
  constructor(x: number) {
    this.x = x
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values)
const point = new Point(1)

describe('Structural equality', () => {
  test.each<[string, unknown, unknown]>([
    ['numbers, also NaN', Number.NaN, Number.NaN],
    ['nested plain objects', { a: { b: [1, { c: 'x' }] } }, { a: { b: [1, { c: 'x' }] } }],
    ['objects without a prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ['Maps', new Map([['k', { v: [1] }]]), new Map([['k', { v: [1] }]])],
    ['Sets', new Set([{ v: 1 }]), new Set([{ v: 1 }])],
    ['bytes, also as a Buffer', bytes(1, 2, 3), Buffer.from([1, 2, 3])],
    ['one instance of a class', point, point],
  ])('holds for %s', (_what, a, b) => {
    expect(isStructurallyEqual(a, b)).toBe(true)
    expect(isStructurallyEqual(b, a)).toBe(true)
  })

  test.each<[string, unknown, unknown]>([
    ['different primitives', 1, '1'],
    ['zero and minus zero', 0, -0],
    ['null and an object', null, {}],
    ['a deep difference', { a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }],
    ['an absent field and an undefined one', { a: 1 }, { a: 1, b: undefined }],
    ['different fields', { a: undefined }, { b: undefined }],
    ['another order of fields', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['an array and an object', [], {}],
    ['an array and a longer one', [1], [1, undefined]],
    ['Maps with different values', new Map([['k', [1]]]), new Map([['k', [2]]])],
    ['Maps with different keys', new Map([['k', 1]]), new Map([['l', 1]])],
    [
      'Maps in another order',
      new Map([
        ['k', 1],
        ['l', 1],
      ]),
      new Map([
        ['l', 1],
        ['k', 1],
      ]),
    ],
    ['Maps of different sizes', new Map(), new Map([['k', 1]])],
    ['a Map and a Set', new Map(), new Set()],
    ['Sets with different members', new Set([1]), new Set([2])],
    ['a Set and an object', new Set(), {}],
    ['different bytes', bytes(1, 2), bytes(1, 3)],
    ['bytes and longer ones', bytes(1), bytes(1, 0)],
    ['bytes and an array', bytes(1), [1]],
    ['two instances of a class', new Point(1), new Point(1)],
    ['an instance and its fields', new Point(1), { x: 1 }],
    ['two dates', new Date(0), new Date(0)],
  ])('does not hold for %s', (_what, a, b) => {
    expect(isStructurallyEqual(a, b)).toBe(false)
    expect(isStructurallyEqual(b, a)).toBe(false)
  })
})
