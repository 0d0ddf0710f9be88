import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Change, Collection } from '../collections/collection.ts'
import type { Culprit, StandIn } from './isolation.ts'
import { tableTypes } from './order.ts'
import { Quarantine } from './quarantine.ts'
import { type EnvoyResource, typeUrls } from './resource.ts'
import { collectionOf } from './subscription-names.ts'

/** Names by type. */
export type NamesByType = ReadonlyMap<string, ReadonlySet<string>>

/** What one batch meant for one scope. */
export interface ViewChange {
  /** What should be sent may have changed, or the name is back. */
  readonly changed: NamesByType
  /** No longer wanted; kept in the view until its linger is over (listeners are not kept). */
  readonly retired: NamesByType
  /** Retired, and now also gone from the view. */
  readonly gone: NamesByType
}

export interface ViewOptions {
  readonly clock: Clock
  /** How long a resource stays after it is no longer wanted. */
  readonly linger: number
  /** The same after a listener changed or went: its old connections still use what it referred to. */
  readonly drainTime: number
  /** Called when there is something to tell; `takeChange` follows, once for many calls. */
  readonly onDirty: (view: ScopeView) => void
}

interface Retained {
  readonly resource: EnvoyResource
  readonly until: number
}

/** What is known of one type in one scope. */
class TypeView {
  readonly wanted = new Map<string, EnvoyResource>()
  readonly retained = new Map<string, Retained>()
  readonly quarantine = new Quarantine()
  /** Members of xdstp collections; other names belong to none. */
  readonly collections = new Map<string, Set<string>>()

  /** Wanted, or no longer wanted and not gone yet. */
  current(name: string): EnvoyResource | undefined {
    return this.wanted.get(name) ?? this.retained.get(name)?.resource
  }

  add(name: string): void {
    const collection = collectionOf(name)
    if (collection === undefined) return
    const members = this.collections.get(collection)
    if (members) members.add(name)
    else this.collections.set(collection, new Set([name]))
  }

  drop(name: string): void {
    this.quarantine.forget(name)
    const collection = collectionOf(name)
    const members = collection === undefined ? undefined : this.collections.get(collection)
    if (collection === undefined || members === undefined) return
    members.delete(name)
    if (members.size === 0) this.collections.delete(collection)
  }
}

/**
 * What the proxies of one scope should have. Streams read it at the moment they send, so that the
 * latest always wins and nothing is queued; they are told names, never values. Work is in proportion
 * to the change.
 */
export class ScopeView {
  readonly scope: string
  readonly #options: ViewOptions
  readonly #types = new Map<string, TypeView>()
  #changed = new Map<string, Set<string>>()
  #retired = new Map<string, Set<string>>()
  #gone = new Map<string, Set<string>>()
  #drainsUntil = Number.NEGATIVE_INFINITY
  #cancelExpiry: (() => void) | undefined

  constructor(scope: string, options: ViewOptions) {
    this.scope = scope
    this.#options = options
  }

  /** What a proxy should have under this name: the wanted bytes, or what stands in for refused ones. */
  get(typeUrl: string, name: string): EnvoyResource | undefined {
    const type = this.#types.get(typeUrl)
    const resource = type?.current(name)
    return resource && type?.quarantine.admit(resource)
  }

  /** Whether the name stands for something, be it refused: such a name is never removed from a proxy. */
  has(typeUrl: string, name: string): boolean {
    const type = this.#types.get(typeUrl)
    return type !== undefined && (type.wanted.has(name) || type.retained.has(name))
  }

