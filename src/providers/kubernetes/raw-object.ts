import { ApiError } from './api-client.ts'

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
  const items = isFields(answer) ? answer['items'] : undefined
  // Go writes an empty list as null at times.
  if ((!Array.isArray(items) && items !== null) || typeof resourceVersion !== 'string')
    throw new ApiError('malformed', 'the answer is not a list')
  return { items: items ?? [], version: resourceVersion, next: typeof next === 'string' ? next : '' }
}

/** The metadata of whatever it is; empty when there is none. */
export function metadataOf(object: unknown): Readonly<Record<string, unknown>> {
  const metadata = isFields(object) ? object['metadata'] : undefined
  return isFields(metadata) ? metadata : {}
}

/** Whether a value of JSON is an object. */
export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
