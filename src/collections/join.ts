import { CollectionNode, type NodePlace, type Reference, type Retained } from './node.ts'
import type { Watch } from './watch.ts'

/** The union of several collections; where they share a key, the earliest one has its way. */
export class JoinNode<K extends string, V> extends CollectionNode<K, V> {
  readonly #parts: readonly CollectionNode<K, V>[]
  readonly #entries: Map<K, V> = new Map()

  constructor(place: NodePlace, parts: readonly CollectionNode<K, V>[]) {
    super(place, 'join', parts, undefined)
    this.#parts = parts
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  protected *initialKeys(): Generator<K> {
    for (const part of this.#parts) {
      for (const [key] of part.entries()) yield key
    }
  }

  protected settleKeys(keys: ReadonlySet<K>): void {
    for (const key of keys) {
      const before = this.#entries.get(key)
      const winner = this.#winner(key)
      const after = winner?.get(key)
      // The part knows best what counts as equal: a join has no opinion of its own.
      if (winner === undefined ? before === undefined : winner.isEqual(key, before, after)) continue
      if (after === undefined) this.#entries.delete(key)
      else this.#entries.set(key, after)
      this.emit(key, before, after)
    }
  }

  #winner(key: K): CollectionNode<K, V> | undefined {
    return this.#parts.find((part) => part.has(key))
  }

  outputsOf(inputKey: string): Iterable<string> {
    return this.#entries.has(inputKey as K) ? [inputKey] : []
  }

  inputsOf(key: string): Iterable<Reference> {
    return this.#parts.filter((part) => part.has(key as K)).map((part) => ({ collection: part.name, key }))
  }

  readsOf(): readonly Watch[] {
    return []
  }

  failureOf(): string | undefined {
    return undefined
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    retained.entries += this.#entries.size
  }
}