  /** Nothing is wanted, nothing is kept. */
  get isEmpty(): boolean {
    for (const type of this.#types.values()) if (type.wanted.size + type.retained.size > 0) return false
    return true
  }

  /** What the collections say, refused or not. */
  wanted(typeUrl: string, name: string): EnvoyResource | undefined {
    return this.#types.get(typeUrl)?.wanted.get(name)
  }

  *names(typeUrl: string): IterableIterator<string> {
    const type = this.#types.get(typeUrl)
    if (type === undefined) return
    yield* type.wanted.keys()
    yield* type.retained.keys()
  }

  /** Members of an xdstp collection, e.g. `xdstp:///envoy.config.route.v3.ScopedRouteConfiguration/http-80/*`. */
  members(typeUrl: string, collection: string): Iterable<string> {
    return this.#types.get(typeUrl)?.collections.get(collection) ?? []
  }

  /** Why the wanted version was refused, if it was. */
  refusalOf(typeUrl: string, name: string): string | undefined {
    const type = this.#types.get(typeUrl)
    const wanted = type?.wanted.get(name)
    return wanted && type?.quarantine.messageFor(wanted)
  }

  /** Which parts of the refused wanted version are to blame, as far as it is known; undefined: nobody knows. */
  culpritsOf(typeUrl: string, name: string): readonly Culprit[] | undefined {
    const type = this.#types.get(typeUrl)
    const wanted = type?.wanted.get(name)
    return wanted && type?.quarantine.culprits(wanted)
  }

  /** What `get` gives for something wanted, and how good it is. */
  standIn(typeUrl: string, name: string): StandIn | undefined {
    const type = this.#types.get(typeUrl)
    const wanted = type?.wanted.get(name)
    return wanted && type?.quarantine.standIn(wanted)
  }

  /** A proxy came back with this version, which an earlier control plane may have put together. */
  presume(typeUrl: string, name: string, version: string): void {
    const type = this.#types.get(typeUrl)
    const wanted = type?.wanted.get(name)
    if (wanted && type?.quarantine.presume(version, wanted)) this.#markChanged(typeUrl, name)
  }

  /** A proxy keeps what it holds instead of what `get` gives. */
  holdBack(typeUrl: string, name: string): void {
    const type = this.#types.get(typeUrl)
    const wanted = type?.wanted.get(name)
    if (wanted && type?.quarantine.holdBack(wanted)) this.#markChanged(typeUrl, name)
  }

  /** Whether the wanted version was refused, so that something else or nothing stands in for it. */
  isRefused(typeUrl: string, name: string): boolean {
    return this.refusalOf(typeUrl, name) !== undefined
  }

  /** Names for which `isRefused`. */
  *refusedNames(typeUrl: string): IterableIterator<string> {
    for (const name of this.#types.get(typeUrl)?.quarantine.names() ?? []) if (this.isRefused(typeUrl, name)) yield name
  }

  lastGood(typeUrl: string, name: string): EnvoyResource | undefined {
    return this.#types.get(typeUrl)?.quarantine.lastGood(name)
  }

  /** Until when connections that a changed listener has left behind may live. */
  get drainsUntil(): number {
    return this.#drainsUntil
  }

  /** A proxy of the scope loaded exactly these bytes. */
  accept(resource: EnvoyResource): void {
    const type = this.#types.get(resource.typeUrl)
    const current = type?.current(resource.name)
    // What is gone must not come back as the memory of an acknowledgement.
    if (type === undefined || current === undefined) return
    if (type.quarantine.accept(resource, current)) this.#markChanged(resource.typeUrl, resource.name)
  }

  /** A proxy of the scope refused exactly these bytes, alone in their response. */
  refuse(resource: EnvoyResource, message: string): void {
    const type = this.#types.get(resource.typeUrl)
    const current = type?.current(resource.name)
    if (type === undefined || current === undefined) return
    if (type.quarantine.refuse(resource, current, message)) this.#markChanged(resource.typeUrl, resource.name)
  }

  /** One change of a collection. */
  apply(typeUrl: string, name: string, before: EnvoyResource | undefined, after: EnvoyResource | undefined): void {
    const type = this.#typeView(typeUrl)
    if (after !== undefined) {
      type.wanted.set(name, after)
      type.retained.delete(name)
      type.add(name)
      if (before?.version === after.version) return
      if (before !== undefined) this.#noteListenerChange(typeUrl)
      this.#markChanged(typeUrl, name)
      return
    }
    const served = this.get(typeUrl, name)
    if (!type.wanted.delete(name)) return
    this.#noteListenerChange(typeUrl)
    if (typeUrl === typeUrls.listener) {
      type.drop(name)
      this.#markChanged(typeUrl, name)
      return
    }
    if (served === undefined) type.drop(name)
    else type.retained.set(name, { resource: served, until: this.#options.clock.now() + this.#options.linger })
    this.#mark(this.#retired, typeUrl, name)
    this.#scheduleExpiry()
  }

  /** @returns what happened since the last time */
  takeChange(): ViewChange {
    const change = { changed: this.#changed, retired: this.#retired, gone: this.#gone }
    this.#changed = new Map()
    this.#retired = new Map()
    this.#gone = new Map()
    return change
  }

  close(): void {
    this.#cancelExpiry?.()
  }

  #typeView(typeUrl: string): TypeView {
    let type = this.#types.get(typeUrl)
    if (type === undefined) {
      type = new TypeView()
      this.#types.set(typeUrl, type)
    }
    return type
  }

  #markChanged(typeUrl: string, name: string): void {
    this.#mark(this.#changed, typeUrl, name)
    this.#scheduleExpiry()
  }

  #mark(into: Map<string, Set<string>>, typeUrl: string, name: string): void {
    const names = into.get(typeUrl)
    if (names) names.add(name)
    else into.set(typeUrl, new Set([name]))
    this.#options.onDirty(this)
  }

  #noteListenerChange(typeUrl: string): void {
    if (typeUrl === typeUrls.listener) this.#drainsUntil = this.#options.clock.now() + this.#options.drainTime
  }

  /** A refused table lives on in its last good form, which may use what is retained. */
  #isTableRefused(): boolean {
    return tableTypes.some((typeUrl) => this.refusedNames(typeUrl).next().done === false)
  }

