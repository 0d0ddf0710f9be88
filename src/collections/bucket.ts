import { compareStrings } from '../base/compare.ts'

/** What becomes of one member: undefined removes it. */
export interface Edit<V> {
  readonly key: string
  readonly value: V | undefined
}

/** Up to here edits are made one by one; above, one pass over the members is cheaper. */
const few = 4

/** Arrays shorter than this are copied rather than grown: growing reserves room for 16 more and half as many again. */
const short = 32

/** The members that stand under one index key, in the order of their keys. */
export class Bucket<V> {
  readonly key: string
  /** The last member that named this bucket while settling: finds repeated names without a Set. */
  stamp = 0
  #keys: string[] = []
  #values: V[] = []
  /** Whether somebody holds `#values`, so that it must not change any more. */
  #isShared = false

  constructor(key: string) {
    this.key = key
  }

  get size(): number {
    return this.#keys.length
  }

  get keys(): readonly string[] {
    return this.#keys
  }

  get values(): readonly V[] {
    this.#isShared = true
    return this.#values
  }

  /** At most one edit per key. Replacing one of 20,000 values costs a copy of the array at most, never a sort. */
  apply(edits: readonly Edit<V>[]): void {
    if (edits.length > few) this.#merge(edits)
    else for (const edit of edits) this.#applyOne(edit)
  }

  #applyOne({ key, value }: Edit<V>): void {
    const at = this.#find(key)
    const isMember = this.#keys[at] === key
    if (value === undefined && !isMember) return
    if (this.#isShared) {
      this.#values = this.#values.slice()
      this.#isShared = false
    }
    if (value === undefined) {
      this.#keys.splice(at, 1)
      this.#values.splice(at, 1)
    } else if (isMember) {
      this.#values[at] = value
    } else {
      this.#keys = insertAt(this.#keys, at, key)
      this.#values = insertAt(this.#values, at, value)
    }
  }

  #merge(edits: readonly Edit<V>[]): void {
    const keys: string[] = []
    const values: V[] = []
    let taken = 0
    const takeUntil = (end: number) => {
      for (; taken < end; taken++) {
        keys.push(this.#keys[taken] as string)
        values.push(this.#values[taken] as V)
      }
    }
    for (const { key, value } of edits.toSorted((a, b) => compareStrings(a.key, b.key))) {
      takeUntil(this.#find(key))
      if (this.#keys[taken] === key) taken++
      if (value === undefined) continue
      keys.push(key)
      values.push(value)
    }
    takeUntil(this.#keys.length)
    // Copied, because an array that was pushed to keeps room for more.
    this.#keys = keys.slice()
    this.#values = values.slice()
    this.#isShared = false
  }

  /** Where the key is, or would be. */
  #find(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

function insertAt<T>(list: T[], at: number, item: T): T[] {
  if (list.length < short) return list.toSpliced(at, 0, item)
  list.splice(at, 0, item)
  return list
}
