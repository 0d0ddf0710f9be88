/** What happened to one key in one batch. `before` or `after` is undefined when the key was or is absent. */
export interface Change<K extends string, V> {
  readonly key: K
  readonly before: V | undefined
  readonly after: V | undefined
}

/** A keyed set of immutable values that somebody fills and anybody reads. */
export interface Collection<K extends string, V> {
  /** Unique in its scheduler; shown by dumps and in errors. */
  readonly name: string
  readonly size: number
  get(key: K): V | undefined
  has(key: K): boolean
  /** All entries, in no promised order: sort where bytes depend on it. */
  entries(): IterableIterator<[K, V]>
  /**
   * Calls the listener once per batch, after everything has settled, with the net changes of this
   * collection (never with an empty list, never with a change whose before and after are equal).
   * The listener may open a new batch: it runs after the current one was told to everyone.
   * A throw is logged and does not keep other listeners from being told.
   * @returns ends the subscription
   */
  subscribe(listener: (changes: readonly Change<K, V>[]) => void): () => void
}

/**
 * A collection filled from outside, by a provider or by a stream. Changes are allowed inside a batch only.
 * The last write to a key wins; writing an equal value changes nothing and keeps the old instance.
 * Inside the batch the source shows its writes already; everybody else sees them when the batch has settled,
 * and never if it throws. A value is never undefined, and never changed after it was handed over.
 */
export interface Source<K extends string, V> extends Collection<K, V> {
  set(key: K, value: V): void
  delete(key: K): void
  /** Makes the content equal to `entries`; keys that are not named go. */
  replace(entries: Iterable<readonly [K, V]>): void
}

/** The values of a collection by what they mention. A value may stand under many index keys, or none. */
export interface Index<I extends string, K extends string, V> {
  readonly name: string
  /** Members in the order of their keys; the same array until a member changes. */
  lookup(key: I): readonly V[]
  /** How many members. */
  count(key: I): number
  /** Index keys with at least one member. */
  keys(): IterableIterator<I>
  readonly on: Collection<K, V>
}

/**
 * How a derivation reads what is not its input. Each read is remembered, also of what is absent:
 * when the answer changes, the derivation runs again. Only collections and indexes created before
 * the derivation may be read, so there are no cycles and no half-updated joins. Good while the function runs
 * that was given it, and not a moment longer.
 */
export interface Reads {
  get<K extends string, V>(from: Collection<K, V>, key: K): V | undefined
  has<K extends string, V>(from: Collection<K, V>, key: K): boolean
  lookup<I extends string, K extends string, V>(index: Index<I, K, V>, key: I): readonly V[]
  count<I extends string, K extends string, V>(index: Index<I, K, V>, key: I): number
}
