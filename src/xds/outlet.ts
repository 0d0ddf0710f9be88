import type { Clock } from '../base/clock.ts'
import type { WireMessage } from './wire.ts'

/** One gRPC stream, seen from below. */
export interface Wire {
  /**
   * Takes a message. `flushed` is called when the peer's flow control has let all of it through; never
   * after `close`. Returns false when `onDrain` must be awaited.
   */
  write(message: WireMessage, flushed: () => void): boolean
  onDrain(run: () => void): void
  /** Ends the stream with a gRPC status after what was written. */
  end(code: number, details: string): void
  /** Ends the stream at once, also when the peer reads nothing. */
  cut(): void
}

export interface OutletOptions {
  readonly clock: Clock
  /** A peer that takes nothing of what it was sent for this long is cut off. */
  readonly stallLimit: number
  /** No further message is handed over while this many bytes wait for the peer. */
  readonly maxWaitingBytes: number
  /** There is room again. */
  readonly onRoom: () => void
  readonly onStall: () => void
}

/**
 * The way out of one stream: respects the peer's pace, and knows when it has stopped. What waits here
 * are references to resources; only the message that the transport is working on is a copy.
 */
export class Outlet {
  readonly #wire: Wire
  readonly #options: OutletOptions
  #waitingBytes = 0
  #waitingMessages = 0
  #needsDrain = false
  #progressAt = 0
  #cancelTimer: (() => void) | undefined
  #closed = false
  bytes = 0

  constructor(wire: Wire, options: OutletOptions) {
    this.#wire = wire
    this.#options = options
    wire.onDrain(() => {
      this.#needsDrain = false
      if (this.hasRoom) options.onRoom()
    })
  }

  get hasRoom(): boolean {
    return !this.#closed && !this.#needsDrain && this.#waitingBytes < this.#options.maxWaitingBytes
  }

  /** Bytes that may be handed over now without waiting for the peer; a single resource may exceed it. */
  get room(): number {
    return this.hasRoom ? this.#options.maxWaitingBytes - this.#waitingBytes : 0
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  send(message: WireMessage): void {
    const { clock } = this.#options
    if (this.#waitingMessages === 0) this.#progressAt = clock.now()
    this.#waitingBytes += message.byteLength
    this.#waitingMessages++
    this.bytes += message.byteLength
    this.#watch()
    const more = this.#wire.write(message, () => {
      this.#waitingBytes -= message.byteLength
      this.#waitingMessages--
      this.#progressAt = clock.now()
      if (this.hasRoom) this.#options.onRoom()
    })
    if (!more) this.#needsDrain = true
  }

  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
  }

  /** One timer per stream at most: it looks again instead of being set anew for each message. */
  #watch(): void {
    if (this.#cancelTimer !== undefined || this.#closed) return
    const { clock, stallLimit } = this.#options
    const wait = Math.max(0, this.#progressAt + stallLimit - clock.now())
    this.#cancelTimer = clock.after(wait, () => {
      this.#cancelTimer = undefined
      if (this.#waitingMessages === 0 || this.#closed) return
      if (clock.now() - this.#progressAt >= stallLimit) this.#options.onStall()
      else this.#watch()
    })
  }
}
