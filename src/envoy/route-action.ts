import type { HTTPPathMatch } from '../gatewayapi/objects/http-route.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteRuleNode } from '../graph/route-rule.ts'
import { buildDuration } from './any.ts'
import { missingCluster } from './names.ts'
import { buildPathRewrite, planPathChange } from './path-rewrite.ts'
import { buildFraction, wholeShare } from './route-match.ts'
import type { ChangePlan, MirrorPlan, SharePlan } from './route-plan.ts'

type Route = envoy.config.route.v3.Route
type RouteAction = envoy.config.route.v3.RouteAction
const { ClusterNotFoundResponseCode } = envoy.config.route.v3.RouteAction

/** A part of the numbers from 0 to a million, one of which Envoy draws for each request. */
export interface Interval {
  readonly from: number
  readonly to: number
}

export const wholeInterval: Interval = { from: 0, to: wholeShare }

/** The parts of a Route that several of its forms have in common; empty lists are left out. */
export function buildHeaderFields({ request, response }: Pick<ChangePlan, 'request' | 'response'>): Route {
  return {
    requestHeadersToAdd: request.add,
    requestHeadersToRemove: request.remove,
    responseHeadersToAdd: response.add,
    responseHeadersToRemove: response.remove,
  }
}

/** Sends everything that a Route matches to one cluster. */
export function buildSingleAction(
  share: SharePlan & { readonly cluster: string },
  rule: RouteRuleNode,
  match: HTTPPathMatch,
  interval: Interval = wholeInterval,
): Route {
  const { cluster, changes } = share
  return {
    route: {
      cluster,
      ...buildCommonAction(changes, rule, match, interval),
      ...(changes.host !== undefined && { hostRewriteLiteral: changes.host }),
    },
    ...buildHeaderFields(changes),
  }
}

const failureCodes = {
  500: ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR,
  503: ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE,
} as const

/**
 * Divides what a Route matches among clusters that differ in nothing but headers and host. Each cluster
 * has all its changes itself: Envoy would apply those of the Route after those of the cluster, and the
 * Gateway API has it the other way round.
 */
export function buildWeightedAction(
  shares: readonly SharePlan[],
  common: ChangePlan,
  rule: RouteRuleNode,
  match: HTTPPathMatch,
): Route {
  const clusters = shares.map(({ cluster, weight, changes }) => ({
    name: cluster ?? missingCluster,
    weight: { value: weight },
    ...(changes.host !== undefined && { hostRewriteLiteral: changes.host }),
    ...buildHeaderFields(changes),
  }))
  return {
    route: {
      weightedClusters: { clusters },
      ...(shares.some((share) => share.cluster === undefined) && {
        clusterNotFoundResponseCode: failureCodes[rule.failureStatus],
      }),
      ...buildCommonAction(common, rule, match, wholeInterval),
    },
  }
}

function buildCommonAction(
  { path, mirrors }: ChangePlan,
  rule: RouteRuleNode,
  match: HTTPPathMatch,
  interval: Interval,
): RouteAction {
  return {
    ...buildTimeouts(rule),
    ...buildPathRewrite(path && planPathChange(path, match)),
    requestMirrorPolicies: mirrors.flatMap((mirror) => buildMirror(mirror, interval)),
  }
}

/**
 * Envoy compares one and the same number of a request with the shares of Routes and of mirrors, so that a
 * mirror's share is counted within the interval of its Route.
 */
function buildMirror(
  { cluster, perMillion }: MirrorPlan,
  { from, to }: Interval,
): envoy.config.route.v3.RouteAction.RequestMirrorPolicy[] {
  const end = from + Math.round(((to - from) * perMillion) / wholeShare)
  if (end === from) return []
  // A copy should look like the original: without this its Host would end in "-shadow".
  const policy = { cluster, disableShadowHostSuffixAppend: true }
  return [end >= to ? policy : { ...policy, runtimeFraction: buildFraction(end) }]
}

/** Beyond this the connection manager's limit for idle streams would end a request before its own limit. */
const idleLimit = 300_000

/**
 * Envoy's default of 15 s would cut long answers that nobody asked to limit. There are no retries, so
 * that the limit of one try is a limit of the whole.
 */
function buildTimeouts({ requestTimeout, backendRequestTimeout }: RouteRuleNode): RouteAction {
  const limits = [requestTimeout ?? 0, backendRequestTimeout ?? 0].filter((limit) => limit > 0)
  const timeout = limits.length === 0 ? 0 : Math.min(...limits)
  const unlimited = requestTimeout === 0 && timeout === 0
  return {
    timeout: buildDuration(timeout),
    ...((unlimited || timeout > idleLimit) && { idleTimeout: buildDuration(timeout) }),
  }
}
