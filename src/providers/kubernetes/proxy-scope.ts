import type { Collection } from '../../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../../gatewayapi/object-key.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import type { OwnedObjects } from './owned-objects.ts'

/**
 * Whose proxies run as a service account: the Gateway that it was made for, and that is still there. A name
 * alone proves nothing: two Gateways may come to one, and anybody may have made an account of that name before us.
 * @returns the scope of their resources; undefined: they are nobody's
 */
export function findProxyScope(
  owned: Pick<OwnedObjects, 'get'>,
  fleets: Pick<Collection<NamespacedName, ProxyFleet>, 'get'>,
  namespace: string,
  serviceAccount: string,
): NamespacedName | undefined {
  const owner = owned.get('ServiceAccount', namespacedName(namespace, serviceAccount))?.owner
  const fleet = owner?.kind === 'Gateway' ? fleets.get(owner.key) : undefined
  return fleet?.uid === owner?.uid ? fleet?.key : undefined
}
