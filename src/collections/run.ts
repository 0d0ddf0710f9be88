import { assert } from '../base/assert.ts'
import { none } from '../base/compact-list.ts'
import type { Bucket } from './bucket.ts'
import type { Collection, Index, Reads } from './collection.ts'
import { countFew, forEachOfFew, type Packed, pack } from './few.ts'
import { Node } from './node.ts'
import { type Cell, nextStamp, type Watch } from './watch.ts'

/** Of the last run, for the next one: an array for each would be what a first load allocates most. */
let spare: Watch[] | undefined

/** Longer ones are not kept for the next run. */
const longestSpare = 32

/** One computation of one cell: hands out what it reads and remembers it. Good for that computation only. */
export class Run implements Reads {
  readonly #owner: Node
  readonly #stamp = nextStamp()
  /** Only the first `#count` are this run's. */
  readonly #watches: Watch[]
  #count = 0
  #isOpen = true

  constructor(owner: Node) {
    this.#owner = owner
    this.#watches = spare ?? []
    // A run inside this one, of a lazy node that it awakens, has an array of its own.
    spare = undefined
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
    // The watch of a key of an index is its bucket: it need not be looked for again. Who computes looks once per change.
    const bucket = this.#readable(index).values.obtain(key) as Bucket<V>
    this.#remember(bucket)
    return bucket.size === 0 ? none : bucket.glance()
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
    const before = cell.reads
    const watches = this.#watches
    const count = this.#count
    if (watches.length <= longestSpare) spare = watches
    if (isSame(before, watches, count)) return 0
    for (let i = 0; i < count; i++) (watches[i] as Watch).addReader(cell)
    forEachOfFew(before, (watch) => {
      if (watch.stamp !== this.#stamp) watch.removeReader(cell)
    })
    cell.reads = pack(watches, count)
    return count - countFew(before)
  }

  #remember(watch: Watch): void {
    if (watch.stamp === this.#stamp) return
    watch.stamp = this.#stamp
    this.#watches[this.#count++] = watch
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

function isSame(before: Packed<Watch>, watches: readonly Watch[], count: number): boolean {
  if (!Array.isArray(before)) return before === undefined ? count === 0 : count === 1 && watches[0] === before
  return before.length === count && before.every((watch, i) => watch === watches[i])
}
