import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KindName } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { ApiClient, ApiResource } from './api-client.ts'
import type { ChangeBatch } from './change-batch.ts'
import { KindCache } from './kind-cache.ts'
import { KnownVersions } from './known-versions.ts'
import { planOf, selectorOf } from './projection.ts'
import type { RawObject } from './raw-object.ts'
import { Reflector } from './reflector.ts'
import { emptyCounters, type ReflectorCounters, type ReflectorState } from './reflector-health.ts'

/** A part of a kind's objects that one reflector reads. */
export interface ReaderTarget {
  /** '' for all. */
  readonly namespace: string
  readonly selector?: Readonly<Record<string, string>>
  /** Nobody waits for it. */
  readonly isOptional: boolean
}

/** How one kind fares; times are those of the clock, in milliseconds. */
export interface KindStatus {
  readonly kind: KindName
  /** The worst of its parts. */
  readonly state: ReflectorState
  /** Version of the API that is read. */
  readonly version: string | undefined
  /** Objects in force. */
  readonly objects: number
  /** Objects whose newest version our schema refuses; the last good one is in force. */
  readonly refusedObjects: number
  readonly lastEventAt: number | undefined
  /** Since when changes of some part would go unnoticed; undefined: all watches are open. */
  readonly blindSince: number | undefined
  readonly counters: Readonly<ReflectorCounters>
}

export interface KindReaderOptions {
  readonly kind: KindName
  readonly client: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  readonly batch: ChangeBatch
  readonly targets: readonly ReaderTarget[]
  /** If the kind begins with a list, that is not read before; at once unless given. */
  readonly readsAfter?: Promise<void>
  /** {@link KindReader.isSettled} may be another. */
  readonly onChange: () => void
  /** The API server answers again after it could not be reached. */
  readonly onRecovery: () => void
  /** The API server says that it does not know the kind, although it should. */
  readonly onAbsent: () => void
}

/** From the worst to the best, as far as readers of a status care. */
const severity: readonly ReflectorState[] = ['forbidden', 'failing', 'absent', 'loading', 'synced']
/**
 * A refusal is believed after so many milliseconds: an API server that has just started refuses everything,
 * and a control plane that then took its word would serve nothing to proxies that have everything.
 */
const graceOfRefusal = 10_000
/** Of these there are as many as there are applications. */
const plentiful: ReadonlySet<KindName> = new Set(['HTTPRoute', 'Service', 'EndpointSlice'])

interface Part {
  readonly target: ReaderTarget
  readonly reflector: Reflector
  /** Whether the API server refuses to tell, and whether that has lasted. */
  refusal: 'none' | 'doubted' | 'believed'
  cancelGrace: () => void
}

/** Reads one kind, as long as it is served: a reflector for each part, and the cache in which they meet. */
export class KindReader {
  readonly #options: KindReaderOptions
  readonly #cache: KindCache
  /** Of each part: a new reflector deletes what the one before it had and it does not find. */
  #known: readonly KnownVersions[] = []
  #resource: ApiResource | undefined
  #parts: Part[] = []
  /** Of reflectors that are no more. */
  readonly #past: ReflectorCounters = emptyCounters()
  #stopping: Promise<unknown> = Promise.resolve()

  constructor(options: KindReaderOptions) {
    this.#options = options
    this.#cache = new KindCache(options)
  }

  /** Whether there is nothing to wait for: all is loaded, or it is not to be had. */
  get isSettled(): boolean {
    return this.#parts.every((part) => part.target.isOptional || this.#isPartSettled(part))
  }

  /** Where the kind is served; undefined: nowhere. */
  get resource(): ApiResource | undefined {
    return this.#resource
  }

  /** Reads the kind from there; undefined: it is not served, and its objects are gone with it. */
  serve(resource: ApiResource | undefined): void {
    const before = this.#resource
    if (before?.version === resource?.version) return
    this.#resource = resource
    this.#retire()
    if (resource === undefined) {
      // The API server deletes them with their CRD, but does not always get round to telling.
      this.#cache.clear()
      this.#known = []
      return
    }
    if (before === undefined) this.#known = this.#options.targets.map(() => new KnownVersions())
    this.#parts = this.#options.targets.map((target, index) => this.#startPart(target, resource, this.#known[index]))
  }

