import { compactList } from '../base/compact-list.ts'
import type { Reads } from '../collections/collection.ts'
import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup, type ParentReference } from '../gatewayapi/objects/reference.ts'
import { type BackendTLSPolicyNode, findPolicyConflicts, targetKeysOf } from '../graph/backend-tls-policy.ts'
import type { Graph } from '../graph/graph.ts'
import type { Refusal } from '../graph/programming.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'

/** One of our entries in status.ancestors: what the policy is worth for the backends of one Gateway. */
export interface PolicyAncestorStatus {
  readonly ancestorRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface PolicyStatus {
  readonly ancestors: readonly PolicyAncestorStatus[]
}

const rules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The policy holds for its targets' },
    rank: ['Conflicted', 'NoValidCACertificate', 'Invalid', 'TargetNotFound'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: ['InvalidCACertificateRef', 'InvalidKind'],
  },
  {
    // Not of the specification: told only when a proxy refused what the policy is part of.
    type: 'Programmed',
    success: { status: 'True', reason: 'Programmed', message: '' },
    rank: ['Invalid'],
    optional: true,
  },
]

/** At most as many as the API server takes. */
const mostAncestors = 16

/** @returns nothing for a policy whose targets no Gateway of ours leads to: then it is none of our business */
export function deriveBackendTLSPolicyStatus(
  node: BackendTLSPolicyNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
  refusals: readonly Refusal[] = [],
): PolicyStatus | undefined {
  const gateways = new Set(targetKeysOf(node).flatMap((target) => reads.get(graph.gatewaysByTarget, target) ?? []))
  if (gateways.size === 0) return undefined
  const refused = refusals.map(({ message }) => ({ on: 'Programmed', reason: 'Invalid', message }))
  const problems = [...node.problems, ...findPolicyConflicts(node, reads, graph.policiesByTarget), ...refused]
  const conditions = buildConditions(rules, problems, node.source.metadata.generation ?? 0, true)
  const ancestors = [...gateways].sort().map((gateway): PolicyAncestorStatus => {
    const ancestorRef = { group: gatewayGroup, kind: 'Gateway', ...splitNamespacedName(gateway) }
    return { ancestorRef, controllerName, conditions }
  })
  return { ancestors: compactList(ancestors.slice(0, mostAncestors)) }
}
