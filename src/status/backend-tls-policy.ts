import type { Reads } from '../collections/collection.ts'
import { type BackendTLSPolicyNode, findPolicyConflicts, targetKeysOf } from '../graph/backend-tls-policy.ts'
import type { Graph } from '../graph/graph.ts'
import type { Refusal } from '../graph/programming.ts'
import { addNotes, buildConditions, type ConditionRule } from './condition.ts'
import { buildPolicyStatus, findAncestors, type PolicyStatus } from './policy-ancestor.ts'

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

/** @returns nothing for a policy whose targets no Gateway of ours leads to: then it is none of our business */
export function deriveBackendTLSPolicyStatus(
  node: BackendTLSPolicyNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
  refusals: readonly Refusal[] = [],
): PolicyStatus | undefined {
  const refused = refusals.map(({ message }) => ({ on: 'Programmed', reason: 'Invalid', message }))
  const problems = [...node.problems, ...findPolicyConflicts(node, reads, graph.policiesByTarget), ...refused]
  const conditions = buildConditions(
    addNotes(rules, 'Accepted', node.notes),
    problems,
    node.source.metadata.generation ?? 0,
    true,
  )
  return buildPolicyStatus(findAncestors(targetKeysOf(node), reads, graph), controllerName, conditions)
}
