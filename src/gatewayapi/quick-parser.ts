import type { z } from 'zod'
import { noStrings, rulesOf } from './objects/schema.ts'

type Schema = z.core.$ZodType
type Check = z.core.$ZodCheck

/** What a quick parser answers when it cannot say yes. */
export const undecided = Symbol('undecided')

/**
 * Parses what is right, and nothing else: neither null nor half a surrogate pair is, wherever it stands, because the
 * API server does not keep them.
 * @returns what the schema makes of the value, or {@link undecided}: then the schema itself has to be asked. What the
 * schema would only copy is in the result as it is.
 */
export type QuickParser = (value: unknown) => unknown

/**
 * Makes closures of a schema that do with a right value what zod does with it, in about half of the time: zod keeps
 * books for its messages about every field, also of those that are absent. Zod itself is asked about the few types
 * that are not known here. Its own compiler (`z.compile`) makes code of text, which a hardened process refuses.
 */
export function compileQuickParser(schema: Schema): QuickParser {
  const { checks = [] } = schema._zod.def as { checks?: readonly Check[] }
  const parse = compileType(schema)
  if (parse === undefined) return (value) => (isNormal(value) ? askSchema(schema, value) : undecided)
  if (checks.length === 0) return parse
  const steps = [parse, ...checks.map(compileCheck)]
  return (value) => {
    let result: unknown = value
    for (const step of steps) {
      result = step(result)
      if (result === undecided) break
    }
    return result
  }
}

const context = { async: false } as const

function askSchema(schema: Schema, value: unknown): unknown {
  const { issues, value: result } = schema._zod.run({ value, issues: [] }, context) as z.core.ParsePayload
  return issues.length > 0 ? undecided : result
}

/** Without its checks. @returns undefined for a type that zod has to be asked about */
function compileType(schema: Schema): QuickParser | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'unknown':
      return (value) => (isNormal(value) ? value : undecided)
    case 'boolean':
      return def.coerce ? undefined : (value) => (typeof value === 'boolean' ? value : undecided)
    case 'string':
      if (def.coerce) return undefined
      // One with a format is a check of its own.
      if ('format' in def) return def.format === 'datetime' ? compilePattern(def) : undefined
      return (value) => (typeof value === 'string' && value.isWellFormed() ? value : undecided)
    case 'number':
      return 'format' in def && def.format === 'safeint' && !def.coerce
        ? (value) => (Number.isSafeInteger(value) ? value : undecided)
        : undefined
    case 'enum':
    case 'literal': {
      const values = schema._zod.values ?? new Set()
      return (value) => (values.has(value as z.core.util.Primitive) ? value : undecided)
    }
    case 'optional': {
      if (schema._zod.optin === 'defaulted') return undefined
      const inner = compileQuickParser(def.innerType)
      return (value) => (value === undefined ? undefined : inner(value))
    }
    case 'default': {
      const inner = compileQuickParser(def.innerType)
      return (value) => {
        const result = value === undefined ? undefined : inner(value)
        return result === undefined ? def.defaultValue : result
      }
    }
    case 'prefault': {
      const inner = compileQuickParser(def.innerType)
      return (value) => inner(value === undefined ? def.defaultValue : value)
    }
    case 'pipe': {
      const [first, second] = [compileQuickParser(def.in), compileQuickParser(def.out)]
      return (value) => {
        const result = first(value)
        return result === undecided ? undecided : second(result)
      }
    }
    case 'custom':
      // It is its own check.
      return (value) => (isNormal(value) && def.fn(value) ? value : undecided)
    case 'transform':
      return (value) => {
        const payload: z.core.ParsePayload = { value, issues: [] }
        const result = def.transform(value, payload)
        return payload.issues.length > 0 ? undecided : result
      }
    case 'catch': {
      const inner = compileQuickParser(def.innerType)
      return (value) => {
        const result = inner(value)
        return result === undecided && isNormal(value) ? askSchema(schema, value) : result
      }
    }
    case 'array':
      return compileArray(def)
    case 'object':
      return compileObject(def)
    case 'union':
      return compileUnion(def)
    default:
      return undefined
  }
}

/** Whether a value that is not looked at otherwise has nothing that the API server does not keep. */
export function isNormal(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object') return true
  if (value === null) return false
  // Also when it is empty: an object without a prototype is a hash table, and would make the loop below slow for all.
  if (value === noStrings) return true
  if (Array.isArray(value)) return value.every(isNormal)
  // Fields that are inherited are those of no JSON, and would only be looked at as well.
  for (const name in value) if (!isNormal((value as Record<string, unknown>)[name])) return false
  return true
}

/** Set by {@link complain}. */
let hasComplaint = false
const complain = () => {
  hasComplaint = true
}

function compileCheck(check: Check): QuickParser {
  const rules = rulesOf(check)
  if (rules)
    return (value) => {
      hasComplaint = false
      rules(value, complain)
      return hasComplaint ? undecided : value
    }
  const { def } = check._zod as z.core.$ZodChecks['_zod']
  const ask: QuickParser = (value) => {
    const payload: z.core.ParsePayload = { value, issues: [] }
    void check._zod.check(payload as z.core.ParsePayload<never>)
    return payload.issues.length > 0 ? undecided : payload.value
  }
  // Of refine().
  const { fn } = def as { readonly fn?: (value: unknown) => unknown }
  if (fn) return (value) => (fn(value) === true ? value : ask(value))
  switch (def.check) {
    case 'max_length':
      // Characters are counted, of which a text has at most as many as it has units, and at least half as many.
      return (value) => ((value as string).length <= def.maximum ? value : ask(value))
    case 'min_length':
      return (value) => ((value as string).length >= def.minimum * 2 - 1 ? value : ask(value))
    case 'greater_than':
      return (value) => (Number(value) > Number(def.value) ? value : ask(value))
    case 'less_than':
      return (value) => (Number(value) < Number(def.value) ? value : ask(value))
    case 'string_format':
      return (def.format === 'regex' && compilePattern(def)) || ask
    default:
      return ask
  }
}

