import { none } from '../base/compact-list.ts'
import { Bucket, type Edit } from './bucket.ts'
import type { Collection, Index } from './collection.ts'
import { type Few, forEachOfFew, pack } from './few.ts'
import { type CollectionNode, Node, type NodePlace, type Reference, type Retained } from './node.ts'
import { nextStamp, type Watch, WatchTable } from './watch.ts'

/** The values of a collection by what they mention; see `Index`. */
export class IndexNode<I extends string, K extends string, V> extends Node implements Index<I, K, V> {
  readonly on: Collection<K, V>
  readonly #keysOf: (value: V, key: K) => Iterable<I>
  /** Also those that are only read: one map holds both. */
  readonly #buckets: WatchTable<Bucket<V>>
  /** While a batch settles: what members were that have changed. Where they stand follows from it. */
  readonly #before: Map<K, V> = new Map()
  /** Where members stand whose place cannot be told from their value, because `keysOf` throws for it. */
  readonly #strays: Map<K, Few<Bucket<V>>> = new Map()
  /** Of the member that was placed last: its buckets bear it, so that repeated names are found without a Set. */
  #stamp = 0
  #size = 0
  #members = 0

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
    return this.#filled(key)?.values ?? none
  }

  /** As `lookup`, for somebody who looks once per change. */
  glance(key: I): readonly V[] {
    return this.#filled(key)?.glance() ?? none
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

  override noteInput(key: K, before: V | undefined, from: Node): void {
    super.noteInput(key, before, from)
    // What was there before this node was stands nowhere yet.
    if (this.isFilled && before !== undefined) this.#before.set(key, before)
  }

  protected *initialKeys(): Generator<K> {
    for (const [key] of this.on.entries()) yield key
  }

  protected settleKeys(keys: readonly K[]): void {
    const edits = new Map<Bucket<V>, Edit<V>[]>()
    const edit = (bucket: Bucket<V>, key: K, value: V | undefined) => {
      const list = edits.get(bucket)
      if (list !== undefined) list.push({ key, value })
      // Most index keys have one member, which need not wait for others unless they are before it.
      else if (bucket.size === 0 && edits.size === 0) this.#apply(bucket, [{ key, value }])
      else edits.set(bucket, [{ key, value }])
    }
    for (const key of keys) {
      const value = this.on.get(key)
      const standing = this.#standing(key)
      const after = this.#place(key, value)
      if (after === undefined) {
        this.#strays.set(key, pack(standing))
        continue
      }
      if (this.#strays.size > 0) this.#strays.delete(key)
      for (const bucket of standing) if (bucket.stamp !== this.#stamp) edit(bucket, key, undefined)
      for (const bucket of after) edit(bucket, key, value)
      this.#members += Number(after.length > 0) - Number(standing.length > 0)
    }
    for (const [bucket, list] of edits) this.#apply(bucket, list)
  }

  /** Where the member stands, each bucket once; forgets what it was. */
  #standing(key: K): readonly Bucket<V>[] {
    if (this.#before.size === 0 && this.#strays.size === 0) return none
    const before = this.#before.get(key)
    this.#before.delete(key)
    if (this.#strays.has(key)) {
      const buckets: Bucket<V>[] = []
      forEachOfFew(this.#strays.get(key), (bucket) => void buckets.push(bucket))
      return buckets
    }
    try {
      return before === undefined ? none : this.#bucketsOf(before, key)
    } catch (error) {
      this.fail('An index cannot tell any more where a value stands', error, key)
      return none
    }
  }

  /** The buckets where a value stands for which `keysOf` did not throw. */
  #bucketsOf(value: V, key: K): readonly Bucket<V>[] {
    this.#stamp = nextStamp()
    const buckets: Bucket<V>[] = []
    for (const name of this.#keysOf(value, key)) {
      const bucket = this.#buckets.find(name)
      if (bucket === undefined || bucket.stamp === this.#stamp) continue
      bucket.stamp = this.#stamp
      buckets.push(bucket)
    }
    return buckets
  }

  /** The buckets where the value belongs, each once; undefined if that cannot be told, so that it stays where it is. */
  #place(key: K, value: V | undefined): readonly Bucket<V>[] | undefined {
    let wanted: readonly I[] = none
    if (value !== undefined) {
      this.computations++
      try {
        const names = this.#keysOf(value, key)
        wanted = Array.isArray(names) ? names : [...names]
      } catch (error) {
        this.noteFailure(key, error)
        return undefined
      }
    }
    if (this.failing.size > 0) this.failing.delete(key)
    this.#stamp = nextStamp()
    const [only] = wanted
    if (only === undefined) return none
    if (wanted.length === 1) {
      const bucket = this.#buckets.obtain(only)
      bucket.stamp = this.#stamp
      return [bucket]
    }
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
    bucket.wake()
    if (bucket.size !== before) this.presence.wake(bucket.key)
  }

  outputsOf(inputKey: string): Iterable<string> {
    const key = inputKey as K
    const value = this.on.get(key)
    const keys: string[] = []
    if (this.#strays.has(key)) forEachOfFew(this.#strays.get(key), (bucket) => void keys.push(bucket.key))
    else if (value !== undefined) for (const bucket of this.#bucketsOf(value, key)) keys.push(bucket.key)
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
    retained.members += this.#members
    retained.pending += this.#before.size
  }
}
