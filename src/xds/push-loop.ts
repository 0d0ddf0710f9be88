export interface PushLoopOptions {
  /** Runs a task after the current one, when waiting input was read. */
  readonly defer: (run: () => void) => void
  readonly now: () => number
  /** After this long the loop lets others run, milliseconds. */
  readonly budget: number
  /** Called at the beginning of each turn: may wake members. */
  readonly onTurn: () => void
  /** Called at the end of each turn. */
  readonly onTurnEnd: () => void
}

/**
 * Gives each stream that has something to do its turn, first come first served, all changes of one task
 * together. A thousand streams that wake at once are served in slices, so that others are heard between.
 */
export class PushLoop<Member> {
  readonly #options: PushLoopOptions
  readonly #serve: (member: Member) => void
  readonly #waiting = new Set<Member>()
  #isScheduled = false

  constructor(options: PushLoopOptions, serve: (member: Member) => void) {
    this.#options = options
    this.#serve = serve
  }

  /** A turn will come, even if no member waits. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.defer(() => {
      this.#isScheduled = false
      this.#turn()
    })
  }

  wake(member: Member): void {
    this.#waiting.add(member)
    this.schedule()
  }

  remove(member: Member): void {
    this.#waiting.delete(member)
  }

  #turn(): void {
    const { now, budget, onTurn, onTurnEnd } = this.#options
    try {
      onTurn()
      const until = now() + budget
      for (const member of this.#waiting) {
        this.#waiting.delete(member)
        this.#serve(member)
        if (now() >= until) break
      }
      onTurnEnd()
    } finally {
      if (this.#waiting.size > 0) this.schedule()
    }
  }
}
