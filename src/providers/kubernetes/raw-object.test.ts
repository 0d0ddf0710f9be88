import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FieldPlan, ItemPlan, keepOnly, projectValue } from './field-plan.ts'
import { parseEvent, planEvent, unmanaged } from './raw-object.ts'

const parse = (text: string) => parseEvent(Buffer.from(text), planEvent(unmanaged))

describe('a line of a watch', () => {
  it('comes without managed fields, whatever stands in them', () => {
    const managed = [{ manager: 'a "]" \\', fieldsV1: { 'f:x': [[], { '[': ']"' }], 'k:{"name":"web"}': {} } }, 'ü]']
    const object = { metadata: { name: 'web', managedFields: managed, uid: 'ü' }, spec: { list: [1] } }
    const expected = { metadata: { name: 'web', uid: 'ü' }, spec: { list: [1] } }
    expect(parse(JSON.stringify({ type: 'ADDED', object }))).toEqual({ type: 'ADDED', object: expected })
  })

  it('keeps everything else', () => {
    for (const object of [
      {},
      { metadata: {} },
      { metadata: null },
      { metadata: { annotations: { managedFields: '"managedFields":[1]' } } },
      { 'a"managedFields': ['stays'] },
      { managedFields: ['stays'] },
    ])
      expect(parse(JSON.stringify({ type: 'ADDED', object }))).toEqual({ type: 'ADDED', object })
  })

  it('is refused when it is cut off in the middle', () => {
    const text = JSON.stringify({ type: 'ADDED', object: { metadata: { managedFields: [{ manager: 'a' }] } } })
    for (let length = 0; length < text.length; length++)
      expect(() => parse(text.slice(0, length))).toThrow('a line of the watch is not JSON')
  })

  it('is read as a whole when it is about no object', () => {
    const object = { kind: 'Service', metadata: { managedFields: [1], annotations: { a: 'b' } } }
    for (const type of ['BOOKMARK', 'ERROR', ''])
      expect(parse(JSON.stringify({ type, object }))).toEqual({ type, object })
    expect(parse(JSON.stringify({ object, type: 'ADDED' }))).toEqual({ object, type: 'ADDED' })
  })

  it('may be longer than most', () => {
    const object = { metadata: { managedFields: ['x'.repeat(50_000)], name: 'ä'.repeat(50_000) } }
    const expected = { metadata: { name: object.metadata.name } }
    expect(parse(JSON.stringify({ type: 'MODIFIED', object }))).toEqual({ type: 'MODIFIED', object: expected })
  })

  it('has a status as text where that is to be read apart', () => {
    const plan = planEvent(new FieldPlan({ status: 'apart' }, 'keep'))
    const status = { parents: [{ name: 'ü "}' }] }
    const ask = (object: object) => parseEvent(Buffer.from(JSON.stringify({ type: 'ADDED', object })), plan).object
    expect(ask({ status, spec: 1 })).toEqual({ spec: 1, status: JSON.stringify(status) })
    expect(ask({ spec: 1 })).toEqual({ spec: 1 })
  })
})

const plan = new FieldPlan(
  {
    kept: 'keep',
    gone: 'drop',
    some: keepOnly(['a', '']),
    most: new FieldPlan({ gone: 'drop', some: keepOnly(['a']) }, 'keep'),
    items: new ItemPlan(keepOnly(['a', 'b'])),
    labels: new FieldPlan({ exact: 'keep' }, 'drop', 'own/'),
  },
  'drop',
)

/** Any JSON, with names that the plan knows. */
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    fc.string({ unit: fc.constantFrom('a', '"', '\\', '{', '}', '[', ']', ',', ':', 'ü', '\n', ' ') }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('tree')),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom('kept', 'gone', 'some', 'most', 'items', 'labels', 'own/x', 'own', 'exact', 'a', 'b', ''),
        fc.string(),
      ),
      tie('tree'),
      { noNullPrototype: true },
    ),
  ),
}))

describe('a plan of fields', () => {
  it('leaves the same of a text as of what the text says', () => {
    let dropped = 0
    fc.assert(
      fc.property(tree, fc.dictionary(fc.constantFrom('kept', 'some', 'most', 'items'), tree), (one, fields) => {
        for (const object of [one, fields, { ...fields, items: [one, fields] }]) {
          const text = JSON.stringify({ type: 'ADDED', object })
          const before = JSON.parse(text).object
          const after = projectValue(before, plan)
          expect(before).toEqual(JSON.parse(text).object)
          const read = projectValue(parseEvent(Buffer.from(text), planEvent(plan)).object, plan)
          expect(read).toEqual(after)
          expect(projectValue(after, plan)).toBe(after)
          if (JSON.stringify(after) !== JSON.stringify(before)) dropped++
        }
      }),
    )
    expect(dropped).toBeGreaterThan(50)
  })
})
