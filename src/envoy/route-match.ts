import { none } from '../base/compact-list.ts'
import type { HTTPRouteMatch } from '../gatewayapi/objects/http-route.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteMatchNode } from '../graph/route-rule.ts'

type RouteMatch = envoy.config.route.v3.RouteMatch
type HeaderMatcher = envoy.config.route.v3.HeaderMatcher
type StringMatcher = envoy.type.matcher.v3.StringMatcher
const { DenominatorType } = envoy.type.v3.FractionalPercent

/** Envoy compares a random number below this with the shares of a table; one number for one request. */
export const wholeShare = 1_000_000

/** What a Route may ask for beyond the match that the user wrote. */
export interface MatchExtension {
  readonly headers?: readonly HeaderMatcher[]
  /** Parts of a million; everything unless given. */
  readonly share?: number
  /** Not the requests themselves but what browsers ask before they send one (CORS). */
  readonly preflight?: boolean
}

/** All parts are ANDed, as in the Gateway API. */
export function buildRouteMatch(
  { match, grpc }: Pick<RouteMatchNode, 'match' | 'grpc'>,
  extension: MatchExtension = {},
): RouteMatch {
  const { headers = none, queryParams = none, method } = match
  const { share = wholeShare, preflight = false } = extension
  const built = buildPathMatch(match)
  const matchers: HeaderMatcher[] = []
  if (method !== undefined) matchers.push(...(preflight ? matchPreflight(method) : [matchText(':method', method)]))
  for (const h of headers) matchers.push({ name: h.name.toLowerCase(), stringMatch: buildStringMatch(h) })
  if (extension.headers) matchers.push(...extension.headers)
  if (matchers.length > 0) built.headers = matchers
  if (queryParams.length > 0)
    built.queryParameters = queryParams.map((q) => ({ name: q.name, stringMatch: buildStringMatch(q) }))
  if (grpc) built.grpc = {}
  if (share < wholeShare) built.runtimeFraction = buildFraction(share)
  return built
}

function matchText(name: string, exact: string): HeaderMatcher {
  return { name, stringMatch: { exact } }
}

function matchPreflight(method: string): HeaderMatcher[] {
  const asked = matchText('access-control-request-method', method)
  return [matchText(':method', 'OPTIONS'), asked, { name: 'origin', presentMatch: true }]
}

function buildPathMatch({ path: { type, value } }: HTTPRouteMatch): RouteMatch {
  if (type === 'Exact') return { path: value }
  if (type === 'RegularExpression') return { safeRegex: { regex: value.toWellFormed() } }
  const prefix = value.replace(/\/$/, '')
  return prefix === '' ? { prefix: '/' } : { pathSeparatedPrefix: prefix }
}

/** Both kinds compare the whole text. */
function buildStringMatch({ type, value }: { readonly type: string; readonly value: string }): StringMatcher {
  // Half a surrogate pair is no UTF-8: Envoy would refuse the whole table.
  const text = value.toWellFormed()
  return type === 'RegularExpression' ? { safeRegex: { regex: text } } : { exact: text }
}

export function buildFraction(perMillion: number): envoy.config.core.v3.RuntimeFractionalPercent {
  return { defaultValue: { numerator: perMillion, denominator: DenominatorType.MILLION } }
}
