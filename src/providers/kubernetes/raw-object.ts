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
 * Reads one line of a watch.
 * @throws ApiError malformed
 */
export function parseEvent(line: Buffer): { readonly type?: unknown; readonly object?: unknown } {
  try {
    return asObject(JSON.parse(line.toString('utf8')))
  } catch {
    throw new ApiError('malformed', 'a line of the watch is not JSON')
  }
}
