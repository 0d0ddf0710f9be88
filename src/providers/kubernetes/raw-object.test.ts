import { describe, expect, it } from 'vitest'
import { parseEvent } from './raw-object.ts'

const parse = (text: string) => parseEvent(Buffer.from(text))

describe('a line of a watch', () => {
  it('comes without what stands in managed fields, whatever that is', () => {
    const managed = [{ manager: 'a "]" \\', fieldsV1: { 'f:x': [[], { '[': ']"' }], 'k:{"name":"web"}': {} } }, 'ü]']
    const object = { metadata: { name: 'web', managedFields: managed, uid: 'ü' }, spec: { list: [1] } }
    const expected = { metadata: { name: 'web', managedFields: [], uid: 'ü' }, spec: { list: [1] } }
    expect(parse(JSON.stringify({ type: 'ADDED', object }))).toEqual({ type: 'ADDED', object: expected })
  })

  it('keeps everything else', () => {
    for (const object of [
      {},
      { metadata: { managedFields: [] } },
      { metadata: { managedFields: null } },
      { metadata: { annotations: { managedFields: '"managedFields":[1]' } } },
      { 'a"managedFields': ['stays'] },
    ])
      expect(parse(JSON.stringify({ type: 'ADDED', object }))).toEqual({ type: 'ADDED', object })
  })

  it('is refused when it is cut off in the middle', () => {
    const text = JSON.stringify({ type: 'ADDED', object: { metadata: { managedFields: [{ manager: 'a' }] } } })
    for (let length = 0; length < text.length; length++)
      expect(() => parse(text.slice(0, length))).toThrow('a line of the watch is not JSON')
  })
})
