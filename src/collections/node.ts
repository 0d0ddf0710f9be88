import type { Change, Collection } from './collection.ts'
import { isStructurallyEqual } from './equality.ts'
import { Watch, WatchTable } from './watch.ts'

export type CollectionKind = 'source' | 'derive' | 'deriveMany' | 'group' | 'join' | 'index' | 'keys'

/** One entry of one collection, or one key of one index. */
export interface Reference {
  readonly collection: string
  readonly key: string
}

/** What a node asks of the scheduler that owns it. */
export interface NodeHost {
  /** Whether writes are being collected now. */
  readonly isBatchOpen: boolean
  /** A bug of ours that must not stop the others: logged, counted by the caller, thrown in tests. */
  report(sentence: string, fields: Readonly<Record<string, unknown>>, error: unknown): void
}

/** Where a node stands in its scheduler. */
export interface NodePlace {
  readonly host: NodeHost
  readonly name: string
  /** Creation order, which is settling order. */
  readonly order: number
  /** It and whatever has it as an input is empty until something reads it. */
  readonly isLazy?: boolean
}

/** What nodes still hold; everything is zero when everything was deleted. */
export interface Retained {
  /** Entries of collections. */
  entries: number
  /** Input keys that a derivation knows. */
  cells: number
  /** Reads, counted from the derivations that made them. */
  reads: number
  /** Reads, counted from what is read; differs from `reads` only if the engine leaks. */
  readers: number
  /** Keys that are read. */
  watches: number
  /** Keys of indexes. */
  buckets: number
  /** Values standing in an index, once per value. */
  members: number
  /** Writes and dirty keys waiting for a batch to settle. */
  pending: number
  /** Keys whose last computation threw. */
  failing: number
}

const watchTable = (name: string): WatchTable => new WatchTable(name, (table, key) => new Watch(table, key))

/** A vertex of the network: anything that can feed a derivation or be read by one. */
export abstract class Node {
  readonly host: NodeHost
  readonly name: string
  readonly order: number
  readonly kind: CollectionKind
  readonly inputs: readonly Node[]
  /** Nodes that have this one as their input. */
  readonly dependents: Node[] = []
  /** Readers of values (`get`, `lookup`). */
  readonly values: WatchTable
  /** Readers of being there at all (`has`, `count`). */
  readonly presence: WatchTable
  readCount = 0
  computations = 0
  failures = 0
  /** Input keys whose last computation threw, and what it said. */
  readonly failing: Map<string, string> = new Map()
  #isAwake: boolean
  /** What somebody wants of it is being filled in by and by; until then it stays out of batches. */
  #isAwakening = false
  #isFilled = false
  #dirty: string[] = []
  /** Whether a key may stand in `#dirty` twice. A Set of them would cost a first load more than what it does with them. */
  #mayRepeat = false
  /** Of a batch in turns: how many of `#dirty` have been settled. */
  #settled = 0

  constructor(place: NodePlace, kind: CollectionKind, inputs: readonly Node[], values = watchTable(place.name)) {
    this.host = place.host
    this.name = place.name
    this.order = place.order
    this.kind = kind
    this.inputs = inputs
    this.values = values
    this.presence = watchTable(place.name)
    for (const input of inputs) input.dependents.push(this)
    this.#isAwake = place.isLazy !== true && inputs.every((input) => input.#isAwake)
  }

  abstract readonly size: number

