import { ApiError } from './api-client.ts'
import { TextTrimmer, type TrimmedText } from './event-text.ts'
import { FieldPlan, type Plan } from './field-plan.ts'
import { asObject, isObject, type JsonObject } from './json.ts'

/** An object as the API server sends it; only what stands here has been looked at. */
export interface RawObject {
  readonly metadata: RawMetadata
  /** Its text, if it came so that it need not be parsed. */
  readonly status?: unknown
  readonly [field: string]: unknown
}

export interface RawMetadata {
  readonly name: string
  readonly namespace?: unknown
  readonly resourceVersion: string
  readonly [field: string]: unknown
}

/** One answer to a list, beside its items. */
export interface RawPage {
  readonly version: string
  /** Where the next page begins; '' after the last one. */
  readonly next: string
}

/** @throws ApiError malformed */
export function readPage(answer: unknown): RawPage {
  const { resourceVersion, continue: next } = metadataOf(answer)
  const items = asObject(answer)['items']
  // Go writes an empty list as null at times.
  if ((!Array.isArray(items) && items !== null) || typeof resourceVersion !== 'string')
    throw new ApiError('malformed', 'the answer is not a list')
  return { version: resourceVersion, next: typeof next === 'string' ? next : '' }
}

/** The metadata of whatever it is; empty when there is none. */
export function metadataOf(object: unknown): JsonObject {
  return asObject(asObject(object)['metadata'])
}

/** Of what stands in an object of any kind: nobody here needs the managed fields, and they are most of many objects. */
export const unmanaged = new FieldPlan({ metadata: new FieldPlan({ managedFields: 'drop' }, 'keep') }, 'keep')

/** What becomes of a line of a watch, when that is known of its object. */
export function planEvent(object: Plan): Plan {
  return new FieldPlan({ object }, 'keep')
}

const trimmer = new TextTrimmer()
/** Lines about an object begin so, and then with the A of ADDED, the M of MODIFIED or the D of DELETED. */
const beginning = '{"type":"'
const initials = 'AMD'

/**
 * Reads one line of a watch. Of an object that is what the plan leaves of it, as a rule; the plan is to be asked
 * again. A status that is to be read apart is its text then.
 * @throws ApiError malformed
 */
export function parseEvent(line: Buffer, plan: Plan): { readonly type?: unknown; readonly object?: unknown } {
  try {
    const isObjectLine =
      initials.includes(String.fromCharCode(line[beginning.length] ?? 0)) &&
      line.toString('latin1', 0, beginning.length) === beginning
    const trimmed = isObjectLine ? trimmer.trim(line, plan) : undefined
    const event = asObject(JSON.parse(trimmed?.json ?? line.toString('utf8')))
    if (trimmed) addApart(event['object'], trimmed)
    return event
  } catch {
    throw new ApiError('malformed', 'a line of the watch is not JSON')
  }
}

/** Reads one item of a list, as {@link parseEvent} reads the object of a line. @returns undefined: it is not JSON */
export function parseItem(item: Buffer, plan: Plan): unknown {
  const trimmed = trimmer.trim(item, plan)
  try {
    const object: unknown = JSON.parse(trimmed?.json ?? item.toString('utf8'))
    if (trimmed) addApart(object, trimmed)
    return object
  } catch {
    return undefined
  }
}

function addApart(object: unknown, { apart }: TrimmedText): void {
  if (apart !== '' && isObject(object)) Object.assign(object, { status: apart })
}
