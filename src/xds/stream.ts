import { assert } from '../base/assert.ts'
import { Answers } from './answers.ts'
import { Departures } from './departures.ts'
import { parseStandInVersion } from './isolation.ts'
import type { Leftover } from './leftovers.ts'
import { Push } from './push.ts'
import { typeUrls } from './resource.ts'
import type { NamesByType, ViewChange } from './snapshot.ts'
import type { StreamContext } from './stream-context.ts'
import type { Interest, Subscription } from './subscription.ts'

/** What both variants of a request have in common after decoding. */
interface AnyRequest {
  readonly typeUrl: string
  readonly nonce: string
  /** Present when the client refused the response with this nonce. */
  readonly error?: string | undefined
}

export interface DeltaRequest extends AnyRequest {
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  readonly initialVersions: Readonly<Record<string, string>>
}

export interface SotwRequest extends AnyRequest {
  readonly names: readonly string[]
  readonly version: string
}

/** More types than this on one stream is an attack, not a proxy. */
const maximumTypes = 64

export interface StreamHost {
  /** Something may be sent: `flush` follows, once for many calls. */
  readonly scheduleFlush: () => void
  /** Numbers or versions have changed. */
  readonly noteState: () => void
  /** What the proxy's last stream left unsettled. */
  readonly leftover: Leftover | undefined
}

/**
 * One ADS stream of an authenticated proxy. The caller promises: requests in their order, one variant,
 * `flush` in a task of its own after `scheduleFlush`, `close` once at the end and nothing after it. The
 * stream promises: at most one pending change per type and name, latest wins; nothing of another scope.
 */
export class AdsStream {
  readonly #context: StreamContext
  readonly #push: Push
  readonly #departures: Departures
  readonly #answers: Answers
  readonly #host: StreamHost
  #cancelWake: (() => void) | undefined

  constructor(context: StreamContext, host: StreamHost) {
    this.#context = context
    this.#push = new Push(context)
    this.#departures = new Departures(context)
    this.#answers = new Answers(context, this.#push.fullSets, this.#departures)
    this.#host = host
  }

  /** @returns a reason to end the stream with INVALID_ARGUMENT */
  onDelta(request: DeltaRequest): string | undefined {
    const subscription = this.#subscription(request)
    if (typeof subscription === 'string') return subscription
    const isFirst = !subscription.requested
    // A stale or unknown nonce only fails to pair; what the client wants counts all the same.
    if (request.nonce !== '') this.#answers.settle(subscription, request.nonce, request.error)
    const interest = subscription.applyDelta(request.subscribe, request.unsubscribe)
    const initial = isFirst ? request.initialVersions : {}
    const hasInitial = this.#takeInitialVersions(subscription, initial)
    this.#applyInterest(subscription, interest, (name) => Object.hasOwn(initial, name))
    // A new client must hear that there is nothing, or it waits.
    if (isFirst && subscription.wildcard && !hasInitial) subscription.answerOwed = true
    if (isFirst) this.#takeLeftover(subscription)
    if (isFirst) this.#departures.waitFor(subscription)
    this.#changed()
    return undefined
  }

  /** @returns a reason to end the stream with INVALID_ARGUMENT */
  onSotw(request: SotwRequest): string | undefined {
    const subscription = this.#subscription(request)
    if (typeof subscription === 'string') return subscription
    const isFirst = !subscription.requested
    if (request.nonce !== '') this.#answers.settle(subscription, request.nonce, request.error)
    const interest = subscription.applySotw(request.names)
    this.#forgetUnwanted(subscription, interest)
    const added = [...interest.added, ...(interest.wildcardAdded ? ['*'] : [])]
    // Stale: a newer response is on its way. What the client wants is noted, but only its answer to that is answered.
    if (!isFirst && request.nonce !== subscription.lastNonce) {
      for (const name of added) subscription.late.add(name)
      this.#changed()
      return undefined
    }
    // What it asked for and no longer wants is not answered.
    for (const name of subscription.late) if (subscription.asksFor(name)) added.push(name)
    subscription.late.clear()
    this.#answerSotw(subscription, request, added, isFirst)
    if (isFirst) this.#takeLeftover(subscription)
    if (isFirst) this.#departures.waitFor(subscription)
    this.#changed()
    return undefined
  }

