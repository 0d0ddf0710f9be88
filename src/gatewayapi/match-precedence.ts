import { compareBy, compareStrings } from '../base/compare.ts'
import { compareHostnames } from './hostname.ts'
import type { NamespacedName } from './object-key.ts'
import type { GRPCMethodMatch, GRPCRouteMatch } from './objects/grpc-route.ts'
import type { HTTPPathMatch, HTTPRouteMatch } from './objects/http-route.ts'

/** What decides which of several matches gets a request, as plain values. */
export type MatchRank = HTTPMatchRank | GRPCMatchRank

interface RankBase {
  readonly route: RouteRank
  /** Position in spec.rules. */
  readonly rule: number
  /** Position in the rule's matches. */
  readonly match: number
}

/** Of a match of an HTTPRoute (HTTPRouteRule.matches). */
export interface HTTPMatchRank extends RankBase {
  readonly kind: 'HTTPRoute'
  readonly path: HTTPPathMatch['type']
  /** Characters of the path; a prefix's last "/" does not count, because it changes nothing. */
  readonly pathLength: number
  readonly method: boolean
  /** Header matches are counted, never compared: equal counts go on to the next criterion. */
  readonly headers: number
  readonly queryParams: number
}

/** Of a match of a GRPCRoute (GRPCRouteRule.matches). */
export interface GRPCMatchRank extends RankBase {
  readonly kind: 'GRPCRoute'
  /** undefined: every service and method. */
  readonly type: GRPCMethodMatch['type'] | undefined
  /** Characters of the service. */
  readonly serviceLength: number
  /** Characters of the method. */
  readonly methodLength: number
  readonly headers: number
}

/** Where a route stands among others: the older one goes first, then by "namespace/name". */
export interface RouteRank {
  /** Milliseconds since 1970. Infinity for a route without a creation time: it counts as the newest. */
  readonly created: number
  readonly key: NamespacedName
}

/** The rank of a route by the creation time in its metadata. */
export function buildRouteRank(key: NamespacedName, creationTimestamp: string | undefined): RouteRank {
  const created = creationTimestamp === undefined ? Number.NaN : Date.parse(creationTimestamp)
  return { created: Number.isNaN(created) ? Number.POSITIVE_INFINITY : created, key }
}

/** The rank of a match of an HTTPRoute. */
export function buildHTTPMatchRank(
  route: RouteRank,
  rule: number,
  index: number,
  match: HTTPRouteMatch,
): HTTPMatchRank {
  const { type, value } = match.path
  const slash = type === 'PathPrefix' && value.length > 1 && value.endsWith('/')
  return {
    kind: 'HTTPRoute',
    path: type,
    pathLength: slash ? value.length - 1 : value.length,
    method: match.method !== undefined,
    headers: match.headers?.length ?? 0,
    queryParams: match.queryParams?.length ?? 0,
    route,
    rule,
    match: index,
  }
}

/** The rank of a match of a GRPCRoute. */
export function buildGRPCMatchRank(
  route: RouteRank,
  rule: number,
  index: number,
  { method, headers = [] }: GRPCRouteMatch,
): GRPCMatchRank {
  const serviceLength = method?.service?.length ?? 0
  const methodLength = method?.method?.length ?? 0
  return {
    kind: 'GRPCRoute',
    type: serviceLength + methodLength === 0 ? undefined : method?.type,
    serviceLength,
    methodLength,
    headers: headers.length,
    route,
    rule,
    match: index,
  }
}

/**
 * The specification orders exact paths before prefixes and leaves the place of regular expressions open.
 * They go between the two, longer ones first, as in other implementations: who writes one means
 * something narrower than a prefix, and an exact path cannot be narrower.
 */
const pathOrder = { Exact: 0, RegularExpression: 1, PathPrefix: 2 } as const
/** The same for gRPC, where a match without a service and a method is the widest. */
const methodOrder = { Exact: 0, RegularExpression: 1, any: 2 } as const

/** Oldest first, then by "namespace/name". */
export const compareRouteRanks: (a: RouteRank, b: RouteRank) => number = compareBy(
  (a, b) => (a.created === b.created ? 0 : a.created < b.created ? -1 : 1),
  (a, b) => compareStrings(a.key, b.key),
)

const compareHTTPMatches: (a: HTTPMatchRank, b: HTTPMatchRank) => number = compareBy(
  (a, b) => pathOrder[a.path] - pathOrder[b.path],
  (a, b) => b.pathLength - a.pathLength,
  (a, b) => Number(b.method) - Number(a.method),
  (a, b) => b.headers - a.headers,
  (a, b) => b.queryParams - a.queryParams,
)

const compareGRPCMatches: (a: GRPCMatchRank, b: GRPCMatchRank) => number = compareBy(
  (a, b) => methodOrder[a.type ?? 'any'] - methodOrder[b.type ?? 'any'],
  (a, b) => b.serviceLength - a.serviceLength,
  (a, b) => b.methodLength - a.methodLength,
  (a, b) => b.headers - a.headers,
)

/**
 * gRPC first: a match of a GRPCRoute takes gRPC requests only, so that it is narrower than any match of an
 * HTTPRoute, and those that it does not take are left to HTTPRoutes (ADR 7).
 */
function compareMatches(a: MatchRank, b: MatchRank): number {
  if (a.kind === 'HTTPRoute') return b.kind === 'HTTPRoute' ? compareHTTPMatches(a, b) : 1
  return b.kind === 'GRPCRoute' ? compareGRPCMatches(a, b) : -1
}

/** Orders matches of one hostname: what goes first gets the request. Never 0 for two matches. */
export const compareMatchRanks: (a: MatchRank, b: MatchRank) => number = compareBy(
  compareMatches,
  (a, b) => compareRouteRanks(a.route, b.route),
  (a, b) => a.rule - b.rule,
  (a, b) => a.match - b.match,
)

/** A match on one hostname of a listener. */
export interface HostedMatch {
  /** The route's own hostname whose intersection with the listener's gave the hostname; '' for none. */
  readonly original: string
  readonly rank: MatchRank
}

/**
 * Orders the matches of several routes on one and the same intersected hostname. Since 1.7 the route with
 * the more specific hostname of its own goes first, whatever its paths
 * (feature GatewayRouteHostnameIntersectionPrecedence).
 */
export const compareHostedMatches: (a: HostedMatch, b: HostedMatch) => number = compareBy(
  (a, b) => compareHostnames(a.original, b.original),
  (a, b) => compareMatchRanks(a.rank, b.rank),
)
