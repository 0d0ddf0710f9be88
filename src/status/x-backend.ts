import type { Reads } from '../collections/collection.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import { targetKey } from '../graph/backend-tls-policy.ts'
import type { Graph } from '../graph/graph.ts'
import type { XBackendNode } from '../graph/x-backend.ts'
import { findTrafficConflicts, type TrafficPolicyNode, trafficTargetsOf } from '../graph/x-backend-traffic-policy.ts'
import { buildConditions, type ConditionRule } from './condition.ts'
import { buildPolicyStatus, findAncestors, type PolicyStatus } from './policy-ancestor.ts'

const backendRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The backend is used' },
    rank: ['UnsupportedValue', 'NoValidCACertificate', 'InvalidCACertificateRef', 'InvalidKind'],
  },
]

/** @returns nothing for an XBackend that no Gateway of ours leads to */
export function deriveXBackendStatus(
  { source, problems }: XBackendNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
): PolicyStatus | undefined {
  const { namespace, name, generation = 0 } = source.metadata
  const target = targetKey({ group: experimentalGroup, kind: 'XBackend', namespace, name })
  const conditions = buildConditions(backendRules, problems, generation, true)
  return buildPolicyStatus(findAncestors([target], reads, graph), controllerName, conditions)
}

const policyRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The policy holds for its targets' },
    rank: ['Conflicted', 'Invalid'],
  },
]

/** @returns nothing for a policy whose targets no Gateway of ours leads to */
export function deriveTrafficPolicyStatus(
  node: TrafficPolicyNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
): PolicyStatus | undefined {
  const problems = [...node.problems, ...findTrafficConflicts(node, reads, graph.trafficPoliciesByTarget)]
  const conditions = buildConditions(policyRules, problems, node.source.metadata.generation ?? 0, true)
  return buildPolicyStatus(findAncestors(trafficTargetsOf(node), reads, graph), controllerName, conditions)
}