  /** As often as one likes. */
  markDirty(key: string): void {
    if (!this.#isAwake) return
    this.#dirty.push(key)
    this.#mayRepeat = true
  }

  /** Somebody wants to know what is here. Its inputs have settled, because they were created before whoever asks. */
  awaken(): void {
    if (this.#isAwake && !this.#isAwakening) return
    for (const input of this.inputs) input.awaken()
    this.#isAwake = true
    this.#isAwakening = false
    this.settle()
  }

  /**
   * The same by and by: batches may come between, and nobody may read it before it is done.
   * @returns whether it is
   */
  awakenSome(limit: number): boolean {
    if (!this.#isAwake) {
      for (const input of this.inputs) input.awaken()
      this.#isAwake = true
      this.#isAwakening = true
    }
    if (!this.#isAwakening) return true
    this.#settle(limit)
    this.#isAwakening = this.#dirty.length > 0
    return !this.#isAwakening
  }

  /**
   * An input has changed. Once per input, key and batch: `before` is what this node has seen of it so far.
   * Whoever needs that notes it here, instead of keeping a map of what it has seen.
   */
  noteInput(key: string, _before: unknown, _from: Node): void {
    if (!this.#isAwake) return
    this.#dirty.push(key)
    // It may be one of those that a batch before this one has left over.
    if (this.#isAwakening) this.#mayRepeat = true
  }

  /** Whether what the inputs had when the node was created has been taken up, or is being so. */
  protected get isFilled(): boolean {
    return this.#isFilled
  }

  get isDirty(): boolean {
    return this.#isAwake && !this.#isAwakening && (!this.#isFilled || this.#dirty.length > 0)
  }

  /**
   * Brings what changed since the last time up to date, and tells whoever depends on it.
   * @param limit keys at most; with more of them the node stays dirty, and nobody may read it before it is done
   */
  settle(limit = Number.POSITIVE_INFINITY): void {
    if (this.#isAwake && !this.#isAwakening) this.#settle(limit)
  }

  #settle(limit: number): void {
    if (!this.#isFilled) {
      this.#isFilled = true
      for (const key of this.initialKeys()) this.markDirty(key)
    }
    if (this.#mayRepeat) {
      this.#dirty = [...new Set(this.#settled === 0 ? this.#dirty : this.#dirty.slice(this.#settled))]
      this.#settled = 0
      this.#mayRepeat = false
    }
    const { length } = this.#dirty
    if (length === 0) return
    const end = Math.min(length, this.#settled + limit)
    this.settleKeys(this.#settled === 0 && end === length ? this.#dirty : this.#dirty.slice(this.#settled, end))
    if (end < length) {
      this.#settled = end
      return
    }
    this.#dirty = []
    this.#settled = 0
    this.finishKeys()
  }

  /** The keys to start with when the node is created onto inputs that have entries already. */
  protected abstract initialKeys(): Iterable<string>
  /** @param keys each once */
  protected abstract settleKeys(keys: readonly string[]): void
  /** All keys of the batch have been settled. */
  protected finishKeys(): void {}

  /** What the given key of an input ends up as here. */
  abstract outputsOf(inputKey: string): Iterable<string>
  abstract inputsOf(key: string): Iterable<Reference>
  abstract readsOf(key: string): readonly Watch[]
  abstract valueOf(key: string): unknown
  /** The failure that keeps the key as it is, if any. */
  abstract failureOf(key: string): string | undefined

  /** Adds what this kind of node holds. */
  tally(retained: Retained): void {
    for (const table of [this.values, this.presence]) {
      const { watches, readers } = table.count()
      retained.watches += watches
      retained.readers += readers
    }
    retained.reads += this.readCount
    retained.pending += this.#dirty.length - this.#settled
    retained.failing += this.failing.size
  }

  protected fail(sentence: string, error: unknown, key?: string): void {
    this.failures++
    this.host.report(sentence, key === undefined ? { collection: this.name } : { collection: this.name, key }, error)
  }

  protected noteFailure(key: string, error: unknown): void {
    this.failing.set(key, error instanceof Error ? error.message : String(error))
    this.fail('A derivation threw: its last good value stays', error, key)
  }
}

export type Equals<V> = (a: V, b: V) => boolean

/** Calls one listener with what one batch changed. */
export type Telling = () => void

type Listener<K extends string, V> = (changes: readonly Change<K, V>[]) => void

/** What all collections do alike: tell readers, dependents and listeners about a change. */
export abstract class CollectionNode<K extends string, V> extends Node implements Collection<K, V> {
  readonly #equals: Equals<V>
  #subscriptions: readonly { readonly listener: Listener<K, V> }[] = []
  #changes: Change<K, V>[] = []

  constructor(place: NodePlace, kind: CollectionKind, inputs: readonly Node[], equals: Equals<V> | undefined) {
    super(place, kind, inputs)
    this.#equals = equals ?? isStructurallyEqual
  }

  abstract get(key: K): V | undefined
  abstract entries(): IterableIterator<[K, V]>

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  /** As `get`, also for the caller whose batch is open: what has settled. */
  getSettled(key: K): V | undefined {
    return this.get(key)
  }

  /** As `entries`, of what has settled. */
  settledEntries(): IterableIterator<[K, V]> {
    return this.entries()
  }

  subscribe(listener: Listener<K, V>): () => void {
    this.awaken()
    const subscription = { listener }
    this.#subscriptions = [...this.#subscriptions, subscription]
    return () => {
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription)
    }
  }

  /** What listeners have to be told; forgets it. */
  takeTellings(): Telling[] {
    if (this.#changes.length === 0) return []
    const changes = this.#changes
    this.#changes = []
    return this.#subscriptions.map((subscription) => () => {
      if (!this.#subscriptions.includes(subscription)) return
      try {
        subscription.listener(changes)
      } catch (error) {
        this.fail('A listener threw', error)
      }
    })
  }

  override valueOf(key: string): unknown {
    return this.get(key as K)
  }

  /** Equality that a throw cannot stop: what cannot be compared has changed. */
  isEqual(key: string, a: V | undefined, b: V | undefined): boolean {
    if (a === undefined || b === undefined) return a === b
    if (a === b) return true
    try {
      return this.#equals(a, b)
    } catch (error) {
      this.fail('An equality threw: the value counts as changed', error, key)
      return false
    }
  }

  /** To be called once per key and batch, and only when the two differ. */
  protected emit(key: K, before: V | undefined, after: V | undefined): void {
    for (const dependent of this.dependents) dependent.noteInput(key, before, this)
    this.values.wake(key)
    if ((before === undefined) !== (after === undefined)) this.presence.wake(key)
    if (this.#subscriptions.length > 0) this.#changes.push({ key, before, after })
  }
}
