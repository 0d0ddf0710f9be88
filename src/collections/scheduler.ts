import { assert } from '../base/assert.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import type { Input } from './cell-node.ts'
import type { Collection, Index, Reads, Source } from './collection.ts'
import { DerivedNode } from './derived.ts'
import { DerivedManyNode } from './derived-many.ts'
import { IndexKeysNode } from './index-keys.ts'
import {
  type CollectionDump,
  type CollectionStatistics,
  countRetained,
  describeNode,
  describeStatistics,
  type Explanation,
  explainKey,
} from './inspection.ts'
import { IndexNode } from './inverted-index.ts'
import { JoinNode } from './join.ts'
import { CollectionNode, Node, type NodeHost, type NodePlace, type Retained } from './node.ts'
import { SourceNode } from './source.ts'

export interface SchedulerOptions {
  readonly logger?: Logger
  /** For tests: whatever is caught and logged also surfaces, from the call that settled it. */
  readonly rethrow?: boolean
}

export interface CollectionOptions<V> {
  /** When a new value counts as the old one, which then stays. By default structural equality: see equality.ts. */
  readonly equals?: (a: V, b: V) => boolean
}

/** Of collections that may cost nothing. */
export interface LazyOptions {
  /**
   * It, and what is derived from it, is empty until a derivation reads it, somebody subscribes, or it is awakened, and
   * costs nothing until then.
   */
  readonly isLazy?: boolean
}

/** Between two pauses of a batch in turns: of the slowest derivations that is less than five milliseconds. */
const keysPerTurn = 32

export interface TurnOptions {
  /** Derived in each piece of work. */
  readonly keys?: number
  /** What somebody waits for. */
  readonly early?: EarlyCollection
}

/** Its listeners are told as soon as it is settled, which is the sooner the earlier it was created. */
export interface EarlyCollection {
  readonly collection: { readonly name: string }
  /**
   * Called after its listeners, also when there was nothing to tell them. What it returns is waited for before the rest
   * is derived. It must not throw, nor reject.
   */
  readonly onSettled: () => Promise<void>
}

/** Counters for metrics. */
export interface SchedulerStatistics {
  /** How often the network was settled; a batch without writes does not count. */
  readonly batches: number
  readonly collections: readonly CollectionStatistics[]
}

/**
 * Owns a network of collections and keeps it settled.
 *
 * - The functions given to `derive`, `deriveMany`, `index` and `group` are pure: their outcome depends on
 *   their arguments and on tracked reads only. They may be called any number of times and open no batch.
 * - Values are immutable from the moment they are handed over, and never undefined.
 * - What is derived is up to date when `batch` returns. During a batch it shows the state before; only
 *   sources show the writes of the open batch.
 * - A collection created while no batch is open is filled at once; otherwise when the batch settles.
 * - A throw in one of these functions is a bug: the key keeps its last good value (if it has one), the
 *   others go on, and it is tried again when its input or anything it read up to the throw changes.
 */
export class Scheduler {
  readonly #logger: Logger
  readonly #rethrow: boolean
  readonly #host: NodeHost
  readonly #nodes: Node[] = []
  readonly #sources: SourceNode<never, unknown>[] = []
  readonly #names: Set<string> = new Set()
  #openBatches = 0
  #isSettling = false
  #isDraining = false
  #batches = 0
  #caught: unknown[] = []

  constructor(options: SchedulerOptions = {}) {
    const scheduler = this
    this.#logger = options.logger ?? silentLogger
    this.#rethrow = options.rethrow ?? false
    this.#host = {
      get isBatchOpen() {
        return scheduler.#openBatches > 0
      },
      report(sentence, fields, error) {
        scheduler.#logger.error(sentence, { ...fields, error })
        if (scheduler.#rethrow) scheduler.#caught.push(error)
      },
    }
  }

  /** A collection that is filled from outside, inside of batches. */
  source<K extends string, V>(name: string, options: CollectionOptions<V> = {}): Source<K, V> {
    const source = this.#create(name, (place) => new SourceNode<K, V>(place, options.equals))
    this.#sources.push(source as unknown as SourceNode<never, unknown>)
    return source
  }

  /** One entry per entry of `from`, under the same key; none where `compute` returns undefined. */
  derive<K extends string, V, W>(
    name: string,
    from: Collection<K, V>,
    compute: (value: V, reads: Reads, key: K) => W | undefined,
    { equals, ...options }: CollectionOptions<W> & LazyOptions = {},
  ): Collection<K, W> {
    const input = this.#inputOf(from)
    return this.#create(name, (place) => new DerivedNode({ ...place, ...options }, 'derive', input, compute, equals))
  }

