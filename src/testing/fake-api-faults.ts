/** What a request asks for, as the authorizer of an API server sees it. */
export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

export interface FakeAttributes {
  readonly verb: FakeVerb
  /** Plural, with its subresource: "httproutes", "httproutes/status"; or the path of what is no resource. */
  readonly resource: string
  readonly namespace: string
  /** '' for a list. */
  readonly name: string
  /** A page after the first one of a list. */
  readonly continued: boolean
}

/** Which requests; what is absent is any. */
export type FakeMatch = Partial<FakeAttributes>

/**
 * What happens to a request instead of its answer.
 * reset: the connection breaks. silence: it stays open and nothing comes. cut: half of the answer comes, and
 * then the end in good order. delay: the answer comes so many milliseconds later.
 */
export type Fault =
  | {
      readonly status: number
      readonly reason?: string
      readonly message?: string
      /** Seconds, as in the header. */
      readonly retryAfter?: number
    }
  | 'reset'
  | 'silence'
  | 'cut'
  | { readonly delay: number }

/**
 * What happens to an open watch. end: the server ends it in good order, reset: the connection breaks,
 * silence: nothing comes any more and it never ends (a connection that is half open), cut: it ends in the
 * middle of its next event, expire: an ERROR event with 410, error: an ERROR event with 500.
 */
export type WatchFault = 'end' | 'reset' | 'silence' | 'cut' | 'expire' | 'error'

interface Planned {
  readonly match: FakeMatch
  readonly fault: Fault
  left: number
}

/** Everything that is to go wrong. */
export class FakeFaults {
  /** Milliseconds by which watches tell events late. */
  lag = 0
  /** Watches tell each event twice. */
  duplicate = false
  /** Watches tell each two events in the wrong order. */
  reorder = false
  readonly #planned: Planned[] = []

  /** The next so many matching requests meet this fault. */
  once(match: FakeMatch, fault: Fault, times = 1): void {
    this.#planned.push({ match, fault, left: times })
  }

  /**
   * Every matching request meets this fault.
   * @returns ends it
   */
  always(match: FakeMatch, fault: Fault): () => void {
    const planned = { match, fault, left: Number.POSITIVE_INFINITY }
    this.#planned.push(planned)
    return () => {
      const index = this.#planned.indexOf(planned)
      if (index >= 0) this.#planned.splice(index, 1)
    }
  }

  /**
   * Nothing goes wrong any more. Watches that are silent stay so.
   * @returns whether anything had been planned
   */
  clear(): boolean {
    const hadAny = this.#planned.length > 0 || this.lag > 0 || this.duplicate || this.reorder
    this.#planned.length = 0
    this.lag = 0
    this.duplicate = false
    this.reorder = false
    return hadAny
  }

  /** The fault that this request meets, used up by it. */
  take(attributes: FakeAttributes): Fault | undefined {
    const index = this.#planned.findIndex(({ match }) => isMatch(match, attributes))
    const planned = this.#planned[index]
    if (planned === undefined) return undefined
    planned.left--
    if (planned.left <= 0) this.#planned.splice(index, 1)
    return planned.fault
  }
}

/** Whether a request is one of those. */
export function isMatch(match: FakeMatch, attributes: FakeAttributes): boolean {
  return Object.entries(match).every(([field, value]) => attributes[field as keyof FakeAttributes] === value)
}

/** Counts requests, refused ones too. */
export class FakeRequests {
  readonly #all: FakeAttributes[] = []

  record(attributes: FakeAttributes): void {
    this.#all.push(attributes)
  }

  count(match: FakeMatch = {}): number {
    return this.list(match).length
  }

  /** In the order in which they came. */
  list(match: FakeMatch = {}): FakeAttributes[] {
    return this.#all.filter((attributes) => isMatch(match, attributes))
  }

  reset(): void {
    this.#all.length = 0
  }
}
