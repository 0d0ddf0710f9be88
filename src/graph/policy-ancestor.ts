import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { parseBackendKey } from './backend.ts'
import { type TargetKey, targetKey } from './backend-tls-policy.ts'
import { backendKeysOf } from './l7-route.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'
import type { RouteAttachment } from './route-attachment.ts'
import { isStreamRoute } from './stream-owner.ts'
import { streamBackendKeysOf } from './stream-route.ts'

/** That routes of a kind in a namespace lead from a Gateway to a target. Many routes make one lead. */
interface PolicyLead {
  readonly target: TargetKey
  readonly gateway: NamespacedName
  readonly kind: string
  readonly namespace: string
}

type LeadKey = string & { readonly __brand: 'LeadKey' }

/** No name of an object, kind or group has a blank. */
function leadKey({ target, gateway, kind, namespace }: PolicyLead): LeadKey {
  return `${target} ${gateway} ${kind} ${namespace}` as LeadKey
}

function parseLeadKey(key: LeadKey): PolicyLead {
  const [target, gateway, kind = '', namespace = ''] = key.split(' ')
  return { target: target as TargetKey, gateway: gateway as NamespacedName, kind, namespace }
}

/** What the route of an attachment sends its traffic to, as targets of policies. */
function leadsOfAttachment({ gateway, route }: RouteAttachment): Set<LeadKey> {
  const keys = isStreamRoute(route) ? streamBackendKeysOf(route.source) : backendKeysOf(route.source)
  const { kind } = route
  const { namespace } = route.source.metadata
  return new Set(keys.map((key) => leadKey({ target: targetKey(parseBackendKey(key)), gateway, kind, namespace })))
}

/**
 * The Gateways that lead to a target, sorted: the ancestors of its policies. A route that may not refer to the
 * target leads nowhere, so that strangers do not fill statuses.
 */
export function createAncestors(
  scheduler: Scheduler,
  attachments: Collection<string, RouteAttachment>,
  grants: ReferenceGrantIndex,
): Collection<TargetKey, readonly NamespacedName[]> {
  const byLead = scheduler.index('RouteAttachments by policy lead', attachments, leadsOfAttachment)
  const leads = scheduler.derive('PolicyLead', scheduler.keys('PolicyLead keys', byLead), (key, reads) => {
    const lead = parseLeadKey(key)
    const [group = '', kind = '', namespace = '', ...rest] = lead.target.split('/')
    const from = { group: gatewayGroup, kind: lead.kind, namespace: lead.namespace }
    return isReferencePermitted(reads, grants, from, { group, kind, namespace, name: rest.join('/') })
      ? lead
      : undefined
  })
  const byTarget = scheduler.index('PolicyLeads by target', leads, ({ target }) => [target])
  return scheduler.group('Gateways by policy target', byTarget, (_target, _reads, members) =>
    [...new Set(members.map(({ gateway }) => gateway))].sort(),
  )
}
