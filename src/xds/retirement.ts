import type { Clock } from '../base/clock.ts'
import type { NamesByType } from './snapshot.ts'

/** A table or listener whose change must be accepted first: the response that carries it has at least this sequence. */
export type Barrier = Map<string, number>

export function barrierKey(typeUrl: string, name: string): string {
  return `${typeUrl}\n${name}`
}

/** The reverse of {@link barrierKey}. */
export function splitBarrierKey(key: string): readonly [typeUrl: string, name: string] {
  const end = key.indexOf('\n')
  return [key.slice(0, end), key.slice(end + 1)]
}

interface Group {
  readonly names: NamesByType
  readonly barrier: Barrier
}

export interface RetirementOptions {
  readonly clock: Clock
  readonly linger: number
  /** Until when the connections of changed listeners may live: nothing goes before. */
  readonly drainsUntil: () => number
  /** These names may be removed now, if they are still unwanted. */
  readonly onDue: (names: NamesByType) => void
}

/**
 * When what one proxy no longer needs may be taken from it: in a later message than the acceptance of
 * every table and listener that was under way when it became unwanted, and then after the linger, because
 * requests held in a filter still go to the cluster that was chosen for them.
 */
export class Retirement {
  readonly #options: RetirementOptions
  readonly #waiting = new Set<Group>()
  /** In the order in which they were accepted; due times are looked up when their time comes. */
  readonly #lingering: { readonly group: Group; readonly due: number }[] = []
  readonly #groupOf = new Map<string, Group>()
  #cancelTimer: (() => void) | undefined

  constructor(options: RetirementOptions) {
    this.#options = options
  }

  /** Whether any group waits for an acceptance. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0
  }

  has(typeUrl: string, name: string): boolean {
    return this.#groupOf.has(barrierKey(typeUrl, name))
  }

  /** A later call for the same name counts instead of an earlier one. */
  retire(names: NamesByType, barrier: Barrier): void {
    const group = { names, barrier }
    for (const [typeUrl, set] of names) for (const name of set) this.#groupOf.set(barrierKey(typeUrl, name), group)
    if (barrier.size > 0) this.#waiting.add(group)
    else this.#linger(group)
  }

  /**
   * Tables that the proxy turned out to have in an old form: whatever is on its way out waits for them as
   * well. A reconnecting proxy tells about its clusters before it tells about its tables.
   */
  extend(barrier: Barrier): void {
    if (barrier.size === 0) return
    for (const { group } of this.#lingering.splice(0)) this.#waiting.add(group)
    for (const group of this.#waiting) for (const [key, sequence] of barrier) group.barrier.set(key, sequence)
  }

  /** A response with this sequence brought the table and was accepted, or the table is beyond caring. */
  discharge(key: string, sequence: number): void {
    for (const group of this.#waiting) {
      const needed = group.barrier.get(key)
      if (needed === undefined || sequence < needed) continue
      group.barrier.delete(key)
      if (group.barrier.size > 0) continue
      this.#waiting.delete(group)
      this.#linger(group)
    }
  }

  /** Nothing newer of the table will be sent than what this sequence has carried already. */
  lower(key: string, sequence: number): void {
    for (const { barrier } of this.#waiting) {
      const needed = barrier.get(key)
      if (needed !== undefined && needed > sequence) barrier.set(key, sequence)
    }
  }

  /** The tables and listeners that removals wait for, as `barrierKey`s: why something is still there. */
  waitingFor(): ReadonlySet<string> {
    const keys = new Set<string>()
    for (const { barrier } of this.#waiting) for (const key of barrier.keys()) keys.add(key)
    return keys
  }

  close(): void {
    this.#cancelTimer?.()
  }

  #linger(group: Group): void {
    const now = this.#options.clock.now()
    this.#lingering.push({ group, due: Math.max(now + this.#options.linger, this.#options.drainsUntil()) })
    this.#schedule()
  }

  #schedule(): void {
    const first = this.#lingering[0]
    if (first === undefined || this.#cancelTimer !== undefined) return
    const wait = Math.max(0, first.due - this.#options.clock.now())
    this.#cancelTimer = this.#options.clock.after(wait, () => {
      this.#cancelTimer = undefined
      this.#fall()
    })
  }

  #fall(): void {
    const now = this.#options.clock.now()
    const due = new Map<string, Set<string>>()
    while (this.#lingering[0] !== undefined && this.#lingering[0].due <= now) {
      const { group } = this.#lingering.shift() as { readonly group: Group }
      for (const [typeUrl, names] of group.names) {
        for (const name of names) {
          const key = barrierKey(typeUrl, name)
          if (this.#groupOf.get(key) !== group) continue
          this.#groupOf.delete(key)
          const all = due.get(typeUrl)
          if (all) all.add(name)
          else due.set(typeUrl, new Set([name]))
        }
      }
    }
    this.#schedule()
    if (due.size > 0) this.#options.onDue(due)
  }
}
