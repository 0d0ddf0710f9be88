import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import { deriveGatewayBinding } from './gateway-binding.ts'
import type { GatewayServices } from './gateway-services.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/** What kept the infrastructure of a Gateway from being made, by Gateway. */
export type InfrastructureProblems = Collection<NamespacedName, readonly Problem[]>

/**
 * In a cluster, where proxies listen follows from what is asked for and from the Services that exist for it. It
 * is derived in every replica, so that a restarted one knows it before it answers the first proxy.
 */
export function createGatewayBindings(
  scheduler: Scheduler,
  fleets: Collection<NamespacedName, ProxyFleet>,
  { plans, listLive }: GatewayServices,
  problems: InfrastructureProblems,
  options: Pick<InfrastructureOptions, 'listenAddress'>,
): Collection<NamespacedName, GatewayBinding> {
  return scheduler.derive('GatewayBinding of a fleet', fleets, (fleet, reads) =>
    deriveGatewayBinding(
      fleet,
      { plans: reads.get(plans, fleet.key) ?? [], live: listLive(fleet, reads) },
      options,
      reads.get(problems, fleet.key),
    ),
  )
}
