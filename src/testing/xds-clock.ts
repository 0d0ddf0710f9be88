import type { Clock } from '../base/clock.ts'

/** Time that passes when the test says so. */
export class FakeClock implements Clock {
  #now = 0
  #nextId = 0
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>()

  now(): number {
    return this.#now
  }

  after(milliseconds: number, run: () => void): () => void {
    const id = this.#nextId++
    this.#timers.set(id, { at: this.#now + milliseconds, run })
    return () => this.#timers.delete(id)
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size
  }

  /** Runs what falls due, in its order, as time passes; `settle` runs after each. */
  advance(milliseconds: number, settle: () => void = () => {}): void {
    const until = this.#now + milliseconds
    for (;;) {
      let next: [number, { readonly at: number; readonly run: () => void }] | undefined
      for (const entry of this.#timers) if (entry[1].at <= until && (!next || entry[1].at < next[1].at)) next = entry
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.#now = Math.max(this.#now, next[1].at)
      next[1].run()
      settle()
    }
    this.#now = until
    settle()
  }
}
