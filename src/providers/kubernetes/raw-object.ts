import { ApiError } from './api-client.ts'
import { asObject, type JsonObject } from './json.ts'

/** An object as the API server sends it; only what stands here has been looked at. */
export interface RawObject {
  readonly metadata: RawMetadata
  readonly [field: string]: unknown
}

export interface RawMetadata {
  readonly name: string
  readonly namespace?: unknown
  readonly resourceVersion: string
  readonly [field: string]: unknown
}

/** One answer to a list. */
export interface RawPage {
  readonly items: readonly unknown[]
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
  return { items: items ?? [], version: resourceVersion, next: typeof next === 'string' ? next : '' }
}

/** The metadata of whatever it is; empty when there is none. */
export function metadataOf(object: unknown): JsonObject {
  return asObject(asObject(object)['metadata'])
}

/**
 * Reads one line of a watch. The managed fields of its object are not read: nobody here needs them, and they are
 * most of many objects.
 * @throws ApiError malformed
 */
export function parseEvent(line: Buffer): { readonly type?: unknown; readonly object?: unknown } {
  try {
    return asObject(JSON.parse(emptyManagedFields(line.toString('utf8'))))
  } catch {
    throw new ApiError('malformed', 'a line of the watch is not JSON')
  }
}

const listStart = '"managedFields":['
const [quote, backslash, open, close] = [0x22, 0x5c, 0x5b, 0x5d]

/**
 * The text without what stands in the list of managed fields. The name is that of a field wherever it stands: a text
 * has no quotes but with a backslash before them.
 */
function emptyManagedFields(json: string): string {
  const at = json.indexOf(listStart)
  if (at <= 0 || json.charCodeAt(at - 1) === backslash) return json
  const start = at + listStart.length
  const end = findListEnd(json, start)
  return end < 0 ? json : json.slice(0, start) + json.slice(end)
}

/** @param start behind the bracket that opens the list @returns where the one that closes it is; -1 without one */
function findListEnd(json: string, start: number): number {
  let depth = 1
  let isText = false
  for (let at = start; at < json.length; at++) {
    const character = json.charCodeAt(at)
    if (isText) {
      if (character === backslash) at++
      else if (character === quote) isText = false
    } else if (character === quote) isText = true
    else if (character === open) depth++
    else if (character === close && --depth === 0) return at
  }
  return -1
}
