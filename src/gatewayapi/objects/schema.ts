/**
 * What every schema of this folder is made with. Importing it also turns off zod's code generation,
 * which a process without `eval` refuses and which must happen before the first schema is built.
 */
import { z } from 'zod'

z.config({ jitless: true })

/** What a rule of our own has to say about a value: where, relative to that value, and what is wrong. */
export type Complain = (path: readonly (string | number)[], message: string) => void

type Rules<T> = (value: T, complain: Complain) => void

const rulesOfChecks = new WeakMap<z.core.$ZodCheck, Rules<unknown>>()

/** Adds rules across several fields to a schema. They run only when every field by itself is right. */
export function withRules<S extends z.ZodType>(schema: S, rules: Rules<z.output<S>>): S {
  const result = schema.superRefine((value, context) => {
    rules(value as z.output<S>, (path, message) => context.addIssue({ code: 'custom', path: [...path], message }))
  })
  const check = (result.def as { checks?: readonly z.core.$ZodCheck[] }).checks?.at(-1)
  if (check) rulesOfChecks.set(check, rules as Rules<unknown>)
  return result
}

/** The rules that {@link withRules} has made a check of, for who does without zod's books of it. */
export function rulesOf(check: z.core.$ZodCheck): Rules<unknown> | undefined {
  return rulesOfChecks.get(check)
}

/** Cuts what a user wrote to a length fit for a message. */
export function quote(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = typeof value === 'string' ? value : String(value)
  const short = text.length > 64 ? `${text.slice(0, 61)}...` : text
  return typeof value === 'string' ? JSON.stringify(short) : short
}

export interface TextRules {
  /** What the text is, with its article: "a hostname". */
  readonly what: string
  /** How to put it right, as an imperative. */
  readonly fix: string
  /** In characters; 1 unless told. */
  readonly min?: number
  /** In characters. */
  readonly max: number
  /** Must be linear: tenants write the text. Runs only on text that is short enough. */
  readonly pattern?: RegExp
}

/** A string with limits and a pattern, and messages that say how to put it right. */
export function textSchema({ what, fix, min = 1, max, pattern }: TextRules): z.ZodString {
  const sized = z
    .string()
    .max(max, { abort: true, error: (issue) => `${quote(issue.input)} is too long: use at most ${max} characters` })
    .min(min, { abort: true, error: () => (min === 1 ? 'must not be empty' : `use at least ${min} characters`) })
  if (pattern === undefined) return sized
  return sized.regex(pattern, { error: (issue) => `${quote(issue.input)} is not ${what}: ${fix}` })
}

/** A whole number in a range. */
export function integerSchema(min: number, max: number, what?: string): z.ZodInt {
  const range = max >= 2147483647 ? `a whole number of ${min} or more` : `${min} to ${max}`
  const error = ({ input }: { input?: unknown }) => {
    if (input === undefined) return undefined
    if (typeof input === 'string' && /^[0-9]{1,10}$/.test(input)) return `${quote(input)} is text: remove the quotes`
    return `${quote(input)} is not ${what ?? 'allowed'}: use ${range}`
  }
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** One of a few words. */
export function enumSchema<const T extends readonly string[]>(words: T) {
  return z.enum(words, {
    error: (issue) =>
      issue.input === undefined ? undefined : `${quote(issue.input)} is not supported: use ${joinWords(words)}`,
  })
}

/** "A, B or C". */
export function joinWords(words: readonly unknown[]): string {
  const texts = words.map(String)
  return texts.length < 2 ? (texts[0] ?? '') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`
}

/** A list with limits on its length. */
export function listSchema<S extends z.ZodType>(item: S, { min = 0, max }: { min?: number; max: number }) {
  return z
    .array(item)
    .max(max, {
      abort: true,
      error: (issue) => `has ${(issue.input as unknown[]).length} items: use at most ${max}`,
    })
    .min(min, { error: () => (min === 1 ? 'must have at least one item' : `must have at least ${min} items`) })
}

/**
 * A list of Kubernetes type "set" or "map": no two items with the same identity.
 * @param identity what must be unique; the item itself unless told
 * @param field the item's field to point at
 */
export function uniqueListSchema<S extends z.ZodType>(
  item: S,
  limits: { min?: number; max: number },
  identity: (item: z.output<S>) => unknown = (value) => value,
  field: readonly string[] = [],
) {
  return withRules(listSchema(item, limits), (items, complain) => {
    if (items.length < 2) return
    const first = new Map<unknown, number>()
    for (const [index, value] of items.entries()) {
      const id = identity(value)
      const earlier = first.get(id)
      if (earlier === undefined) first.set(id, index)
      else complain([index, ...field], `${quote(id)} repeats item ${earlier}: remove one of them`)
    }
  })
}

/**
 * A map of strings whose keys the user chooses. The result has no prototype, so that a key such as
 * "constructor" is found only if the user wrote it, and "__proto__" is a key like any other.
 */
export type StringMap = { readonly [key: string]: string }

export interface StringMapRules {
  readonly maxEntries?: number
  /** @returns what is wrong with the key */
  readonly checkKey?: (key: string) => string | undefined
  /** @returns what is wrong with the value */
  readonly checkValue?: (value: string) => string | undefined
}

/** The one empty map. */
export const noStrings: StringMap = Object.freeze(Object.create(null))

export function stringMapSchema({ maxEntries, checkKey, checkValue }: StringMapRules = {}) {
  const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
  const error = (issue: { input?: unknown }) =>
    issue.input === undefined ? undefined : 'must be a map of strings: write "key: value" lines'
  return z.custom<Record<string, unknown>>(isMap, { error }).transform((input, context): StringMap => {
    if (input === noStrings) return noStrings
    const complain = (path: string[], message: string) => context.issues.push({ code: 'custom', path, message, input })
    const keys = Object.keys(input)
    if (maxEntries !== undefined && keys.length > maxEntries)
      complain([], `has ${keys.length} entries: use at most ${maxEntries}`)
    for (const key of keys) {
      const value = input[key]
      const problem =
        checkKey?.(key) ?? (typeof value === 'string' ? checkValue?.(value) : 'must be text: put quotes around it')
      if (problem !== undefined) complain([key], problem)
    }
    // One that is made without a prototype stays a hash table, which takes five times the memory.
    return keys.length === 0 ? noStrings : Object.setPrototypeOf({ ...input }, null)
  })
}
