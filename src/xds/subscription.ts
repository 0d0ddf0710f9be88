import type { StreamView } from './drained-view.ts'
import { type TypeTraits, traitsOf } from './order.ts'
import type { EnvoyResource } from './resource.ts'
import { collectionOf, isCollectionName } from './subscription-names.ts'

/** One response that was handed to the transport and is not answered yet. */
export interface Flight {
  readonly nonce: string
  /** Grows by one with each response of the stream, over all types. */
  readonly sequence: number
  readonly sentAt: number
  readonly resources: readonly EnvoyResource[]
  readonly removed: readonly string[]
}

/** More unanswered responses than this and the oldest is forgotten: a client that never answers costs little. */
const maximumFlights = 1024

/** What a request changed about what the client wants. */
export interface Interest {
  /** Names that must be answered, even if they were sent before and have not changed. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** The client wants everything from now on. */
  readonly wildcardAdded: boolean
  readonly wildcardRemoved: boolean
}

/**
 * What one stream wants of one type, and what it has. Knows the protocol's book-keeping only; when and
 * what to send is the stream's business. All sets hold names and together describe the one pending
 * change of this type: never a queue of values.
 */
export class Subscription {
  readonly typeUrl: string
  readonly traits: TypeTraits
  /** Asked for by a request; until then it exists because we sent something unprompted. */
  requested = false
  wildcard = false
  readonly names = new Set<string>()
  readonly collections = new Set<string>()
  /** State of the world: from the first name on, an empty list means nothing instead of everything. */
  #namedOnce = false

  /** May differ from what the client has. */
  readonly dirty = new Set<string>()
  /** Subset of `dirty`: the client asked for it, so it is answered even if nothing changed. */
  readonly owed = new Set<string>()
  /** Subset of `owed`: no longer named but still behind the wildcard, so the client must hear whether it is there. */
  readonly released = new Set<string>()
  /** Subset of `dirty`: sent although unchanged or not asked for, because something that uses it was sent. */
  readonly pushed = new Set<string>()
  /** Subset of `dirty`: was in a refused response, so it travels alone. */
  readonly suspects = new Set<string>()
  /** No longer wanted and free to go. */
  readonly removals = new Set<string>()
  /** State of the world: asked for with a stale nonce, which must not be answered; the next fresh one is. */
  readonly late = new Set<string>()
  /** Would be in `removals`, but the view still keeps it for others. */
  readonly overdue = new Set<string>()
  /** A response is owed even if it is empty. */
  answerOwed = false

  /** Versions that the client has accepted. */
  readonly acked = new Map<string, string>()
  /** Versions that this client refused and may not get again. */
  readonly refused = new Map<string, string>()
  /**
   * What the client had before this stream and nobody here knows, to the version that was wanted then: where
   * that is refused, what it holds may be better than what stands in.
   */
  readonly inherited = new Map<string, string | undefined>()
  /** Sent in a response that was refused as a whole: the client may have them all the same. */
  readonly ghosts = new Set<string>()
  readonly flights = new Map<string, Flight>()
  readonly #latest = new Map<string, { readonly flight: Flight; readonly version: string | undefined }>()
  lastNonce = ''

