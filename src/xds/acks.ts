import type { Source } from '../collections/collection.ts'
import { addToFew, type Few, forEachOfFew, removeFromFew } from '../collections/few.ts'
import type { Culprit } from './isolation.ts'
import type { NamesByType, ScopeView } from './snapshot.ts'

/** What the proxies of a scope say about one wanted resource; the key is `ackKey(typeUrl, scope, name)`. */
export interface ResourceAck {
  /** The newest version that at least one connected proxy of the scope has accepted. */
  readonly ackedVersion?: string
  /** The wanted version was refused by a proxy; it is not sent again. */
  readonly rejected?: Rejection
}

export interface Rejection {
  readonly version: string
  readonly message: string
  /** The parts that are to blame, as far as it is known, with a message each; absent: nobody knows. */
  readonly culprits?: readonly Culprit[]
}

export function ackKey(typeUrl: string, scope: string, name: string): string {
  return `${typeUrl}\n${scope}\n${name}`
}

interface Acceptance {
  readonly version: string
  /** Connected proxies that have it. */
  count: number
}

interface Entry {
  /** The one accepted last is at the end. */
  versions: Few<Acceptance>
  rejected: { readonly version: string; readonly message: string } | undefined
}

/** Counts acceptances of one scope; publishes only what changed. */
export class ScopeAcks {
  readonly #view: ScopeView
  readonly #onDirty: (acks: ScopeAcks) => void
  readonly #publishes: (key: string, ack: ResourceAck) => boolean
  readonly #types = new Map<string, Map<string, Entry>>()
  #dirty = new Map<string, Set<string>>()

  /** @param publishes of which acks anybody else may know */
  constructor(
    view: ScopeView,
    onDirty: (acks: ScopeAcks) => void,
    publishes: (key: string, ack: ResourceAck) => boolean = () => true,
  ) {
    this.#view = view
    this.#publishes = publishes
    this.#onDirty = onDirty
  }

  /** One proxy has another version than before; undefined is none. */
  move(typeUrl: string, name: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return
    const entry = this.#entry(typeUrl, name)
    const left = before === undefined ? undefined : find(entry, before)
    if (left !== undefined && --left.count === 0) {
      entry.versions = removeFromFew(entry.versions, left)
      this.#mark(typeUrl, name)
    }
    if (after === undefined) return
    const reached = find(entry, after)
    if (reached !== undefined) reached.count++
    else {
      entry.versions = addToFew(entry.versions, { version: after, count: 1 })
      this.#mark(typeUrl, name)
    }
    if (entry.rejected?.version === after) entry.rejected = undefined
  }

  isAcked(typeUrl: string, name: string, version: string): boolean {
    const entry = this.#types.get(typeUrl)?.get(name)
    return entry !== undefined && find(entry, version) !== undefined
  }

  reject(typeUrl: string, name: string, version: string, message: string): void {
    this.#entry(typeUrl, name).rejected = { version, message }
    this.#mark(typeUrl, name)
  }

  /** What is wanted may be another version now, or nothing, or something again that proxies still have. */
  noteChanged(changed: NamesByType): void {
    for (const [typeUrl, names] of changed) {
      const entries = this.#types.get(typeUrl)
      if (entries === undefined) continue
      for (const name of names) if (entries.has(name)) this.#mark(typeUrl, name)
    }
  }

  publish(into: Source<string, ResourceAck>): void {
    const dirty = this.#dirty
    this.#dirty = new Map()
    for (const [typeUrl, names] of dirty) {
      const entries = this.#types.get(typeUrl)
      for (const name of names) {
        const key = ackKey(typeUrl, this.#view.scope, name)
        const entry = entries?.get(name)
        const value = entry && this.#valueOf(typeUrl, name, entry)
        if (value !== undefined && this.#publishes(key, value)) into.set(key, value)
        else if (into.has(key)) into.delete(key)
        if (entry !== undefined && entry.versions === undefined && entry.rejected === undefined) entries?.delete(name)
      }
    }
  }

  #valueOf(typeUrl: string, name: string, entry: Entry): ResourceAck | undefined {
    const wanted = this.#view.wanted(typeUrl, name)?.version
    if (entry.rejected !== undefined && entry.rejected.version !== wanted) entry.rejected = undefined
    // Proxies have it for a while yet, but nobody asks about it.
    if (wanted === undefined) return undefined
    let newest: string | undefined
    forEachOfFew(entry.versions, ({ version }) => {
      if (newest !== wanted) newest = version
    })
    const message = this.#view.refusalOf(typeUrl, name)
    // One proxy has refused it, or it is not sent to any.
    const told = entry.rejected ?? (message === undefined ? undefined : { version: wanted, message })
    const culprits = told && this.#view.culpritsOf(typeUrl, name)
    const rejected = told && { ...told, ...(culprits !== undefined && { culprits }) }
    if (newest === undefined && rejected === undefined) return undefined
    return { ...(newest !== undefined && { ackedVersion: newest }), ...(rejected !== undefined && { rejected }) }
  }

  #entry(typeUrl: string, name: string): Entry {
    let entries = this.#types.get(typeUrl)
    if (entries === undefined) {
      entries = new Map()
      this.#types.set(typeUrl, entries)
    }
    let entry = entries.get(name)
    if (entry === undefined) {
      entry = { versions: undefined, rejected: undefined }
      entries.set(name, entry)
    }
    return entry
  }

  #mark(typeUrl: string, name: string): void {
    const names = this.#dirty.get(typeUrl)
    if (names) names.add(name)
    else this.#dirty.set(typeUrl, new Set([name]))
    this.#onDirty(this)
  }
}

function find({ versions }: Entry, version: string): Acceptance | undefined {
  let found: Acceptance | undefined
  forEachOfFew(versions, (acceptance) => {
    if (acceptance.version === version) found = acceptance
  })
  return found
}
