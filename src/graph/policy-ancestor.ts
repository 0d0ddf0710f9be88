import type { Reads } from '../collections/collection.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { parseBackendKey } from './backend.ts'
import { type TargetKey, targetKey } from './backend-tls-policy.ts'
import { backendKeysOf } from './l7-route.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'
import type { RouteAttachment } from './route-attachment.ts'
import { isStreamRoute } from './stream-owner.ts'
import { streamBackendKeysOf } from './stream-route.ts'

/** What the route of an attachment sends its traffic to, as targets of policies. */
export function targetsOfAttachment({ route }: RouteAttachment): Set<TargetKey> {
  const keys = isStreamRoute(route) ? streamBackendKeysOf(route.source) : backendKeysOf(route.source)
  return new Set(keys.map((key) => targetKey(parseBackendKey(key))))
}

/**
 * The Gateways that lead to a target: the ancestors of its policies. A route that may not refer to the target
 * leads nowhere, so that strangers do not fill statuses.
 * @returns sorted
 */
export function listAncestors(
  target: TargetKey,
  attachments: readonly RouteAttachment[],
  reads: Reads,
  grants: ReferenceGrantIndex,
): NamespacedName[] {
  const [group = '', kind = '', namespace = '', ...rest] = target.split('/')
  const to = { group, kind, namespace, name: rest.join('/') }
  const found = new Set<NamespacedName>()
  for (const { gateway, route } of attachments) {
    const from = { group: gatewayGroup, kind: route.kind, namespace: route.source.metadata.namespace }
    if (!found.has(gateway) && isReferencePermitted(reads, grants, from, to)) found.add(gateway)
  }
  return [...found].sort()
}
