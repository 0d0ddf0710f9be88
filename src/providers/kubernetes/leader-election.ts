import { randomBytes } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type ApiClient, ApiError } from './api-client.ts'
import { type Lease, LeaseClient } from './lease.ts'

export interface LeaderElectionOptions {
  readonly api: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** Of the Lease. */
  readonly namespace: string
  readonly name: string
  /** For people, e.g. the name of the pod; a random part is added, so that two processes are never one. */
  readonly identity: string
  /** Milliseconds that others wait for a leader that is not heard of. Default 15 s. */
  readonly duration?: number
  /**
   * Milliseconds after which a leader that could not renew stops being one. Default 10 s. What is left to
   * `duration` is for clocks that do not run equally fast and for what was sent already.
   */
  readonly renewDeadline?: number
  /** Milliseconds between attempts. Default 2 s. */
  readonly retryPeriod?: number
  /** Between 0 and 1; for tests. Default `Math.random`. */
  readonly random?: () => number
  /** For people who look at the Lease. Default: the time of day. */
  readonly time?: () => Date
}

/** For metrics. */
export interface ElectionCounters {
  readonly renewals: number
  readonly failures: number
  /** How often this process became the leader. */
  readonly terms: number
}

/** Of the retries of one write that others were faster at. */
const maxAttempts = 3

/**
 * Elects one leader among replicas by a Lease.
 *
 * Promises: at most one process is leader at any time, also when the API server is slow or away, when processes
 * stand still for any time, and when clocks differ: times are only compared on the clock that measured them.
 * A leader counts from before it sent its last successful renewal; others count from after they saw it.
 * Nothing here throws or ends the process: who cannot reach the API server is no leader, that is all.
 * The caller writes only while `isLeader()`, and stops within `duration - renewDeadline` of being told.
 */
export class LeaderElection {
  readonly identity: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #client: LeaseClient
  readonly #options: LeaderElectionOptions
  readonly #duration: number
  readonly #renewDeadline: number
  readonly #retryPeriod: number
  readonly #listeners = new Set<(isLeader: boolean) => void>()
  readonly #counters = { renewals: 0, failures: 0, terms: 0 }
  /** As we last read or wrote it. */
  #lease: Lease | undefined
  /** Somebody else may lead until then, on our clock, even if the Lease has been deleted since. */
  #othersUntil = Number.NEGATIVE_INFINITY
  /** We are the leader until then, on our clock. */
  #leaderUntil = Number.NEGATIVE_INFINITY
  #wasLeader = false
  #isFailing = false
  #round: Promise<void> | undefined
  #cancelRound: (() => void) | undefined
  #cancelExpiry: (() => void) | undefined
  #isStopped = false

  constructor(options: LeaderElectionOptions) {
    const { api, namespace, name, duration = 15_000, renewDeadline = 10_000, retryPeriod = 2_000 } = options
    if (!(retryPeriod < renewDeadline && renewDeadline < duration))
      throw new RangeError('an election needs retryPeriod < renewDeadline < duration')
    this.#options = options
    this.#clock = options.clock
    this.#logger = options.logger
    this.#duration = duration
    this.#renewDeadline = renewDeadline
    this.#retryPeriod = retryPeriod
    this.#client = new LeaseClient(api, { namespace, name }, renewDeadline / 2)
    this.identity = `${options.identity}_${randomBytes(6).toString('hex')}`
  }

  get counters(): ElectionCounters {
    return this.#counters
  }

  /** Who held the Lease when it was last seen; '' if nobody or unknown. */
  get holder(): string {
    return this.#lease?.holder ?? ''
  }

  /** Looks at the clock: right also after this process stood still, before anybody is told. */
  isLeader(): boolean {
    return this.#clock.now() < this.#leaderUntil
  }

