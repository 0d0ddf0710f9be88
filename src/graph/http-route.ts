import { buildHTTPMatchRank } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { HTTPRoute, HTTPRouteMatch } from '../gatewayapi/objects/http-route.ts'
import { checkRegularExpression } from '../gatewayapi/regular-expression.ts'
import { type L7RouteNode, resolveL7Route } from './l7-route.ts'
import { droppedMatch, type RuleContext } from './route-rule.ts'

/** Checks an HTTPRoute and resolves what it refers to. */
export function resolveHTTPRoute(source: HTTPRoute, key: NamespacedName, context: RuleContext): L7RouteNode {
  return resolveL7Route(
    {
      kind: 'HTTPRoute',
      key,
      source,
      rules: source.spec.rules,
      resolveMatches: (rule, index, rank, report) =>
        rule.matches.flatMap((match, position) => {
          const error = checkPatterns(match)
          if (error) {
            report(droppedMatch, 'UnsupportedValue', error.message, `matches[${position}].${error.field}`)
            return []
          }
          const effective = dropRepeatedHeaders(match)
          const matchRank = buildHTTPMatchRank(rank, index, position, effective)
          return [{ match: effective, grpc: false, rank: matchRank }]
        }),
    },
    context,
  )
}

/** Names compare without case; of several entries for one header the first counts (HTTPHeaderMatch.name). */
export function dropRepeatedHeaders<M extends Pick<HTTPRouteMatch, 'headers'>>(match: M): M {
  if (match.headers === undefined) return match
  const names = match.headers.map((h) => h.name.toLowerCase())
  if (new Set(names).size === names.length) return match
  return { ...match, headers: match.headers.filter((_, index) => names.indexOf(names[index] ?? '') === index) }
}

/** Why a match is not usable, and where in it. */
export interface MatchError {
  readonly field: string
  readonly message: string
}

/** Envoy would refuse a whole table for one pattern that RE2 does not take. */
function checkPatterns(match: HTTPRouteMatch): MatchError | undefined {
  if (match.path.type === 'RegularExpression') {
    const message = checkRegularExpression(match.path.value)
    if (message !== undefined) return { field: 'path.value', message }
  }
  return checkValuePatterns(match)
}

/** The same for the headers and query parameters of a match. */
export function checkValuePatterns(match: Pick<HTTPRouteMatch, 'headers' | 'queryParams'>): MatchError | undefined {
  for (const list of ['headers', 'queryParams'] as const) {
    const items = match[list]
    if (items === undefined) continue
    for (const [index, item] of items.entries()) {
      if (item.type !== 'RegularExpression') continue
      const message = checkRegularExpression(item.value)
      if (message !== undefined) return { field: `${list}[${index}].value`, message }
    }
  }
  return undefined
}
