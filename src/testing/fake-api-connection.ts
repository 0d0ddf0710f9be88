import { gzipSync } from 'node:zlib'
import type { ApiErrorCause } from '../providers/kubernetes/api-client.ts'

/** One request, whichever way it came. */
export interface FakeRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly accept: string
  readonly contentType: string
  readonly authorization: string
  /** Parsed JSON, undefined for none. */
  readonly body: unknown
}

/** Where the answer to a request goes. */
export interface FakeConnection {
  /** Whether the client takes answers that are compressed. */
  readonly acceptsGzip: boolean
  start(status: number, headers: Readonly<Record<string, string>>): void
  write(piece: string | Buffer): void
  /** In good order. */
  end(): void
  /** As a broken network does. */
  reset(): void
  /** Called once when the client goes, or after {@link end} or {@link reset}. */
  onClose(run: () => void): void
}

/** An answer that is not a watch. */
export interface FakeAnswer {
  readonly status: number
  readonly body: unknown
  /** Seconds. */
  readonly retryAfter?: number | undefined
}

/** The Status object of a request that failed. */
export function refuse(
  status: number,
  reason: string,
  message: string,
  retryAfter?: number,
  causes?: readonly ApiErrorCause[],
): FakeAnswer {
  const details = causes && { causes }
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' }
  const body = { ...head, message, reason, code: status, ...(details && { details }) }
  return { status, body, retryAfter }
}

/** Length from which the API server compresses answers. */
const compressedFrom = 128 * 1024

/** Sends an answer in one piece. */
export function send(connection: FakeConnection, { status, body, retryAfter }: FakeAnswer): void {
  const text = JSON.stringify(body)
  const isCompressed = connection.acceptsGzip && text.length >= compressedFrom
  connection.start(status, {
    'content-type': 'application/json',
    ...(isCompressed && { 'content-encoding': 'gzip' }),
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  })
  connection.write(isCompressed ? gzipSync(text, { level: 1 }) : text)
  connection.end()
}
