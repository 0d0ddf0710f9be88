import type { Clock } from '../../base/clock.ts'

export interface WaitingRoomOptions {
  readonly clock: Clock
  /** What is waited for, to end the sentence "… not known yet". */
  readonly what: string
  /** Who comes when so many wait is sent away. */
  readonly seats?: number
  /** Milliseconds that one waits. */
  readonly patience?: number
}

/**
 * Where callers wait for something that is known soon after the start. To be sent away would cost a proxy its pause
 * before the next attempt, several times over. The caller opens the room once, or closes it at the end.
 */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions
  readonly #waiting = new Set<(error?: Error) => void>()
  #isOpen = false

  constructor(options: WaitingRoomOptions) {
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves once it is open. @throws an error with a sentence when that takes too long, or too many wait */
  async enter(): Promise<void> {
    const { clock, what, seats = 1_000, patience = 20_000 } = this.#options
    if (this.#isOpen) return
    if (this.#waiting.size >= seats) throw new Error(`${what} not known yet, and too many wait for that`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (error?: Error) => {
      this.#waiting.delete(leave)
      cancel()
      if (error) reject(error)
      else resolve()
    }
    const cancel = clock.after(patience, () => leave(new Error(`${what} not known yet`)))
    this.#waiting.add(leave)
    await promise
  }

  /** It is known. */
  open(): void {
    this.#isOpen = true
    for (const leave of [...this.#waiting]) leave()
  }

  /** It will not be known. */
  close(): void {
    for (const leave of [...this.#waiting]) leave(new Error('shutting down'))
  }
}
