import type { HTTPRouteMatch } from '../gatewayapi/objects/http-route.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteMatchNode } from '../graph/route-rule.ts'

type RouteMatch = envoy.config.route.v3.RouteMatch
type StringMatcher = envoy.type.matcher.v3.StringMatcher
const { DenominatorType } = envoy.type.v3.FractionalPercent

/** Envoy compares a random number below this with the shares of a table; one number for one request. */
export const wholeShare = 1_000_000

/** What a Route may ask for beyond the match that the user wrote. */
export interface MatchExtension {
  readonly headers?: readonly envoy.config.route.v3.HeaderMatcher[]
  /** Parts of a million; everything unless given. */
  readonly share?: number
}

/** All parts are ANDed, as in the Gateway API. */
export function buildRouteMatch(
  { match, grpc }: Pick<RouteMatchNode, 'match' | 'grpc'>,
  extension: MatchExtension = {},
): RouteMatch {
  const { headers = [], queryParams = [], method } = match
  const { share = wholeShare } = extension
  return {
    ...buildPathMatch(match),
    headers: [
      ...(method === undefined ? [] : [{ name: ':method', stringMatch: { exact: method } }]),
      ...headers.map((h) => ({ name: h.name.toLowerCase(), stringMatch: buildStringMatch(h) })),
      ...(extension.headers ?? []),
    ],
    queryParameters: queryParams.map((q) => ({ name: q.name, stringMatch: buildStringMatch(q) })),
    ...(grpc && { grpc: {} }),
    ...(share < wholeShare && { runtimeFraction: buildFraction(share) }),
  }
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