  /** Asked for each resource of a first load, of which nothing is retained. */
  #retainsAny(): boolean {
    for (const type of this.#types.values()) if (type.retained.size > 0) return true
    return false
  }

  #scheduleExpiry(): void {
    if (this.#cancelExpiry !== undefined || !this.#retainsAny()) return
    const now = this.#options.clock.now()
    let first = Number.POSITIVE_INFINITY
    const isTableRefused = this.#isTableRefused()
    for (const type of this.#types.values()) {
      // Insertion order is order of expiry: the linger is the same for all.
      for (const [name, retained] of type.retained) {
        if (isTableRefused && retained.until <= now && type.quarantine.lastGood(name) !== undefined) continue
        first = Math.min(first, retained.until)
        break
      }
    }
    if (first === Number.POSITIVE_INFINITY) return
    const at = Math.max(first, this.#drainsUntil, now)
    this.#cancelExpiry = this.#options.clock.after(at - now, () => {
      this.#cancelExpiry = undefined
      this.#expire()
    })
  }

  #expire(): void {
    const now = this.#options.clock.now()
    if (now >= this.#drainsUntil) {
      // Looked at again when the refusal is lifted or the table changes: both mark a change.
      const isTableRefused = this.#isTableRefused()
      for (const [typeUrl, type] of this.#types) {
        for (const [name, retained] of type.retained) {
          if (retained.until > now) break
          // A refused table lives on in its last good form, and so does what that may use.
          const used = isTableRefused ? type.quarantine.lastGood(name) : undefined
          if (used !== undefined) {
            if (used === retained.resource) continue
            type.retained.set(name, { resource: used, until: retained.until })
            this.#mark(this.#changed, typeUrl, name)
            continue
          }
          assert(!type.wanted.has(name), 'a wanted resource is not retained')
          type.retained.delete(name)
          type.drop(name)
          this.#mark(this.#gone, typeUrl, name)
        }
      }
    }
    this.#scheduleExpiry()
  }
}

/** The views of all scopes over one collection per type. */
export class Snapshot {
  readonly #views = new Map<string, ScopeView>()
  readonly #options: ViewOptions
  readonly #unsubscribe: (() => void)[] = []

  constructor(
    collections: Iterable<readonly [typeUrl: string, Collection<string, EnvoyResource>]>,
    options: ViewOptions,
  ) {
    this.#options = options
    for (const [typeUrl, collection] of collections) {
      for (const [, resource] of collection.entries()) this.#apply(typeUrl, undefined, resource)
      this.#unsubscribe.push(collection.subscribe((changes) => this.#applyAll(typeUrl, changes)))
    }
  }

  /** The view of a scope; a scope without resources has an empty one. */
  view(scope: string): ScopeView {
    let view = this.#views.get(scope)
    if (view === undefined) {
      view = new ScopeView(scope, this.#options)
      this.#views.set(scope, view)
    }
    return view
  }

  release(view: ScopeView): void {
    view.close()
    this.#views.delete(view.scope)
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const view of this.#views.values()) view.close()
  }

  #applyAll(typeUrl: string, changes: readonly Change<string, EnvoyResource>[]): void {
    for (const { before, after } of changes) this.#apply(typeUrl, before, after)
  }

  #apply(typeUrl: string, before: EnvoyResource | undefined, after: EnvoyResource | undefined): void {
    const resource = after ?? before
    assert(resource !== undefined, 'a change has a value before or after')
    assert(resource.typeUrl === typeUrl, `a collection of ${typeUrl} holds no ${resource.typeUrl}`)
    this.view(resource.scope).apply(typeUrl, resource.name, before, after)
  }
}
