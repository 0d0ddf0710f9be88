import type { Collection, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { targetOfBackend } from './backend.ts'
import type { TargetKey } from './backend-tls-policy.ts'
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
  return new Set(keys.map((key) => leadKey({ target: targetOfBackend(key), gateway, kind, namespace })))
}

/** The Gateways that lead to a target, sorted: the ancestors of its policies. */
export type FindAncestors = (target: TargetKey, reads: Reads) => readonly NamespacedName[]

/**
 * Leads are found by their target, and whoever looks them up is told when one comes or goes, not when a route
 * changes. There is no collection of ancestors, because there are as many targets as backends, and few have a policy.
 * A route that may not refer to the target leads nowhere, so that strangers do not fill statuses.
 */
export function createAncestorFinder(
  scheduler: Scheduler,
  attachments: Collection<string, RouteAttachment>,
  grants: ReferenceGrantIndex,
): FindAncestors {
  // Without policies nobody asks, and this is as large as all routes.
  const byLead = scheduler.index('RouteAttachments by policy lead', attachments, leadsOfAttachment, { isLazy: true })
  const leads = scheduler.keys('PolicyLead', byLead)
  const byTarget = scheduler.index('PolicyLeads by target', leads, (key) => [parseLeadKey(key).target])
  return (target, reads) => {
    const [group = '', kind = '', namespace = '', ...rest] = target.split('/')
    const to = { group, kind, namespace, name: rest.join('/') }
    const found = new Set<NamespacedName>()
    for (const key of reads.lookup(byTarget, target)) {
      const lead = parseLeadKey(key)
      const from = { group: gatewayGroup, kind: lead.kind, namespace: lead.namespace }
      if (!found.has(lead.gateway) && isReferencePermitted(reads, grants, from, to)) found.add(lead.gateway)
    }
    return [...found].sort()
  }
}
