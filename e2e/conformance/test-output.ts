/** How one test of the suite ended. */
export interface TestOutcome {
  readonly name: string
  readonly result: 'PASS' | 'FAIL' | 'SKIP'
  readonly seconds: number
  /** What it said while it ran; of parallel tests, only what names them. */
  readonly log: readonly string[]
}

const began = /^=== (?:RUN|PAUSE|CONT|NAME)\s+TestConformance(?:\/(\w+))?/
const ended = /^\s*--- (PASS|FAIL|SKIP): TestConformance\/(\w+) \(([\d.]+)s\)/

/** Reads the verbose output of Go's tests, line by line; `onOutcome` is called as soon as a test has ended. */
export class TestOutputReader {
  readonly #logs = new Map<string, string[]>()
  readonly #onOutcome: (outcome: TestOutcome) => void
  #current = ''

  constructor(onOutcome: (outcome: TestOutcome) => void) {
    this.#onOutcome = onOutcome
  }

  readLine(line: string): void {
    const begin = began.exec(line)
    if (begin) {
      this.#current = begin[1] ?? ''
      return
    }
    const end = ended.exec(line)
    if (end) {
      const [, result, name, seconds] = end as unknown as [string, TestOutcome['result'], string, string]
      this.#onOutcome({ name, result, seconds: Number(seconds), log: [...(this.#logs.get(name) ?? [])] })
      return
    }
    if (/^\s*--- /.test(line)) return
    const log = this.#logs.get(this.#current) ?? []
    log.push(line)
    this.#logs.set(this.#current, log)
  }
}
