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

/** One key that derivations have read, present or not, and who they are. Exists only while there is one. */
export class Watch {
  readonly table: WatchTable
  readonly key: string
  readers: Few<Cell<unknown>> = undefined
  /** The last run that read it: finds repeated reads and dropped ones without a Set per run. */
  stamp = 0

  constructor(table: WatchTable, key: string) {
    this.table = table
    this.key = key
  }

  addReader(cell: Cell<unknown>): void {
    this.readers = addToFew(this.readers, cell)
  }

  removeReader(cell: Cell<unknown>): void {
    this.readers = removeFromFew(this.readers, cell)
    if (this.readers === undefined) this.table.forget(this)
  }
}

/** Who reads which key of one collection or index. */
export class WatchTable {
  /** Of the collection or index that is read. */
  readonly name: string
  #watches: Map<string, Watch> | undefined = undefined

  constructor(name: string) {
    this.name = name
  }

  find(key: string): Watch | undefined {
    return this.#watches?.get(key)
  }

  obtain(key: string): Watch {
    this.#watches ??= new Map()
    let watch = this.#watches.get(key)
    if (watch === undefined) {
      watch = new Watch(this, key)
      this.#watches.set(key, watch)
    }
    return watch
  }

  forget(watch: Watch): void {
    this.#watches?.delete(watch.key)
    if (this.#watches?.size === 0) this.#watches = undefined
  }

  /** Whoever has read the key computes again when its turn comes. */
  wake(key: string): void {
    forEachOfFew(this.find(key)?.readers, (cell) => cell.owner.markDirty(cell.key))
  }

  /** For tests and dumps: walks everything. */
  count(): { watches: number; readers: number } {
    let readers = 0
    for (const watch of this.#watches?.values() ?? []) readers += countFew(watch.readers)
    return { watches: this.#watches?.size ?? 0, readers }
  }
}