  responses = 0
  acks = 0
  nacks = 0
  lastNack: string | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
    this.traits = traitsOf(typeUrl)
  }

  wants(name: string): boolean {
    if (this.wildcard || this.names.has(name)) return true
    if (this.collections.size === 0) return false
    const collection = collectionOf(name)
    return collection !== undefined && this.collections.has(collection)
  }

  /** Whether this very word is among what the client asks for: a name, a collection, or `*`. */
  asksFor(asked: string): boolean {
    return asked === '*' ? this.wildcard : this.names.has(asked) || this.collections.has(asked)
  }

  /** The names in the view that the client wants. */
  *selected(view: StreamView): IterableIterator<string> {
    if (this.wildcard) {
      yield* view.names(this.typeUrl)
      return
    }
    for (const name of this.names) if (view.has(this.typeUrl, name)) yield name
    for (const collection of this.collections) yield* view.members(this.typeUrl, collection)
  }

  /** Delta: differences, in either spelling of the wildcard. */
  applyDelta(subscribe: readonly string[], unsubscribe: readonly string[]): Interest {
    const added: string[] = []
    const removed: string[] = []
    const wasWildcard = this.wildcard
    const isFirst = !this.requested
    this.requested = true
    for (const name of subscribe) {
      if (name === '*') this.wildcard = true
      else this.#addName(name, added)
    }
    // A later name adds to the legacy wildcard; only unsubscribing from `*` ends it.
    if (subscribe.length === 0 && isFirst && this.traits.legacyWildcard) this.wildcard = true
    for (const name of unsubscribe) {
      if (name === '*') this.wildcard = false
      else this.#removeName(name, removed)
    }
    return {
      added,
      removed,
      wildcardAdded: this.wildcard && (!wasWildcard || subscribe.includes('*')),
      wildcardRemoved: wasWildcard && !this.wildcard,
    }
  }

  /** State of the world: the whole list each time. */
  applySotw(names: readonly string[]): Interest {
    const added: string[] = []
    const removed: string[] = []
    const wasWildcard = this.wildcard
    this.requested = true
    if (names.length > 0) this.#namedOnce = true
    this.wildcard = names.includes('*') || (names.length === 0 && !this.#namedOnce && this.traits.legacyWildcard)
    const wanted = new Set(names)
    wanted.delete('*')
    for (const name of wanted) if (!this.names.has(name) && !this.collections.has(name)) this.#addName(name, added)
    for (const name of [...this.names, ...this.collections]) if (!wanted.has(name)) this.#removeName(name, removed)
    return {
      added,
      removed,
      wildcardAdded: this.wildcard && !wasWildcard,
      wildcardRemoved: wasWildcard && !this.wildcard,
    }
  }

  #addName(name: string, added: string[]): void {
    if (isCollectionName(name)) this.collections.add(name)
    else this.names.add(name)
    added.push(name)
  }

  #removeName(name: string, removed: string[]): void {
    if (this.names.delete(name) || this.collections.delete(name)) removed.push(name)
  }

  /** The version that the client has or is about to have; undefined for none. */
  held(name: string): string | undefined {
    const last = this.#latest.get(name)
    return last === undefined ? this.acked.get(name) : last.version
  }

  /** Every name with a `held` version. */
  heldNames(): string[] {
    const names = new Set(this.acked.keys())
    for (const [name, { version }] of this.#latest) {
      if (version === undefined) names.delete(name)
      else names.add(name)
    }
    return [...names]
  }

  /** The newest unanswered response that mentions the name. */
  flightOf(name: string): Flight | undefined {
    return this.#latest.get(name)?.flight
  }

  /** Everything about the name that only matters while the client wants it. */
  forget(name: string): void {
    this.settleName(name)
    this.acked.delete(name)
    this.refused.delete(name)
    this.inherited.delete(name)
    this.overdue.delete(name)
    this.#latest.delete(name)
  }

  /** Nothing is pending for the name any more. */
  settleName(name: string): void {
    this.dirty.delete(name)
    this.owed.delete(name)
    this.released.delete(name)
    this.pushed.delete(name)
    this.suspects.delete(name)
  }

  takeOff(flight: Flight): void {
    this.flights.set(flight.nonce, flight)
    this.lastNonce = flight.nonce
    this.responses++
    for (const { name, version } of flight.resources) this.#latest.set(name, { flight, version })
    for (const name of flight.removed) this.#latest.set(name, { flight, version: undefined })
    if (this.flights.size > maximumFlights) {
      const oldest = this.flights.values().next().value
      if (oldest !== undefined) this.land(oldest.nonce)
    }
  }

  /** The response is answered (or given up): it is no longer in flight. */
  land(nonce: string): Flight | undefined {
    const flight = this.flights.get(nonce)
    if (flight === undefined) return undefined
    this.flights.delete(nonce)
    for (const { name } of flight.resources) this.#arrive(name, flight)
    for (const name of flight.removed) this.#arrive(name, flight)
    return flight
  }

  #arrive(name: string, flight: Flight): void {
    if (this.#latest.get(name)?.flight === flight) this.#latest.delete(name)
  }
}
