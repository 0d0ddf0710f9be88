import type { Source } from '../collections/collection.ts'
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

interface Entry {
  /** How many connected proxies have accepted which version; the one accepted last is at the end. */
  readonly versions: Map<string, number>
  rejected: { readonly version: string; readonly message: string } | undefined
}

/** Counts acceptances of one scope; publishes only what changed. */
export class ScopeAcks {
  readonly #view: ScopeView
  readonly #onDirty: (acks: ScopeAcks) => void
  readonly #types = new Map<string, Map<string, Entry>>()
  #dirty = new Map<string, Set<string>>()

  constructor(view: ScopeView, onDirty: (acks: ScopeAcks) => void) {
    this.#view = view
    this.#onDirty = onDirty
  }

  /** One proxy has another version than before; undefined is none. */
  move(typeUrl: string, name: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return
    const entry = this.#entry(typeUrl, name)
    if (before !== undefined) {
      const count = (entry.versions.get(before) ?? 0) - 1
      if (count > 0) entry.versions.set(before, count)
      else {
        entry.versions.delete(before)
        this.#mark(typeUrl, name)
      }
    }
    if (after !== undefined) {
      const count = entry.versions.get(after)
      entry.versions.set(after, (count ?? 0) + 1)
      if (count === undefined) this.#mark(typeUrl, name)
      if (entry.rejected?.version === after) entry.rejected = undefined
    }
  }

  isAcked(typeUrl: string, name: string, version: string): boolean {
    return this.#types.get(typeUrl)?.get(name)?.versions.has(version) ?? false
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
        if (value !== undefined) into.set(key, value)
        else if (into.has(key)) into.delete(key)
        if (entry?.versions.size === 0 && entry.rejected === undefined) entries?.delete(name)
      }
    }
  }

  #valueOf(typeUrl: string, name: string, entry: Entry): ResourceAck | undefined {
    const wanted = this.#view.wanted(typeUrl, name)?.version
    if (entry.rejected !== undefined && entry.rejected.version !== wanted) entry.rejected = undefined
    // Proxies have it for a while yet, but nobody asks about it.
    if (wanted === undefined) return undefined
    const newest = entry.versions.has(wanted) ? wanted : [...entry.versions.keys()].at(-1)
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
      entry = { versions: new Map(), rejected: undefined }
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
