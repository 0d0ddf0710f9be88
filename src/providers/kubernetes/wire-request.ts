import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'

/** Less than the 90 s after which the API server closes connections that nobody uses. Milliseconds. */
export const idleLimit = 30_000
/**
 * The kernel asks after a silent peer from then on, every second, and gives up after ten. Milliseconds.
 * It finds dead machines; a dead server behind a living proxy is found by the limits of the requests.
 */
export const keepAliveDelay = 10_000

/** A request as it goes over the network, whichever version of HTTP takes it there. */
export interface WireRequest {
  readonly method: string
  readonly url: URL
  /** By names in lower case. */
  readonly headers: OutgoingHttpHeaders
  readonly payload: Buffer | undefined
}

export interface WireAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
  /** When it has ended: whether that was its end, and not that of its connection. */
  isWhole(): boolean
}

/** Who waits for an answer. */
export interface Receiver {
  /** Whether it still waits: a request that does not go out before is not sent. */
  isWaiting(): boolean
  answered(answer: WireAnswer): void
  /** May be told several times, and also after an answer. */
  failed(error: Error): void
}

/** A request that is under way. */
export interface SentRequest {
  /** Nobody waits for it any more. */
  cancel(): void
  /** It was not answered in time: others are not sent the same way before the server shows that it is there. */
  doubt(): void
}
