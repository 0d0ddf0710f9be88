import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { writeEncoders } from '../../scripts/encoder-source.ts'

/** Every shape that the Envoy API has, and two messages of one name. */
const proto = `
  syntax = "proto3";
  package demo.v3;
  enum Color { RED = 0; GREEN = 1; BLUE = 5; }
  message Leaf { string name = 1; }
  message Other { message Leaf { uint32 size = 2; } Leaf leaf = 1; }
  message All {
    string text = 3; bool flag = 1; bytes data = 2; double ratio = 4; int64 long = 5; uint64 count = 6;
    int32 number = 7; uint32 size = 16; Color color = 17; Leaf leaf = 18; All nested = 19;
    repeated string texts = 20; repeated uint32 sizes = 21; repeated Color colors = 22; repeated Leaf leaves = 23;
    map<string, Leaf> leaf_by_name = 24; map<string, string> text_by_name = 25; Other.Leaf another = 26;
    optional uint32 maybe = 27;
    oneof choice { string one = 28; uint32 two = 29; Leaf three = 30; }
  }`

const text = fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 5 }))
const integer = fc.oneof(fc.constant(0), fc.nat(300_000))
const color = fc.constantFrom(0, 1, 5)
const leaf = fc.record({ name: text }, { requiredKeys: [] })
const { all } = fc.letrec((tie) => ({
  all: fc.record(
    {
      text,
      flag: fc.boolean(),
      data: fc.uint8Array({ maxLength: 3 }),
      ratio: fc.constantFrom(0, -0, 1.5),
      long: integer,
      count: integer,
      number: fc.oneof(integer, fc.constant(-1)),
      size: integer,
      color,
      leaf: fc.oneof(leaf, fc.constant(null), fc.constant(undefined)),
      nested: fc.option(tie('all'), { nil: undefined, depthSize: 'small' }),
      texts: fc.array(text),
      sizes: fc.array(integer),
      colors: fc.array(color),
      leaves: fc.array(leaf),
      leafByName: fc.dictionary(text, leaf),
      textByName: fc.dictionary(text, text),
      another: fc.record({ size: integer }),
      maybe: integer,
      one: text,
      two: integer,
      three: leaf,
    },
    { requiredKeys: [] },
  ),
}))

test('Generated encoders write the bytes that protobufjs writes', async () => {
  const { root } = protobuf.parse(proto, { keepCase: false })
  root.resolveAll()
  // Inside the project, because the module imports a package.
  const folder = await mkdtemp(join(import.meta.dirname, '.encoders-'))
  try {
    await writeFile(join(folder, 'demo.js'), writeEncoders(root))
    const { demo } = await import(join(folder, 'demo.js'))
    const type = root.lookupType('demo.v3.All')
    fc.assert(
      fc.property(all, (message) => {
        const ours = demo.v3.All.encode(message).finish()
        expect(Buffer.from(ours)).toEqual(Buffer.from(type.encode(message as object).finish()))
      }),
    )
    expect(demo.v3.All.getTypeUrl()).toBe('type.googleapis.com/demo.v3.All')
    expect(demo.v3.Other.Leaf.getTypeUrl('x')).toBe('x/demo.v3.Other.Leaf')
    expect(demo.v3.Color).toEqual({ RED: 0, GREEN: 1, BLUE: 5 })
    let deep: object = {}
    for (let depth = 0; depth < 200; depth++) deep = { nested: deep }
    expect(() => demo.v3.All.encode(deep)).toThrow('max depth exceeded')
  } finally {
    await rm(folder, { recursive: true })
  }
})