/** @returns undefined if there is no pattern, or one that remembers where it was */
function compilePattern(def: object): QuickParser | undefined {
  const { pattern } = def as { pattern?: RegExp }
  if (pattern === undefined || pattern.global || pattern.sticky) return undefined
  // In one place most objects say what the one before said.
  let right: unknown
  return (value) => {
    if (value === right) return value
    if (typeof value !== 'string' || !pattern.test(value)) return undecided
    right = value
    return value
  }
}

function compileArray({ element, checks = [] }: z.core.$ZodArrayDef): QuickParser {
  const parse = compileQuickParser(element)
  // Looked at before the items are: a list may be longer than anybody wants to read.
  const max = Math.min(...checks.map(({ _zod: { def } }) => ('maximum' in def ? Number(def.maximum) : Infinity)))
  return (value) => {
    if (!Array.isArray(value) || value.length > max) return undecided
    let results: unknown[] = value
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index]
      const result = parse(item)
      if (result === undecided) return undecided
      if (result === item) continue
      // Of just this length: one that grows keeps room for 16 more.
      if (results === value) results = value.slice()
      results[index] = result
    }
    return results
  }
}

/** A field of an object, and what happens when it is absent. */
interface Field {
  readonly name: string
  /** Among the fields of the object. */
  readonly place: number
  readonly parse: QuickParser
  readonly absent: 'is left out' | 'is undecided' | 'is made up'
}

/** Stands for a field that an object does not have. */
const absence = Symbol('absence')

/**
 * An object is its own result if it has nothing but known fields, in the order in which zod puts them, and if each is
 * its own result and none is to be made up. That is so of most, and costs one look at each field that is there.
 */
function compileObject({ shape, catchall }: z.core.$ZodObjectDef): QuickParser | undefined {
  const isStrict = catchall?._zod.def.type === 'never'
  if (catchall && !isStrict) return undefined
  const fields = Object.entries(shape).map(([name, schema], place): Field => {
    const { optin, optout } = schema._zod
    const absent =
      optin === undefined
        ? 'is undecided'
        : optin === 'optional' && optout === 'optional'
          ? 'is left out'
          : 'is made up'
    return { name, place, parse: compileQuickParser(schema), absent }
  })
  const byName = new Map(fields.map((field) => [field.name, field]))
  const needed = fields.filter(({ absent }) => absent !== 'is left out').length

  /** Those of the fields before one of them, or of all, which are their own results. */
  const collect = (value: Readonly<Record<string, unknown>>, end?: string): unknown[] => {
    const results = new Array<unknown>(fields.length).fill(absence)
    for (const name in value) {
      if (name === end) break
      const field = byName.get(name)
      if (field) results[field.place] = value[name]
    }
    return results
  }

  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undecided
    const object = value as Readonly<Record<string, unknown>>
    let results: unknown[] | undefined
    let last = -1
    let missing = needed
    for (const name in object) {
      const field = byName.get(name)
      if (field === undefined) {
        if (isStrict) return undecided
        results ??= collect(object, name)
        continue
      }
      const given = object[name]
      const { place } = field
      const result = field.parse(given)
      if (result === undecided) return undecided
      if (field.absent !== 'is left out') missing--
      if (result !== given || place < last) results ??= collect(object, name)
      if (results) results[place] = result
      last = place
    }
    if (results === undefined && missing === 0) return value
    return build(fields, results ?? collect(object))
  }
}

/** Puts the results of fields into an object, in the order of the fields. */
function build(fields: readonly Field[], results: readonly unknown[]): unknown {
  const object: Record<string, unknown> = {}
  for (const { name, place, parse, absent } of fields) {
    let result = results[place]
    if (result === absence) {
      if (absent === 'is left out') continue
      if (absent === 'is undecided') return undecided
      result = parse(undefined)
      if (result === undecided) return undecided
      if (result === undefined) continue
    }
    object[name] = result
  }
  return object
}

function compileUnion(def: z.core.$ZodUnionDef | z.core.$ZodDiscriminatedUnionDef): QuickParser | undefined {
  if ('discriminator' in def) {
    const { discriminator, options } = def
    const byValue = new Map<unknown, QuickParser>()
    for (const option of options) {
      const parse = compileQuickParser(option)
      for (const value of option._zod.propValues?.[discriminator] ?? []) byValue.set(value, parse)
    }
    return (value) => {
      if (typeof value !== 'object' || value === null) return undecided
      const parse = byValue.get((value as Readonly<Record<string, unknown>>)[discriminator])
      return parse ? parse(value) : undecided
    }
  }
  if (def.inclusive === false) return undefined
  const options = def.options.map(compileQuickParser)
  return (value) => {
    for (const parse of options) {
      const result = parse(value)
      if (result !== undecided) return result
    }
    return undecided
  }
}
