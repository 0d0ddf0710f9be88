import type { Collection, Index, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import { gatewayUidLabel } from './labels.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { type LiveService, planServices, readLiveService, type ServicePlan } from './service-plan.ts'

/** The Services of Gateways: as they are, and as they are to be. */
export interface GatewayServices {
  readonly plans: Collection<NamespacedName, readonly ServicePlan[]>
  /** Those of a Gateway that are there, by their names; not those that are being deleted. */
  readonly listLive: (fleet: ProxyFleet, reads: Reads) => readonly LiveService[]
}

/** What is to be depends on what is, because whatever has an address that is asked for keeps it. */
export function createGatewayServices(
  scheduler: Scheduler,
  fleets: Collection<NamespacedName, ProxyFleet>,
  services: Collection<NamespacedName, Service>,
): GatewayServices {
  const byGateway: Index<string, NamespacedName, Service> = scheduler.index(
    'Services by Gateway',
    services,
    ({ metadata }) => {
      const uid = metadata.labels[gatewayUidLabel]
      return uid === undefined || metadata.deletionTimestamp !== undefined ? [] : [uid]
    },
  )
  const listLive = ({ key, uid }: ProxyFleet, reads: Reads): readonly LiveService[] => {
    const { namespace } = splitNamespacedName(key)
    // Of whatever somebody has copied to another namespace, labels and all, nothing belongs to the Gateway.
    return reads
      .lookup(byGateway, uid)
      .filter(({ metadata }) => metadata.namespace === namespace)
      .map(readLiveService)
  }
  const plans = scheduler.derive('ServicePlan', fleets, (fleet, reads) => planServices(fleet, listLive(fleet, reads)))
  return { plans, listLive }
}
