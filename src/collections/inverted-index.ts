import { Bucket, type Edit } from './bucket.ts'
import type { Collection, Index } from './collection.ts'
import { type Few, forEachOfFew, pack } from './few.ts'
import { type CollectionNode, Node, type NodePlace, type Reference, type Retained } from './node.ts'
import type { Watch } from './watch.ts'

const nobody: readonly never[] = Object.freeze([])

/** The values of a collection by what they mention; see `Index`. */
export class IndexNode<I extends string, K extends string, V> extends Node implements Index<I, K, V> {
  readonly on: Collection<K, V>
  readonly #keysOf: (value: V, key: K) => Iterable<I>
  readonly #buckets: Map<string, Bucket<V>> = new Map()
  /** Where each member stands, kept rather than asked for again: `keysOf` may throw, and its strings would be new ones. */
  readonly #places: Map<K, Few<Bucket<V>>> = new Map()
  #lastStamp = 0

  constructor(place: NodePlace, on: CollectionNode<K, V>, keysOf: (value: V, key: K) => Iterable<I>) {
    super(place, 'index', [on])
    this.on = on
    this.#keysOf = keysOf
  }

  get size(): number {
    return this.#buckets.size
  }

  lookup(key: I): readonly V[] {
    return this.#buckets.get(key)?.values ?? nobody
  }

  count(key: I): number {
    return this.#buckets.get(key)?.size ?? 0
  }

  keys(): IterableIterator<I> {
    return this.#buckets.keys() as IterableIterator<I>
  }

  protected *initialKeys(): Generator<K> {
    for (const [key] of this.on.entries()) yield key
  }

  protected settleKeys(keys: ReadonlySet<K>): void {
    const edits = new Map<Bucket<V>, Edit<V>[]>()
    const edit = (bucket: Bucket<V>, key: K, value: V | undefined) => {
      const list = edits.get(bucket)
      if (list === undefined) edits.set(bucket, [{ key, value }])
      else list.push({ key, value })
    }
    for (const key of keys) {
      const value = this.on.get(key)
      const after = this.#place(key, value)
      if (after === undefined) continue
      // The stamps of the buckets in `after` are the last one given out.
      forEachOfFew(this.#places.get(key), (bucket) => {
        if (bucket.stamp !== this.#lastStamp) edit(bucket, key, undefined)
      })
      for (const bucket of after) edit(bucket, key, value)
      if (after.length === 0) this.#places.delete(key)
      else this.#places.set(key, pack(after))
    }
    for (const [bucket, list] of edits) this.#apply(bucket, list)
  }

  /** The buckets where the value belongs, each once; undefined if that cannot be told, so that it stays where it is. */
  #place(key: K, value: V | undefined): Bucket<V>[] | undefined {
    let wanted: readonly I[] = []
    if (value !== undefined) {
      this.computations++
      try {
        wanted = [...this.#keysOf(value, key)]
      } catch (error) {
        this.noteFailure(key, error)
        return undefined
      }
    }
    this.failing.delete(key)
    const stamp = ++this.#lastStamp
    const buckets: Bucket<V>[] = []
    for (const name of wanted) {
      let bucket = this.#buckets.get(name)
      if (bucket === undefined) {
        bucket = new Bucket(name)
        this.#buckets.set(name, bucket)
      }
      if (bucket.stamp === stamp) continue
      bucket.stamp = stamp
      buckets.push(bucket)
    }
    return buckets
  }

  #apply(bucket: Bucket<V>, edits: readonly Edit<V>[]): void {
    const before = bucket.size
    bucket.apply(edits)
    if (bucket.size === 0) this.#buckets.delete(bucket.key)
    for (const dependent of this.dependents) dependent.markDirty(bucket.key)
    this.values.wake(bucket.key)
    if (bucket.size !== before) this.presence.wake(bucket.key)
  }

  outputsOf(inputKey: string): Iterable<string> {
    const keys: string[] = []
    forEachOfFew(this.#places.get(inputKey as K), (bucket) => void keys.push(bucket.key))
    return keys
  }

  inputsOf(key: string): Iterable<Reference> {
    return this.#buckets.get(key)?.keys.map((member) => ({ collection: this.on.name, key: member })) ?? []
  }

  readsOf(): readonly Watch[] {
    return []
  }

  valueOf(key: string): unknown {
    return this.#buckets.get(key)?.values
  }

  failureOf(key: string): string | undefined {
    for (const member of this.#buckets.get(key)?.keys ?? []) {
      const failure = this.failing.get(member)
      if (failure !== undefined) return `${member}: ${failure}`
    }
    return undefined
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    retained.buckets += this.#buckets.size
    retained.members += this.#places.size
  }
}
