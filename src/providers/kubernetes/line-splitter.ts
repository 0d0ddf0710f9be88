import { ApiError } from './api-client.ts'

const lineEnd = 0x0a

/** Cuts a stream of bytes into lines. */
export class LineSplitter {
  readonly #onLine: (line: Buffer) => void
  readonly #maxLine: number
  #parts: Buffer[] = []
  #size = 0

  /** @param maxLine in bytes */
  constructor(onLine: (line: Buffer) => void, maxLine: number) {
    this.#onLine = onLine
    this.#maxLine = maxLine
  }

  /** Whether the last line has no end yet. */
  get isOpen(): boolean {
    return this.#size > 0
  }

  /** @throws ApiError malformed for a line that is too long, and whatever `onLine` throws */
  write(chunk: Buffer): void {
    let from = 0
    for (let at = chunk.indexOf(lineEnd); at >= 0; at = chunk.indexOf(lineEnd, from)) {
      const end = chunk.subarray(from, at)
      from = at + 1
      const line = this.#size === 0 ? end : Buffer.concat([...this.#parts, end])
      this.#parts = []
      this.#size = 0
      this.#check(line.length)
      if (line.length > 0) this.#onLine(line)
    }
    if (from === chunk.length) return
    this.#parts.push(chunk.subarray(from))
    this.#size += chunk.length - from
    this.#check(this.#size)
  }

  #check(length: number): void {
    if (length > this.#maxLine) throw new ApiError('malformed', `a line of more than ${this.#maxLine} bytes`)
  }
}
