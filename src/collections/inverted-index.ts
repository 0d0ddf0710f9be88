import { Bucket, type Edit } from './bucket.ts'
import type { Collection, Index } from './collection.ts'
import { type Few, forEachOfFew, pack } from './few.ts'
import { type CollectionNode, Node, type NodePlace, type Reference, type Retained } from './node.ts'
import { nextStamp, type Watch, WatchTable } from './watch.ts'

const nobody: readonly never[] = Object.freeze([])

/** The values of a collection by what they mention; see `Index`. */
export class IndexNode<I extends string, K extends string, V> extends Node implements Index<I, K, V> {
  readonly on: Collection<K, V>
  readonly #keysOf: (value: V, key: K) => Iterable<I>
  /** Also those that are only read: one map holds both. */
  readonly #buckets: WatchTable<Bucket<V>>
  /** Where each member stands, kept rather than asked for again: `keysOf` may throw, and its strings would be new ones. */
  readonly #places: Map<K, Few<Bucket<V>>> = new Map()
  /** Of the member that was placed last: its buckets bear it, so that repeated names are found without a Set. */
  #stamp = 0
  #size = 0

  constructor(place: NodePlace, on: CollectionNode<K, V>, keysOf: (value: V, key: K) => Iterable<I>) {
    const buckets = new WatchTable(place.name, (table, key) => new Bucket<V>(table, key))
    super(place, 'index', [on], buckets)
    this.#buckets = buckets
    this.on = on
    this.#keysOf = keysOf
  }

  get size(): number {
    return this.#size
  }

  lookup(key: I): readonly V[] {
    return this.#filled(key)?.values ?? nobody
  }

  /** As `lookup`, for somebody who looks once per change. */
  glance(key: I): readonly V[] {
    return this.#filled(key)?.glance() ?? nobody
  }

  count(key: I): number {
    return this.#buckets.find(key)?.size ?? 0
  }

  *keys(): Generator<I, undefined> {
    for (const bucket of this.#buckets.all()) if (bucket.size > 0) yield bucket.key as I
  }

  #filled(key: string): Bucket<V> | undefined {
    const bucket = this.#buckets.find(key)
    return bucket === undefined || bucket.size === 0 ? undefined : bucket
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
      forEachOfFew(this.#places.get(key), (bucket) => {
        if (bucket.stamp !== this.#stamp) edit(bucket, key, undefined)
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
    this.#stamp = nextStamp()
    const buckets: Bucket<V>[] = []
    for (const name of wanted) {
      const bucket = this.#buckets.obtain(name)
      if (bucket.stamp === this.#stamp) continue
      bucket.stamp = this.#stamp
      buckets.push(bucket)
    }
    return buckets
  }

  #apply(bucket: Bucket<V>, edits: readonly Edit<V>[]): void {
    const before = bucket.size
    bucket.apply(edits)
    this.#size += Number(bucket.size > 0) - Number(before > 0)
    if (bucket.isIdle) this.#buckets.forget(bucket)
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
    return this.#buckets.find(key)?.keys.map((member) => ({ collection: this.on.name, key: member })) ?? []
  }

  readsOf(): readonly Watch[] {
    return []
  }

  valueOf(key: string): unknown {
    return this.#filled(key)?.values
  }

  failureOf(key: string): string | undefined {
    for (const member of this.#buckets.find(key)?.keys ?? []) {
      const failure = this.failing.get(member)
      if (failure !== undefined) return `${member}: ${failure}`
    }
    return undefined
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    // An idle one would be a leak.
    for (const bucket of this.#buckets.all()) retained.buckets += Number(bucket.size > 0 || bucket.isIdle)
    retained.members += this.#places.size
  }
}
