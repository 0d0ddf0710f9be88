import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ScopeAcks } from './acks.ts'
import type { XdsCounters } from './counters.ts'
import { DrainedView, type StreamView } from './drained-view.ts'
import type { Outlet } from './outlet.ts'
import type { EnvoyResource } from './resource.ts'
import { barrierKey, type Retirement } from './retirement.ts'
import { type Flight, Subscription } from './subscription.ts'
import { encodeDeltaResponse, encodeSotwResponse } from './wire.ts'

export type Variant = 'delta' | 'sotw'

/** Times and sizes of one stream; milliseconds and bytes. */
export interface StreamLimits {
  readonly linger: number
  /** How long a table waits for the clusters in its `awaits`. */
  readonly awaitLimit: number
  /** How long an unanswered response holds back the next plain change of endpoints, secrets or extensions. */
  readonly paceLimit: number
  /** The same for tables and listeners; the very resource that is unanswered waits without limit. */
  readonly tablePaceLimit: number
  /** How long connections live that a listener has left behind. */
  readonly drainTime: number
  readonly stallLimit: number
  readonly maxMessageBytes: number
  readonly maxWaitingBytes: number
}

/** What a stream is built on. */
export interface StreamParts {
  readonly variant: Variant
  readonly view: StreamView
  /** Whether the view is complete; until it is, it has clusters at most. */
  readonly isSynced: () => boolean
  readonly acks: ScopeAcks
  readonly clock: Clock
  readonly logger: Logger
  readonly counters: XdsCounters
  readonly limits: StreamLimits
  readonly outlet: Outlet
  readonly retirement: Retirement
}

/** The state of one stream that its parts share. */
export class StreamContext implements StreamParts {
  readonly variant: Variant
  readonly isSynced: () => boolean
  readonly acks: ScopeAcks
  readonly clock: Clock
  readonly logger: Logger
  readonly counters: XdsCounters
  readonly limits: StreamLimits
  readonly outlet: Outlet
  readonly retirement: Retirement
  readonly subscriptions = new Map<string, Subscription>()
  /** The proxy had a configuration before this stream, so it may carry traffic. */
  hadConfiguration = false
  #view: StreamView
  #isDraining = false
  #sequence = 0
  /** No other stream, process or server gives out the same nonces, so a foreign one is never taken for ours. */
  readonly #nonceTag = `${randomBytes(6).toString('base64url')}.`

  constructor(parts: StreamParts) {
    this.variant = parts.variant
    this.isSynced = parts.isSynced
    this.#view = parts.view
    this.acks = parts.acks
    this.clock = parts.clock
    this.logger = parts.logger
    this.counters = parts.counters
    this.limits = parts.limits
    this.outlet = parts.outlet
    this.retirement = parts.retirement
  }

  get view(): StreamView {
    return this.#view
  }

  /** Whether the proxy's listeners were taken away, for as long as this stream lasts. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** From now on there are no listeners for this proxy. */
  drain(): void {
    this.#isDraining = true
    this.#view = new DrainedView(this.#view, this.clock.now() + this.limits.drainTime)
  }

  /** The sequence that the next response will have. */
  get nextSequence(): number {
    return this.#sequence + 1
  }

  subscription(typeUrl: string): Subscription {
    let subscription = this.subscriptions.get(typeUrl)
    if (subscription === undefined) {
      subscription = new Subscription(typeUrl)
      this.subscriptions.set(typeUrl, subscription)
    }
    return subscription
  }

  /** Hands one response to the outlet and books it. `version` is for state of the world only. */
  send(
    subscription: Subscription,
    resources: readonly EnvoyResource[],
    removed: readonly string[],
    version = '',
  ): Flight {
    const { typeUrl } = subscription
    const sequence = ++this.#sequence
    const nonce = `${this.#nonceTag}${sequence.toString(36)}`
    const message =
      this.variant === 'delta'
        ? encodeDeltaResponse({ typeUrl, nonce, resources, removed })
        : encodeSotwResponse({ typeUrl, nonce, version, resources })
    const flight: Flight = { nonce, sequence, sentAt: this.clock.now(), resources, removed }
    subscription.takeOff(flight)
    subscription.answerOwed = false
    const { counters } = this
    counters.add(counters.responses, typeUrl)
    counters.add(counters.resourcesSent, typeUrl, resources.length)
    counters.add(counters.resourcesRemoved, typeUrl, removed.length)
    counters.bytesSent += message.byteLength
    counters.largestMessage = Math.max(counters.largestMessage, message.byteLength)
    this.outlet.send(message)
    return flight
  }

  /** The proxy has this version now; undefined is none. */
  accept(subscription: Subscription, name: string, version: string | undefined): void {
    this.acks.move(subscription.typeUrl, name, subscription.acked.get(name), version)
    subscription.inherited.delete(name)
    if (version === undefined) subscription.acked.delete(name)
    else subscription.acked.set(name, version)
  }

  /** The proxy no longer wants to know the name: nothing waits for it any more. */
  forget(subscription: Subscription, name: string): void {
    this.accept(subscription, name, undefined)
    subscription.forget(name)
    if (subscription.traits.table) {
      this.retirement.discharge(barrierKey(subscription.typeUrl, name), Number.POSITIVE_INFINITY)
    }
  }
}