  /** The API server answers others again. */
  nudge(): void {
    for (const { reflector } of this.#parts) reflector.nudge()
  }

  /** Puts an object that nobody has to read; what is read overrules it. */
  imply(key: NamespacedName, object: RawObject): void {
    this.#cache.put(key, object, true)
  }

  async stop(): Promise<void> {
    this.#retire()
    await this.#stopping
  }

  status(): KindStatus {
    const reflectors = this.#parts.map(({ reflector }) => reflector)
    const states = new Set<ReflectorState>(reflectors.map(({ state }) => state))
    const blind = reflectors.flatMap(({ blindSince }) => (blindSince === undefined ? [] : [blindSince]))
    const last = reflectors.flatMap(({ lastEventAt }) => (lastEventAt === undefined ? [] : [lastEventAt]))
    const counters = { ...this.#past }
    for (const reflector of reflectors) addCounters(counters, reflector.counters)
    return {
      kind: this.#options.kind,
      counters,
      state: severity.find((state) => states.has(state)) ?? 'absent',
      version: this.#resource?.version,
      objects: this.#cache.size,
      refusedObjects: this.#cache.refusedObjects,
      lastEventAt: last.length > 0 ? Math.max(...last) : undefined,
      blindSince: blind.length > 0 ? Math.min(...blind) : undefined,
    }
  }

  #startPart(target: ReaderTarget, resource: ApiResource, known = new KnownVersions()): Part {
    const { kind, client, clock, logger, random, readsAfter } = this.#options
    const part: Part = {
      target,
      refusal: 'none',
      cancelGrace: () => {},
      reflector: new Reflector({
        client,
        clock,
        logger,
        random,
        kind,
        resource,
        known,
        isOptional: target.isOptional,
        namespace: target.namespace,
        plan: planOf(kind),
        selector: { ...selectorOf(kind), ...target.selector },
        beginsWithList: plentiful.has(kind),
        ...(readsAfter && { readsAfter }),
        sink: {
          put: (key, object, listed) => this.#cache.put(key, object, listed),
          delete: (key) => this.#cache.delete(key),
          onState: (state) => this.#noticeState(part, state),
        },
      }),
    }
    part.reflector.start()
    return part
  }

  #noticeState(part: Part, state: ReflectorState): void {
    const { onChange, onAbsent, onRecovery } = this.#options
    if (state === 'absent') onAbsent()
    if (state === 'synced') onRecovery()
    if (state === 'forbidden' || state === 'absent') this.#doubt(part)
    else {
      part.cancelGrace()
      part.refusal = 'none'
    }
    onChange()
  }

  /** The timer decides, not a look at the clock when it fires: timers of Node may be a fraction of a millisecond early. */
  #doubt(part: Part): void {
    if (part.refusal !== 'none') return
    const { clock, onChange } = this.#options
    part.refusal = 'doubted'
    part.cancelGrace = clock.after(graceOfRefusal, () => {
      part.refusal = 'believed'
      onChange()
    })
  }

  #isPartSettled({ reflector, refusal }: Part): boolean {
    return reflector.isLoaded || refusal === 'believed'
  }

  #retire(): void {
    for (const { reflector, cancelGrace } of this.#parts) {
      cancelGrace()
      addCounters(this.#past, reflector.counters)
      this.#stopping = Promise.all([this.#stopping, reflector.stop()])
    }
    this.#parts = []
  }
}

function addCounters(to: ReflectorCounters, from: Readonly<ReflectorCounters>): void {
  for (const name of Object.keys(from) as (keyof ReflectorCounters)[])
    to[name] = name === 'longestBlind' ? Math.max(to[name], from[name]) : to[name] + from[name]
}
