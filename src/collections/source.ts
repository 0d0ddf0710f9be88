import { assert } from '../base/assert.ts'
import type { Source } from './collection.ts'
import { CollectionNode, type Equals, type NodePlace, type Reference, type Retained } from './node.ts'
import type { Watch } from './watch.ts'

/** Writes as they wait for their batch: undefined deletes. */
type Writes<K extends string, V> = Map<K, V | undefined>

/**
 * Writes wait in two steps. The open batch collects them in `#staged`; its end seals them, or throws
 * them away if it failed; settling applies what is sealed. Usually the one follows the other at once.
 * A listener's batch, though, ends while others are still being told about the one before: until then
 * nobody but that batch may see its writes.
 */
export class SourceNode<K extends string, V> extends CollectionNode<K, V> implements Source<K, V> {
  readonly #entries: Map<K, V> = new Map()
  #sealed: Writes<K, V> = new Map()
  #staged: Writes<K, V> = new Map()

  constructor(place: NodePlace, equals: Equals<V> | undefined) {
    super(place, 'source', [], equals)
  }

  get size(): number {
    let size = this.#entries.size
    for (const [key, value] of this.#writes()) {
      size += Number(value !== undefined) - Number(this.#entries.has(key))
    }
    return size
  }

  get(key: K): V | undefined {
    if (this.host.isBatchOpen) {
      if (this.#staged.has(key)) return this.#staged.get(key)
      if (this.#sealed.has(key)) return this.#sealed.get(key)
    }
    return this.#entries.get(key)
  }

  *entries(): Generator<[K, V], undefined> {
    const writes = this.#writes()
    for (const entry of this.#entries) {
      if (!writes.has(entry[0])) yield entry
    }
    for (const [key, value] of writes) {
      if (value !== undefined) yield [key, value]
    }
  }

  override getSettled(key: K): V | undefined {
    return this.#entries.get(key)
  }

  override settledEntries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  set(key: K, value: V): void {
    if (value === undefined) assert(false, `an entry of "${this.name}" is never undefined: delete it instead`)
    this.#write(key, value)
  }

  delete(key: K): void {
    this.#write(key, undefined)
  }

  replace(entries: Iterable<readonly [K, V]>): void {
    const next = new Map(entries)
    for (const [key] of [...this.entries()]) {
      if (!next.has(key)) this.delete(key)
    }
    for (const [key, value] of next) this.set(key, value)
  }

  #write(key: K, value: V | undefined): void {
    if (!this.host.isBatchOpen) assert(false, `"${this.name}" is changed inside a batch only`)
    this.#staged.set(key, value)
  }

  /** The writes that the caller may see: those of the open batch, and those before it that wait to settle. */
  #writes(): ReadonlyMap<K, V | undefined> {
    if (!this.host.isBatchOpen) return new Map()
    return this.#sealed.size === 0 ? this.#staged : new Map([...this.#sealed, ...this.#staged])
  }

  /** The open batch has ended well. */
  seal(): void {
    if (this.#sealed.size === 0) [this.#sealed, this.#staged] = [this.#staged, this.#sealed]
    else for (const [key, value] of this.#staged) this.#sealed.set(key, value)
    this.#staged.clear()
  }

  /** The open batch has thrown. */
  discard(): void {
    this.#staged.clear()
  }

  override get isDirty(): boolean {
    return this.#sealed.size > 0
  }

  override settle(): void {
    for (const [key, after] of this.#sealed) {
      const before = this.#entries.get(key)
      if (this.isEqual(key, before, after)) continue
      if (after === undefined) this.#entries.delete(key)
      else this.#entries.set(key, after)
      this.emit(key, before, after)
    }
    this.#sealed.clear()
  }

  protected initialKeys(): Iterable<string> {
    return []
  }

  protected settleKeys(): void {
    assert(false, `the source "${this.name}" has no inputs`)
  }

  outputsOf(): Iterable<string> {
    return []
  }

  inputsOf(): Iterable<Reference> {
    return []
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
    retained.pending += this.#sealed.size + this.#staged.size
  }
}
