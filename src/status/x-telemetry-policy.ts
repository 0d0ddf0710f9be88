import { compactList } from '../base/compact-list.ts'
import type { Reads } from '../collections/collection.ts'
import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { Graph } from '../graph/graph.ts'
import type { Problem } from '../graph/problem.ts'
import { findTelemetryPolicy, gatewaysOfTelemetry, type TelemetryPolicyNode } from '../graph/x-telemetry-policy.ts'
import { buildConditions, type ConditionRule } from './condition.ts'
import type { PolicyAncestorStatus, PolicyStatus } from './policy-ancestor.ts'

const rules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The policy holds for the Gateway' },
    rank: ['Conflicted', 'UnsupportedValue', 'Invalid'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: ['RefNotPermitted', 'InvalidKind', 'BackendNotFound'],
  },
]

/** @returns nothing for a policy that names no Gateway of ours */
export function deriveTelemetryPolicyStatus(
  node: TelemetryPolicyNode,
  controllerName: string,
  reads: Reads,
  graph: Graph,
): PolicyStatus | undefined {
  const { generation = 0 } = node.source.metadata
  const ancestors: PolicyAncestorStatus[] = []
  for (const gateway of gatewaysOfTelemetry(node).sort()) {
    if (!reads.get(graph.gateways, gateway)) continue
    const conflicts: Problem[] = []
    const winner = findTelemetryPolicy(gateway, reads, graph.telemetryPoliciesByGateway)?.key
    if (winner !== undefined && winner !== node.key) {
      const message = `XTelemetryPolicy "${winner}" is older and holds for the Gateway: remove one of them`
      conflicts.push({ on: 'Accepted', reason: 'Conflicted', message, path: 'spec.targetRefs' })
    }
    ancestors.push({
      ancestorRef: { group: gatewayGroup, kind: 'Gateway', ...splitNamespacedName(gateway) },
      controllerName,
      conditions: buildConditions(rules, [...node.problems, ...conflicts], generation, true),
    })
  }
  return ancestors.length === 0 ? undefined : { ancestors: compactList(ancestors) }
}
