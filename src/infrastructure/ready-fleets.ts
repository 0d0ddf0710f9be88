import type { Collection, Index } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import type { GatewayServices } from './gateway-services.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/**
 * Gateways whose Services have a pod to send connections to; there is no entry for others. A proxy accepts its
 * configuration a moment before its pod is ready, and until then clients are refused at the address. In a rollout
 * the new pod is ready before the old one goes, so that a Gateway stays in here.
 */
export function createReadyFleets(
  scheduler: Scheduler,
  fleets: Collection<NamespacedName, ProxyFleet>,
  { listLive }: Pick<GatewayServices, 'listLive'>,
  slicesByService: Index<NamespacedName, NamespacedName, EndpointSlice>,
): Collection<NamespacedName, true> {
  return scheduler.derive('ready ProxyFleet', fleets, (fleet, reads) => {
    const { namespace } = splitNamespacedName(fleet.key)
    const slices = listLive(fleet, reads).flatMap(({ name }) =>
      reads.lookup(slicesByService, namespacedName(namespace, name)),
    )
    const isReady = slices.some(({ endpoints }) => endpoints.some(({ conditions }) => conditions.ready !== false))
    return isReady ? true : undefined
  })
}
