import { compareStrings } from '../base/compare.ts'
import { Watch } from './watch.ts'

/** What becomes of one member: undefined removes it. */
export interface Edit<V> {
  readonly key: string
  readonly value: V | undefined
}

/** Up to here edits are made one by one; above, one pass over the members is cheaper. */
const few = 4

/** Arrays shorter than this are copied rather than grown: growing reserves room for 16 more and half as many again. */
const short = 32

/** Nobody. Never written to, because a short array is copied when it grows. */
const none: never[] = []

/** Members as they are worked on, in the order of their keys. */
interface Members<V> {
  keys: string[]
  values: V[]
  /** Whether somebody holds `values`, so that the array must not change any more. */
  isShared: boolean
}

/**
 * The members that stand under one index key, in the order of their keys, and who reads them.
 * There is one as long as there is a member or a reader.
 * Most index keys have one member: it is kept bare, without arrays. No private methods, because each instance pays for them.
 */
export class Bucket<V> extends Watch {
  /** A string is the key of the only member. */
  #keys: string | string[] = none
  /** The value itself if there is only one and nobody holds the array of it. */
  #values: V | V[] = none
  #isShared = false

  override get isIdle(): boolean {
    return super.isIdle && this.size === 0
  }

  get size(): number {
    return typeof this.#keys === 'string' ? 1 : this.#keys.length
  }

  get keys(): readonly string[] {
    return typeof this.#keys === 'string' ? [this.#keys] : this.#keys
  }

  /** The same array until a member changes. */
  get values(): readonly V[] {
    if (!this.#isShared && typeof this.#keys === 'string') this.#values = [this.#values as V]
    this.#isShared = true
    return this.#values as V[]
  }

  /** The values for somebody who asks once per change: the array of a single one is not kept. */
  glance(): readonly V[] {
    return !this.#isShared && typeof this.#keys === 'string' ? [this.#values as V] : this.values
  }

  /** At most one edit per key. Replacing one of 20,000 values costs a copy of the array at most, never a sort. */
  apply(edits: readonly Edit<V>[]): void {
    const [only] = edits
    if (this.size === 0 && edits.length === 1 && only?.value !== undefined && !this.#isShared) {
      this.#keys = only.key
      this.#values = only.value
      return
    }
    const isBare = !this.#isShared && typeof this.#keys === 'string'
    const members: Members<V> = {
      keys: typeof this.#keys === 'string' ? [this.#keys] : this.#keys,
      values: isBare ? [this.#values as V] : (this.#values as V[]),
      isShared: this.#isShared,
    }
    if (edits.length > few) merge(members, edits)
    else for (const edit of edits) applyOne(members, edit)
    const { keys, values, isShared } = members
    const [onlyKey] = keys
    this.#keys = keys.length === 1 && onlyKey !== undefined ? onlyKey : keys
    this.#values = keys.length === 1 && !isShared ? (values[0] as V) : values
    this.#isShared = isShared
  }
}

function applyOne<V>(members: Members<V>, { key, value }: Edit<V>): void {
  const at = find(members.keys, key)
  const isMember = members.keys[at] === key
  if (value === undefined && !isMember) return
  if (members.isShared) {
    members.values = members.values.slice()
    members.isShared = false
  }
  if (value === undefined) {
    members.keys.splice(at, 1)
    members.values.splice(at, 1)
  } else if (isMember) {
    members.values[at] = value
  } else {
    members.keys = insertAt(members.keys, at, key)
    members.values = insertAt(members.values, at, value)
  }
}

function merge<V>(members: Members<V>, edits: readonly Edit<V>[]): void {
  const keys: string[] = []
  const values: V[] = []
  let taken = 0
  const takeUntil = (end: number) => {
    for (; taken < end; taken++) {
      keys.push(members.keys[taken] as string)
      values.push(members.values[taken] as V)
    }
  }
  for (const { key, value } of edits.toSorted((a, b) => compareStrings(a.key, b.key))) {
    takeUntil(find(members.keys, key))
    if (members.keys[taken] === key) taken++
    if (value === undefined) continue
    keys.push(key)
    values.push(value)
  }
  takeUntil(members.keys.length)
  // Copied, because an array that was pushed to keeps room for more.
  members.keys = keys.slice()
  members.values = values.slice()
  members.isShared = false
}

/** Where the key is, or would be. */
function find(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

function insertAt<T>(list: T[], at: number, item: T): T[] {
  if (list.length < short) return list.toSpliced(at, 0, item)
  list.splice(at, 0, item)
  return list
}
