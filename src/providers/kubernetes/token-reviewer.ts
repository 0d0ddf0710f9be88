import { hash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { LruMap } from '../../base/lru-map.ts'
import { RateLimit } from '../../base/rate-limit.ts'
import { type ApiClient, ApiError, apiPath } from './api-client.ts'
import { asObject, type JsonObject } from './json.ts'
import { parseServiceAccount, parseTokenClaims, type TokenClaims } from './token-claims.ts'

/** A pod that has shown who it is. */
export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: string
  /** In the namespace of the service account. */
  readonly podName: string
  /** On the reviewer's clock. */
  readonly expiresAt: number
}

export type TokenReview =
  | { readonly valid: true; readonly subject: TokenSubject }
  /** The reason is for the log. */
  | { readonly valid: false; readonly reason: string }

export interface TokenReviewerOptions {
  readonly api: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** That tokens must be made for, e.g. "gatewright-xds". */
  readonly audience: string
  /** To read when a token expires. Default: the time of day. */
  readonly time?: () => Date
  /** Reviews of tokens that were never seen valid, in a second. Default 50, up to 200 at once. */
  readonly rate?: number
  readonly burst?: number
}

const minute = 60_000
const callTimeout = 5_000
const longestAccepted = 5 * minute
const refusedFor = 10_000
/** How long a token that was valid is not asked about again while the API server does not answer. */
const pauseWhenAway = 10_000
/** Tokens are used past their end for so long when the API server is away. */
const expiryGrace = minute
/** Whoever stays connected for longer is reviewed again. */
const longestLife = 24 * 60 * minute
const remembered = 10_000
const longestToken = 16 * 1024
const longestTurn = 5_000

