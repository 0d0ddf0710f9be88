import type { Reads } from '../collections/collection.ts'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { serviceNameLabel } from '../gatewayapi/objects/endpoint-slice.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import { targetKey } from '../graph/backend-tls-policy.ts'
import { collectEndpoints } from '../graph/endpoint.ts'
import type { Graph } from '../graph/graph.ts'
import type { Problem } from '../graph/problem.ts'
import type { SelectorService } from '../graph/selector-service.ts'
import type { XBackendNode } from '../graph/x-backend.ts'
import { findTrafficConflicts, type TrafficPolicyNode, trafficTargetsOf } from '../graph/x-backend-traffic-policy.ts'
import { addNotes, buildConditions, type ConditionRule } from './condition.ts'
import { buildPolicyStatus, findAncestors, type PolicyStatus } from './policy-ancestor.ts'

const backendRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The backend is used' },
    rank: [
      'UnsupportedValue',
      'RefNotPermitted',
      'NoValidCACertificate',
      'InvalidCACertificateRef',
      'InvalidKind',
      'InvalidClientCertificateRef',
    ],
  },
]

/**
 * @param infrastructure what keeps the Service of the pods from being made
 * @returns nothing for an XBackend that no Gateway of ours leads to
 */
export function deriveXBackendStatus(
  { key, source, problems, notes }: XBackendNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
  infrastructure: readonly Problem[],
): PolicyStatus | undefined {
  const { namespace, name, generation = 0 } = source.metadata
  const target = targetKey({ group: experimentalGroup, kind: 'XBackend', namespace, name })
  const told = [...notes, ...tellEmptiness(reads.get(graph.selectorServices, key), namespace, reads, graph)]
  const conditions = buildConditions(
    addNotes(backendRules, 'Accepted', told),
    [...problems, ...infrastructure],
    generation,
    true,
  )
  return buildPolicyStatus(findAncestors([target], reads, graph), controllerName, conditions)
}

/** Why there are no endpoints is found nowhere else: the Service is of our making, and its name is no one's choice. */
function tellEmptiness(
  service: SelectorService | undefined,
  namespace: string,
  reads: Reads,
  graph: Graph,
): readonly string[] {
  if (service === undefined) return []
  const slices = reads.lookup(graph.endpointSlicesByService, namespacedName(namespace, service.name))
  if (collectEndpoints('', 'TCP', slices).length > 0) return []
  return [
    `there are no endpoints: no EndpointSlice of namespace ${namespace} with the label ${serviceNameLabel}: ${service.name} has a ready one, with a port without a name`,
  ]
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
  const rules = addNotes(policyRules, 'Accepted', node.notes)
  const conditions = buildConditions(rules, problems, node.source.metadata.generation ?? 0, true)
  return buildPolicyStatus(findAncestors(trafficTargetsOf(node), reads, graph), controllerName, conditions)
}
