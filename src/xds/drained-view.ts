import type { StandIn } from './isolation.ts'
import { type EnvoyResource, typeUrls } from './resource.ts'
import type { ScopeView } from './snapshot.ts'

/** What one stream sees of its scope. */
export type StreamView = Pick<
  ScopeView,
  | 'scope'
  | 'get'
  | 'has'
  | 'wanted'
  | 'names'
  | 'members'
  | 'refusalOf'
  | 'isRefused'
  | 'refusedNames'
  | 'lastGood'
  | 'standIn'
  | 'holdBack'
  | 'presume'
  | 'drainsUntil'
  | 'accept'
  | 'refuse'
>

/**
 * The view of a proxy that is to let go of its clients: there are no listeners, everything else stays,
 * because old connections still use it.
 */
export class DrainedView implements StreamView {
  readonly #view: StreamView
  readonly #drainsUntil: number

  /** @param drainsUntil until when the connections of the listeners that go now may live, on the server's clock */
  constructor(view: StreamView, drainsUntil: number) {
    this.#view = view
    this.#drainsUntil = drainsUntil
  }

  get scope(): string {
    return this.#view.scope
  }

  get drainsUntil(): number {
    return Math.max(this.#drainsUntil, this.#view.drainsUntil)
  }

  get(typeUrl: string, name: string): EnvoyResource | undefined {
    return isHidden(typeUrl) ? undefined : this.#view.get(typeUrl, name)
  }

  has(typeUrl: string, name: string): boolean {
    return !isHidden(typeUrl) && this.#view.has(typeUrl, name)
  }

  wanted(typeUrl: string, name: string): EnvoyResource | undefined {
    return isHidden(typeUrl) ? undefined : this.#view.wanted(typeUrl, name)
  }

  *names(typeUrl: string): IterableIterator<string> {
    if (!isHidden(typeUrl)) yield* this.#view.names(typeUrl)
  }

  members(typeUrl: string, collection: string): Iterable<string> {
    return isHidden(typeUrl) ? [] : this.#view.members(typeUrl, collection)
  }

  refusalOf(typeUrl: string, name: string): string | undefined {
    return isHidden(typeUrl) ? undefined : this.#view.refusalOf(typeUrl, name)
  }

  isRefused(typeUrl: string, name: string): boolean {
    return this.refusalOf(typeUrl, name) !== undefined
  }

  *refusedNames(typeUrl: string): IterableIterator<string> {
    if (!isHidden(typeUrl)) yield* this.#view.refusedNames(typeUrl)
  }

  lastGood(typeUrl: string, name: string): EnvoyResource | undefined {
    return isHidden(typeUrl) ? undefined : this.#view.lastGood(typeUrl, name)
  }

  standIn(typeUrl: string, name: string): StandIn | undefined {
    return isHidden(typeUrl) ? undefined : this.#view.standIn(typeUrl, name)
  }

  holdBack(typeUrl: string, name: string): void {
    this.#view.holdBack(typeUrl, name)
  }

  presume(typeUrl: string, name: string, version: string): void {
    this.#view.presume(typeUrl, name, version)
  }

  /** What the proxy says of a listener that was on its way counts for the others of its scope. */
  accept(resource: EnvoyResource): void {
    this.#view.accept(resource)
  }

  refuse(resource: EnvoyResource, message: string): void {
    this.#view.refuse(resource, message)
  }
}

function isHidden(typeUrl: string): boolean {
  return typeUrl === typeUrls.listener
}
