import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import { ApiError, apiPath } from './api-client.ts'
import { wait } from './backoff.ts'
import type { Plan } from './field-plan.ts'
import { asObject } from './json.ts'
import { KnownVersions } from './known-versions.ts'
import { metadataOf, parseEvent, parseItem, planEvent, type RawObject, readPage, unmanaged } from './raw-object.ts'
import {
  classifyFailure,
  type FailureKind,
  OldListError,
  type ReflectorCounters,
  ReflectorHealth,
  type ReflectorState,
} from './reflector-health.ts'
import type { ReflectorOptions } from './reflector-options.ts'
import { isOlderVersion, WatchPosition } from './resource-version.ts'

/** Milliseconds, unless it says otherwise. */
const timing = {
  /**
   * A watch ends after so many seconds, between these two, so that one that is half open is told from one
   * that is silent. Beginning one anew is one request in 21 s; bookmarks come only once a minute.
   */
  watchSeconds: [18, 25],
  /** A watch that is silent for longer is dead: the server should have ended it. */
  inactivity: 27_000,
  /** A server that does not even begin to answer. */
  open: 8000,
  /** The same, when it has to collect all objects first. */
  openList: 20_000,
  /** A list that is silent for longer. */
  list: 20_000,
  /** A watch that ends sooner, with nothing to tell, counts as a failure. */
  shortWatch: 1000,
  /** A watch that was open for so long was a good one, also when it breaks. */
  longWatch: 5000,
  /** Reflectors that learn that the server is back spread over so much time. */
  nudge: 500,
} as const

/** Objects in an answer, when all of them were too many. */
const firstPageSize = 500
/** After so many attempts in a row that made no sense, everything is loaded anew. */
const maxSenseless = 3
/** So many lists in a row that are older than what we know are not believed; then it was a restored backup. */
const maxOldLists = 5
/** Of names that are remembered, so that each is complained of once. */
const maxTold = 1000

/** A complete load under way. */
interface Load {
  /** What it has told so far; undefined: nothing was known before, so that it is what is known. */
  readonly seen: Set<NamespacedName> | undefined
}

