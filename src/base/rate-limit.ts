import type { Clock } from './clock.ts'

export interface RateLimitOptions {
  /** In the long run, in a second. */
  readonly rate: number
  /** How many may come at once after a quiet time. */
  readonly burst: number
  /** Milliseconds that one may have to wait for its turn. */
  readonly longestWait: number
  readonly clock: Clock
}

/** Lets so many through in a second and no more; a few may wait for their turn, all others are told to go away. */
export class RateLimit {
  readonly #interval: number
  readonly #headStart: number
  readonly #longestWait: number
  readonly #clock: Clock
  /** When the last turn that was given out would come if all kept the interval. */
  #next = Number.NEGATIVE_INFINITY

  constructor({ rate, burst, longestWait, clock }: RateLimitOptions) {
    this.#interval = 1_000 / rate
    this.#headStart = (burst - 1) * this.#interval
    this.#longestWait = longestWait
    this.#clock = clock
  }

  /** @returns whether it is one's turn now; false at once if that would take too long */
  async take(): Promise<boolean> {
    const now = this.#clock.now()
    const at = Math.max(now, this.#next)
    const wait = at - this.#headStart - now
    if (wait > this.#longestWait) return false
    this.#next = at + this.#interval
    if (wait > 0) await new Promise<void>((resolve) => this.#clock.after(wait, resolve))
    return true
  }
}
