import { type InstalledApi, ownApi, parseInstalledApi, supportedFeatureNames } from '../gatewayapi/features.ts'
import type { GatewayClassNode } from '../graph/gateway-class.ts'
import type { Problem } from '../graph/problem.ts'
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
    rank: ['UnsupportedVersion'],
  },
]

/** What the CRDs of the Gateway API say of themselves. */
export interface ApiBundle {
  /** e.g. "v1.7.0"; undefined where it cannot be read. */
  readonly version: string | undefined
  /** "standard" or "experimental". */
  readonly channel: string | undefined
}

/** @param bundle undefined: there is no cluster, and our own schemas count */
export function readInstalledApi(bundle: ApiBundle | undefined): InstalledApi {
  if (bundle === undefined) return ownApi
  const installed = bundle.version === undefined ? undefined : parseInstalledApi(bundle.version, bundle.channel)
  // Of a version that nobody can read the standard fields are there for sure.
  return installed ?? { channel: 'standard', minor: ownApi.minor }
}

export function deriveGatewayClassStatus(node: GatewayClassNode, bundle: ApiBundle | undefined): GatewayClassStatus {
  const problems: Problem[] = []
  if (bundle?.version !== undefined && parseInstalledApi(bundle.version, bundle.channel) === undefined)
    problems.push({
      on: 'SupportedVersion',
      reason: 'UnsupportedVersion',
      message: `The CRDs of the Gateway API are of version ${bundle.version}: what is known of v1.0 to v1.${ownApi.minor} is served. Install one of these, or a Gatewright that knows it`,
    })
  return {
    conditions: buildConditions(rules, [...node.problems, ...problems], node.source.metadata.generation ?? 0, false),
    supportedFeatures: supportedFeatureNames(readInstalledApi(bundle)).map((name) => ({ name })),
  }
}
