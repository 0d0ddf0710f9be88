import { compactList, none } from '../base/compact-list.ts'
import { buildRouteRank, type RouteRank } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GRPCRoute } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPRouteFilter } from '../gatewayapi/objects/http-filter.ts'
import type { HTTPRoute } from '../gatewayapi/objects/http-route.ts'
import { type BackendObjectReference, gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { BackendKey } from './backend.ts'
import { keyOfReference } from './backend-reference.ts'
import type { Problem } from './problem.ts'
import { type RouteBase, routeKey } from './route.ts'
import {
  droppedMatch,
  type L7RouteKind,
  type RouteMatchNode,
  type RouteRuleNode,
  type RuleContext,
  RuleResolver,
  type RuleSpec,
} from './route-rule.ts'
import { estimateRouteSize, maxRouteSize } from './route-size.ts'

/** An HTTPRoute or GRPCRoute by itself: checked, its references resolved, not yet attached to anything. */
export interface L7RouteNode extends RouteBase {
  readonly kind: L7RouteKind
  readonly source: HTTPRoute | GRPCRoute
  readonly rules: readonly RouteRuleNode[]
}

/** What is different for each kind. */
export interface L7RouteFacts<R extends RuleSpec> {
  readonly kind: L7RouteKind
  readonly key: NamespacedName
  readonly source: HTTPRoute | GRPCRoute
  readonly rules: readonly R[]
  /**
   * The matches of a rule that Envoy takes, with their ranks; about the others it reports {@link droppedMatch}.
   * @param rank of the route
   */
  resolveMatches(rule: R, index: number, rank: RouteRank, report: RuleResolver['report']): RouteMatchNode[]
}

/** Every backend that a route names, in backendRefs and in filters; several times where it is named so. */
export function backendKeysOf({ metadata, spec }: HTTPRoute | GRPCRoute): BackendKey[] {
  const keys: BackendKey[] = []
  const add = (ref: BackendObjectReference) => void keys.push(keyOfReference(ref, metadata.namespace))
  const addOf = (filters: readonly HTTPRouteFilter[]) => {
    for (const filter of filters) {
      if (filter.type === 'RequestMirror') add(filter.requestMirror.backendRef)
      if (filter.type === 'ExternalAuth') add(filter.externalAuth.backendRef)
    }
  }
  for (const rule of spec.rules ?? []) {
    if (rule.filters !== undefined) addOf(rule.filters)
    for (const ref of rule.backendRefs ?? none) {
      add(ref)
      if (ref.filters !== undefined) addOf(ref.filters)
    }
  }
  return keys
}

/** Checks a route and resolves what it refers to. */
export function resolveL7Route<R extends RuleSpec>(facts: L7RouteFacts<R>, context: RuleContext): L7RouteNode {
  const { kind, key, source } = facts
  const { namespace, name, creationTimestamp } = source.metadata
  const own = routeKey(kind, key)
  const rank = buildRouteRank(key, creationTimestamp)
  const problems: Problem[] = []
  const rules: RouteRuleNode[] = []
  for (const [index, rule] of facts.rules.entries()) {
    const resolver = new RuleResolver({ kind, namespace, name, index, context, problems })
    const matches = facts.resolveMatches(rule, index, rank, resolver.report)
    rules.push(resolver.resolve(rule, matches))
  }
  const size = estimateRouteSize(source)
  if (size > maxRouteSize) problems.push(buildSizeProblem(size))
  return {
    kind,
    key,
    routeKey: own,
    objectKey: `${gatewayGroup}/${own}`,
    source,
    hostnames: compactList((source.spec.hostnames ?? none).map((h) => h.toLowerCase())),
    rules: compactList(rules),
    problems: problems.length === 0 ? none : compactList(rankPartialProblems(rules, problems)),
  }
}

/** What is not accepted attaches to nothing, so that nobody translates it. */
function buildSizeProblem(size: number): Problem {
  const mebibytes = (bytes: number) => Math.ceil(bytes / 1024 / 1024)
  const message = `the route needs about ${mebibytes(size)} MiB of configuration, because each match repeats the filters for each hostname and backend: use at most ${mebibytes(maxRouteSize)} MiB, with shorter values, fewer hostnames, or several routes`
  return { on: 'Accepted', reason: 'UnsupportedValue', message }
}

/** When no match of any rule is left, the route as a whole is not accepted: "partially" would be a lie. */
function rankPartialProblems(rules: readonly RouteRuleNode[], problems: readonly Problem[]): readonly Problem[] {
  const nothingLeft = rules.every((r) => r.matches.length === 0)
  return problems.map((p) => {
    if (p.on !== droppedMatch && p.on !== 'PartiallyInvalid') return p
    if (nothingLeft) return { ...p, on: 'Accepted' }
    // The specification wants such a message to begin with what was done about it.
    return p.on === droppedMatch ? { ...p, on: 'PartiallyInvalid', message: `Dropped Rule: ${p.message}` } : p
  })
}
