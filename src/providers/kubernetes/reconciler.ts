import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { InfrastructureProblem } from '../../infrastructure/applier.ts'
import { ApiError } from './api-client.ts'
import { type BackoffRange, chooseBackoff } from './backoff.ts'

export interface ReconcilerOptions {
  /** Told what keeps an object from having what it needs; an empty list when nothing does any more. */
  readonly onProblems: (key: NamespacedName, problems: readonly InfrastructureProblem[]) => void
  readonly clock: Clock
  readonly logger: Logger
  /** 0 to 1, as Math.random. */
  readonly random?: (() => number) | undefined
}

/** Plain numbers since the start. */
export interface ReconcileCounters {
  reconciliations: number
  /** Those that ended because the world failed. */
  failures: number
}

/** Milliseconds. */
const backoff: BackoffRange = { base: 1000, max: 60_000 }

/** The same where a right is missing: who gives it waits for us. */
const rightBackoff: BackoffRange = { base: 1000, max: 10_000 }

/**
 * Before something is tried again that somebody has to put right: nobody tells us when. Milliseconds, and more
 * for each object that is in such trouble, so that many do not keep the API server busy.
 */
const refusedPause = 10_000
const refusedPauseEach = 50

/** Objects that are worked on at the same time. */
const maxRunning = 4

interface Work {
  state: 'waiting' | 'ready' | 'running'
  /** Something changed while it was running. */
  isTouched: boolean
  failures: number
  cancelTimer: (() => void) | undefined
}

/**
 * Makes the world be as it should be for objects of one kind, each at most once at a time. One that fails delays no
 * other. To be started by the leader only, and stopped when it is leader no more.
 */
export abstract class Reconciler {
  readonly #subject: string
  readonly #options: ReconcilerOptions
  readonly #random: () => number
  readonly #work = new Map<NamespacedName, Work>()
  readonly #troubled = new Set<NamespacedName>()
  #unsubscribe: readonly (() => void)[] = []
  #running = 0
  #isActive = false
  #idle: (() => void)[] = []
  readonly counters: ReconcileCounters = { reconciliations: 0, failures: 0 }

  /** @param subject what the objects are, for the log: "a Gateway" */
  constructor(subject: string, options: ReconcilerOptions) {
    this.#subject = subject
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** Touches everything that something may be to do for, now and whenever that changes. @returns ends that */
  protected abstract watch(): readonly (() => void)[]

  /**
   * Does what is to be done for one object. To stop at the next thing when {@link isActive} ends.
   * @returns what somebody has to put right; nobody will tell us when that is done
   * @throws when the world fails: it is tried again
   */
  protected abstract reconcile(key: NamespacedName): Promise<readonly InfrastructureProblem[]>

  get isActive(): boolean {
    return this.#isActive
  }

  /** Objects that wait for something to be done, or for another try. */
  get pending(): number {
    return this.#work.size
  }

  /** Looks at everything. What is watched must be complete by now. */
  start(): void {
    if (this.#isActive) return
    this.#isActive = true
    this.#unsubscribe = this.watch()
  }

  /** Resolves when nothing is under way any more; what was begun for an object stops at the next thing to be made for it. */
  async stop(): Promise<void> {
    this.#isActive = false
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    for (const [key, work] of [...this.#work]) {
      work.cancelTimer?.()
      if (work.state !== 'running') this.#work.delete(key)
    }
    await this.settled()
  }

  /** Resolves when no object is being worked on, or ready to be. */
  settled(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => void this.#idle.push(resolve))
  }

  /** Something may be to do for it. */
  touch(key: NamespacedName): void {
    if (!this.#isActive) return
    const work = this.#work.get(key) ?? { state: 'ready', isTouched: false, failures: 0, cancelTimer: undefined }
    this.#work.set(key, work)
    if (work.state === 'running') work.isTouched = true
    // One that failed waits for its turn, so that a burst of changes is no burst of failures.
    else if (work.state === 'ready' || work.failures === 0) this.#makeReady(work)
  }

  /** A listener of collections whose keys are those of the objects. */
  protected readonly touchEach = (changes: readonly { readonly key: NamespacedName }[]): void => {
    for (const { key } of changes) this.touch(key)
  }

  #isIdle(): boolean {
    return this.#running === 0 && ![...this.#work.values()].some((work) => work.state === 'ready')
  }

  #makeReady(work: Work): void {
    work.cancelTimer?.()
    work.cancelTimer = undefined
    work.state = 'ready'
    // Changes come in bursts; one look is enough for all of one task.
    setImmediate(() => this.#pump())
  }

  #pump(): void {
    for (const [key, work] of this.#work) {
      if (this.#running >= maxRunning || !this.#isActive) break
      if (work.state === 'ready') void this.#run(key, work)
    }
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #run(key: NamespacedName, work: Work): Promise<void> {
    const { logger } = this.#options
    const subject = this.#subject
    work.state = 'running'
    work.isTouched = false
    this.#running++
    this.counters.reconciliations++
    let pause: number | undefined
    try {
      const problems = await this.reconcile(key)
      work.failures = 0
      this.#report(key, problems)
      if (problems.length > 0) pause = this.#spread(refusedPause + refusedPauseEach * this.#troubled.size)
    } catch (error) {
      this.counters.failures++
      work.failures++
      pause = this.#chooseBackoff(work.failures, error)
      const fields = {
        object: key,
        failures: work.failures,
        retryInMilliseconds: Math.round(pause),
        error: String(error),
      }
      if (work.failures === 1) logger.warn(`What ${subject} needs could not be made; trying again`, fields)
      else logger.debug(`What ${subject} needs could still not be made`, fields)
    }
    this.#running--
    if (!this.#isActive) this.#work.delete(key)
    else if (work.isTouched && work.failures === 0) this.#makeReady(work)
    else if (pause !== undefined) {
      work.state = 'waiting'
      work.cancelTimer = this.#options.clock.after(pause, () => this.#makeReady(work))
    } else this.#work.delete(key)
    this.#pump()
  }

  #report(key: NamespacedName, problems: readonly InfrastructureProblem[]): void {
    if (problems.length === 0 && !this.#troubled.delete(key)) return
    if (problems.length > 0) this.#troubled.add(key)
    this.#options.onProblems(key, problems)
  }

  #chooseBackoff(failures: number, error: unknown): number {
    const asked = error instanceof ApiError ? (error.retryAfter ?? 0) : 0
    const range = error instanceof ApiError && error.status === 403 ? rightBackoff : backoff
    return Math.max(chooseBackoff(failures, range, this.#random), Math.min(asked, backoff.max))
  }

  /** Somewhere in the second half, so that those who failed together do not come back together. */
  #spread(milliseconds: number): number {
    return (milliseconds * (1 + this.#random())) / 2
  }
}
