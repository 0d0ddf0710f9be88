import type { Departures } from './departures.ts'
import type { FullSetPush } from './full-set.ts'
import { renderRefusal } from './refusal-message.ts'
import type { EnvoyResource } from './resource.ts'
import { barrierKey } from './retirement.ts'
import type { StreamContext } from './stream-context.ts'
import type { Flight, Subscription } from './subscription.ts'

/** A refusal that tells about the proxy's surroundings, not about the bytes: the next proxy may load them. */
const environmentalRefusal = /cannot bind|address already in use|permission denied|cannot assign requested address/i

/** What follows from a proxy's acceptance or refusal of a response. */
export class Answers {
  readonly #context: StreamContext
  readonly #fullSets: FullSetPush
  readonly #departures: Departures

  constructor(context: StreamContext, fullSets: FullSetPush, departures: Departures) {
    this.#context = context
    this.#fullSets = fullSets
    this.#departures = departures
  }

  /** @param error present when the client refused the response with this nonce */
  settle(subscription: Subscription, nonce: string, error: string | undefined): void {
    const flight = subscription.land(nonce)
    if (flight === undefined) return
    if (error === undefined) this.#onAck(subscription, flight)
    else this.#onNack(subscription, flight, renderRefusal(error))
  }

  #onAck(subscription: Subscription, flight: Flight): void {
    const { counters, view, retirement, variant } = this.#context
    const { typeUrl, traits } = subscription
    subscription.acks++
    counters.add(counters.acks, typeUrl)
    for (const resource of flight.resources) {
      const { name, version } = resource
      view.accept(resource)
      subscription.refused.delete(name)
      subscription.ghosts.delete(name)
      // Unsubscribed meanwhile, or pushed and never asked for: the client does not keep it.
      if (subscription.wants(name)) this.#context.accept(subscription, name, version)
      if (traits.table && !view.isRefused(typeUrl, name)) {
        retirement.discharge(barrierKey(typeUrl, name), flight.sequence)
      }
    }
    for (const name of flight.removed) {
      subscription.ghosts.delete(name)
      this.#context.accept(subscription, name, undefined)
      if (traits.table) retirement.discharge(barrierKey(typeUrl, name), flight.sequence)
    }
    if (variant === 'sotw' && traits.fullSet) this.#fullSets.onAck(subscription, flight)
  }

  #onNack(subscription: Subscription, flight: Flight, message: string): void {
    const { counters, logger, variant, retirement, view } = this.#context
    const { typeUrl, traits } = subscription
    subscription.nacks++
    subscription.lastNack = message
    counters.add(counters.nacks, typeUrl)
    if (variant === 'sotw' && traits.fullSet) {
      const { culprits, unclear } = this.#fullSets.onNack(subscription, flight, message)
      for (const resource of culprits) this.#refuse(subscription, resource, message)
      for (const { name, version } of unclear) this.#context.acks.reject(typeUrl, name, version, message)
      return
    }
    if (flight.resources.length === 0) {
      // Stock Envoy refuses removed secrets ("Missing SDS resources") although nothing is wrong.
      logger.debug('A proxy refused a removal', { typeUrl, names: flight.removed, message })
      for (const name of flight.removed) {
        subscription.ghosts.delete(name)
        this.#context.accept(subscription, name, undefined)
        if (traits.table) retirement.discharge(barrierKey(typeUrl, name), flight.sequence)
      }
      return
    }
    // What goes in the same response was lost with it.
    for (const name of flight.removed) {
      if (subscription.acked.has(name)) subscription.ghosts.add(name)
      else if (subscription.wants(name)) subscription.owed.add(name)
      subscription.dirty.add(name)
    }
    const [only] = flight.resources
    if (flight.resources.length === 1 && only !== undefined) {
      this.#refuse(subscription, only, message)
      return
    }
    for (const { name, version } of flight.resources) {
      subscription.ghosts.add(name)
      // Something newer may be in flight or accepted already.
      if (subscription.flightOf(name) !== undefined || !subscription.wants(name)) continue
      const current = view.get(typeUrl, name)?.version
      if (current !== version && current === subscription.acked.get(name)) continue
      subscription.suspects.add(name)
      subscription.dirty.add(name)
    }
  }

  /** Exactly these bytes were refused, alone. */
  #refuse(subscription: Subscription, resource: EnvoyResource, message: string): void {
    const { acks, view, logger } = this.#context
    const { typeUrl, name, version, scope } = resource
    this.#refuseHere(subscription, resource, message)
    const isLocal = acks.isAcked(typeUrl, name, version) || environmentalRefusal.test(message)
    logger.warn('A proxy refused a resource', { typeUrl, scope, name, version, message, sources: resource.sources })
    if (!isLocal) view.refuse(resource, message)
  }

  #refuseHere(subscription: Subscription, resource: EnvoyResource, message: string): void {
    const { typeUrl, name, version } = resource
    subscription.refused.set(name, version)
    subscription.dirty.add(name)
    this.#departures.keepForStandIns(subscription, [name])
    this.#context.acks.reject(typeUrl, name, version, message)
  }
}
