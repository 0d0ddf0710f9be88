import type { IndexNode } from './inverted-index.ts'
import { CollectionNode, type NodePlace, type Reference, type Retained } from './node.ts'
import type { Watch } from './watch.ts'

/** The keys of an index that have members, as values. Members are not looked at, so that a change of one costs nothing more. */
export class IndexKeysNode<I extends string> extends CollectionNode<I, I> {
  readonly #index: IndexNode<I, string, unknown>
  readonly #keys: Set<I> = new Set()

  constructor(place: NodePlace, index: IndexNode<I, string, unknown>) {
    super(place, 'keys', [index], Object.is)
    this.#index = index
  }

  get size(): number {
    return this.#keys.size
  }

  get(key: I): I | undefined {
    return this.#keys.has(key) ? key : undefined
  }

  entries(): IterableIterator<[I, I]> {
    return this.#keys.entries()
  }

  protected initialKeys(): Iterable<I> {
    return this.#index.keys()
  }

  protected settleKeys(keys: readonly I[]): void {
    for (const key of keys) {
      const before = this.get(key)
      const after = this.#index.count(key) > 0 ? key : undefined
      if (before === after) continue
      if (after === undefined) this.#keys.delete(key)
      else this.#keys.add(key)
      this.emit(key, before, after)
    }
  }

  outputsOf(inputKey: string): Iterable<string> {
    return this.#keys.has(inputKey as I) ? [inputKey] : []
  }

  inputsOf(key: string): Iterable<Reference> {
    return this.#keys.has(key as I) ? [{ collection: this.#index.name, key }] : []
  }

  readsOf(): readonly Watch[] {
    return []
  }

  failureOf(): string | undefined {
    return undefined
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    retained.entries += this.#keys.size
  }
}
