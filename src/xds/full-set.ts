import { compareStrings } from '../base/compare.ts'
import { contentVersion } from '../base/hash.ts'
import { type EnvoyResource, typeUrls } from './resource.ts'
import type { StreamContext } from './stream-context.ts'
import type { Flight, Subscription } from './subscription.ts'

/** What the rest of the push does for full sets. */
interface FullSetHost {
  afterSending(resources: readonly EnvoyResource[]): void
  settleUnchanged(subscription: Subscription, name: string, resource: EnvoyResource): void
  releaseBarrier(subscription: Subscription, name: string): void
  mustWait(subscription: Subscription, name: string, resource: EnvoyResource): boolean
}

interface FullSetState {
  /** What the client has accepted, with its bytes: leaving anything out of a response deletes it. */
  kept: Map<string, EnvoyResource>
  /** What was sent last, accepted or not. */
  sent: Map<string, EnvoyResource>
  /** After a reconnection nobody knows the bytes that the client holds, until it accepts a response. */
  isBaselineKnown: boolean
  /** Groups of suspects that are tried on top of what is kept, one group after the other. */
  trials: (readonly string[])[]
  trying: string | undefined
  /** Versions of sets that were refused for a reason that could not be found out. */
  readonly refusedSets: Set<string>
}

const maximumRefusedSets = 64

/** What a refused response tells. */
export interface Blame {
  /** Known to be bad: not to be sent to anybody again. */
  readonly culprits: readonly EnvoyResource[]
  /** One or more of these are bad, and leaving any out would take away what the proxy has: it stays as it is. */
  readonly unclear: readonly EnvoyResource[]
}

/**
 * State of the world, for the types whose responses hold everything: what is missing is deleted. So a
 * resource that must wait or was refused is represented by the bytes that the client has, and the
 * culprit of a refusal is sought by halving, on top of what is known to be accepted.
 */
export class FullSetPush {
  readonly #context: StreamContext
  readonly #host: FullSetHost
  readonly #states = new Map<Subscription, FullSetState>()

  constructor(context: StreamContext, host: FullSetHost) {
    this.#context = context
    this.#host = host
  }

