import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/compare.ts'
import { CellNode, type Input } from './cell-node.ts'
import type { Reads } from './collection.ts'
import { addToFew, countFew, type Few, forEachOfFew, type Packed, pack, removeFromFew, unpack } from './few.ts'
import type { Equals, NodePlace, Reference, Retained } from './node.ts'
import type { Cell, Watch } from './watch.ts'

type ManyCell<W> = Cell<Packed<Claim<W>>>

/** An entry as one input wants it. */
interface Claim<W> {
  readonly cell: ManyCell<W>
  readonly key: string
  value: W
}

/**
 * Any number of outputs per input key, under keys of their own.
 * That two inputs claim the same key is a bug, but one that must not make the outcome depend on the
 * order of arrival: the smallest input key wins, and the others wait until it lets go.
 */
export class DerivedManyNode<K extends string, V, K2 extends string, W> extends CellNode<
  K,
  V,
  Packed<Claim<W>>,
  K2,
  W
> {
  readonly #compute: (value: V, reads: Reads, key: K) => Iterable<readonly [K2, W]>
  readonly #claims: Map<string, Few<Claim<W>>> = new Map()
  /** While settling: output keys whose claims have changed, and what they showed before. */
  readonly #touched: Map<K2, W | undefined> = new Map()

  constructor(
    place: NodePlace,
    input: Input<K, V>,
    compute: (value: V, reads: Reads, key: K) => Iterable<readonly [K2, W]>,
    equals: Equals<W> | undefined,
  ) {
    super(place, 'deriveMany', input, equals)
    this.#compute = compute
  }

  get size(): number {
    return this.#claims.size
  }

  get(key: K2): W | undefined {
    return this.#winner(key)?.value
  }

  *entries(): Generator<[K2, W], undefined> {
    for (const key of this.#claims.keys()) yield [key as K2, this.get(key as K2) as W]
  }

  protected override finishKeys(): void {
    // Only now, because a key may have moved from one input to another.
    for (const [key, before] of this.#touched) this.#show(key, before)
    this.#touched.clear()
  }

  protected recompute(cell: ManyCell<W>, value: V, reads: Reads): void {
    // Consumed before anything changes, because a generator reads and throws while it is consumed.
    this.#claim(cell, this.#collect(cell.key, this.#compute(value, reads, cell.key as K)))
  }

  protected clear(cell: ManyCell<W>): void {
    forEachOfFew(cell.output, (claim) => this.#withdraw(claim))
  }

  /** Each key once. Most inputs have one entry or none: no Map is made for them. */
  #collect(inputKey: string, entries: Iterable<readonly [K2, W]>): readonly (readonly [K2, W])[] {
    const wanted: readonly (readonly [K2, W])[] = Array.isArray(entries) ? entries : [...entries]
    for (const [, value] of wanted)
      if (value === undefined) assert(false, `an entry of "${this.name}" is never undefined: leave it out instead`)
    if (wanted.length < 2) return wanted
    const first = new Map<K2, W>()
    for (const [key, value] of wanted) {
      if (first.has(key)) this.#reportConflict(key, [inputKey, inputKey])
      else first.set(key, value)
    }
    return first.size === wanted.length ? wanted : [...first]
  }

  #claim(cell: ManyCell<W>, wanted: readonly (readonly [K2, W])[]): void {
    const { output } = cell
    if (output === undefined) {
      cell.output = pack(wanted.map(([key, value]) => this.#make(cell, key, value)))
      return
    }
    const before = new Map(unpack(output).map((claim) => [claim.key, claim]))
    const after = wanted.map(([key, value]) => {
      const claim = before.get(key)
      if (claim === undefined) return this.#make(cell, key, value)
      before.delete(key)
      if (!this.isEqual(key, claim.value, value)) {
        this.#touch(key)
        claim.value = value
      }
      return claim
    })
    for (const claim of before.values()) this.#withdraw(claim)
    cell.output = pack(after)
  }

  #make(cell: ManyCell<W>, key: K2, value: W): Claim<W> {
    const claim = { cell, key, value }
    const others = this.#claims.get(key)
    if (!this.#touched.has(key)) this.#touched.set(key, winnerOf(others)?.value)
    this.#claims.set(key, addToFew(others, claim))
    return claim
  }

  #withdraw(claim: Claim<W>): void {
    this.#touch(claim.key as K2)
    const rest = removeFromFew(this.#claims.get(claim.key), claim)
    if (rest === undefined) this.#claims.delete(claim.key)
    else this.#claims.set(claim.key, rest)
  }

  #touch(key: K2): void {
    if (!this.#touched.has(key)) this.#touched.set(key, this.get(key))
  }

  #show(key: K2, before: W | undefined): void {
    const claims = this.#claims.get(key)
    if (countFew(claims) > 1) this.#reportConflict(key, this.#claimants(key))
    const winner = winnerOf(claims)
    if (!this.isEqual(key, before, winner?.value)) this.emit(key, before, winner?.value)
    // Equal, so the instance that everybody holds already stays the only one.
    else if (winner !== undefined && before !== undefined) winner.value = before
  }

  #winner(key: string): Claim<W> | undefined {
    return winnerOf(this.#claims.get(key))
  }

  #claimants(key: string): string[] {
    const keys: string[] = []
    forEachOfFew(this.#claims.get(key), (claim) => void keys.push(claim.cell.key))
    return keys.sort(compareStrings)
  }

  #reportConflict(key: K2, from: readonly string[]): void {
    const error = new Error(
      `Bug in Gatewright: "${this.name}" derives the key "${key}" from ${from.join(' and from ')}`,
    )
    this.fail('Two inputs derive the same key: the smallest input key wins', error, key)
  }

  outputsOf(inputKey: string): Iterable<string> {
    return unpack(this.cells.get(inputKey)?.output).map((claim) => claim.key)
  }

  inputsOf(key: string): Iterable<Reference> {
    return this.#claimants(key).map((inputKey) => ({ collection: this.input.node.name, key: inputKey }))
  }

  readsOf(key: string): readonly Watch[] {
    return unpack(this.#winner(key)?.cell.reads)
  }

  failureOf(key: string): string | undefined {
    return this.failing.get(this.#winner(key)?.cell.key ?? '')
  }

  override tally(retained: Retained): void {
    super.tally(retained)
    retained.pending += this.#touched.size
  }
}

function winnerOf<W>(claims: Few<Claim<W>>): Claim<W> | undefined {
  if (countFew(claims) < 2) return claims as Claim<W> | undefined
  let winner: Claim<W> | undefined
  forEachOfFew(claims, (claim) => {
    if (winner === undefined || claim.cell.key < winner.cell.key) winner = claim
  })
  return winner
}
