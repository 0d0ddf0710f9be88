import type { MatchRank } from '../gatewayapi/match-precedence.ts'
import { envoy } from '../gen/envoy.js'
import type { HTTPRouteRuleNode } from '../graph/http-route.ts'
import { clusterName } from './names.ts'
export interface RouteContext { readonly protocol: 'HTTP' | 'HTTPS'; readonly port: number }
export interface EncodedRoute { readonly rank: MatchRank; readonly bytes: Uint8Array }
export function buildRoutes(rule: HTTPRouteRuleNode, _context: RouteContext): EncodedRoute[] {
  return rule.matches.map(({ match, rank }) => ({
    rank,
    bytes: envoy.config.route.v3.Route.encode({
      match: match.path.value === '/' ? { prefix: '/' } : { pathSeparatedPrefix: match.path.value },
      route: { cluster: rule.backendRefs[0]?.backend ? clusterName(rule.backendRefs[0].backend) : 'x' },
    }).finish(),
  }))
}
export function clustersOf(_rule: HTTPRouteRuleNode): { awaits: string[] } {
  return { awaits: [] }
}