  /** The version of everything that the client should have. */
  currentVersion(subscription: Subscription): string {
    return versionOf(this.#compose(subscription, new Set()))
  }

  /** The client's first request: it has nothing yet, or exactly what is current, or something unknown. */
  start(subscription: Subscription, isEmpty: boolean, isCurrent: boolean): void {
    const state = this.#state(subscription)
    state.isBaselineKnown = isEmpty || isCurrent
    if (!isCurrent) return
    for (const resource of this.#compose(subscription, new Set())) {
      state.kept.set(resource.name, resource)
      state.sent.set(resource.name, resource)
      this.#context.accept(subscription, resource.name, resource.version)
      this.#context.view.accept(resource)
    }
  }

  send(subscription: Subscription): void {
    const state = this.#state(subscription)
    const { view } = this.#context
    if (subscription.traits.table && subscription.flights.size > 0) return
    // A trial stands on firm ground only: on what is accepted, with nothing else on its way.
    if (state.trials.length > 0 && subscription.flights.size > 0) return
    const withheld = new Set<string>()
    // After a refusal that nobody understood, any change may be the cure, also that something is gone.
    const isStuck = state.refusedSets.size > 0 && subscription.dirty.size > 0
    let isChanged = isStuck || subscription.answerOwed || subscription.removals.size > 0 || state.trials.length > 0
    for (const name of subscription.dirty) {
      if (!subscription.wants(name)) {
        this.#context.forget(subscription, name)
        continue
      }
      const resource = view.get(subscription.typeUrl, name)
      if (resource === undefined) {
        if (subscription.typeUrl === typeUrls.listener && subscription.held(name) !== undefined) isChanged = true
        else this.#host.releaseBarrier(subscription, name)
        subscription.settleName(name)
      } else if (subscription.refused.get(name) === resource.version) {
        subscription.settleName(name)
      } else if (view.wanted(subscription.typeUrl, name) === undefined && subscription.held(name) !== undefined) {
        this.#host.releaseBarrier(subscription, name)
        subscription.settleName(name)
      } else if (!subscription.owed.has(name) && subscription.held(name) === resource.version) {
        this.#host.settleUnchanged(subscription, name, resource)
      } else if (this.#host.mustWait(subscription, name, resource)) {
        withheld.add(name)
      } else {
        isChanged = true
      }
    }
    if (!isChanged) return
    const group = state.trials[0]
    if (group !== undefined) {
      // Everything that differs from what is known to be good stays out, except for the group on trial.
      for (const name of view.names(subscription.typeUrl)) {
        const resource = view.get(subscription.typeUrl, name)
        if (resource !== undefined && !this.#isGood(state, resource) && !group.includes(name)) withheld.add(name)
      }
    }
    this.#sendSet(subscription, state, withheld, group !== undefined)
  }

  onAck(subscription: Subscription, flight: Flight): void {
    const state = this.#state(subscription)
    state.kept = new Map(flight.resources.map((r) => [r.name, r]))
    state.isBaselineKnown = true
    state.refusedSets.clear()
    if (state.trying === flight.nonce) this.#endTrial(subscription, state)
  }

  onNack(subscription: Subscription, flight: Flight, message: string): Blame {
    // What a later response carries as well counted as known to the client there, and was not followed up.
    const isFollowedUp = (r: EnvoyResource): boolean =>
      subscription.flightOf(r.name) === undefined || subscription.acked.get(r.name) === r.version
    this.#host.afterSending(flight.resources.filter((r) => !isFollowedUp(r)))
    const state = this.#state(subscription)
    const changed = flight.resources.filter((r) => subscription.acked.get(r.name) !== r.version)
    const isExplained = changed.some((r) => subscription.refused.get(r.name) === r.version)
    if (isExplained || changed.length === 0) {
      if (state.trying === flight.nonce) this.#endTrial(subscription, state)
      this.#markDirty(subscription, changed)
      return { culprits: [], unclear: [] }
    }
    const suspects = changed.filter((r) => !this.#isGood(state, r))
    if (suspects.length === 1 && state.isBaselineKnown) {
      if (state.trying === flight.nonce) this.#endTrial(subscription, state)
      else this.#markDirty(subscription, changed)
      return { culprits: suspects, unclear: [] }
    }
    if (!state.isBaselineKnown || suspects.length === 0) return this.#blameBlindly(subscription, state, flight, message)
    if (state.trying === flight.nonce) {
      state.trials.shift()
      state.trying = undefined
    }
    const middle = suspects.length >> 1
    const names = suspects.map((r) => r.name)
    state.trials.unshift(names.slice(0, middle), names.slice(middle))
    this.#markDirty(subscription, changed)
    return { culprits: [], unclear: [] }
  }

  /** Known to load: in this client, or in another of the scope. */
  #isGood(state: FullSetState, { typeUrl, name, version }: EnvoyResource): boolean {
    return state.kept.get(name)?.version === version || this.#context.view.lastGood(typeUrl, name)?.version === version
  }

  /**
   * The client holds something unknown, so nothing wanted may be left out. If the reason names nobody, what
   * other streams have accepted is put in place of what is new; when that is accepted, the ground is firm.
   */
  #blameBlindly(subscription: Subscription, state: FullSetState, flight: Flight, message: string): Blame {
    const changed = flight.resources.filter((r) => subscription.acked.get(r.name) !== r.version)
    const named = changed.filter((r) => message.includes(r.name))
    const wasTrial = state.trying === flight.nonce
    if (wasTrial) this.#endTrial(subscription, state)
    if (named.length > 0) {
      this.#markDirty(subscription, changed)
      return { culprits: named, unclear: [] }
    }
    const suspects = changed.filter((r) => !this.#isGood(state, r))
    const { view } = this.#context
    if (!wasTrial && suspects.some((r) => view.lastGood(r.typeUrl, r.name) !== undefined)) {
      state.trials = [[]]
      this.#markDirty(subscription, changed)
      return { culprits: [], unclear: [] }
    }
    if (state.refusedSets.size >= maximumRefusedSets) state.refusedSets.clear()
    state.refusedSets.add(versionOf(flight.resources))
    return { culprits: [], unclear: suspects }
  }

  #endTrial(subscription: Subscription, state: FullSetState): void {
    state.trials.shift()
    state.trying = undefined
    // What was left out meanwhile, also by changes during the trials.
    if (state.trials.length > 0) return
    for (const name of subscription.selected(this.#context.view)) subscription.dirty.add(name)
  }

  #markDirty(subscription: Subscription, resources: readonly EnvoyResource[]): void {
    for (const { name } of resources) subscription.dirty.add(name)
  }

  #sendSet(subscription: Subscription, state: FullSetState, withheld: ReadonlySet<string>, isTrial: boolean): void {
    const resources = this.#compose(subscription, withheld)
    const version = versionOf(resources)
    const owed = new Set(subscription.owed)
    for (const { name } of resources) if (!withheld.has(name)) subscription.settleName(name)
    subscription.removals.clear()
    if (state.refusedSets.has(version)) {
      subscription.answerOwed = false
      return
    }
    if (isTrial && state.isBaselineKnown && version === versionOf([...state.kept.values()])) {
      // The group has become good by another way, or is out of the question.
      this.#endTrial(subscription, state)
      this.send(subscription)
      return
    }
    const changed = resources.filter((r) => owed.has(r.name) || subscription.held(r.name) !== r.version)
    state.sent = new Map(resources.map((r) => [r.name, r]))
    const removed = subscription.heldNames().filter((name) => !state.sent.has(name))
    const flight = this.#context.send(subscription, resources, removed, version)
    if (isTrial) state.trying = flight.nonce
    this.#host.afterSending(changed)
  }

  /** Everything that the client should have: the latest, or for names that must stay as they are, what it has. */
  #compose(subscription: Subscription, withheld: ReadonlySet<string>): EnvoyResource[] {
    const { view, retirement } = this.#context
    const { typeUrl } = subscription
    const { kept, sent, isBaselineKnown } = this.#state(subscription)
    const resources: EnvoyResource[] = []
    for (const name of new Set(subscription.selected(view))) {
      const resource = view.get(typeUrl, name)
      if (resource !== undefined && !withheld.has(name) && subscription.refused.get(name) !== resource.version) {
        resources.push(resource)
        continue
      }
      const old = kept.get(name) ?? view.lastGood(typeUrl, name) ?? (isBaselineKnown ? undefined : resource)
      if (old !== undefined && subscription.refused.get(name) !== old.version) resources.push(old)
    }
    if (typeUrl === typeUrls.listener) return resources
    for (const [name, last] of sent) {
      // Unwanted, but it may still be used.
      if (view.has(typeUrl, name) || !retirement.has(typeUrl, name) || !subscription.wants(name)) continue
      const resource = subscription.refused.get(name) === last.version ? kept.get(name) : last
      if (resource !== undefined) resources.push(resource)
    }
    return resources
  }

  #state(subscription: Subscription): FullSetState {
    let state = this.#states.get(subscription)
    if (state === undefined) {
      state = {
        kept: new Map(),
        sent: new Map(),
        isBaselineKnown: true,
        trials: [],
        trying: undefined,
        refusedSets: new Set(),
      }
      this.#states.set(subscription, state)
    }
    return state
  }
}

/** Equal content has an equal version, whatever the order. */
function versionOf(resources: readonly EnvoyResource[]): string {
  return contentVersion(
    resources
      .map((resource) => `${resource.name}\n${resource.version}`)
      .sort(compareStrings)
      .join('\n'),
  )
}
