import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SharedParts } from './shared-parts.ts'

test('Equal parts of several values become one', () => {
  const parts = new SharedParts()
  const make = (name: string) => ({
    name,
    spec: { parents: [{ kind: 'Gateway', name: 'web' }], matches: [{ path: '/' }] },
  })
  const [a, b] = [parts.shareWithin(make('a')), parts.shareWithin(make('b'))]
  expect(a).not.toBe(b)
  expect(a.spec).toBe(b.spec)
  const other = { name: 'c', spec: { parents: [{ kind: 'Gateway', name: 'web' }], matches: [{ path: '/other' }] } }
  parts.shareWithin(other)
  expect(other.spec).not.toBe(a.spec)
  expect(other.spec.parents).toBe(a.spec.parents)
  expect(other.spec.matches).toEqual([{ path: '/other' }])
})

test('A member may be left alone', () => {
  const parts = new SharedParts()
  const make = () => ({ own: { name: 'web' }, spec: { name: 'web' } })
  const [a, b] = [parts.shareWithin(make(), 'own'), parts.shareWithin(make(), 'own')]
  expect(a.own).not.toBe(b.own)
  expect(a.spec).toBe(b.spec)
})

test('What is alike and not equal stays apart', () => {
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [{ a: 1 }, { b: 1 }],
    [
      { a: 1, b: 1 },
      { b: 1, a: 1 },
    ],
    [[], {}],
    [['x'], { 0: 'x' }],
    [{ a: 1 }, { a: '1' }],
    [{ a: 0 }, { a: -0 }],
    [{ a: null }, { a: undefined }],
    [{ a: undefined }, {}],
    [Object.create(null), {}],
    [[1], [1, 1]],
  ]
  for (const [one, another] of pairs) {
    const parts = new SharedParts()
    const first = parts.shareWithin({ part: one })
    const second = parts.shareWithin({ part: another })
    expect(second.part).not.toBe(first.part)
  }
})

test('The constant is left alone', () => {
  const frozen = Object.freeze({ list: Object.freeze(['a']) })
  const parts = new SharedParts(frozen)
  parts.shareWithin({ part: { list: ['a'] } })
  expect(parts.shareWithin({ frozen }).frozen).toBe(frozen)
})

test('Whatever came before, a value stays equal to what it was', () => {
  // Few names and numbers, so that parts repeat.
  const leaf = fc.oneof(
    fc.constantFrom('a', 'b', '', 'x'.repeat(100)),
    fc.integer({ min: -1, max: 2 }),
    fc.boolean(),
    fc.constant(null),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('tree')),
      fc.dictionary(fc.constantFrom('k', 'l', '__proto__'), tie('tree'), { noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(fc.array(fc.array(tree), { minLength: 1, maxLength: 8 }), (values) => {
      const before = structuredClone(values)
      const parts = new SharedParts()
      for (const value of values) expect(parts.shareWithin(value)).toBe(value)
      expect(values).toStrictEqual(before)
    }),
  )
})