const extraPrefix = 'authentication.kubernetes.io'
const path = apiPath({ group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews' })

/**
 * Asks the API server whose token this is, and remembers the answers for a while.
 *
 * Promises: a token is valid only if the API server has said so, for our audience and bound to a pod; while it
 * does not answer, those that it had said so of stay valid until they expire and nothing else does. Callers
 * with the same token share one review. What strangers send costs the API server a bounded number of calls and us
 * a bounded amount of memory; what can be seen to be no token for us costs nothing. No token is kept or logged.
 */
export class TokenReviewer {
  /** For metrics. */
  readonly counters = { reviews: 0, hits: 0, failures: 0, limited: 0 }
  readonly #options: TokenReviewerOptions
  readonly #limit: RateLimit
  /** By the hash of the token. */
  readonly #accepted = new LruMap<string, { readonly subject: TokenSubject; freshUntil: number }>(remembered)
  readonly #refused = new LruMap<string, { readonly reason: string; readonly until: number }>(remembered)
  readonly #running = new Map<string, Promise<TokenReview>>()
  #isAway = false

  constructor(options: TokenReviewerOptions) {
    const { rate = 50, burst = 200, clock } = options
    this.#options = options
    this.#limit = new RateLimit({ rate, burst, longestWait: longestTurn, clock })
  }

  /** @throws an error if the API server cannot be asked now, and the token is not known to be valid */
  async review(token: string): Promise<TokenReview> {
    if (token.length > longestToken) return refuse('the token is too long')
    const claims = parseTokenClaims(token)
    if (claims === undefined) return refuse('not a token of a service account')
    if (!claims.audiences.includes(this.#options.audience)) return refuse('the token is for another audience')
    const key = hash('sha256', token, 'base64url')
    const now = this.#options.clock.now()
    const accepted = this.#accepted.get(key)
    const refused = this.#refused.get(key)
    if (accepted !== undefined && now < accepted.freshUntil) {
      this.counters.hits++
      return { valid: true, subject: accepted.subject }
    }
    if (refused !== undefined && now < refused.until) {
      this.counters.hits++
      return refuse(refused.reason)
    }
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const review = this.#review(token, key, claims).finally(() => this.#running.delete(key))
    this.#running.set(key, review)
    return review
  }

  async #review(token: string, key: string, claims: TokenClaims): Promise<TokenReview> {
    const { clock } = this.#options
    const known = this.#accepted.get(key)
    if (known === undefined && !(await this.#limit.take())) {
      this.counters.limited++
      throw new Error('too many unknown tokens at once')
    }
    let status: JsonObject
    try {
      status = await this.#ask(token)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#noteAway(error)
      const now = clock.now()
      if (known === undefined || now >= known.subject.expiresAt + expiryGrace)
        throw new Error('the API server cannot be asked about the token')
      known.freshUntil = now + pauseWhenAway
      return { valid: true, subject: known.subject }
    }
    this.#noteBack()
    const result = this.#judge(status, claims)
    const now = clock.now()
    if (result.valid) {
      const { expiresAt } = result.subject
      const freshUntil = Math.min(now + longestAccepted, now + lifetimeOf(claims, expiresAt - now) / 10, expiresAt)
      this.#accepted.set(key, { subject: result.subject, freshUntil })
      this.#refused.delete(key)
    } else {
      this.#accepted.delete(key)
      this.#refused.set(key, { reason: result.reason, until: now + refusedFor })
    }
    return result
  }

  async #ask(token: string): Promise<JsonObject> {
    this.counters.reviews++
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [this.#options.audience] },
    }
    const answer = asObject(await this.#options.api.call({ method: 'POST', path, body, timeout: callTimeout }))
    return asObject(answer['status'])
  }

  #judge(status: JsonObject, claims: TokenClaims): TokenReview {
    // The error is not passed on: it may quote what it is about.
    if (status['authenticated'] !== true) return refuse('the API server does not know the token')
    const { audiences } = status
    // An API server that knows no audiences would take a token that was made for somebody else.
    if (!Array.isArray(audiences) || !audiences.includes(this.#options.audience))
      return refuse('the API server does not confirm the audience')
    const user = asObject(status['user'])
    const account = parseServiceAccount(String(user['username']))
    if (account === undefined) return refuse('the token is not that of a service account')
    const extra = asObject(user['extra'])
    const podName = onlyValue(extra[`${extraPrefix}/pod-name`])
    const podUid = onlyValue(extra[`${extraPrefix}/pod-uid`])
    if (podName === undefined || podUid === undefined) return refuse('the token is not bound to a pod')
    return { valid: true, subject: { ...account, podName, expiresAt: this.#expiryOf(claims) } }
  }

  /**
   * When the token expires, on our clock. The API server has just found it valid: where our time of day says
   * something else it is wrong, and the token is asked about again after a tenth of its life.
   */
  #expiryOf(claims: TokenClaims): number {
    const { clock, time = () => new Date() } = this.#options
    const left = claims.expiresAt === undefined ? longestLife : claims.expiresAt * 1_000 - time().getTime()
    const life = lifetimeOf(claims, longestLife)
    const isPlausible = left > 0 && left <= life + minute
    return clock.now() + Math.min(isPlausible ? left : life / 10, longestLife)
  }

  #noteAway(error: ApiError): void {
    this.counters.failures++
    if (!this.#isAway)
      this.#options.logger.error('Tokens of proxies cannot be reviewed: only proxies that were known can reconnect', {
        error: error.message,
      })
    this.#isAway = true
  }

  #noteBack(): void {
    if (this.#isAway) this.#options.logger.info('Tokens of proxies can be reviewed again')
    this.#isAway = false
  }
}

function refuse(reason: string): TokenReview {
  return { valid: false, reason }
}

/** Milliseconds. */
function lifetimeOf({ expiresAt, issuedAt }: TokenClaims, fallback: number): number {
  return expiresAt === undefined || issuedAt === undefined ? fallback : Math.max(0, expiresAt - issuedAt) * 1_000
}

function onlyValue(values: unknown): string | undefined {
  return Array.isArray(values) && values.length === 1 && typeof values[0] === 'string' && values[0] !== ''
    ? values[0]
    : undefined
}