  /**
   * Calls the listener when this process becomes the leader, and when it is one no longer.
   * @returns ends the subscription
   */
  subscribe(listener: (isLeader: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    this.#begin()
  }

  /** Stops being the leader and gives the Lease back, so that the next one need not wait. Takes at most 10 s. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRound?.()
    this.#resign()
    await this.#round
    if (this.#lease?.holder !== this.identity) return
    try {
      await this.#client.update(this.#lease, { holder: '', duration: 1_000, time: this.#time() })
    } catch (error) {
      this.#logger.info('The lease could not be given back', { error: describe(error) })
    }
  }

  #begin(): void {
    this.#cancelRound = undefined
    this.#round = this.#try()
      .catch((error: unknown) => this.#noteFailure(error))
      .finally(() => {
        this.#round = undefined
        if (this.#isStopped) return
        // Not in step with the others, who began at the same moment perhaps.
        const pause = this.#retryPeriod * (1 + 0.2 * (this.#options.random ?? Math.random)())
        this.#cancelRound = this.#clock.after(pause, () => this.#begin())
      })
  }

  async #try(): Promise<void> {
    // A leader writes without reading: if nobody else wrote, it knows what is there.
    if (!this.isLeader()) await this.#look()
    for (let attempt = 0; attempt < maxAttempts && !this.#isStopped; attempt++) {
      if (!this.#isFree(this.#lease)) {
        this.#resign()
        this.#noteSuccess()
        return
      }
      try {
        await this.#claim(this.#lease)
        this.#noteSuccess()
        return
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'http' || (error.status !== 409 && error.status !== 404))
          throw error
        if (!this.#isStopped) await this.#look()
      }
    }
  }

  /** Whether it is ours, nobody's, or that of somebody who was not heard of for so long that he is no leader. */
  #isFree(lease: Lease | undefined): boolean {
    if (lease !== undefined && (lease.holder === '' || lease.holder === this.identity)) return true
    return this.#clock.now() >= this.#othersUntil
  }

  async #look(): Promise<void> {
    let lease: Lease | undefined
    try {
      lease = await this.#client.read()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
    }
    // The time of the answer, not of the question: the holder may have written in between.
    if (lease !== undefined && lease.version !== this.#lease?.version && lease.holder !== this.identity)
      this.#othersUntil = this.#clock.now() + Math.max(lease.duration, this.#duration)
    this.#lease = lease
  }

  async #claim(lease: Lease | undefined): Promise<void> {
    const claim = { holder: this.identity, duration: this.#duration, time: this.#time() }
    const sentAt = this.#clock.now()
    this.#lease = await (lease === undefined ? this.#client.create(claim) : this.#client.update(lease, claim))
    this.#othersUntil = Number.NEGATIVE_INFINITY
    this.#counters.renewals++
    if (this.#isStopped) return
    this.#leaderUntil = sentAt + this.#renewDeadline
    this.#cancelExpiry?.()
    this.#cancelExpiry = this.#clock.after(Math.max(0, this.#leaderUntil - this.#clock.now()), () => this.#resign())
    if (this.isLeader()) this.#tell(true)
  }

  #resign(): void {
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
    this.#leaderUntil = Number.NEGATIVE_INFINITY
    this.#tell(false)
  }

  #tell(isLeader: boolean): void {
    if (this.#wasLeader === isLeader) return
    this.#wasLeader = isLeader
    if (isLeader) this.#counters.terms++
    this.#logger.info(isLeader ? 'This replica leads now' : 'This replica leads no longer', { identity: this.identity })
    for (const listener of this.#listeners) listener(isLeader)
  }

  #noteFailure(error: unknown): void {
    this.#counters.failures++
    if (!(error instanceof ApiError)) {
      this.#logger.error('The election failed', { error: describe(error) })
      return
    }
    if (!this.#isFailing) this.#logger.warn('The lease cannot be read or written now', { error: describe(error) })
    this.#isFailing = true
  }

  #noteSuccess(): void {
    if (this.#isFailing) this.#logger.info('The lease can be read and written again')
    this.#isFailing = false
  }

  #time(): Date {
    return (this.#options.time ?? (() => new Date()))()
  }
}

function describe(error: unknown): string {
  if (error instanceof ApiError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
