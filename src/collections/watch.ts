import { addToFew, countFew, type Few, forEachOfFew, type Packed, removeFromFew } from './few.ts'

/** The node of the engine that computes a cell. */
export interface CellOwner {
  readonly name: string
  markDirty(key: string): void
  /** What the given key of its input ends up as. */
  outputsOf(inputKey: string): Iterable<string>
}

/** One input key of a derivation: what came out of it and what it read. */
export class Cell<T> {
  readonly owner: CellOwner
  readonly key: string
  output: T | undefined = undefined
  reads: Packed<Watch> = undefined

  constructor(owner: CellOwner, key: string) {
    this.owner = owner
    this.key = key
  }
}

let lastStamp = 0

/** Never given out before, to a run or to a member of an index that is placed. */
export const nextStamp = (): number => ++lastStamp

/** One key that derivations have read, present or not, and who they are. Exists only while there is one. */
export class Watch {
  readonly table: WatchTable
  readonly key: string
  readers: Few<Cell<unknown>> = undefined
  /** The last run that read it: finds repeated reads and dropped ones without a Set per run. See `nextStamp`. */
  stamp = 0

  constructor(table: WatchTable, key: string) {
    this.table = table
    this.key = key
  }

  /** Whether nobody needs it, so that its table is to forget it. */
  get isIdle(): boolean {
    return this.readers === undefined
  }

  addReader(cell: Cell<unknown>): void {
    this.readers = addToFew(this.readers, cell)
  }

  /** Whoever has read the key computes again when its turn comes. */
  wake(): void {
    if (this.readers !== undefined) forEachOfFew(this.readers, (cell) => cell.owner.markDirty(cell.key))
  }

  removeReader(cell: Cell<unknown>): void {
    this.readers = removeFromFew(this.readers, cell)
    if (this.isIdle) this.table.forget(this)
  }
}

/** Who reads which key of one collection or index. */
export class WatchTable<W extends Watch = Watch> {
  /** Of the collection or index that is read. */
  readonly name: string
  readonly #make: (table: WatchTable, key: string) => W
  #watches: Map<string, W> | undefined = undefined

  constructor(name: string, make: (table: WatchTable, key: string) => W) {
    this.name = name
    this.#make = make
  }

  all(): Iterable<W> {
    return this.#watches?.values() ?? []
  }

  find(key: string): W | undefined {
    return this.#watches?.get(key)
  }

  obtain(key: string): W {
    this.#watches ??= new Map()
    const known = this.#watches.get(key)
    if (known !== undefined) return known
    const watch = this.#make(this, key)
    this.#watches.set(key, watch)
    return watch
  }

  forget(watch: Watch): void {
    this.#watches?.delete(watch.key)
    if (this.#watches?.size === 0) this.#watches = undefined
  }

  /** As {@link Watch.wake}, if there is a watch of the key. */
  wake(key: string): void {
    this.#watches?.get(key)?.wake()
  }

  /** For tests and dumps: walks everything. */
  count(): { watches: number; readers: number } {
    let watches = 0
    let readers = 0
    for (const watch of this.all()) {
      watches += Number(watch.readers !== undefined)
      readers += countFew(watch.readers)
    }
    return { watches, readers }
  }
}
