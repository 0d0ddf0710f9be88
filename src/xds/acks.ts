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

/** By name. No name is there without a value: there are thousands of them. */
class TypeAcks {
  /** The version accepted last is at the end. */
  readonly accepted = new Map<string, Few<Acceptance>>()
  readonly rejected = new Map<string, { readonly version: string; readonly message: string }>()

  has(name: string): boolean {
    return this.accepted.has(name) || this.rejected.has(name)
  }
}

/** Counts acceptances of one scope; publishes only what changed. */
export class ScopeAcks {
  readonly #view: ScopeView
  readonly #onDirty: (acks: ScopeAcks) => void
  readonly #publishes: (key: string, ack: ResourceAck) => boolean
  readonly #types = new Map<string, TypeAcks>()
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
    const { accepted, rejected } = this.#ofType(typeUrl)
    const versions = accepted.get(name)
    let next = versions
    const left = before === undefined ? undefined : find(versions, before)
    if (left !== undefined && --left.count === 0) next = removeFromFew(next, left)
    const reached = after === undefined ? undefined : find(next, after)
    if (reached !== undefined) reached.count++
    else if (after !== undefined) next = addToFew(next, { version: after, count: 1 })
    if (next === undefined) accepted.delete(name)
    else if (next !== versions) accepted.set(name, next)
    if (after !== undefined && rejected.get(name)?.version === after) rejected.delete(name)
    if (left?.count === 0 || (after !== undefined && reached === undefined)) this.#mark(typeUrl, name)
  }

  isAcked(typeUrl: string, name: string, version: string): boolean {
    return find(this.#types.get(typeUrl)?.accepted.get(name), version) !== undefined
  }

  reject(typeUrl: string, name: string, version: string, message: string): void {
    this.#ofType(typeUrl).rejected.set(name, { version, message })
    this.#mark(typeUrl, name)
  }

  /** What is wanted may be another version now, or nothing, or something again that proxies still have. */
  noteChanged(changed: NamesByType): void {
    for (const [typeUrl, names] of changed) {
      const type = this.#types.get(typeUrl)
      if (type === undefined) continue
      for (const name of names) if (type.has(name)) this.#mark(typeUrl, name)
    }
  }

  publish(into: Source<string, ResourceAck>): void {
    const dirty = this.#dirty
    this.#dirty = new Map()
    for (const [typeUrl, names] of dirty) {
      const type = this.#types.get(typeUrl)
      for (const name of names) {
        const key = ackKey(typeUrl, this.#view.scope, name)
        const value = type?.has(name) ? this.#valueOf(typeUrl, name, type) : undefined
        if (value !== undefined && this.#publishes(key, value)) into.set(key, value)
        else if (into.has(key)) into.delete(key)
      }
    }
  }

  #valueOf(typeUrl: string, name: string, { accepted, rejected: refusals }: TypeAcks): ResourceAck | undefined {
    const wanted = this.#view.wanted(typeUrl, name)?.version
    const refusal = refusals.get(name)
    if (refusal !== undefined && refusal.version !== wanted) refusals.delete(name)
    // Proxies have it for a while yet, but nobody asks about it.
    if (wanted === undefined) return undefined
    let newest: string | undefined
    forEachOfFew(accepted.get(name), ({ version }) => {
      if (newest !== wanted) newest = version
    })
    const message = this.#view.refusalOf(typeUrl, name)
    // One proxy has refused it, or it is not sent to any.
    const told = refusals.get(name) ?? (message === undefined ? undefined : { version: wanted, message })
    const culprits = told && this.#view.culpritsOf(typeUrl, name)
    const rejected = told && { ...told, ...(culprits !== undefined && { culprits }) }
    if (newest === undefined && rejected === undefined) return undefined
    return { ...(newest !== undefined && { ackedVersion: newest }), ...(rejected !== undefined && { rejected }) }
  }

  #ofType(typeUrl: string): TypeAcks {
    let type = this.#types.get(typeUrl)
    if (type === undefined) {
      type = new TypeAcks()
      this.#types.set(typeUrl, type)
    }
    return type
  }

  #mark(typeUrl: string, name: string): void {
    const names = this.#dirty.get(typeUrl)
    if (names) names.add(name)
    else this.#dirty.set(typeUrl, new Set([name]))
    this.#onDirty(this)
  }
}

function find(versions: Few<Acceptance>, version: string): Acceptance | undefined {
  let found: Acceptance | undefined
  forEachOfFew(versions, (acceptance) => {
    if (acceptance.version === version) found = acceptance
  })
  return found
}
