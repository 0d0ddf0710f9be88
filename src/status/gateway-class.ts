import type { GatewayClassNode } from '../graph/gateway-class.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'

export interface GatewayClassStatus {
  readonly conditions: readonly Condition[]
  /** Sorted by name, as the API asks for. */
  readonly supportedFeatures: ReadonlyArray<{ readonly name: string }>
}

const rules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'Gateways of this class are served by Gatewright' },
    rank: ['InvalidParameters'],
  },
  {
    type: 'SupportedVersion',
    success: { status: 'True', reason: 'SupportedVersion', message: 'The version of the Gateway API is supported' },
    rank: [],
  },
]

export function deriveGatewayClassStatus(node: GatewayClassNode, features: readonly string[]): GatewayClassStatus {
  return {
    conditions: buildConditions(rules, node.problems, node.source.metadata.generation ?? 0, false),
    supportedFeatures: [...features].sort().map((name) => ({ name })),
  }
}
