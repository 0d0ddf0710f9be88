import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type NamespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import type { ApiClient, ApiResource, LiveStatus } from './api-client.ts'
import { asObject, type JsonObject, parseObject } from './json.ts'
import type { LiveStatuses } from './live-statuses.ts'
import { StatusCounters, type WriteResult } from './status-counters.ts'
import { findServerEdits, isSettled } from './status-difference.ts'
import type { StatusKind } from './status-kind.ts'
import { isSameLook, type StatusLook } from './status-look.ts'
import { mergeStatus } from './status-merge.ts'
import { findPause, notePace } from './status-pace.ts'
import { getStatus, putStatus, type StatusFailure, type StatusOutcome, type StatusTarget } from './status-request.ts'
import { type WriteEntry, WriteQueue } from './write-queue.ts'

export interface StatusWriterOptions {
  readonly api: ApiClient
  readonly live: LiveStatuses
  /** Where two kinds wait, the one that is named first is written first. */
  readonly kinds: readonly StatusKind[]
  /** Where a kind is served now; undefined while it is not. */
  readonly resourceOf: (kind: string) => ApiResource | undefined
  /** Marks our entries in lists that we share with others. */
  readonly controllerName: string
  /** Asked before each write, for the moment between the end of a lead and being told; by default always. */
  readonly isLeader?: () => boolean
  readonly logger: Logger
  readonly clock: Clock
  /** For lastTransitionTime. Default: the time of day. */
  readonly time?: () => Date
  /** Between 0 and 1, for pauses; for tests. Default `Math.random`. */
  readonly random?: () => number
  /** Runs a task after the current one; for tests. Default `setImmediate`. */
  readonly defer?: (run: () => void) => void
}

const maxInFlight = 16
/** Milliseconds of one slice of work before others are heard. */
const turnBudget = 5
/** How long a write waits for the watch to bring the status that it was a conflict with. */
const newerLimit = 1_000
const [firstRetry, longestRetry] = [200, 10_000]
/** More than this the server cannot have meant. */
const longestRetryAfter = 60_000
const [deniedPause, probeTime, refusedPause] = [10_000, 1_000, 300_000]

/**
 * Writes the statuses that others have derived, while it is active; only the leader's writer is.
 *
 * Promises: one write per object and change, none where the API server has it already; what others wrote stays
 * as it is; nothing is written on top of a version that we have not seen; a status that the server will not take
 * holds up no other. What fails is tried again, at a pace that does the API server no harm.
 * The caller activates it only when all objects are known, because leftovers of ours are removed then.
 */
export class StatusWriter {
  readonly counters = new StatusCounters()
  readonly #options: StatusWriterOptions
  readonly #kinds: ReadonlyMap<string, StatusKind>
  readonly #queue: WriteQueue
  readonly #subscriptions: (() => void)[]
  readonly #mark: string
  /** Kinds, and namespaces of them, that we may not write: until when. */
  readonly #denied = new Map<string, number>()
  readonly #toldDenied = new Set<string>()
  #work: AbortController | undefined
  #inFlight = 0
  /** Calls in a row that found the API server not working. */
  #outages = 0
  #cancelPause: (() => void) | undefined
  #isScheduled = false
  #isOwnEcho = false
  /** The last object that needed no write: after a start it is the same with thousands. */
  #settled: StatusLook | undefined

  constructor(options: StatusWriterOptions) {
    this.#options = options
    this.#kinds = new Map(options.kinds.map((kind) => [kind.kind, kind]))
    this.#queue = new WriteQueue(options.clock, [...this.#kinds.keys()], () => this.#schedule())
    this.#mark = JSON.stringify(options.controllerName)
    this.#subscriptions = [
      options.live.subscribe((changes) => {
        if (this.#isOwnEcho) return
        for (const { kind, key } of changes) this.#touch(kind, key)
      }),
      ...options.kinds.map(({ kind, desired }) =>
        desired.subscribe((changes) => {
          for (const { key } of changes) this.#touch(kind, key)
        }),
      ),
    ]
  }

