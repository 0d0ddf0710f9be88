import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import { deriveGatewayBinding } from './gateway-binding.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import { gatewayUidLabel } from './labels.ts'
import { infrastructureName } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/** What kept the infrastructure of a Gateway from being made, by Gateway. */
export type InfrastructureProblems = Collection<NamespacedName, readonly Problem[]>

/**
 * In a cluster, where proxies listen follows from what is asked for and from the Service that exists for it. It
 * is derived in every replica, so that a restarted one knows it before it answers the first proxy.
 */
export function createGatewayBindings(
  scheduler: Scheduler,
  fleets: Collection<NamespacedName, ProxyFleet>,
  services: Collection<NamespacedName, Service>,
  problems: InfrastructureProblems,
  options: Pick<InfrastructureOptions, 'listenAddress'>,
): Collection<NamespacedName, GatewayBinding> {
  return scheduler.derive('GatewayBinding of a fleet', fleets, (fleet, reads) => {
    const { namespace } = splitNamespacedName(fleet.key)
    const service = reads.get(services, namespacedName(namespace, infrastructureName(fleet)))
    // Somebody else's Service of this name says nothing about the Gateway.
    const own = service?.metadata.labels[gatewayUidLabel] === fleet.uid ? service : undefined
    return deriveGatewayBinding(fleet, own, options, reads.get(problems, fleet.key))
  })
}
