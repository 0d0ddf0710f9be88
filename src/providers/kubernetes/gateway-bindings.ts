import type { Collection, Source } from '../../collections/collection.ts'
import { isStructurallyEqual } from '../../collections/equality.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import type { Service } from '../../gatewayapi/objects/service.ts'
import type { GatewayBinding } from '../../graph/gateway-binding.ts'
import type { Problem } from '../../graph/problem.ts'
import { deriveGatewayBinding } from '../../infrastructure/gateway-binding.ts'
import type { InfrastructureOptions } from '../../infrastructure/infrastructure-options.ts'
import { infrastructureName } from '../../infrastructure/names.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'

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
  readonly #problems = new Map<NamespacedName, readonly Problem[]>()
  /** Whose a Service is, by its name. */
  readonly #gatewayOf = new Map<NamespacedName, NamespacedName>()
  readonly #unsubscribe: readonly (() => void)[]

  constructor(options: GatewayBindingsOptions) {
    this.#options = options
    const { fleets, services } = options
    this.#unsubscribe = [
      fleets.subscribe((changes) => this.#update(changes.map((change) => change.key))),
      services.subscribe((changes) => this.#update(changes.flatMap(({ key }) => this.#gatewayOf.get(key) ?? []))),
    ]
    this.#update([...fleets.entries()].map(([key]) => key))
  }

  /** What keeps the infrastructure of a Gateway from being made; an empty list when nothing does. */
  setProblems(gateway: NamespacedName, problems: readonly Problem[]): void {
    if (problems.length === 0) this.#problems.delete(gateway)
    else this.#problems.set(gateway, problems)
    this.#update([gateway])
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  #update(gateways: readonly NamespacedName[]): void {
    const { fleets, services, bindings, options, batch } = this.#options
    const changed = gateways
      .map((gateway) => {
        const fleet = fleets.get(gateway)
        const service = fleet && serviceKeyOf(fleet)
        if (service) this.#gatewayOf.set(service, gateway)
        const problems = this.#problems.get(gateway)
        const binding = fleet && deriveGatewayBinding(fleet, services.get(service as NamespacedName), options, problems)
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
}

function serviceKeyOf(fleet: ProxyFleet): NamespacedName {
  return namespacedName(splitNamespacedName(fleet.key).namespace, infrastructureName(fleet))
}
