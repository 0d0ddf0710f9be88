import type { StreamContext, Variant } from './stream-context.ts'
import type { Subscription } from './subscription.ts'

/** How one type stands on one stream. */
export interface TypeState {
  readonly typeUrl: string
  readonly wildcard: boolean
  /** Names asked for one by one. */
  readonly names: number
  readonly responses: number
  readonly acks: number
  readonly nacks: number
  readonly lastNack?: string
  /** Resources that the proxy has accepted. */
  readonly accepted: number
  /** Responses without an answer. Clusters: some are warming. */
  readonly inFlight: number
  /** Names whose change is not sent yet. */
  readonly pending: number
  /** Names whose wanted version this proxy refused. */
  readonly refused: number
  /** Names of which proxies refuse the wanted version, so that this one has another form or none. */
  readonly substituted: number
}

/** What is known of one connected proxy; the key is `id`. */
export interface StreamState {
  readonly id: string
  readonly scope: string
  readonly nodeId: string
  /** As the proxy says: `envoy 1.40.0`. */
  readonly agent: string
  readonly peer: string
  readonly variant: Variant
  /** Milliseconds on the server's clock. */
  readonly connectedAt: number
  readonly bytesSent: number
  /** Every type that it asked for is sent and answered, and nothing is refused. */
  readonly isSettled: boolean
  /** Its listeners were taken away on request; see `XdsServer.drain`. */
  readonly isDraining: boolean
  /** Tables and listeners whose acceptance removals wait for, as `type URL\nname`. */
  readonly removalsWaitFor: readonly string[]
  readonly types: readonly TypeState[]
}

/** What does not change during a stream. */
export interface StreamIdentity {
  readonly id: string
  readonly nodeId: string
  readonly agent: string
  readonly peer: string
  readonly connectedAt: number
}

function countSubstituted({ view }: StreamContext, subscription: Subscription): number {
  let count = 0
  for (const name of view.refusedNames(subscription.typeUrl)) if (subscription.wants(name)) count++
  return count
}

export function describeStream(identity: StreamIdentity, context: StreamContext): StreamState {
  const types: TypeState[] = []
  for (const subscription of context.subscriptions.values()) {
    // What was pushed and never asked for may stay without an answer.
    if (!subscription.requested) continue
    types.push({
      typeUrl: subscription.typeUrl,
      wildcard: subscription.wildcard,
      names: subscription.names.size,
      responses: subscription.responses,
      acks: subscription.acks,
      nacks: subscription.nacks,
      ...(subscription.lastNack !== undefined && { lastNack: subscription.lastNack }),
      accepted: subscription.acked.size,
      inFlight: subscription.flights.size,
      pending: subscription.dirty.size,
      refused: subscription.refused.size,
      substituted: countSubstituted(context, subscription),
    })
  }
  return {
    ...identity,
    scope: context.view.scope,
    variant: context.variant,
    bytesSent: context.outlet.bytes,
    isSettled: types.every((t) => t.inFlight === 0 && t.pending === 0 && t.refused === 0),
    isDraining: context.isDraining,
    removalsWaitFor: [...context.retirement.waitingFor()],
    types,
  }
}
