import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../base/clock.ts'

interface Timer {
  readonly due: number
  readonly run: () => void
}

/** Of one step of a leap: much less than any time-out, so that what is under way gets its answer in between. */
const step = 250

/**
 * Real time, which the test can have pass faster. Whoever talks over sockets within this process is not cut
 * short by it, however busy the machine is: in each step the event loop turns.
 */
export class LeapClock implements Clock {
  readonly #timers = new Set<Timer>()
  #leapt = 0
  #alarm: NodeJS.Timeout | undefined

  now(): number {
    return performance.now() + this.#leapt
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { due: this.now() + milliseconds, run }
    this.#timers.add(timer)
    this.#arm()
    return () => this.#timers.delete(timer)
  }

  /** Lets so many milliseconds pass, at a hundred times the speed. */
  async leap(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= step) {
      this.#leapt += Math.min(step, left)
      this.#fire()
      await sleep(2)
    }
  }

  #fire(): void {
    const due = [...this.#timers].filter((timer) => timer.due <= this.now()).sort((a, b) => a.due - b.due)
    for (const timer of due) if (this.#timers.delete(timer)) timer.run()
    this.#arm()
  }

  #arm(): void {
    clearTimeout(this.#alarm)
    if (this.#timers.size === 0) return
    const next = Math.min(...[...this.#timers].map(({ due }) => due))
    this.#alarm = setTimeout(() => this.#fire(), Math.max(0, next - this.now()))
    this.#alarm.unref()
  }
}