  /**
   * Any number of entries per entry of `from`. `compute` may be a generator.
   * Two inputs must not yield the same key: if they do, it is reported and the smallest input key wins.
   */
  deriveMany<K extends string, V, K2 extends string, W>(
    name: string,
    from: Collection<K, V>,
    compute: (value: V, reads: Reads, key: K) => Iterable<readonly [K2, W]>,
    options: CollectionOptions<W> = {},
  ): Collection<K2, W> {
    const input = this.#inputOf(from)
    return this.#create(name, (place) => new DerivedManyNode(place, input, compute, options.equals))
  }

  /**
   * The values of `on` by the keys that `keysOf` names; naming one twice counts once. Where a value stands is not
   * kept but asked for again, so `keysOf` must name the same keys each time.
   */
  index<K extends string, V, I extends string>(
    name: string,
    on: Collection<K, V>,
    keysOf: (value: V, key: K) => Iterable<I>,
    options: LazyOptions = {},
  ): Index<I, K, V> {
    const node = this.#collectionNode(on)
    return this.#create(name, (place) => new IndexNode({ ...place, ...options }, node, keysOf))
  }

  /** One entry per key of `by` that has members; none where `compute` returns undefined. Members come in the order of their keys. */
  group<I extends string, K extends string, V, W>(
    name: string,
    by: Index<I, K, V>,
    compute: (key: I, reads: Reads, members: readonly V[]) => W | undefined,
    options: CollectionOptions<W> = {},
  ): Collection<I, W> {
    const node = this.#nodeOf(by)
    assert(node instanceof IndexNode, `"${node.name}" is not an index`)
    const index = node as IndexNode<I, K, V>
    const input: Input<I, readonly V[]> = {
      node: index,
      get: (key) => {
        const members = index.glance(key)
        return members.length === 0 ? undefined : members
      },
      keys: () => index.keys(),
    }
    return this.#create(
      name,
      (place) =>
        new DerivedNode<I, readonly V[], W>(
          place,
          'group',
          input,
          (members, reads, key) => compute(key, reads, members),
          options.equals,
        ),
    )
  }

  /**
   * The keys of an index that have members, each with itself as its value. Unlike a group, it costs nothing
   * when a member changes: derive from it what depends on the key and not on who bears it.
   */
  keys<I extends string, K extends string, V>(name: string, of: Index<I, K, V>): Collection<I, I> {
    const node = this.#nodeOf(of)
    assert(node instanceof IndexNode, `"${node.name}" is not an index`)
    return this.#create(name, (place) => new IndexKeysNode<I>(place, node as IndexNode<I, string, unknown>))
  }

  /** The union. On equal keys the earlier collection wins, and the later one shows when the earlier lets go. */
  join<K extends string, V>(name: string, collections: readonly Collection<K, V>[]): Collection<K, V> {
    const parts = collections.map((collection) => this.#collectionNode(collection))
    return this.#create(name, (place) => new JoinNode(place, parts))
  }

  /**
   * One transaction: writes are collected while `run` runs, and settled when the outermost batch ends.
   * Then listeners are told. A batch that a listener opens settles after everybody was told about this one.
   * If `run` throws, nothing of the outermost batch is applied, and the throw passes through.
   * @returns what `run` returns; `run` must not be asynchronous
   */
  batch<T>(run: () => T): T {
    assert(!this.#isSettling, 'nothing is written while collections settle: derivations are pure')
    let result: T
    this.#openBatches++
    try {
      result = run()
      assert(!(result instanceof Promise), 'a batch is synchronous: await first, then write')
    } catch (error) {
      this.#openBatches--
      if (this.#openBatches === 0) this.#abandon()
      throw error
    }
    this.#openBatches--
    if (this.#openBatches === 0) {
      for (const source of this.#sources) source.seal()
      this.#drain()
    }
    return result
  }

  /**
   * As `batch`, for one that is so large that others must have a turn while it settles: a first load.
   * Until the promise resolves, what is derived is between two states, and listeners are told nothing, unless it is
   * of an early collection: the caller sees to it that nobody reads it. Batches in the meantime are settled after this
   * one; of theirs, too, nothing is derived when they return.
   * @param pause called between small pieces of work; what it returns is waited for, unless it is undefined
   */
  async batchInTurns<T>(
    run: () => T,
    pause: () => Promise<void> | undefined,
    { keys = keysPerTurn, early }: TurnOptions = {},
  ): Promise<T> {
    assert(this.#openBatches === 0 && !this.#isDraining, 'a batch in turns is begun while nothing else is under way')
    this.#isDraining = true
    try {
      const result = this.batch(run)
      await this.#settleInTurns(pause, keys, early)
      return result
    } finally {
      this.#isDraining = false
      this.#drain()
    }
  }

  /**
   * Fills lazy collections, by and by. Unlike a batch in turns this holds up no batch: what comes meanwhile is derived
   * everywhere else when `batch` returns. Until the promise resolves nobody reads these collections.
   * @param pause as in `batchInTurns`
   */
  async awakenInTurns(
    collections: Iterable<{ readonly name: string }>,
    pause: () => Promise<void> | undefined,
    keys = keysPerTurn,
  ): Promise<void> {
    for (const collection of collections) {
      const node = this.#nodeOf(collection)
      while (!this.#awakenSome(node, keys)) {
        const waiting = pause()
        if (waiting) await waiting
      }
    }
    this.#surface()
  }

  /** The network and its state as plain data, in creation order. */
  dump(): { readonly collections: readonly CollectionDump[] } {
    return { collections: this.#nodes.map(describeNode) }
  }

  /** Why one entry (or index key) is what it is: costs what depends on it. */
  explain<K extends string, M extends string>(
    from: Collection<K, unknown> | Index<K, M, unknown>,
    key: K,
  ): Explanation {
    return explainKey(this.#nodeOf(from), key)
  }

  /** The same for a collection or index that is known by its name only; undefined when there is none of that name. */
  explainNamed(name: string, key: string): Explanation | undefined {
    const node = this.#nodes.find((n) => n.name === name)
    return node && explainKey(node, key)
  }

  /** The keys of a collection or index that is known by its name only; undefined when there is none of that name. */
  keysNamed(name: string): Iterable<string> | undefined {
    const node = this.#nodes.find((n) => n.name === name)
    if (node instanceof CollectionNode) return keysOfEntries(node.entries())
    return node instanceof IndexNode ? node.keys() : undefined
  }

  statistics(): SchedulerStatistics {
    return { batches: this.#batches, collections: this.#nodes.map(describeStatistics) }
  }

  /** For tests: what the engine holds. Walks everything. */
  retained(): Retained {
    return countRetained(this.#nodes)
  }

  #create<N extends Node>(name: string, construct: (place: NodePlace) => N): N {
    assert(!this.#isSettling, `"${name}" is created while collections settle: derivations are pure`)
    assert(!this.#names.has(name), `two collections have the name "${name}"`)
    const node = construct({ host: this.#host, name, order: this.#nodes.length })
    this.#names.add(name)
    this.#nodes.push(node)
    // Everything it reads is settled, and nobody depends on it yet.
    if (this.#openBatches === 0) this.#settle([node])
    if (!this.#isDraining) this.#surface()
    return node
  }

  #abandon(): void {
    for (const source of this.#sources) source.discard()
    // Collections that were created in the batch are there, and have to be filled.
    this.#drain()
  }

  /** Settles and tells until listeners write no more. */
  #drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      while (this.#nodes.some((node) => node.isDirty)) {
        this.#batches++
        this.#settle(this.#nodes)
        this.#tell(this.#nodes)
      }
    } finally {
      this.#isDraining = false
    }
    this.#surface()
  }

  #settle(nodes: readonly Node[], limit?: number): void {
    this.#isSettling = true
    try {
      for (const node of nodes) node.settle(limit)
    } finally {
      this.#isSettling = false
    }
  }

  async #settleInTurns(
    pause: () => Promise<void> | undefined,
    keys: number,
    early: EarlyCollection | undefined,
  ): Promise<void> {
    this.#batches++
    const earlyNode = early && this.#nodeOf(early.collection)
    // At once: a batch that comes in a pause is not to be taken in by halves.
    this.#settle(this.#sources)
    for (const node of this.#nodes) {
      if (node instanceof SourceNode) continue
      while (node.isDirty) {
        this.#settle([node], keys)
        const waiting = pause()
        if (waiting) await waiting
      }
      if (node !== earlyNode) continue
      this.#tell([node])
      await early?.onSettled()
    }
    this.#tell(this.#nodes)
  }

  #tell(nodes: readonly Node[]): void {
    const tellings = nodes.flatMap((node) => (node instanceof CollectionNode ? node.takeTellings() : []))
    for (const tell of tellings) tell()
  }

  #awakenSome(node: Node, keys: number): boolean {
    assert(this.#openBatches === 0 && !this.#isSettling, 'collections are awakened between batches')
    this.#isSettling = true
    try {
      return node.awakenSome(keys)
    } finally {
      this.#isSettling = false
    }
  }

  #surface(): void {
    if (this.#caught.length === 0) return
    const errors = this.#caught
    this.#caught = []
    throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'Several derivations failed in one batch')
  }

  #nodeOf(from: { readonly name: string }): Node {
    assert(from instanceof Node && from.host === this.#host, `"${from.name}" was made by another scheduler`)
    return from
  }

  #collectionNode<K extends string, V>(from: Collection<K, V>): CollectionNode<K, V> {
    const node = this.#nodeOf(from)
    assert(node instanceof CollectionNode, `"${node.name}" is not a collection`)
    return node as CollectionNode<K, V>
  }

  #inputOf<K extends string, V>(from: Collection<K, V>): Input<K, V> {
    const node = this.#collectionNode(from)
    return {
      node,
      get: (key) => node.get(key),
      keys: () => keysOfEntries(node.entries()),
    }
  }
}

function* keysOfEntries<K extends string>(entries: Iterable<readonly [K, unknown]>): IterableIterator<K> {
  for (const [key] of entries) yield key
}
