import { assert } from '../base/assert.ts'
import type { Collection, Index, Reads } from './collection.ts'
import { pack, unpack } from './few.ts'
import { Node } from './node.ts'
import { type Cell, nextStamp, type Watch } from './watch.ts'

/** One computation of one cell: hands out what it reads and remembers it. Good for that computation only. */
export class Run implements Reads {
  readonly #owner: Node
  readonly #stamp = nextStamp()
  readonly #watches: Watch[] = []
  #isOpen = true

  constructor(owner: Node) {
    this.#owner = owner
  }

  get<K extends string, V>(from: Collection<K, V>, key: K): V | undefined {
    this.#remember(this.#readable(from).values.obtain(key))
    return from.get(key)
  }

  has<K extends string, V>(from: Collection<K, V>, key: K): boolean {
    this.#remember(this.#readable(from).presence.obtain(key))
    return from.has(key)
  }

  lookup<I extends string, K extends string, V>(index: Index<I, K, V>, key: I): readonly V[] {
    this.#remember(this.#readable(index).values.obtain(key))
    return index.lookup(key)
  }

  count<I extends string, K extends string, V>(index: Index<I, K, V>, key: I): number {
    this.#remember(this.#readable(index).presence.obtain(key))
    return index.count(key)
  }

  /**
   * Whether it returned or threw: from now on the cell depends on what this run has read, and on nothing else.
   * @returns how many reads the cell has more than before
   */
  end(cell: Cell<unknown>): number {
    this.#isOpen = false
    const before = unpack(cell.reads)
    const after = this.#watches
    if (before.length === after.length && before.every((watch, i) => watch === after[i])) return 0
    for (const watch of after) watch.addReader(cell)
    for (const watch of before) {
      if (watch.stamp !== this.#stamp) watch.removeReader(cell)
    }
    cell.reads = pack(after)
    return after.length - before.length
  }

  #remember(watch: Watch): void {
    if (watch.stamp === this.#stamp) return
    watch.stamp = this.#stamp
    this.#watches.push(watch)
  }

  // The sentences are built only when they are needed: this is the innermost path of everything.
  #readable(from: { readonly name: string }): Node {
    const owner = this.#owner
    if (!this.#isOpen) assert(false, `"${owner.name}" reads only while it computes: its reads were kept for later`)
    if (!(from instanceof Node) || from.host !== owner.host) {
      assert(false, `"${owner.name}" reads only what its own scheduler made, not "${from.name}"`)
    }
    if (from.order >= owner.order) {
      assert(false, `"${owner.name}" reads only what was created before it, not "${from.name}"`)
    }
    from.awaken()
    return from
  }
}
