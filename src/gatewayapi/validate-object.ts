import type { z } from 'zod'
import { findKind, type KindDefinition, type KindName, type KubernetesObject, kinds } from './kinds.ts'
import { apiVersionOf } from './objects/object-meta.ts'
import { joinWords, quote } from './objects/schema.ts'
import { compileQuickParser, isNormal, type QuickParser, undecided } from './quick-parser.ts'

/** Where in an object: names of fields and positions in lists. */
export type FieldPath = readonly (string | number)[]

/** Something that a user has to change in an object. */
export interface FieldError {
  readonly path: FieldPath
  /** Names the field, what is wrong and how to put it right: `spec.listeners[0].port: 70000 is not a port: use 1 to 65535`. */
  readonly message: string
}

export interface ValidateOptions {
  /** Namespace of objects that name none. Without it such objects of namespaced kinds are refused. */
  readonly defaultNamespace?: string
  /**
   * error: as kubectl does, so that a typing mistake does not pass unseen (the default).
   * drop: as the API server does with fields of versions that it does not know.
   */
  readonly unknownFields?: 'error' | 'drop'
}

export type Validated =
  | { readonly object: KubernetesObject; readonly errors?: undefined }
  | { readonly object?: undefined; readonly errors: readonly FieldError[] }

/** "spec.listeners[0].port"; a name with other characters in brackets and quotes, as in JSONPath. */
export function formatFieldPath(path: FieldPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[A-Za-z_$][-\w$]*$/.test(step)) text += `[${JSON.stringify(step.slice(0, 128))}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/**
 * Checks one object as a user wrote it (plain values, as JSON gives them) and fills in defaults. Fields
 * that are null count as absent, as they do for the API server. The input is not changed; what is right in it as it is
 * becomes part of the result.
 * @returns the object in its newest version, or everything that is wrong with it
 */
export function validateObject(raw: unknown, options: ValidateOptions = {}): Validated {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return {
      errors: [
        {
          path: [],
          message: `${describeValue(raw)} is not an object: write fields such as apiVersion, kind and metadata`,
        },
      ],
    }
  const { apiVersion, kind } = raw as { apiVersion?: unknown; kind?: unknown }
  if (typeof apiVersion !== 'string' || apiVersion === '')
    return fail('apiVersion', 'is required, as text such as "v1"')
  if (typeof kind !== 'string' || kind === '') return fail('kind', 'is required, as text such as "Gateway"')
  const lookup = findKind(apiVersion, kind)
  if (lookup.found === 'unknown')
    return fail('kind', `${quote(kind)} of ${quote(apiVersion)} is not supported: use ${supportedKinds()}`)
  if (lookup.found === 'unsupported-version') {
    const { group, versions } = lookup.definition
    const fix = joinWords(versions.map((version) => apiVersionOf(group, version)))
    return fail('apiVersion', `${quote(apiVersion)} of ${kind} is not supported: use ${fix}`)
  }
  return validateKind(lookup.definition, raw, options)
}

/** "Backend (gateway.envoyproxy.io/v1alpha1), ConfigMap (v1), ...". */
export function supportedKinds(): string {
  return Object.values(kinds)
    .map(({ kind, group, versions }) => `${kind} (${apiVersionOf(group, versions[0])})`)
    .sort()
    .join(', ')
}

function fail(field: string, message: string): Validated {
  return { errors: [{ path: [field], message: `${field}: ${message}` }] }
}

function validateKind(
  definition: KindDefinition & { kind: KindName },
  raw: unknown,
  options: ValidateOptions,
): Validated {
  const parse = quickParserOf(definition)
  let input = placeNamespace(definition, raw, options.defaultNamespace)
  let object = parse(input)
  if (object === undecided && !isNormal(raw)) {
    input = placeNamespace(definition, normalize(raw), options.defaultNamespace)
    object = parse(input)
  }
  if (object === undecided) return askSchema(definition, input, options)
  return requireNamespace(definition, object as KubernetesObject)
}

const quickParsers = new Map<KindName, QuickParser>()

function quickParserOf({ kind, schema }: KindDefinition & { kind: KindName }): QuickParser {
  const known = quickParsers.get(kind)
  if (known) return known
  const parser = compileQuickParser(schema)
  quickParsers.set(kind, parser)
  return parser
}

/** Finds out what is wrong, if something is. */
function askSchema(definition: KindDefinition & { kind: KindName }, raw: unknown, options: ValidateOptions): Validated {
  let input = raw
  let result = definition.schema.safeParse(input, { error: describeIssue })
  // A field that hides behind another problem may come to light only in a later round.
  for (let round = 0; options.unknownFields === 'drop' && round < 8; round++) {
    const unknown = result.error?.issues.filter((issue) => issue.code === 'unrecognized_keys') ?? []
    if (unknown.length === 0) break
    input = dropFields(input, unknown)
    result = definition.schema.safeParse(input, { error: describeIssue })
  }
  if (!result.success) return { errors: result.error.issues.flatMap(buildErrors) }
  return requireNamespace(definition, result.data as KubernetesObject)
}

function requireNamespace(definition: KindDefinition, object: KubernetesObject): Validated {
  if (definition.clusterScoped || object.metadata.namespace !== '') return { object }
  const message = 'metadata.namespace: is required: name a namespace'
  return { errors: [{ path: ['metadata', 'namespace'], message }] }
}

/** Cluster-scoped objects have no namespace, whatever is written; others get the default. */
function placeNamespace(definition: KindDefinition, raw: unknown, defaultNamespace: string | undefined): unknown {
  const object = raw as { metadata?: { namespace?: unknown } }
  const { metadata } = object
  if (typeof metadata !== 'object' || Array.isArray(metadata)) return raw
  if (definition.clusterScoped)
    return metadata.namespace === undefined ? raw : { ...object, metadata: { ...metadata, namespace: '' } }
  if (defaultNamespace === undefined || (metadata.namespace !== undefined && metadata.namespace !== '')) return raw
  return { ...object, metadata: { ...metadata, namespace: defaultNamespace } }
}

/**
 * What the API server does when it reads: fields whose value is null are left out, and half a surrogate
 * pair becomes U+FFFD. It is no UTF-8, and Envoy refuses whatever it stands in.
 */
function normalize(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(normalize)
  const fields = Object.entries(value).filter(([, field]) => field !== null)
  // fromEntries defines the fields, so that a key "__proto__" stays a key.
  return Object.fromEntries(fields.map(([key, field]) => [key, normalize(field)]))
}

function dropFields(value: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy = structuredClone(value)
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    let holder: unknown = copy
    for (const step of issue.path) holder = (holder as Record<PropertyKey, unknown> | undefined)?.[step]
    for (const key of issue.keys) if (typeof holder === 'object' && holder !== null) Reflect.deleteProperty(holder, key)
  }
  return copy
}

function buildErrors(issue: z.core.$ZodIssue): FieldError[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code !== 'unrecognized_keys') {
    const field = formatFieldPath(path)
    return [{ path, message: field === '' ? issue.message : `${field}: ${issue.message}` }]
  }
  // describeIssue has put the fields that exist into the message.
  const known = issue.message.split(' ')
  return issue.keys.map((key) => {
    const similar = known.find((field) => isSimilar(field, key))
    const field = formatFieldPath([...path, key])
    return {
      path: [...path, key],
      message: `unknown field ${JSON.stringify(field)}: ${similar ? `did you mean ${similar}?` : `remove it`}`,
    }
  })
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

/** Words for the problems that zod finds; those with words of their own do not come here. */
function describeIssue(issue: RawIssue): string | undefined {
  const { input } = issue
  switch (issue.code) {
    case 'invalid_type':
    case 'custom':
      if (input === undefined) return 'is required: add it'
      if (issue.expected === 'string') return `must be text: put quotes around ${quote(input)}`
      return `${describeValue(input)} is not ${expectedWords.get(String(issue.expected)) ?? String(issue.expected)}`
    case 'invalid_value':
      if (input === undefined) return `is required: use ${joinWords(issue.values as unknown[])}`
      return `${quote(input)} is not supported: use ${joinWords(issue.values as unknown[])}`
    case 'invalid_union': {
      const options = (issue as { options?: readonly unknown[] }).options ?? []
      const value = (input as Record<string, unknown> | undefined)?.[String(issue.discriminator)]
      if (value === undefined) return `is required: use ${joinWords(options)}`
      return `${quote(value)} is not supported: use ${joinWords(options)}`
    }
    case 'unrecognized_keys': {
      const definition = issue.inst?._zod.def as { shape?: object } | undefined
      return Object.keys(definition?.shape ?? {}).join(' ')
    }
    default:
      return undefined
  }
}

const expectedWords = new Map([
  ['object', 'an object: write "field: value" lines'],
  ['array', 'a list: begin each item with "- "'],
  ['boolean', 'true or false'],
  ['int', 'a whole number'],
  ['number', 'a number'],
])

function describeValue(value: unknown): string {
  if (value === null) return 'null'
  return quote(value)
}

/** Whether one is probably a typing mistake of the other: other case, or one edit, or two in long words. */
function isSimilar(known: string, typed: string): boolean {
  const [a, b] = [known.toLowerCase(), typed.slice(0, 64).toLowerCase()]
  if (a === b || `${a}s` === b || a === `${b}s`) return true
  return editDistance(a, b) <= (a.length > 5 ? 2 : 1)
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
