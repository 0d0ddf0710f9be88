import type { Reads } from './collection.ts'
import { countFew, forEachOfFew } from './few.ts'
import { type CollectionKind, CollectionNode, type Equals, type Node, type NodePlace, type Retained } from './node.ts'
import { Run } from './run.ts'
import { Cell } from './watch.ts'

/** What a derivation is computed from, key by key: a collection, or an index and its members. */
export interface Input<K extends string, V> {
  readonly node: Node
  get(key: K): V | undefined
  keys(): Iterable<K>
}

/** What all derivations do alike: one cell per key of the input, computed again when the input or a read changes. */
export abstract class CellNode<K extends string, V, Output, K2 extends string, W> extends CollectionNode<K2, W> {
  protected readonly input: Input<K, V>
  protected readonly cells: Map<string, Cell<Output>> = new Map()

  constructor(place: NodePlace, kind: CollectionKind, input: Input<K, V>, equals: Equals<W> | undefined) {
    super(place, kind, [input.node], equals)
    this.input = input
  }

  /** Runs the function and shows what comes out. What the function throws passes through, and nothing has changed then. */
  protected abstract recompute(cell: Cell<Output>, value: V, reads: Reads): void
  /** Shows nothing for the cell any more. */
  protected abstract clear(cell: Cell<Output>): void

  protected initialKeys(): Iterable<K> {
    return this.input.keys()
  }

  protected settleKeys(keys: readonly K[]): void {
    for (const key of keys) {
      const value = this.input.get(key)
      if (value === undefined) this.#remove(key)
      else this.#update(key, value)
    }
  }

  #remove(key: K): void {
    if (this.failing.size > 0) this.failing.delete(key)
    const cell = this.cells.get(key)
    if (cell === undefined) return
    this.readCount -= countFew(cell.reads)
    forEachOfFew(cell.reads, (watch) => watch.removeReader(cell))
    this.cells.delete(key)
    this.clear(cell)
  }

  #update(key: K, value: V): void {
    const known = this.cells.get(key)
    const cell = known ?? new Cell<Output>(this, key)
    const run = new Run(this)
    this.computations++
    try {
      this.recompute(cell, value, run)
      if (this.failing.size > 0) this.failing.delete(key)
    } catch (error) {
      this.noteFailure(key, error)
    }
    this.readCount += run.end(cell)
    // What comes to nothing and has read nothing needs no memory: filters leave out most of their input.
    if (cell.output !== undefined || cell.reads !== undefined) {
      if (known === undefined) this.cells.set(key, cell)
    } else if (known !== undefined) this.cells.delete(key)
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    retained.entries += this.size
    retained.cells += this.cells.size
  }
}