  #answerSotw(subscription: Subscription, request: SotwRequest, added: readonly string[], isFirst: boolean): void {
    const { view } = this.#context
    if (isFirst && request.version !== '') {
      this.#context.hadConfiguration = true
      // The client has something; what it is, this variant does not tell.
      for (const name of request.names)
        subscription.inherited.set(name, view.wanted(subscription.typeUrl, name)?.version)
    }
    const wantsAny = subscription.wildcard || subscription.names.size + subscription.collections.size > 0
    if (subscription.traits.fullSet) {
      const { fullSets } = this.#push
      const isCurrent =
        isFirst &&
        subscription.wildcard &&
        subscription.names.size === 0 &&
        request.version !== '' &&
        request.version === fullSets.currentVersion(subscription)
      if (isFirst) fullSets.start(subscription, request.version === '', isCurrent)
      if (!wantsAny || isCurrent || !(isFirst || added.length > 0)) return
      for (const name of subscription.selected(view)) subscription.dirty.add(name)
    } else {
      if (!wantsAny || !(isFirst || added.length > 0)) return
      for (const name of added) this.#owe(subscription, name)
    }
    subscription.answerOwed = true
  }

  /** The view has changed: notes names, sends nothing. */
  onViewChange(change: ViewChange): void {
    const { subscriptions } = this.#context
    for (const [typeUrl, names] of change.changed) {
      const subscription = subscriptions.get(typeUrl)
      if (subscription === undefined) continue
      for (const name of names) {
        subscription.overdue.delete(name)
        if (subscription.wants(name)) subscription.dirty.add(name)
      }
      this.#departures.keepForStandIns(subscription, names)
    }
    this.#departures.retire(change.retired)
    this.#departures.onGone(change.gone)
    if (this.#context.variant === 'sotw') this.#noteGone(change.gone)
    this.#host.scheduleFlush()
  }

  /** A full set that was refused may be accepted now that something is gone from it. */
  #noteGone(gone: NamesByType): void {
    for (const [typeUrl, names] of gone) {
      const subscription = this.#context.subscriptions.get(typeUrl)
      if (!subscription?.traits.fullSet) continue
      for (const name of names) if (subscription.wants(name)) subscription.dirty.add(name)
    }
  }

  /** Takes the listeners away; the proxy's next stream begins without this. */
  drain(): void {
    if (this.#context.isDraining) return
    this.#context.drain()
    const listeners = this.#context.subscriptions.get(typeUrls.listener)
    if (listeners !== undefined) {
      for (const name of [...listeners.heldNames(), ...listeners.ghosts]) listeners.dirty.add(name)
      // State of the world: nobody may know what the proxy has, but an empty set says it all.
      if (this.#context.variant === 'sotw') listeners.answerOwed = true
    }
    this.#changed()
  }

  /** Names that may be removed now. */
  onDue(names: NamesByType): void {
    this.#departures.onDue(names)
    this.#host.scheduleFlush()
  }

  flush(): void {
    this.#cancelWake?.()
    this.#cancelWake = undefined
    this.#push.flush()
    const { wakeAt } = this.#push
    if (wakeAt !== undefined) {
      const { clock } = this.#context
      this.#cancelWake = clock.after(Math.max(0, wakeAt - clock.now()), () => {
        this.#cancelWake = undefined
        this.#host.scheduleFlush()
      })
    }
    this.#host.noteState()
  }

  /** @returns what the proxy's next stream should know */
  close(): Leftover {
    this.#cancelWake?.()
    const { outlet, retirement, subscriptions, acks } = this.#context
    outlet.close()
    retirement.close()
    const ghosts = new Map<string, Set<string>>()
    const warming = new Set<string>()
    for (const [typeUrl, subscription] of subscriptions) {
      for (const [name, version] of subscription.acked) acks.move(typeUrl, name, version, undefined)
      const names = new Set(subscription.ghosts)
      for (const flight of subscription.flights.values()) {
        for (const { name } of flight.resources) {
          names.add(name)
          if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.endpoint) warming.add(name)
        }
      }
      // Lost in a refused response, or not sent yet: the cluster that they are for may be waiting for them.
      if (typeUrl === typeUrls.endpoint) {
        for (const name of [...subscription.suspects, ...subscription.pushed]) warming.add(name)
      }
      if (names.size > 0) ghosts.set(typeUrl, names)
    }
    return { ghosts, warming }
  }

  #subscription(request: AnyRequest): Subscription | string {
    if (request.typeUrl === '') return 'type_url is required on an aggregated stream'
    const { subscriptions } = this.#context
    if (subscriptions.size >= maximumTypes && !subscriptions.has(request.typeUrl)) return 'too many resource types'
    return this.#context.subscription(request.typeUrl)
  }

  #changed(): void {
    this.#host.scheduleFlush()
    this.#host.noteState()
  }

  /** @returns whether the client had anything */
  #takeInitialVersions(subscription: Subscription, initial: Readonly<Record<string, string>>): boolean {
    const { view, acks } = this.#context
    const { typeUrl } = subscription
    const gone = new Set<string>()
    let hasAny = false
    for (const given of Object.keys(initial)) {
      hasAny = true
      if (!subscription.wants(given)) continue
      view.presume(typeUrl, given, initial[given] ?? '')
      const resource = view.get(typeUrl, given)
      // The strings of the request are not kept where equal ones are shared by all streams.
      const name = resource?.name ?? given
      const version = resource?.version === initial[given] ? resource?.version : initial[given]
      assert(version !== undefined, 'a key has a value')
      acks.move(typeUrl, name, subscription.acked.get(name), version)
      subscription.acked.set(name, version)
      const isKnown = version === resource?.version || version === view.lastGood(typeUrl, name)?.version
      const standsFor = parseStandInVersion(version)?.wanted ?? view.wanted(typeUrl, name)?.version
      if (!isKnown) subscription.inherited.set(name, standsFor)
      if (resource !== undefined && resource.version === version) view.accept(resource)
      else if (view.has(typeUrl, name) || typeUrl === typeUrls.listener) subscription.dirty.add(name)
      else gone.add(name)
    }
    if (hasAny) this.#context.hadConfiguration = true
    if (gone.size > 0) this.#departures.retire(new Map([[typeUrl, gone]]))
    return hasAny
  }

  #takeLeftover(subscription: Subscription): void {
    const { leftover } = this.#host
    if (leftover === undefined) return
    const { typeUrl } = subscription
    const gone = new Set<string>()
    // A full set needs no list of what must go.
    const isFullSet = this.#context.variant === 'sotw' && subscription.traits.fullSet
    for (const name of isFullSet ? [] : (leftover.ghosts.get(typeUrl) ?? [])) {
      if (!subscription.wants(name)) continue
      subscription.ghosts.add(name)
      if (!this.#context.view.has(typeUrl, name)) gone.add(name)
    }
    if (typeUrl === typeUrls.listener) for (const name of gone) subscription.dirty.add(name)
    else if (gone.size > 0) this.#departures.retire(new Map([[typeUrl, gone]]))
    if (typeUrl === typeUrls.endpoint) {
      for (const name of leftover.warming) {
        if (!subscription.wants(name)) continue
        subscription.pushed.add(name)
        subscription.dirty.add(name)
      }
    }
  }

  #applyInterest(subscription: Subscription, interest: Interest, isInitial: (name: string) => boolean): void {
    for (const name of interest.added) this.#owe(subscription, name, isInitial)
    if (interest.wildcardAdded) this.#owe(subscription, '*', isInitial)
    this.#forgetUnwanted(subscription, interest)
  }

  /** What the client asks for must be answered, even if it was sent before: it may have forgotten. */
  #owe(subscription: Subscription, asked: string, isInitial: (name: string) => boolean = () => false): void {
    const { view } = this.#context
    const { typeUrl } = subscription
    const isCollection = subscription.collections.has(asked)
    const names = asked === '*' ? view.names(typeUrl) : isCollection ? view.members(typeUrl, asked) : [asked]
    for (const name of names) {
      if (!subscription.wants(name)) continue
      // On reconnection only differences are sent.
      const isKnown = isInitial(name)
      if (isKnown && view.get(typeUrl, name)?.version === subscription.held(name)) continue
      if (!isKnown) subscription.owed.add(name)
      subscription.dirty.add(name)
    }
  }

  #forgetUnwanted(subscription: Subscription, interest: Interest): void {
    for (const name of interest.removed) {
      if (subscription.wants(name)) {
        // Still covered by the wildcard: the client must hear whether that means having it.
        if (this.#context.variant === 'sotw') continue
        subscription.released.add(name)
        subscription.owed.add(name)
        subscription.dirty.add(name)
      } else this.#context.forget(subscription, name)
    }
    if (!interest.wildcardRemoved && !interest.removed.some((name) => name.endsWith('/*'))) return
    for (const name of [...subscription.acked.keys(), ...subscription.dirty]) {
      if (!subscription.wants(name)) this.#context.forget(subscription, name)
    }
  }
}
