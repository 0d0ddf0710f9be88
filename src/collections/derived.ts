import { CellNode, type Input } from './cell-node.ts'
import type { Reads } from './collection.ts'
import { unpack } from './few.ts'
import type { Equals, NodePlace, Reference } from './node.ts'
import type { Cell, Watch } from './watch.ts'

/** One output at most per input key, under the same key: `derive` and `group`. */
export class DerivedNode<K extends string, V, W> extends CellNode<K, V, W, K, W> {
  readonly #compute: (value: V, reads: Reads, key: K) => W | undefined
  #size = 0

  constructor(
    place: NodePlace,
    kind: 'derive' | 'group',
    input: Input<K, V>,
    compute: (value: V, reads: Reads, key: K) => W | undefined,
    equals: Equals<W> | undefined,
  ) {
    super(place, kind, input, equals)
    this.#compute = compute
  }

  get size(): number {
    return this.#size
  }

  get(key: K): W | undefined {
    return this.cells.get(key)?.output
  }

  *entries(): Generator<[K, W], undefined> {
    for (const cell of this.cells.values()) {
      if (cell.output !== undefined) yield [cell.key as K, cell.output]
    }
  }

  protected recompute(cell: Cell<W>, value: V, reads: Reads): void {
    const output = this.#compute(value, reads, cell.key as K)
    if (!this.isEqual(cell.key, cell.output, output)) this.#show(cell, output)
  }

  protected clear(cell: Cell<W>): void {
    if (cell.output !== undefined) this.#show(cell, undefined)
  }

  #show(cell: Cell<W>, after: W | undefined): void {
    const before = cell.output
    cell.output = after
    this.#size += Number(after !== undefined) - Number(before !== undefined)
    this.emit(cell.key as K, before, after)
  }

  outputsOf(inputKey: string): Iterable<string> {
    return this.cells.has(inputKey) ? [inputKey] : []
  }

  inputsOf(key: string): Iterable<Reference> {
    return this.input.get(key as K) === undefined ? [] : [{ collection: this.input.node.name, key }]
  }

  readsOf(key: string): readonly Watch[] {
    return unpack(this.cells.get(key)?.reads)
  }

  failureOf(key: string): string | undefined {
    return this.failing.get(key)
  }
}
