import { buildGRPCMatchRank } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPPathMatch } from '../gatewayapi/objects/http-route.ts'
import { checkRegularExpression } from '../gatewayapi/regular-expression.ts'
import { checkValuePatterns, dropRepeatedHeaders, type MatchError } from './http-route.ts'
import { type L7RouteNode, resolveL7Route } from './l7-route.ts'
import { droppedMatch, type RuleContext } from './route-rule.ts'

/** Checks a GRPCRoute and resolves what it refers to. Its matches become matches of HTTP requests. */
export function resolveGRPCRoute(source: GRPCRoute, key: NamespacedName, context: RuleContext): L7RouteNode {
  return resolveL7Route(
    {
      kind: 'GRPCRoute',
      key,
      source,
      rules: source.spec.rules ?? [],
      resolveMatches: (rule, index, rank, report) =>
        matchesOf(rule).flatMap((match, position) => {
          const error = checkPatterns(match)
          if (error) {
            report(droppedMatch, 'UnsupportedValue', error.message, `matches[${position}].${error.field}`)
            return []
          }
          const { method, headers } = dropRepeatedHeaders(match)
          const path = resolvePath(method)
          const matchRank = buildGRPCMatchRank(rank, index, position, { method, headers })
          return [{ match: { path, ...(headers && { headers }) }, grpc: true, rank: matchRank }]
        }),
    },
    context,
  )
}

/** An empty list means what an absent one does: every gRPC request. */
function matchesOf({ matches = [] }: GRPCRouteRule): readonly GRPCRouteMatch[] {
  return matches.length === 0 ? [{}] : matches
}

/** A gRPC method is called by the path "/service/method". */
export function resolvePath(match: GRPCMethodMatch | undefined): HTTPPathMatch {
  // The CRD lets "" stand for nothing.
  const service = match?.service || undefined
  const method = match?.method || undefined
  if (match === undefined || (service === undefined && method === undefined)) return { type: 'PathPrefix', value: '/' }
  if (match.type === 'Exact') {
    if (method === undefined) return { type: 'PathPrefix', value: `/${service}/` }
    if (service !== undefined) return { type: 'Exact', value: `/${service}/${method}` }
    return { type: 'RegularExpression', value: `/[^/]+/${method}` }
  }
  // In groups, because "a|b" must not reach beyond the "/".
  const part = (pattern: string | undefined) => (pattern === undefined ? '[^/]+' : `(?:${pattern})`)
  return { type: 'RegularExpression', value: `/${part(service)}/${part(method)}` }
}

/** Envoy would refuse a whole table for one pattern that RE2 does not take. */
function checkPatterns({ method, headers }: GRPCRouteMatch): MatchError | undefined {
  if (method?.type === 'RegularExpression') {
    for (const part of ['service', 'method'] as const) {
      const message = method[part] ? checkRegularExpression(method[part]) : undefined
      if (message !== undefined) return { field: `method.${part}`, message }
    }
    const message = checkRegularExpression(resolvePath(method).value)
    if (message !== undefined) return { field: 'method', message }
  }
  return checkValuePatterns({ headers })
}
