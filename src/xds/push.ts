import { contentVersion } from '../base/hash.ts'
import { FullSetPush } from './full-set.ts'
import { burstOrder, removalOrder, tableTypes } from './order.ts'
import { type EnvoyResource, typeUrls } from './resource.ts'
import { barrierKey } from './retirement.ts'
import type { StreamContext } from './stream-context.ts'
import type { Subscription } from './subscription.ts'
import { wireSize } from './wire.ts'

/** `blocked`: the peer takes no more now; what was not sent stays pending. */
type Outcome = 'done' | 'blocked'

/**
 * Sends what is pending, in the order of the burst, as far as the peer takes it. Called again whenever
 * something may have become possible: a change, a request, an answer, room, a time.
 */
export class Push {
  readonly #context: StreamContext
  readonly #fullSets: FullSetPush
  /** Since when a table has been waiting for the slow clusters it awaits. */
  readonly #heldSince = new Map<string, number>()
  /** The earliest time at which waiting ends; undefined if nothing waits for time. */
  wakeAt: number | undefined

  constructor(context: StreamContext) {
    this.#context = context
    this.#fullSets = new FullSetPush(context, {
      afterSending: (resources) => this.#afterSending(resources),
      settleUnchanged: (subscription, name, resource) => this.#settleUnchanged(subscription, name, resource),
      releaseBarrier: (subscription, name) => this.#releaseBarrier(subscription, name),
      mustWait: (subscription, name, resource) => this.#mustWait(subscription, name, resource),
    })
  }

  get fullSets(): FullSetPush {
    return this.#fullSets
  }

  flush(): void {
    const { subscriptions, outlet, isSynced } = this.#context
    this.wakeAt = undefined
    if (!isSynced()) {
      this.#sendFirstClusters()
      return
    }
    for (const typeUrl of burstOrder) {
      if (!outlet.hasRoom) return
      const subscription = subscriptions.get(typeUrl)
      if (subscription && this.#sendChanges(subscription) === 'blocked') return
    }
    for (const [typeUrl, subscription] of subscriptions) {
      if (!outlet.hasRoom) return
      if (!burstOrder.includes(typeUrl)) this.#sendChanges(subscription)
    }
    this.#sendRemovals()
  }

  /** To a proxy that has nothing: others are not heard yet. Without endpoints it gets no further than this. */
  #sendFirstClusters(): void {
    const clusters = this.#context.subscriptions.get(typeUrls.cluster)
    if (clusters !== undefined) this.#sendChanges(clusters)
  }

  #sendChanges(subscription: Subscription): Outcome {
    if (subscription.dirty.size === 0 && !subscription.answerOwed && subscription.removals.size === 0) return 'done'
    if (!subscription.requested && !this.#mayCarryTraffic()) return 'done'
    if (this.#context.variant === 'sotw' && subscription.traits.fullSet) {
      this.#fullSets.send(subscription)
      return this.#context.outlet.hasRoom ? 'done' : 'blocked'
    }
    return this.#sendSingly(subscription)
  }

  /**
   * A proxy that has not asked for listeners yet carries nothing and asks for endpoints and secrets
   * itself; one that had a configuration before needs them right behind its changed clusters.
   */
  #mayCarryTraffic(): boolean {
    const { hadConfiguration, subscriptions } = this.#context
    return hadConfiguration || subscriptions.get(typeUrls.listener)?.requested === true
  }

  /** Types of which a response may hold any part. */
  #sendSingly(subscription: Subscription): Outcome {
    const { outlet, view, limits, variant } = this.#context
    const { typeUrl } = subscription
    const paced = this.#isPaced(subscription)
    const removed: string[] = []
    let batch: EnvoyResource[] = []
    let bytes = 0
    const emit = (resources: readonly EnvoyResource[]): void => {
      this.#emit(subscription, resources, removed.splice(0))
    }
    for (const name of this.#removedFirst(subscription)) {
      const owed = subscription.owed.has(name)
      const pushed = subscription.pushed.has(name)
      if (!pushed && !subscription.wants(name)) {
        // Wanted when it became pending, but not any more.
        this.#context.forget(subscription, name)
        continue
      }
      const resource = view.get(typeUrl, name)
      if (resource === undefined) {
        const has = subscription.held(name) !== undefined
        const goesNow =
          typeUrl === typeUrls.listener && (has || subscription.ghosts.has(name)) && !view.has(typeUrl, name)
        // What is not there is nothing to speak of, unless the client has named it.
        const isMissed = owed && !has && (subscription.names.has(name) || subscription.released.has(name))
        if (variant === 'delta' && (goesNow || isMissed)) removed.push(name)
        else this.#releaseBarrier(subscription, name)
        subscription.settleName(name)
        continue
      }
      if (subscription.refused.get(name) === resource.version) {
        subscription.settleName(name)
        continue
      }
      if (!(owed && variant === 'delta') && this.#isBetterOff(subscription, name)) {
        view.holdBack(typeUrl, name)
        subscription.settleName(name)
        continue
      }
      // What is no longer wanted is there for those who ask, not to take anybody back to an older version.
      if (!owed && !pushed && view.wanted(typeUrl, name) === undefined && subscription.held(name) !== undefined) {
        this.#releaseBarrier(subscription, name)
        subscription.settleName(name)
        continue
      }
      // A suspect that the proxy has had before may have been sent for warming something: that is lost.
      const isSuspect = subscription.suspects.has(name)
      if (!owed && !pushed && !isSuspect && subscription.held(name) === resource.version) {
        this.#settleUnchanged(subscription, name, resource)
        continue
      }
      if (paced && !owed && !pushed && !isSuspect) continue
      if (this.#mustWait(subscription, name, resource)) continue
      if (isSuspect) {
        emit([resource])
        if (!outlet.hasRoom) return 'blocked'
        continue
      }
      if (batch.length > 0 && bytes + wireSize(resource) > limits.maxMessageBytes) {
        emit(batch)
        batch = []
        bytes = 0
        if (!outlet.hasRoom) return 'blocked'
      }
      batch.push(resource)
      bytes += wireSize(resource)
    }
    const nothingButAnAnswer = subscription.answerOwed && subscription.dirty.size === 0
    if (batch.length > 0 || removed.length > 0 || nothingButAnAnswer) emit(batch)
    return outlet.hasRoom ? 'done' : 'blocked'
  }

  /** Listeners that go free their address for those that come, so they must be in the first message. */
  #removedFirst(subscription: Subscription): Iterable<string> {
    if (subscription.typeUrl !== typeUrls.listener) return subscription.dirty
    const { view } = this.#context
    const gone = [...subscription.dirty].filter((name) => view.get(typeUrls.listener, name) === undefined)
    return gone.length === 0 ? subscription.dirty : new Set([...gone, ...subscription.dirty])
  }

  #emit(subscription: Subscription, resources: readonly EnvoyResource[], removed: readonly string[]): void {
    for (const { name } of resources) subscription.settleName(name)
    const version =
      this.#context.variant === 'sotw' ? contentVersion(resources.map((r) => `${r.name}\n${r.version}`).join('\n')) : ''
    this.#context.send(subscription, resources, removed, version)
    this.#afterSending(resources)
  }

  /** What was sent makes the proxy need more, changed or not: it warms, and does not ask again. */
  #afterSending(resources: readonly EnvoyResource[]): void {
    const { view, retirement, nextSequence } = this.#context
    for (const resource of resources) {
      // What stands in for something refused may be old, and may use what is on its way out.
      if (tableTypes.includes(resource.typeUrl) && view.isRefused(resource.typeUrl, resource.name)) {
        retirement.extend(new Map([[barrierKey(resource.typeUrl, resource.name), nextSequence]]))
      }
      if (resource.typeUrl === typeUrls.cluster && view.has(typeUrls.endpoint, resource.name)) {
        this.#pushUnprompted(typeUrls.endpoint, resource.name)
      }
      for (const secret of resource.secrets ?? []) {
        if (view.has(typeUrls.secret, secret)) this.#pushUnprompted(typeUrls.secret, secret)
      }
      if (resource.awaits !== undefined) this.#heldSince.delete(barrierKey(resource.typeUrl, resource.name))
    }
  }

  #pushUnprompted(typeUrl: string, name: string): void {
    const subscription = this.#context.subscription(typeUrl)
    subscription.pushed.add(name)
    subscription.dirty.add(name)
  }

  /** Whether plain changes wait for the answer to what is in flight, so that the latest wins. */
  #isPaced(subscription: Subscription): boolean {
    const { traits, typeUrl } = subscription
    if (typeUrl === typeUrls.cluster) return false
    if (!traits.table && this.#areTablesReady()) return false
    const oldest = subscription.flights.values().next().value
    if (oldest === undefined) return false
    const { limits, clock } = this.#context
    const until = oldest.sentAt + (traits.table ? limits.tablePaceLimit : limits.paceLimit)
    if (clock.now() >= until) return false
    this.#wake(until)
    return true
  }

  /** Tables that will be sent in this burst may use the endpoints and secrets before them. */
  #areTablesReady(): boolean {
    return tableTypes.some((typeUrl) => {
      const subscription = this.#context.subscriptions.get(typeUrl)
      return subscription !== undefined && subscription.dirty.size > 0 && !this.#isPaced(subscription)
    })
  }

  #mustWait(subscription: Subscription, name: string, resource: EnvoyResource): boolean {
    if (!subscription.traits.table) return false
    // One un-answered version of a table at most: applying one may take the proxy a second.
    if (subscription.flightOf(name) !== undefined) return true
    return this.#awaitsCluster(resource)
  }

  /** Whether a slow cluster that the table uses is neither accepted nor given up. */
  #awaitsCluster(resource: EnvoyResource): boolean {
    if (resource.awaits === undefined || resource.awaits.length === 0) return false
    const { subscriptions, clock, limits, counters, logger } = this.#context
    const clusters = subscriptions.get(typeUrls.cluster)
    if (clusters === undefined || !clusters.requested) return false
    const waiting = resource.awaits.filter((name) => !clusters.acked.has(name) && clusters.flightOf(name) !== undefined)
    const key = barrierKey(resource.typeUrl, resource.name)
    if (waiting.length === 0) return false
    const now = clock.now()
    let since = this.#heldSince.get(key)
    if (since === undefined) {
      since = now
      this.#heldSince.set(key, now)
    }
    const until = since + limits.awaitLimit
    if (now < until) {
      this.#wake(until)
      return true
    }
    counters.waitsRunOut++
    logger.warn('A table is sent although a slow cluster that it uses is not accepted yet', {
      table: resource.name,
      clusters: waiting,
      waitedMs: limits.awaitLimit,
    })
    return false
  }

  /** The change has gone away before it was sent: whoever waits for its answer waits for the last one that was. */
  #settleUnchanged(subscription: Subscription, name: string, resource: EnvoyResource): void {
    subscription.settleName(name)
    if (!subscription.traits.table) return
    // What stands in for something refused may use what the refused version no longer does.
    if (this.#context.view.isRefused(subscription.typeUrl, name)) return
    if (subscription.refused.has(name)) {
      if (this.#context.view.wanted(subscription.typeUrl, name) !== resource) return
      subscription.refused.delete(name)
    }
    this.#releaseBarrier(subscription, name)
  }

  #releaseBarrier(subscription: Subscription, name: string): void {
    const { view, retirement } = this.#context
    const { typeUrl, traits } = subscription
    if (!traits.table) return
    // A table that is refused or no longer wanted stays as it is in the proxy, and so does what it uses,
    // until the proxy lets go of it.
    const isWanted = view.wanted(typeUrl, name) !== undefined
    if (isWanted ? view.get(typeUrl, name) === undefined : subscription.held(name) !== undefined) return
    const key = barrierKey(typeUrl, name)
    this.#heldSince.delete(key)
    const flight = subscription.flightOf(name)
    if (flight === undefined) retirement.discharge(key, Number.POSITIVE_INFINITY)
    else retirement.lower(key, flight.sequence)
  }

  /** Nothing is added in the message that removes, and what refers goes before what is referred to. */
  #sendRemovals(): void {
    const { subscriptions, outlet, view, variant } = this.#context
    for (const typeUrl of removalOrder) {
      const subscription = subscriptions.get(typeUrl)
      if (subscription === undefined || subscription.removals.size === 0) continue
      if (variant === 'sotw') {
        if (!subscription.traits.fullSet) this.#forgetRemoved(subscription)
        continue
      }
      if (!outlet.hasRoom) return
      // The proxy drops the endpoints and secrets of a removed cluster by itself; asking for it twice is noise.
      if (typeUrl !== typeUrls.cluster && this.#isRemovingClusters()) return
      const names: string[] = []
      for (const name of subscription.removals) {
        if (view.has(typeUrl, name)) continue
        const mayHave = subscription.held(name) !== undefined || subscription.ghosts.has(name)
        if (mayHave && subscription.wants(name)) names.push(name)
        else this.#context.forget(subscription, name)
      }
      subscription.removals.clear()
      if (names.length > 0) this.#emit(subscription, [], names)
    }
  }

  /**
   * Whether the proxy should keep what it has from before this server: what stands in for the refused version
   * has parts out of order, and nobody knows whether the proxy's are. When something else changes, it gets it.
   */
  #isBetterOff({ typeUrl, inherited }: Subscription, name: string): boolean {
    if (!inherited.has(name)) return false
    const { view } = this.#context
    if (!view.isRefused(typeUrl, name)) return false
    const { outOfOrder, doubted } = view.standIn(typeUrl, name) ?? { outOfOrder: 0, doubted: 0 }
    // A single part that is left out on trial is to blame if that is accepted, and nothing happens if it is not.
    return doubted > 1 || (outOfOrder > 0 && inherited.get(name) === view.wanted(typeUrl, name)?.version)
  }

  #isRemovingClusters(): boolean {
    const clusters = this.#context.subscriptions.get(typeUrls.cluster)
    if (clusters === undefined) return false
    for (const flight of clusters.flights.values()) if (flight.removed.length > 0) return true
    return false
  }

  /** State of the world has no word for it: the client lets go by itself. Until it does, it may use a table. */
  #forgetRemoved(subscription: Subscription): void {
    for (const name of subscription.removals) {
      if (subscription.traits.table || this.#context.view.has(subscription.typeUrl, name)) continue
      this.#context.forget(subscription, name)
    }
    subscription.removals.clear()
  }

  #wake(at: number): void {
    this.wakeAt = this.wakeAt === undefined ? at : Math.min(this.wakeAt, at)
  }
}
