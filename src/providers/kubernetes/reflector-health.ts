import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { ApiError } from './api-client.ts'
import { type BackoffRange, chooseBackoff } from './backoff.ts'

/**
 * loading: nothing is complete yet. synced: complete, and being watched. failing: several attempts in a row
 * failed. forbidden, absent: the last attempt met 403 or 404. What was loaded stays in all of them.
 */
export type ReflectorState = 'loading' | 'synced' | 'failing' | 'forbidden' | 'absent'

/** Plain numbers since the start. */
export interface ReflectorCounters {
  /** Complete loads after the first. */
  relists: number
  watches: number
  /** Watches that did not end in good order. */
  watchErrors: number
  listErrors: number
  events: number
  bookmarks: number
  /** Events that were known already, or came too late. */
  staleEvents: number
  /** Objects without a name or a version, lines of unknown type, and objects that the sink threw at. */
  malformed: number
  /**
   * Milliseconds between the end of a watch, or the last sign of life before it broke, and the next watch.
   * The time before the first watch does not count.
   */
  longestBlind: number
}

/**
 * expired: the versions that we know are too old to go on from. old: the server is behind what it told before.
 * refused: it does not like the request. senseless: its answer makes no sense. bug: ours.
 */
export type FailureKind =
  | 'expired'
  | 'old'
  | 'forbidden'
  | 'absent'
  | 'refused'
  | 'senseless'
  | 'too-slow'
  | 'unreachable'
  | 'bug'

/** The server says that its list is older than what it told us before. */
export class OldListError extends Error {}

/** What a failure of a list or a watch means. */
export function classifyFailure(error: unknown): FailureKind {
  if (error instanceof OldListError) return 'old'
  if (!(error instanceof ApiError)) return 'bug'
  const { code, status, reason } = error
  if (status === 410 || reason === 'Expired' || reason === 'Gone') return 'expired'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'absent'
  // 504: the version that we know is newer than all that this server knows.
  if (code === 'malformed' || status === 504) return 'senseless'
  if (status >= 400 && status < 500 && ![401, 408, 429].includes(status)) return 'refused'
  return code === 'timeout' ? 'too-slow' : 'unreachable'
}

/** Milliseconds. */
const backoff: BackoffRange = { base: 100, max: 10_000 }
/** Rights and kinds that are missing do not come back within moments; who gives them then waits for us. */
const slowBackoff: BackoffRange = { base: 1000, max: 10_000 }
/** Retry-After is heeded up to here, because we are blind meanwhile. */
const maxRetryAfter = 20_000
/** Failures in a row before somebody is told: watches break now and then. */
const silentFailures = 3

export interface HealthOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** For people, e.g. "HTTPRoute". */
  readonly kind: string
  /** Nothing is amiss without the right to read it. */
  readonly isOptional: boolean
  readonly random: () => number
  readonly onState: (state: ReflectorState) => void
}

export function emptyCounters(): ReflectorCounters {
  return {
    relists: 0,
    watches: 0,
    watchErrors: 0,
    listErrors: 0,
    events: 0,
    bookmarks: 0,
    staleEvents: 0,
    malformed: 0,
    longestBlind: 0,
  }
}

/** How a reflector fares: its state, since when it is blind, how long to wait after a failure, and what to log. */
export class ReflectorHealth {
  readonly counters: ReflectorCounters = emptyCounters()
  state: ReflectorState = 'loading'
  lastEventAt: number | undefined
  /** undefined: a watch is open. */
  blindSince: number | undefined
  readonly #options: HealthOptions
  #blindBefore: number | undefined
  #wasOpen = false
  #failures = 0
  /** Of these, 403 and 404 in a row. */
  #missing = 0
  #isTold = false

  constructor(options: HealthOptions) {
    this.#options = options
    this.blindSince = options.clock.now()
  }

  /** The server has said something. */
  hear(): void {
    this.lastEventAt = this.#options.clock.now()
  }

  /** A watch is open that goes on from all we know. */
  open(): void {
    this.hear()
    const now = this.#options.clock.now()
    this.#blindBefore = this.blindSince
    if (this.blindSince !== undefined && this.#wasOpen)
      this.counters.longestBlind = Math.max(this.counters.longestBlind, now - this.blindSince)
    this.blindSince = undefined
    this.#wasOpen = true
    this.#setState('synced')
  }

  /** Everything has been loaded. */
  load(): void {
    this.hear()
    this.#setState('synced')
  }

  /**
   * The watch has broken; nobody knows when.
   * @param proven it had told something, or was open for a while; else we stay as blind as we were
   */
  lose(proven: boolean): void {
    if (!proven) this.blindSince ??= this.#blindBefore
    this.blindSince ??= this.lastEventAt ?? this.#options.clock.now()
  }

  /** The watch has ended in good order. */
  end(): void {
    this.blindSince = this.#options.clock.now()
  }

  /** A watch did what it is for: the next failure is the first one again. */
  thrive(): void {
    this.#failures = 0
    this.#missing = 0
  }

  /**
   * Something failed.
   * @returns how long to wait, in milliseconds
   */
  fail(error: unknown, kind: FailureKind, wasLoading: boolean): number {
    if (wasLoading) this.counters.listErrors++
    else this.counters.watchErrors++
    this.#failures++
    this.#report(error, kind)
    const isMissing = kind === 'forbidden' || kind === 'absent'
    this.#missing = isMissing ? this.#missing + 1 : 0
    if (kind === 'forbidden' || kind === 'absent') this.#setState(kind)
    else if (this.#failures >= silentFailures || !['synced', 'loading'].includes(this.state)) this.#setState('failing')
    const retryAfter = error instanceof ApiError ? (error.retryAfter ?? 0) : 0
    const pause = isMissing
      ? chooseBackoff(this.#missing, slowBackoff, this.#options.random)
      : chooseBackoff(this.#failures, backoff, this.#options.random)
    return Math.max(pause, Math.min(retryAfter, maxRetryAfter))
  }

  #report(error: unknown, failure: FailureKind): void {
    const { logger, kind, isOptional } = this.#options
    const fields = { kind, failures: this.#failures, error: error instanceof Error ? error.message : String(error) }
    if (failure === 'bug') logger.error(`Reading ${kind} met a bug; it goes on.`, { ...fields, error })
    else if (failure === 'forbidden' && this.state !== 'forbidden') {
      if (isOptional) logger.info(`There is no right to read ${kind}; nothing depends on it.`, fields)
      else logger.warn(`There is no right to read ${kind}.`, fields)
      this.#isTold = true
    } else if (failure !== 'forbidden' && failure !== 'absent' && !this.#isTold && this.#failures >= silentFailures) {
      logger.warn(`${kind} cannot be read.`, fields)
      this.#isTold = true
    } else logger.debug(`Reading ${kind} failed.`, fields)
  }

  #setState(state: ReflectorState): void {
    if (state === this.state) return
    this.state = state
    if (state === 'synced' && this.#isTold) {
      this.#isTold = false
      this.#options.logger.info(`${this.#options.kind} can be read again.`)
    }
    this.#options.onState(state)
  }
}
