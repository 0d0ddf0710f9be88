import { compactList } from '../base/compact-list.ts'
import type { Reads } from '../collections/collection.ts'
import { type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup, type ParentReference } from '../gatewayapi/objects/reference.ts'
import type { TargetKey } from '../graph/backend-tls-policy.ts'
import type { Graph } from '../graph/graph.ts'
import type { Condition } from './condition.ts'

/** One of our entries in status.ancestors: what an object is worth for the backends of one Gateway. */
export interface PolicyAncestorStatus {
  readonly ancestorRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface PolicyStatus {
  readonly ancestors: readonly PolicyAncestorStatus[]
}

/** At most as many as the API server takes. */
const mostAncestors = 16

/** The Gateways that lead to any of these targets, sorted. */
export function findAncestors(targets: readonly TargetKey[], reads: Reads, graph: Graph): NamespacedName[] {
  return [...new Set(targets.flatMap((target) => graph.findAncestors(target, reads)))].sort()
}

/** One entry for each Gateway, all saying the same. @returns nothing without a Gateway: then it is none of our business */
export function buildPolicyStatus(
  gateways: readonly NamespacedName[],
  controllerName: string,
  conditions: readonly Condition[],
): PolicyStatus | undefined {
  if (gateways.length === 0) return undefined
  const ancestors = gateways.slice(0, mostAncestors).map((gateway): PolicyAncestorStatus => {
    const ancestorRef = { group: gatewayGroup, kind: 'Gateway', ...splitNamespacedName(gateway) }
    return { ancestorRef, controllerName, conditions }
  })
  return { ancestors: compactList(ancestors) }
}
