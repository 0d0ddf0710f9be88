import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ApiError } from './api-client.ts'
import { ListSplitter } from './list-splitter.ts'

function split(text: string, { size = text.length, maxItem = 100_000 } = {}) {
  const items: unknown[] = []
  const take = (item: Buffer) => {
    try {
      items.push(JSON.parse(item.toString()))
      return true
    } catch {
      return false
    }
  }
  const splitter = new ListSplitter(take, maxItem)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size))
  return { items, rest: splitter.end() }
}

describe('A list', () => {
  test('gives its items, and is what is left without them', () => {
    const [kind, metadata] = ['ServiceList', { resourceVersion: '7', continue: 'x' }]
    const items = [{ a: [{ b: ',]}' }, []], 'c"\\': { items: [1, 2] } }, {}, { 'ä\u2028': '\\"' }]
    for (const list of [
      { kind, metadata, items },
      { items, kind, metadata },
      { kind, items, metadata },
      { metadata, items: [] },
      { metadata, items: null },
      { metadata },
      { metadata: { items: [{ b: 1 }] }, items },
      { metadata: { items: [{ b: 1 }] } },
      { long: 'x'.repeat(70_000), items },
      { 'x"items': [1], items },
      { 'a,"items"': ['"items":['], more: [[], {}], items },
    ]) {
      const expected = 'items' in list && list.items !== null ? { ...list, items: [] } : list
      for (const indent of [0, 1]) {
        const text = JSON.stringify(list, undefined, indent)
        for (const size of text.length > 10_000 ? [1000, 100_000] : [1, 2, 3, 7, 64, 10_000]) {
          const { items: given, rest } = split(text, { size })
          expect(given).toEqual(('items' in list && list.items) || [])
          expect(JSON.parse(rest)).toEqual(expected)
        }
      }
    }
  })

  test('is the same whatever it holds and however it is cut', () => {
    const list = fc.record({ metadata: fc.jsonValue(), items: fc.array(fc.jsonValue()), after: fc.jsonValue() })
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 40 }), (value, size) => {
        // As JSON tells it: -0 is 0 there.
        const told = JSON.parse(JSON.stringify(value)) as typeof value
        const { items, rest } = split(JSON.stringify(value), { size })
        expect(items).toEqual(told.items)
        expect(JSON.parse(rest)).toEqual({ ...told, items: [] })
      }),
    )
  })

  test('that is cut off is no JSON when it ends', () => {
    const text = JSON.stringify({ metadata: { resourceVersion: '7' }, items: [{ a: '"' }, { b: [1] }], kind: 'List' })
    for (let length = 0; length < text.length; length++)
      expect(() => JSON.parse(split(text.slice(0, length)).rest)).toThrow(/JSON/)
  })

  test('gives items that begin alike as soon as the next one begins', () => {
    const seen: string[] = []
    const splitter = new ListSplitter((item) => seen.push(item.toString()) > 0, 1000)
    const item = (name: string) => JSON.stringify({ kind: 'Service', metadata: { name }, spec: { ports: [{}, {}] } })
    const names = ['a', 'b', 'c', 'd']
    const text = `{"kind":"ServiceList","items":[${names.map(item).join(',')}],"metadata":{}}`
    for (const byte of Buffer.from(text)) {
      splitter.write(Buffer.from([byte]))
      const begun = names.filter((name) => text.indexOf(`"${name}"`) < text.indexOf(seen.at(-1) ?? '')).length
      expect(seen.length).toBeGreaterThanOrEqual(begun)
    }
    expect(seen).toEqual(names.slice(0, 3).map(item))
    expect(splitter.end()).toBe('{"kind":"ServiceList","items":[],"metadata":{}}')
    expect(seen).toEqual(names.map(item))
  })

  test('may have items that hold what looks like the next item', () => {
    const inner = { metadata: { name: 'inner' } }
    const like = [inner, inner, { metadata: { list: [inner, inner] } }]
    const items = [inner, { metadata: { name: '},{"metadata":{' }, like }, { metadata: {}, like }, inner]
    for (const size of [1, 5, 50, 10_000]) {
      const { items: given, rest } = split(JSON.stringify({ items, kind: 'List' }), { size })
      expect(given).toEqual(items)
      expect(rest).toBe('{"items":[],"kind":"List"}')
    }
  })

  test('is told item by item wherever it is cut', () => {
    const items = Array.from({ length: 40 }, (_, i) => ({ kind: 'Service', metadata: { name: 'x'.repeat(i % 7) } }))
    const bytes = Buffer.from(JSON.stringify({ items }))
    for (let size = 1; size < 400; size++) {
      let [longest, told] = [0, 0]
      const splitter = new ListSplitter((item) => {
        longest = Math.max(longest, item.length)
        told++
        return true
      }, 1000)
      for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size))
      expect([size, told, longest]).toEqual([size, 39, JSON.stringify(items[6]).length])
      splitter.end()
    }
  })

  test('whose items hold many of what looks like the next item is read no slower for it', () => {
    const inner = Array.from({ length: 20_000 }, () => ({ metadata: {} }))
    const texts = [{ metadata: {}, inner }, { metadata: {} }].map((item) => JSON.stringify(item))
    let attempts = 0
    const told: string[] = []
    const splitter = new ListSplitter((item) => {
      attempts++
      const isItem = texts.includes(item.toString())
      if (isItem) told.push(item.toString())
      return isItem
    }, 1_000_000)
    splitter.write(Buffer.from(`{"items":[${texts.join(',')}]}`))
    splitter.end()
    expect(told).toEqual(texts)
    expect(attempts).toBeLessThan(200)
  })

  test('of items that begin alike is the same whatever they hold and however it is cut', () => {
    const item = fc.record({ metadata: fc.object(), more: fc.jsonValue() })
    const list = fc.record({ items: fc.array(item, { minLength: 1 }) })
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 200 }), (value, size) => {
        const text = JSON.stringify(value)
        const { items, rest } = split(text, { size })
        expect(items).toEqual((JSON.parse(text) as typeof value).items)
        expect(rest).toBe('{"items":[]}')
      }),
    )
  })

  test('keeps no more than the limit of what is no whole item yet', () => {
    const long = 'x'.repeat(100_000)
    const item = { metadata: { name: 'a' } }
    for (const list of [
      { items: [item, item, long] },
      { items: [1, long] },
      { a: long, items: [] },
      { items: [], a: long },
    ])
      for (const size of [10, 50_000]) {
        const attempt = () => split(JSON.stringify(list), { size, maxItem: 1000 })
        expect(attempt).toThrow(ApiError)
        expect(attempt).toThrow('an item of more than 1000 bytes')
      }
    const many = JSON.stringify({ items: Array.from({ length: 1000 }, () => item) })
    expect(split(many, { size: 100, maxItem: 1000 }).items.length).toBe(1000)
  })

  test('is malformed when an item is no JSON', () => {
    const texts = ['{"items":[{"a":{}},{"a":{x}},{"a":{}}]}', '{"items":[1,,2]}', '{"items":[1,]}', '{"items":[,1]}']
    for (const text of texts) for (const size of [1, 100]) expect(() => split(text, { size })).toThrow('is not JSON')
  })

  test('of whatever bytes ends in items that are parsed by somebody, or in an error', () => {
    const splitter = new ListSplitter(() => true, 100)
    for (const text of [']]]}}}', '{"items":[', '}', ']', '"', '{"items":[{}', ']}{"items":[1,2'])
      splitter.write(Buffer.from(text))
    expect(() => JSON.parse(splitter.end())).toThrow(SyntaxError)
  })
})
