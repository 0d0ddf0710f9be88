import { CollectionNode, type Node, type NodePlace, type Reference, type Retained } from './node.ts'
import type { Watch } from './watch.ts'

/**
 * The union of several collections; where they share a key, the earliest one has its way. It keeps next to nothing:
 * what it shows is what they show, and what it has shown follows from what they say of their changes.
 */
export class JoinNode<K extends string, V> extends CollectionNode<K, V> {
  readonly #parts: readonly CollectionNode<K, V>[]
  /** While a batch settles: what parts that have changed showed before, or the one part that has changed and showed nothing. */
  readonly #before: Map<K, Node | Map<Node, V | undefined>> = new Map()
  /** What is still shown although another part has its way now, because that one's value is equal. */
  readonly #kept: Map<K, V> = new Map()
  #size = 0

  constructor(place: NodePlace, parts: readonly CollectionNode<K, V>[]) {
    super(place, 'join', parts, undefined)
    this.#parts = parts
  }

  get size(): number {
    return this.#size
  }

  get(key: K): V | undefined {
    if (this.#kept.size > 0) {
      const kept = this.#kept.get(key)
      if (kept !== undefined) return kept
    }
    for (const part of this.#parts) {
      const value = part.getSettled(key)
      if (value !== undefined) return value
    }
    return undefined
  }

  *entries(): Generator<[K, V], undefined> {
    for (const part of this.#parts) {
      const isFirst = part === this.#parts[0]
      for (const entry of part.settledEntries()) {
        const [key] = entry
        const kept = this.#kept.get(key)
        if (isFirst || this.#winner(key) === part) yield kept === undefined ? entry : [key, kept]
      }
    }
  }

  override noteInput(key: K, before: V | undefined, from: Node): void {
    // What was there before this node was has never been shown.
    if (!this.isFilled) {
      this.markDirty(key)
      return
    }
    const known = this.#before.get(key)
    if (known instanceof Map) known.set(from, before)
    else if (known !== undefined)
      this.#before.set(
        key,
        new Map<Node, V | undefined>([
          [known, undefined],
          [from, before],
        ]),
      )
    else {
      super.noteInput(key, before, from)
      this.#before.set(key, before === undefined ? from : new Map([[from, before]]))
    }
  }

  protected *initialKeys(): Generator<K> {
    for (const part of this.#parts) {
      for (const [key] of part.settledEntries()) yield key
    }
  }

  protected settleKeys(keys: readonly K[]): void {
    for (const key of keys) {
      const before = this.#shown(key)
      const winner = this.#winner(key)
      const after = winner?.getSettled(key)
      // The part knows best what counts as equal: a join has no opinion of its own.
      if (winner === undefined ? before === undefined : winner.isEqual(key, before, after)) {
        if (before !== undefined && before !== after) this.#kept.set(key, before)
        continue
      }
      if (this.#kept.size > 0) this.#kept.delete(key)
      this.#size += Number(after !== undefined) - Number(before !== undefined)
      this.emit(key, before, after)
    }
  }

  /** What this showed when it settled last; forgets it. */
  #shown(key: K): V | undefined {
    const changed = this.#before.get(key)
    if (changed === undefined) return undefined
    this.#before.delete(key)
    const kept = this.#kept.size > 0 ? this.#kept.get(key) : undefined
    if (kept !== undefined) return kept
    for (const part of this.#parts) {
      if (part === changed) continue
      const shown = changed instanceof Map && changed.has(part) ? changed.get(part) : part.getSettled(key)
      if (shown !== undefined) return shown
    }
    return undefined
  }

  #winner(key: K): CollectionNode<K, V> | undefined {
    for (const part of this.#parts) if (part.getSettled(key) !== undefined) return part
    return undefined
  }

  outputsOf(inputKey: string): Iterable<string> {
    return this.#winner(inputKey as K) === undefined ? [] : [inputKey]
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
    retained.entries += this.#size
    retained.pending += this.#before.size
  }
}
