import type { Collection, Source } from '../collections/collection.ts'
import { isStructurallyEqual } from '../collections/equality.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import { deriveGatewayBinding } from './gateway-binding.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import { gatewayUidLabel } from './labels.ts'
import { infrastructureName } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

export interface GatewayBindingsOptions {
  readonly fleets: Collection<NamespacedName, ProxyFleet>
  /** All of the cluster; those of Gateways are among them. */
  readonly services: Collection<NamespacedName, Service>
  readonly bindings: Source<NamespacedName, GatewayBinding>
  readonly batch: (run: () => void) => void
  readonly options: Pick<InfrastructureOptions, 'listenAddress'>
}

/**
 * Tells the graph where the proxies of each Gateway listen. Every replica of the control plane does this, the
 * leader or not, because all of them serve proxies; the addresses matter for statuses alone.
 */
export class GatewayBindings {
  readonly #options: GatewayBindingsOptions
  readonly #problems = new Map<NamespacedName, readonly string[]>()
  /** By the name of the Service that a Gateway has, or would have. */
  readonly #gatewaysOf = new Map<NamespacedName, Set<NamespacedName>>()
  readonly #serviceOf = new Map<NamespacedName, NamespacedName>()
  readonly #unsubscribe: readonly (() => void)[]

  constructor(options: GatewayBindingsOptions) {
    this.#options = options
    const { fleets, services } = options
    this.#unsubscribe = [
      fleets.subscribe((changes) => this.#update(changes.map((change) => change.key))),
      services.subscribe((changes) =>
        this.#update(changes.flatMap(({ key }) => [...(this.#gatewaysOf.get(key) ?? [])])),
      ),
    ]
    this.#update([...fleets.entries()].map(([key]) => key))
  }

  /**
   * @param problems what keeps the infrastructure of a Gateway from being made, as sentences; an empty list when
   *   nothing does
   */
  setProblems(gateway: NamespacedName, problems: readonly string[]): void {
    if (problems.length === 0) this.#problems.delete(gateway)
    else this.#problems.set(gateway, problems)
    this.#update([gateway])
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  #update(gateways: readonly NamespacedName[]): void {
    const { fleets, bindings, options, batch } = this.#options
    const changed = gateways
      .map((gateway) => {
        const fleet = fleets.get(gateway)
        const service = this.#findService(gateway, fleet)
        const binding = fleet && deriveGatewayBinding(fleet, service, options, this.#describeProblems(gateway))
        return { gateway, binding }
      })
      .filter(({ gateway, binding }) => !isStructurallyEqual(binding, bindings.get(gateway)))
    if (changed.length === 0) return
    batch(() => {
      for (const { gateway, binding } of changed) {
        if (binding) bindings.set(gateway, binding)
        else bindings.delete(gateway)
      }
    })
  }

  #describeProblems(gateway: NamespacedName) {
    const messages = this.#problems.get(gateway) ?? []
    return messages.map((message) => ({ on: 'Programmed', reason: 'Invalid', message }))
  }

  /** The Service that was made for this very Gateway: one that only has its name leads to somebody else. */
  #findService(gateway: NamespacedName, fleet: ProxyFleet | undefined): Service | undefined {
    const key = fleet && namespacedName(splitNamespacedName(gateway).namespace, infrastructureName(fleet))
    const earlier = this.#serviceOf.get(gateway)
    if (earlier !== key && earlier !== undefined) {
      this.#serviceOf.delete(gateway)
      this.#gatewaysOf.get(earlier)?.delete(gateway)
      if (this.#gatewaysOf.get(earlier)?.size === 0) this.#gatewaysOf.delete(earlier)
    }
    if (key === undefined) return undefined
    this.#serviceOf.set(gateway, key)
    this.#gatewaysOf.set(key, (this.#gatewaysOf.get(key) ?? new Set()).add(gateway))
    const service = this.#options.services.get(key)
    return service?.metadata.labels[gatewayUidLabel] === fleet?.uid ? service : undefined
  }
}