  /** For metrics; ages in milliseconds. */
  get state(): { readonly isActive: boolean; readonly waiting: number; readonly oldestAge: number } {
    return { isActive: this.#work !== undefined, waiting: this.#queue.length, oldestAge: this.#queue.oldestAge }
  }

  /** Looks at every object once, and then at what changes. */
  activate(): void {
    if (this.#work !== undefined) return
    this.#work = new AbortController()
    for (const kind of this.#kinds.keys()) for (const key of this.#options.live.keys(kind)) this.#touch(kind, key)
  }

  /** From when it returns, nothing is sent; what was sent may still take effect if nobody else wrote since. */
  deactivate(): void {
    if (this.#work === undefined) return
    this.#work.abort()
    this.#work = undefined
    this.#queue.clear()
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#outages = 0
    this.#inFlight = 0
    this.#settled = undefined
    this.#denied.clear()
  }

  /** For good. */
  close(): void {
    this.deactivate()
    for (const end of this.#subscriptions.splice(0)) end()
  }

  #touch(kindName: string, key: NamespacedName): void {
    const kind = this.#kinds.get(kindName)
    if (this.#work === undefined || kind === undefined) return
    const entry = this.#queue.obtain(kindName, key)
    entry.lastTouch = this.#options.clock.now()
    if (entry.phase === 'idle') this.#queue.makeReady(entry)
    else if (entry.phase === 'writing') entry.isTouched = true
    else if (entry.waitsFor === 'refused') {
      if (kind.desired.get(key) !== entry.refused) this.#queue.makeReady(entry)
    } else if (entry.waitsFor === 'patience' || entry.waitsFor === 'quiet') {
      this.#queue.makeReady(entry)
    } else if (entry.waitsFor === 'newer') {
      if (this.#options.live.get(kindName, key)?.resourceVersion !== entry.conflict) this.#queue.makeReady(entry)
    }
  }

  /** After the current task, so that whatever the data plane needs of it goes first. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const { defer = setImmediate } = this.#options
    defer(() => {
      this.#isScheduled = false
      this.#run()
    })
  }

  #run(): void {
    const { clock, isLeader } = this.#options
    const started = clock.now()
    // After an outage one call finds out whether it is over.
    const limit = this.#outages > 0 ? 1 : maxInFlight
    while (this.#work !== undefined && this.#cancelPause === undefined && this.#inFlight < limit) {
      if (clock.now() - started > turnBudget) {
        this.#schedule()
        return
      }
      if (isLeader?.() === false) return
      const entry = this.#queue.take()
      if (entry === undefined) return
      this.#consider(entry, this.#work)
    }
  }

  #consider(entry: WriteEntry, work: AbortController): void {
    const { live: statuses, resourceOf, controllerName, time, clock } = this.#options
    const kind = this.#kinds.get(entry.kind)
    const live = statuses.get(entry.kind, entry.key)
    const resource = resourceOf(entry.kind)
    if (kind === undefined || live === undefined || resource === undefined) {
      this.#queue.forget(entry)
      return
    }
    const desired = kind.desired.get(entry.key)
    if (desired === undefined && (kind.shape.form === 'owner' || !live.status.includes(this.#mark))) {
      this.#queue.forget(entry)
      return
    }
    const { namespace } = splitNamespacedName(entry.key)
    if (entry.edits?.desired !== desired) entry.edits = undefined
    if (entry.refused !== desired) entry.refused = undefined
    const look = { kind, namespace, status: live.status, desired }
    if (entry.edits === undefined && isSameLook(look, this.#settled)) {
      this.#settle(entry)
      return
    }
    const deniedFor = Math.max(
      (this.#denied.get(deniedKey(entry.kind, namespace)) ?? Number.NEGATIVE_INFINITY) - clock.now(),
      0,
    )
    const now = formatTime(time?.() ?? new Date())
    const before = parseObject(live.status)
    const wanted = desired && asObject(desired)
    const merged = mergeStatus(kind.shape, before, wanted, { controllerName, namespace, now })
    const patience = (kind.patience?.(before, wanted) ?? 0) - (clock.now() - (entry.since ?? clock.now()))
    const pause = kind.isPaced ? findPause(entry, merged.status, before, clock.now()) : undefined
    if (isSettled(merged.status, before, entry.edits?.made)) {
      if (entry.edits === undefined) this.#settled = look
      this.#settle(entry)
    } else if (deniedFor > 0) {
      this.#queue.wait(entry, deniedFor, 'denied')
    } else if (patience > 0) {
      this.#queue.wait(entry, patience, 'patience')
    } else if (pause !== undefined) {
      // A count that is held back is not late; what else changes meanwhile has its own patience.
      if (pause.reason === 'quiet') entry.since = undefined
      this.#queue.wait(entry, pause.milliseconds, pause.reason)
    } else {
      const target = { resource, kind: entry.kind, key: entry.key }
      const place = deniedKey(entry.kind, namespace)
      // One finds out whether there is the right by now; the others wait for what it is told.
      if (this.#denied.has(place)) this.#denied.set(place, clock.now() + probeTime)
      if (live.resourceVersion === entry.conflict) this.#track(entry, work, this.#read(entry, target, work))
      else {
        if (kind.isPaced) notePace(entry, clock.now())
        if (merged.clipped.length > 0) this.#noteClipped(entry, merged.clipped)
        this.#track(entry, work, this.#write(entry, target, { live, desired, status: merged.status }, work))
      }
    }
  }

  /** The API server has it already. */
  #settle(entry: WriteEntry): void {
    this.counters.skipped++
    entry.failures = 0
    entry.conflict = undefined
    this.#queue.makeIdle(entry)
  }

  #track(entry: WriteEntry, work: AbortController, call: Promise<void>): void {
    this.#inFlight++
    call
      .catch((error: unknown) => {
        // A bug of ours must not end all writing.
        this.#options.logger.error('A status could not be written', {
          kind: entry.kind,
          object: entry.key,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        })
        if (work === this.#work) this.#queue.wait(entry, refusedPause, 'retry')
      })
      .finally(() => {
        if (work !== this.#work) return
        this.#inFlight--
        this.#run()
      })
  }

  async #write(
    entry: WriteEntry,
    target: StatusTarget,
    write: { readonly live: LiveStatus; readonly desired: object | undefined; readonly status: JsonObject },
    work: AbortController,
  ): Promise<void> {
    const { live, desired, status } = write
    const outcome = await putStatus(this.#options.api, target, live, status, work.signal)
    if (work !== this.#work || outcome.result === 'aborted') return
    this.#count(entry, outcome)
    if (outcome.result === 'conflict') this.#onConflict(entry, live.resourceVersion)
    else if (outcome.result === 'ok') {
      const made = findServerEdits(status, outcome.status)
      entry.edits = made && { desired, made }
      if (outcome.live !== undefined) this.#learn(entry, outcome.live)
      // The watch may have told of this very write already, which is no reason to look again.
      const { live: statuses } = this.#options
      const isLatest = statuses.get(entry.kind, entry.key)?.resourceVersion === outcome.live?.resourceVersion
      const isWanted = this.#kinds.get(entry.kind)?.desired.get(entry.key) === desired
      this.#onSuccess(entry, entry.isTouched && !(isLatest && isWanted))
    } else {
      if (outcome.result === 'refused') entry.refused = desired
      this.#onFailure(entry, outcome)
    }
  }

  /** After a conflict that no watch has explained. */
  async #read(entry: WriteEntry, target: StatusTarget, work: AbortController): Promise<void> {
    const outcome = await getStatus(this.#options.api, target, work.signal)
    if (work !== this.#work || outcome.result === 'aborted') return
    if (outcome.result === 'ok' && outcome.live !== undefined) {
      entry.conflict = undefined
      this.#echo(() => this.#options.live.replace({ kind: entry.kind, key: entry.key, live: outcome.live }))
      this.#queue.makeReady(entry)
    } else if (outcome.result === 'ok' || outcome.result === 'conflict') {
      this.#retry(entry, longestRetry)
    } else this.#onFailure(entry, outcome)
  }

  #count(entry: WriteEntry, { result }: StatusOutcome): void {
    const counted: WriteResult | undefined = result === 'ok' ? 'written' : result === 'aborted' ? undefined : result
    if (counted !== undefined) this.counters.count(entry.kind, counted)
  }

  #learn({ kind, key }: WriteEntry, live: LiveStatus): void {
    this.#echo(() => this.#options.live.applyStatus([{ kind, key, live }]))
  }

  /** What we put into the live statuses ourselves is no reason to look at the object again. */
  #echo(put: () => void): void {
    this.#isOwnEcho = true
    try {
      put()
    } finally {
      this.#isOwnEcho = false
    }
  }

  #onSuccess(entry: WriteEntry, hasChanged: boolean): void {
    if (this.#outages > 0) this.#options.logger.info('Statuses are written again')
    this.#outages = 0
    entry.failures = 0
    entry.conflict = undefined
    entry.refused = undefined
    entry.since = undefined
    this.#denied.delete(deniedKey(entry.kind, splitNamespacedName(entry.key).namespace))
    if (this.#toldDenied.delete(entry.kind))
      this.#options.logger.info('Statuses of this kind may be written now', { kind: entry.kind })
    if (hasChanged) this.#queue.makeReady(entry)
    else this.#queue.makeIdle(entry)
  }

  #onConflict(entry: WriteEntry, version: string): void {
    this.#outages = 0
    entry.conflict = version
    entry.failures++
    const hasMoved = this.#options.live.get(entry.kind, entry.key)?.resourceVersion !== version
    if (!hasMoved) this.#queue.wait(entry, newerLimit, 'newer')
    else if (entry.failures === 1) this.#queue.makeReady(entry)
    // Somebody writes it all the time: not as fast as we can.
    else this.#retry(entry, newerLimit)
  }

  #onFailure(entry: WriteEntry, outcome: StatusFailure): void {
    const { logger, clock, live } = this.#options
    const { kind, key } = entry
    if (outcome.result !== 'unavailable') this.#outages = 0
    if (outcome.result === 'gone') {
      this.#echo(() => live.replace({ kind, key, live: undefined }))
      this.#queue.forget(entry)
      return
    }
    const { message } = outcome
    switch (outcome.result) {
      case 'denied': {
        if (!this.#toldDenied.has(kind))
          logger.error('Statuses of this kind cannot be written: a rule of RBAC is missing', { kind, error: message })
        this.#toldDenied.add(kind)
        this.#denied.set(deniedKey(kind, splitNamespacedName(key).namespace), clock.now() + deniedPause)
        this.#queue.wait(entry, deniedPause, 'denied')
        break
      }
      case 'refused':
        logger.error('The API server refuses a status', { kind, object: key, error: message })
        this.#queue.wait(entry, this.#jitter(refusedPause), 'refused')
        if (entry.isTouched && this.#kinds.get(kind)?.desired.get(key) !== entry.refused) this.#queue.makeReady(entry)
        break
      case 'failed':
        if (entry.failures++ === 0) logger.warn('A status could not be written', { kind, object: key, error: message })
        this.#retry(entry, longestRetry)
        break
      case 'unavailable':
        this.#queue.makeReady(entry)
        this.#pause(message, outcome.retryAfter)
    }
  }

  /** Full jitter, so that what failed together does not come back together. */
  #retry(entry: WriteEntry, longest: number): void {
    const most = Math.min(longest, firstRetry * 2 ** Math.min(entry.failures, 10))
    this.#queue.wait(entry, most * this.#random(), 'retry')
  }

  /** Nobody is served by asking a server that does not work for each object anew. */
  #pause(message: string, retryAfter = 0): void {
    const { logger, clock } = this.#options
    if (this.#cancelPause !== undefined) return
    if (this.#outages === 0) logger.warn('Statuses cannot be written now', { error: message })
    const most = Math.min(longestRetry, firstRetry * 2 ** Math.min(this.#outages, 10))
    this.#outages++
    this.#cancelPause = clock.after(Math.max(Math.min(retryAfter, longestRetryAfter), most * this.#random()), () => {
      this.#cancelPause = undefined
      this.#schedule()
    })
  }

  #noteClipped({ kind, key }: WriteEntry, clipped: readonly string[]): void {
    this.counters.clipped++
    this.#options.logger.warn('A status is longer than the API server takes', { kind, object: key, clipped })
  }

  #jitter(milliseconds: number): number {
    return milliseconds * (0.75 + this.#random() / 2)
  }

  #random(): number {
    return (this.#options.random ?? Math.random)()
  }
}

/** Kinds are told apart by namespace, because Roles may allow one and not another. */
function deniedKey(kind: string, namespace: string): string {
  return `${kind} ${namespace}`
}

/** As metav1.Time is written. */
function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}
