import { tableTypes } from './order.ts'
import { typeUrls } from './resource.ts'
import { type Barrier, barrierKey } from './retirement.ts'
import type { NamesByType } from './snapshot.ts'
import type { StreamContext } from './stream-context.ts'
import type { Subscription } from './subscription.ts'

/** Decides what the resources that leave this proxy have to wait for; `Retirement` waits. */
export class Departures {
  readonly #context: StreamContext

  constructor(context: StreamContext) {
    this.#context = context
  }

  /** The names are no longer wanted. */
  retire(retired: NamesByType): void {
    const names = new Map<string, Set<string>>()
    for (const [typeUrl, all] of retired) {
      const subscription = this.#context.subscriptions.get(typeUrl)
      if (subscription === undefined) continue
      const held = [...all].filter((name) => subscription.held(name) !== undefined || subscription.ghosts.has(name))
      if (held.length > 0) names.set(typeUrl, new Set(held))
    }
    if (names.size === 0) return
    const { retirement } = this.#context
    const tables = new Map([...names].filter(([typeUrl]) => tableTypes.includes(typeUrl)))
    if (tables.size > 0) {
      // A table does not wait for itself, but for the listener that used it; what it used waits for both.
      const others = this.#barrier()
      for (const [typeUrl, own] of tables) for (const name of own) others.delete(barrierKey(typeUrl, name))
      retirement.retire(tables, others)
      for (const typeUrl of tables.keys()) names.delete(typeUrl)
    }
    if (names.size > 0) retirement.retire(names, this.#barrier())
  }

  /** The names are gone from the view as well. Most have been retired here; some before this stream began. */
  onGone(gone: NamesByType): void {
    const late = new Map<string, Set<string>>()
    let isWaiting: boolean | undefined
    for (const [typeUrl, names] of gone) {
      const subscription = this.#context.subscriptions.get(typeUrl)
      if (subscription === undefined) continue
      for (const name of names) {
        // Under way already: it waits here as well, or it has waited and is about to be sent.
        if (this.#context.retirement.has(typeUrl, name) || subscription.removals.has(name)) continue
        isWaiting ??= this.#barrier().size > 0
        if (subscription.overdue.delete(name) && !isWaiting) subscription.removals.add(name)
        else late.set(typeUrl, (late.get(typeUrl) ?? new Set()).add(name))
      }
    }
    this.retire(late)
  }

  /** The names have waited long enough. */
  onDue(names: NamesByType): void {
    const { subscriptions, view } = this.#context
    for (const [typeUrl, due] of names) {
      const subscription = subscriptions.get(typeUrl)
      if (subscription === undefined) continue
      for (const name of due) {
        if (!view.has(typeUrl, name)) subscription.removals.add(name)
        else if (view.wanted(typeUrl, name) === undefined) subscription.overdue.add(name)
      }
    }
  }

  /** A reconnected proxy has told which tables it has: what is on its way out waits for those that are old. */
  waitFor(subscription: Subscription): void {
    if (subscription.traits.table) this.#context.retirement.extend(this.#barrier(subscription.typeUrl))
  }

  /** The last good form of a refused table may use what is on its way out: that waits for a wanted form. */
  keepForStandIns(subscription: Subscription, names: Iterable<string>): void {
    const { view, retirement, nextSequence } = this.#context
    if (!subscription.traits.table) return
    const barrier: Barrier = new Map()
    for (const name of names) {
      if (subscription.wants(name) && (view.isRefused(subscription.typeUrl, name) || subscription.refused.has(name))) {
        barrier.set(barrierKey(subscription.typeUrl, name), nextSequence)
      }
    }
    retirement.extend(barrier)
  }

  /** Every table and listener, or those of one type, that is about to change, and the response to wait for. */
  #barrier(only?: string): Barrier {
    const { subscriptions, nextSequence, view } = this.#context
    const barrier: Barrier = new Map()
    for (const typeUrl of only === undefined ? tableTypes : [only]) {
      const subscription = subscriptions.get(typeUrl)
      if (subscription === undefined) continue
      for (const flight of subscription.flights.values()) {
        for (const { name } of flight.resources) {
          if (subscription.wants(name)) barrier.set(barrierKey(typeUrl, name), flight.sequence)
        }
        for (const name of flight.removed) barrier.set(barrierKey(typeUrl, name), flight.sequence)
      }
      // A refused table whose successor is not on its way stays as it is in the proxy, with all that it uses.
      const stuck = [...subscription.refused.keys()].filter((name) => subscription.flightOf(name) === undefined)
      for (const name of [...subscription.dirty, ...stuck, ...view.refusedNames(typeUrl)]) {
        if (!subscription.wants(name)) continue
        const isGoing = typeUrl === typeUrls.listener && subscription.held(name) !== undefined
        if (view.has(typeUrl, name) || isGoing) barrier.set(barrierKey(typeUrl, name), nextSequence)
      }
    }
    return barrier
  }
}
