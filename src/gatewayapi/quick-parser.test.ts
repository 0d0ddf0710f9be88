import { readdirSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { kinds } from './kinds.ts'
import { compileQuickParser, undecided } from './quick-parser.ts'

const goldens = new URL('../testing/goldens/', import.meta.url)
const parsers = new Map(Object.values(kinds).map((kind) => [kind.kind as string, compileQuickParser(kind.schema)]))

interface Sample {
  readonly kind: string
  readonly metadata?: object
}

/** Every object of the golden cases, as it is written there. */
const samples = readdirSync(goldens)
  .filter((name) => name.endsWith('.in.yaml'))
  .flatMap((name) => parseAllDocuments(readFileSync(new URL(name, goldens), 'utf8')))
  .map((document): unknown => document.toJS())
  .filter((value): value is Sample => parsers.has((value as Sample | null)?.kind ?? ''))

/** What zod says and what the quick parser says. */
function ask(value: unknown, kind: string) {
  const definition = kinds[kind as keyof typeof kinds]
  const { data } = (definition.schema as z.ZodType).safeParse(value)
  return { data, quick: parsers.get(kind)?.(value) }
}

/** Also the order of fields, and whether an absent one is there as undefined. */
function isSame(a: unknown, b: unknown): boolean {
  if (!isDeepStrictEqual(a, b)) return false
  if (typeof a !== 'object' || a === null) return true
  const [keys, others] = [Reflect.ownKeys(a), Reflect.ownKeys(b as object)]
  return (
    isDeepStrictEqual(keys, others) && keys.every((key) => isSame(Reflect.get(a, key), Reflect.get(b as object, key)))
  )
}

/** Every place in a value, as what holds it and its name there. */
function* places(value: unknown): Generator<[holder: Record<string, unknown>, name: string]> {
  if (typeof value !== 'object' || value === null) return
  for (const name of Object.keys(value)) {
    yield [value as Record<string, unknown>, name]
    yield* places((value as Record<string, unknown>)[name])
  }
}

const replacements: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  1,
  -1,
  70_000,
  1.5,
  '',
  '/',
  'x',
  'a.b',
  'UPPER',
  'x'.repeat(2000),
  '😀'.repeat(200),
  [],
  {},
  ['x'],
  { name: 'x' },
  { type: 'x' },
  Array.from({ length: 2000 }, () => ({})),
]

describe('a quick parser', () => {
  it('decides about every right object of the golden cases as the schema does', () => {
    expect(samples.length).toBeGreaterThan(1000)
    for (const sample of samples) {
      const { data, quick } = ask(sample, sample.kind)
      if (data === undefined) expect(quick).toBe(undecided)
      else if (!isSame(quick, data)) expect(quick).toEqual(data)
    }
  })

  it('never says anything else than the schema, whatever is changed in an object', () => {
    const changes = fc.array(
      fc.record({
        place: fc.nat(),
        by: fc.nat(replacements.length - 1),
        kind: fc.constantFrom('set', 'remove', 'add'),
      }),
      { minLength: 1, maxLength: 2 },
    )
    const counts = { right: 0, wrong: 0 }
    fc.assert(
      fc.property(fc.constantFrom(...samples), changes, (sample, edits) => {
        const value = structuredClone(sample)
        for (const { place, by, kind } of edits) {
          const all = [...places(value)]
          const [holder, name] = all[place % all.length] as [Record<string, unknown>, string]
          if (kind === 'remove') Reflect.deleteProperty(holder, name)
          else holder[kind === 'add' && !Array.isArray(holder) ? 'more' : name] = structuredClone(replacements[by])
        }
        const { data, quick } = ask(value, sample.kind)
        counts[data === undefined ? 'wrong' : 'right']++
        if (data === undefined) expect(quick).toBe(undecided)
        else if (quick !== undecided) expect(isSame(quick, data)).toBe(true)
      }),
      { numRuns: 4000, endOnFailure: true },
    )
    expect(Math.min(counts.right, counts.wrong)).toBeGreaterThan(100)
  })

  it('leaves types that it does not know to zod', () => {
    const parse = compileQuickParser(z.strictObject({ day: z.iso.date(), map: z.record(z.string(), z.number()) }))
    expect(parse({ day: '2026-01-31', map: { a: 1 } })).toEqual({ day: '2026-01-31', map: { a: 1 } })
    expect(parse({ day: '2026-01-32', map: { a: 1 } })).toBe(undecided)
    expect(parse({ day: '2026-01-31', map: { a: 'one' } })).toBe(undecided)
  })

  it('does not look at the items of a list that is too long', () => {
    let looks = 0
    const item = z.custom(() => ++looks > 0)
    const parse = compileQuickParser(z.array(item).max(2))
    expect(parse([1, 2, 3])).toBe(undecided)
    expect(looks).toBe(0)
    expect(parse([1, 2])).toEqual([1, 2])
  })
})
