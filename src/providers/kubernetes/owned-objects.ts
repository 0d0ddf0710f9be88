import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { InfrastructureKind } from '../../infrastructure/manifest.ts'
import type { JsonObject } from './json.ts'
import { type LiveObject, readLiveObject } from './live-object.ts'

/**
 * The objects of the cluster that have been made for Gateways: whatever has our label and a Gateway that
 * controls it. Filled by a watch of each kind; late by a moment, so whoever writes checks again.
 */
export class OwnedObjects {
  readonly #objects = new Map<string, LiveObject>()
  readonly #byGateway = new Map<NamespacedName, Map<string, LiveObject>>()
  readonly #listeners = new Set<(gateway: NamespacedName) => void>()

  get size(): number {
    return this.#objects.size
  }

  get(kind: InfrastructureKind, key: NamespacedName): LiveObject | undefined {
    return this.#objects.get(`${kind} ${key}`)
  }

  /** Of a Gateway of that name, also of an earlier one. */
  ofGateway(gateway: NamespacedName): readonly LiveObject[] {
    return [...(this.#byGateway.get(gateway)?.values() ?? [])]
  }

  gateways(): Iterable<NamespacedName> {
    return this.#byGateway.keys()
  }

  /**
   * @param listener told of each Gateway one of whose objects is new, another, or gone
   * @returns ends the subscription
   */
  subscribe(listener: (gateway: NamespacedName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** An object as it is now. */
  put(kind: InfrastructureKind, object: JsonObject): void {
    const live = readLiveObject(kind, object)
    const id = `${kind} ${live.key}`
    const before = this.#objects.get(id)
    // Most events are about a status.
    if (before && isSame(before, live)) return
    const gateway = gatewayOf(live)
    this.#forget(id, before, gateway)
    if (gateway === undefined) return
    this.#objects.set(id, live)
    const siblings = this.#byGateway.get(gateway) ?? new Map<string, LiveObject>()
    this.#byGateway.set(gateway, siblings.set(id, live))
    this.#tell(gateway)
  }

  delete(kind: InfrastructureKind, key: NamespacedName): void {
    const id = `${kind} ${key}`
    this.#forget(id, this.#objects.get(id), undefined)
  }

  #forget(id: string, before: LiveObject | undefined, next: NamespacedName | undefined): void {
    const gateway = gatewayOf(before)
    if (gateway === undefined) return
    this.#objects.delete(id)
    const siblings = this.#byGateway.get(gateway)
    siblings?.delete(id)
    if (siblings?.size === 0) this.#byGateway.delete(gateway)
    if (gateway !== next) this.#tell(gateway)
  }

  #tell(gateway: NamespacedName): void {
    for (const listener of this.#listeners) listener(gateway)
  }
}

function isSame(a: LiveObject, b: LiveObject): boolean {
  return a.uid === b.uid && a.version === b.version && a.isDeleting === b.isDeleting && a.readyPods === b.readyPods
}

function gatewayOf(object: LiveObject | undefined): NamespacedName | undefined {
  return object?.owner?.kind === 'Gateway' ? object.owner.key : undefined
}