/**
 * Keeps a copy of all objects of one resource up to date: a complete load, then a watch from there on.
 * Nothing is ever deleted because of an error: objects go when the server says so, or when a complete load
 * does not have them any more. The caller calls `start` once and `stop` at the end.
 */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #health: ReflectorHealth
  readonly #random: () => number
  readonly #versions: KnownVersions
  readonly #told = new Set<string>()
  readonly #plan: Plan
  /** Of a line of the watch. */
  readonly #linePlan: Plan
  #stopped = false
  /** Waits for a server that could not be reached. */
  #isIdle = false
  #attempt = new AbortController()
  /** undefined: nothing was ever loaded. */
  #position: WatchPosition | undefined
  #mustLoad = true
  /** Whether a load is the beginning of a watch (WatchList) and not a list. */
  #loadsByWatch: boolean
  /** undefined: a list is asked for as a whole. */
  #pageSize: number | undefined
  #senseless = 0
  #oldLists = 0
  #running: Promise<void> | undefined

  constructor(options: ReflectorOptions) {
    const { clock, logger, kind, isOptional = false, sink, random = Math.random } = options
    this.#options = options
    this.#random = random
    this.#plan = options.plan ?? unmanaged
    this.#linePlan = planEvent(this.#plan)
    this.#versions = options.known ?? new KnownVersions()
    this.#loadsByWatch = options.beginsWithList !== true
    this.#pageSize = options.pageSize
    const onState = (state: ReflectorState) => sink.onState(state)
    this.#health = new ReflectorHealth({ clock, logger, kind, isOptional, random, onState })
  }

  /** For people, e.g. "HTTPRoute". */
  get kind(): string {
    return this.#options.kind
  }

  get state(): ReflectorState {
    return this.#health.state
  }

  get counters(): Readonly<ReflectorCounters> {
    return this.#health.counters
  }

  /** Whether everything has been loaded once. */
  get isLoaded(): boolean {
    return this.#position !== undefined
  }

  /** How many objects there are. */
  get size(): number {
    return this.#versions.size
  }

  /** When the server last said anything, by the clock. */
  get lastEventAt(): number | undefined {
    return this.#health.lastEventAt
  }

  /** Since when nobody would tell us of a change, by the clock; undefined: a watch is open. */
  get blindSince(): number | undefined {
    return this.#health.blindSince
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** The server can be reached, as others have found: there is no need to wait for long. */
  nudge(): void {
    if (this.#isIdle) this.#attempt.abort()
  }

  /** Ends the watch. The objects stay where they are. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#attempt.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const wasLoading = this.#mustLoad
      this.#attempt = new AbortController()
      try {
        if (!wasLoading) await this.#watch(false)
        else if (this.#loadsByWatch) await this.#watch(true)
        else await this.#list()
      } catch (error) {
        if (this.#stopped) return
        const failure = classifyFailure(error)
        if (wasLoading && this.#loadsByWatch && failure === 'refused') {
          this.#loadsByWatch = false
          continue
        }
        await this.#wait(this.#judge(error, failure, wasLoading), failure, error)
      }
    }
  }

  /** Waits, or until somebody knows that waiting has no sense any more. */
  async #wait(pause: number, failure: FailureKind, error: unknown): Promise<void> {
    const { clock } = this.#options
    this.#attempt = new AbortController()
    // Who is told when to come back, comes back then.
    const isAsked = error instanceof ApiError && error.retryAfter !== undefined
    this.#isIdle = !isAsked && (failure === 'unreachable' || failure === 'too-slow')
    await wait(clock, pause, this.#attempt.signal)
    this.#isIdle = false
    if (this.#stopped || !this.#attempt.signal.aborted) return
    this.#attempt = new AbortController()
    await wait(clock, this.#random() * timing.nudge, this.#attempt.signal)
  }

  async #list(): Promise<void> {
    const { client, resource, namespace, selector, accept, readsAfter } = this.#options
    const load = this.#beginLoad()
    let version = ''
    let token = ''
    do {
      const answer = await client.list({
        path: apiPath(resource, namespace),
        query: {
          ...selector,
          ...(this.#pageSize !== undefined && { limit: String(this.#pageSize) }),
          ...(token && { continue: token }),
        },
        ...(accept && { accept: accept.list }),
        inactivityLimit: timing.list,
        ...(readsAfter && { readsAfter }),
        signal: this.#attempt.signal,
        onItem: (item) => {
          const object = parseItem(item, this.#plan)
          if (object !== undefined) this.#put(object, load)
          return object !== undefined
        },
      })
      const page = readPage(answer)
      version ||= page.version
      token = page.next
    } while (token !== '')
    this.#finishLoad(load, version)
  }

  /** @param isLoad begins with a complete load; otherwise the watch goes on from what is loaded */
  async #watch(isLoad: boolean): Promise<void> {
    // What the load has had so far. Not an argument: the caller would hold it for as long as the watch lasts.
    let load = isLoad ? this.#beginLoad() : undefined
    const { client, clock, resource, namespace, selector, accept } = this.#options
    const health = this.#health
    const [shortest, longest] = timing.watchSeconds
    const seconds = Math.round(shortest + this.#random() * (longest - shortest))
    const query = load
      ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
      : { resourceVersion: this.#position?.resumeAt ?? '' }
    // A watch may be silent for long, but not before it has begun.
    let isLate = false
    const cancelOpen = clock.after(load ? timing.openList : timing.open, () => {
      isLate = true
      this.#attempt.abort()
    })
    const started = clock.now()
    let lines = 0
    health.counters.watches++
    try {
      await client.watch({
        path: apiPath(resource, namespace),
        query: { ...selector, ...query, allowWatchBookmarks: 'true', timeoutSeconds: String(seconds) },
        ...(accept && { accept: accept.watch }),
        inactivityLimit: timing.inactivity,
        signal: this.#attempt.signal,
        onOpen: () => {
          cancelOpen()
          if (!load) health.open()
        },
        onLine: (line) => {
          if (lines === 0) cancelOpen()
          const version = this.#take(line, load)
          lines++
          if (version === undefined || load === undefined) return
          this.#finishLoad(load, version)
          load = undefined
          lines = 0
          health.open()
        },
      })
    } catch (error) {
      const lasted = clock.now() - started
      if (!isLate && lasted >= timing.longWatch) this.#thrive()
      health.lose(lines > 0 || lasted >= timing.shortWatch)
      throw isLate && !this.#stopped ? new ApiError('inactive', 'the watch was not opened in time') : error
    } finally {
      cancelOpen()
    }
    health.end()
    if (load) {
      // The server knows nothing of WatchList, or is too slow for it.
      this.#loadsByWatch = false
      return
    }
    this.#position?.confirm()
    this.#versions.settle()
    if (lines === 0 && clock.now() - started < timing.shortWatch)
      throw new ApiError('network', 'the watch ended at once')
    this.#thrive()
  }

  /**
   * Takes one line of a watch.
   * @returns the version of the complete load that ends here
   */
  #take(line: Buffer, load: Load | undefined): string | undefined {
    const { counters } = this.#health
    const { type, object } = parseEvent(line, this.#linePlan)
    this.#health.hear()
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        counters.events++
        this.#put(object, load)
        if (!load) this.#thrive()
        return undefined
      case 'DELETED':
        counters.events++
        this.#remove(object, load)
        if (!load) this.#thrive()
        return undefined
      case 'BOOKMARK': {
        const { annotations, resourceVersion } = metadataOf(object)
        if (typeof resourceVersion !== 'string' || resourceVersion === '') break
        counters.bookmarks++
        if (asObject(annotations)['k8s.io/initial-events-end'] === 'true') return resourceVersion
        if (load) return undefined
        this.#position?.confirm(resourceVersion)
        this.#versions.settle()
        this.#thrive()
        return undefined
      }
      case 'ERROR': {
        const { code = 0, reason = '', message = '' } = asObject(object)
        throw new ApiError('http', `the watch ended: ${message}`, { status: Number(code), reason: String(reason) })
      }
    }
    this.#complain('', `A line of the watch of ${this.#options.kind} is of no known type.`)
    return undefined
  }

  /** A watch did what it is for. */
  #thrive(): void {
    this.#senseless = 0
    this.#health.thrive()
  }

  #beginLoad(): Load {
    return { seen: this.#versions.size > 0 ? new Set() : undefined }
  }

  #checkAge(version: string): void {
    if (this.#position && this.#oldLists < maxOldLists && isOlderVersion(version, this.#position.newest))
      throw new OldListError(`a list of version ${version}, when ${this.#position.newest} is known`)
  }

  /** Everything there is has been told: what has not is gone. */
  #finishLoad({ seen }: Load, version: string): void {
    this.#checkAge(version)
    for (const key of this.#versions.retain(seen)) this.#delete(key)
    if (this.#position) this.#health.counters.relists++
    this.#position = new WatchPosition(version)
    this.#mustLoad = false
    this.#oldLists = 0
    this.#health.load()
  }

  /** Takes one object, however it came. Whatever is wrong with it stays with it. */
  #put(object: unknown, load: Load | undefined): void {
    const id = this.#identify(object)
    if (!id) return
    const { key, version } = id
    load?.seen?.add(key)
    if (!load) this.#position?.advance(version)
    // How old a load is shows at its end.
    const believe = load !== undefined && this.#oldLists >= maxOldLists
    if (this.#versions.put(key, version, believe)) {
      try {
        this.#options.sink.put(key, object as RawObject, load !== undefined)
      } catch (error) {
        this.#complainOf(key, error)
      }
    } else if (!load) this.#health.counters.staleEvents++
  }

  #remove(object: unknown, load: Load | undefined): void {
    const id = this.#identify(object)
    if (!id) return
    load?.seen?.delete(id.key)
    if (!load) this.#position?.advance(id.version)
    if (this.#versions.delete(id.key, id.version)) this.#delete(id.key)
    else this.#health.counters.staleEvents++
  }

  #identify(object: unknown): { readonly key: NamespacedName; readonly version: string } | undefined {
    const { name, namespace, resourceVersion: version } = metadataOf(object)
    if (typeof name === 'string' && name !== '' && typeof version === 'string' && version !== '')
      return { key: namespacedName(typeof namespace === 'string' ? namespace : '', name), version }
    this.#complain(String(name), `A ${this.#options.kind} has no name or no resourceVersion.`, { name })
    return undefined
  }

  #delete(key: NamespacedName): void {
    try {
      this.#options.sink.delete(key)
    } catch (error) {
      this.#complainOf(key, error)
    }
  }

  #complainOf(key: NamespacedName, error: unknown): void {
    this.#complain(key, `A ${this.#options.kind} could not be taken in; what it was before stays.`, { key, error })
  }

  /** Counts, and says it once for each object. */
  #complain(id: string, message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#health.counters.malformed++
    if (this.#told.has(id) || this.#told.size >= maxTold) return
    this.#told.add(id)
    this.#options.logger.error(message, fields)
  }

  /**
   * Decides what to do about a failure.
   * @returns how long to wait, in milliseconds
   */
  #judge(error: unknown, failure: FailureKind, wasLoading: boolean): number {
    if (failure === 'old') this.#oldLists++
    if (failure === 'refused' || failure === 'senseless') this.#senseless++
    if (failure === 'expired' || failure === 'bug' || this.#senseless >= maxSenseless) {
      this.#mustLoad = true
      this.#senseless = 0
    }
    // Answers may be too large, or take too long.
    if (wasLoading && !this.#loadsByWatch && (failure === 'senseless' || failure === 'too-slow'))
      this.#pageSize = this.#pageSize === undefined ? firstPageSize : Math.max(1, Math.ceil(this.#pageSize / 2))
    return this.#health.fail(error, failure, wasLoading)
  }
}
