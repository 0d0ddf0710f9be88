import type { HTTPPathMatch } from '../gatewayapi/objects/http-route.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteRuleNode } from '../graph/route-rule.ts'
import { buildCorsPolicy, corsFilter } from './filters/cors.ts'
import { buildAuths } from './filters/external-auth.ts'
import { buildSession, statefulSessionName } from './filters/stateful-session.ts'
import { missingCluster } from './names.ts'
import { buildPathRewrite, planPathChange } from './path-rewrite.ts'
import { buildTries } from './retry-policy.ts'
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

const nothing: Route = Object.freeze({})

/** What a Route asks of the filters of its connection manager; nothing where it asks nothing. */
export function buildFilterConfigs({ cors, auths, session }: Pick<ChangePlan, 'cors' | 'auths' | 'session'>): Route {
  if (cors === undefined && session === undefined && auths.length === 0) return nothing
  return {
    typedPerFilterConfig: {
      ...(cors && { [corsFilter.name]: buildCorsPolicy(cors) }),
      ...buildAuths(auths),
      ...(session && { [statefulSessionName]: buildSession(session) }),
    },
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
  const action = buildCommonAction(changes, rule, match, interval)
  action.cluster = cluster
  if (changes.host !== undefined) action.hostRewriteLiteral = changes.host
  const route = buildHeaderFields(changes)
  route.route = action
  return Object.assign(route, buildFilterConfigs(changes))
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
    ...buildFilterConfigs(common),
  }
}

function buildCommonAction(
  { path, mirrors }: ChangePlan,
  rule: RouteRuleNode,
  match: HTTPPathMatch,
  interval: Interval,
): RouteAction {
  const action = buildTries(rule)
  if (path) Object.assign(action, buildPathRewrite(planPathChange(path, match)))
  if (mirrors.length > 0) action.requestMirrorPolicies = mirrors.flatMap((mirror) => buildMirror(mirror, interval))
  return action
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
