import { none } from '../base/compact-list.ts'
import { type PackedBytes, packBytes } from '../base/packed-bytes.ts'
import type { MatchRank } from '../gatewayapi/match-precedence.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteMatchNode, RouteRuleNode } from '../graph/route-rule.ts'
import { corsFilter } from './filters/cors.ts'
import { buildClusterCookie, matchClusterCookie } from './filters/stateful-session.ts'
import { clusterName } from './names.ts'
import { buildRedirects, type RedirectContext } from './redirect.ts'
import {
  buildFilterConfigs,
  buildHeaderFields,
  buildSingleAction,
  buildWeightedAction,
  type Interval,
  wholeInterval,
} from './route-action.ts'
import { buildRouteMatch, type MatchExtension, wholeShare } from './route-match.ts'
import { type ChangePlan, planChanges, planShares, type SharePlan, slowBackendsOf } from './route-plan.ts'
import { withWriter } from './spare-writer.ts'

const { Route } = envoy.config.route.v3
type Route = envoy.config.route.v3.Route
type RouteMatch = envoy.config.route.v3.RouteMatch

/** What routes need to know of the listener that they stand on. */
export type RouteContext = RedirectContext

/** A Route with its place among others. Several with an equal rank belong together and keep their order. */
export interface EncodedRoute {
  readonly rank: MatchRank
  /** An encoded envoy.config.route.v3.Route. */
  readonly packed: PackedBytes
}

/** A Route but for the part of its match that the user wrote. */
interface RouteForm {
  readonly when: MatchExtension
  readonly route: Route
}

/**
 * Envoy's Routes for a rule: those of its first match first, each match with one Route or several that
 * Envoy must try in this order. Depends on nothing but its arguments, and neither on the rule's
 * position nor on its name.
 */
export function buildRoutes(rule: RouteRuleNode, context: RouteContext): EncodedRoute[] {
  const build = planRule(rule, context)
  return rule.matches.flatMap((node) =>
    build(node)
      .flatMap((form) => addPreflight(form, node))
      .map(({ when, route }) => ({ rank: node.rank, packed: packRoute(buildRouteMatch(node, when), route) })),
  )
}

/** The match is the first field of a Route, and messages one behind the other are one. */
function packRoute(match: RouteMatch, route: Route): PackedBytes {
  return withWriter((writer) => {
    Route.encode({ match }, writer)
    return packBytes(Route.encode(route, writer).finish(true))
  })
}

/** A rule for one method must also get the preflights of that method, if it answers them. */
function addPreflight(form: RouteForm, { match }: RouteMatchNode): RouteForm[] {
  const asks = form.route.typedPerFilterConfig?.[corsFilter.name] !== undefined
  if (!asks || match.method === undefined || match.method === 'OPTIONS') return [form]
  return [form, { ...form, when: { ...form.when, preflight: true } }]
}

/** What a table that holds the rules' Routes must wait for: names of clusters that warm slowly, sorted. */
export function listAwaited(rules: readonly RouteRuleNode[]): readonly string[] {
  const slow = rules.flatMap(slowBackendsOf)
  return slow.length === 0 ? none : [...new Set(slow.map(clusterName))].sort()
}

function buildFailure({ failureStatus }: RouteRuleNode): Route {
  return { directResponse: { status: failureStatus } }
}

/** What is the same for every match is found once. */
function planRule(rule: RouteRuleNode, context: RouteContext): (node: RouteMatchNode) => RouteForm[] {
  const always = (route: Route): RouteForm[] => [{ when: {}, route }]
  if (rule.broken) return () => always(buildFailure(rule))
  const own = planChanges(rule.filters)
  if (own.redirect) return (node) => buildRedirectForms(own, node, context)
  const shares = planShares(rule)
  const [first, ...others] = shares
  if (!first) return () => always(buildFailure(rule))
  if (others.length === 0) return (node) => buildShareForms(first, wholeInterval, rule, node, context)
  const valid = shares.flatMap(({ cluster, ...share }) => (cluster === undefined ? [] : [{ cluster, ...share }]))
  const { session } = rule
  if (session?.type !== 'cookie') return planDivision(shares, rule, context)
  const divided = planDivision(
    shares.map((share) => rememberCluster(share, session)),
    rule,
    context,
  )
  return (node) => [
    ...valid.flatMap((share) =>
      buildShareForms(share, wholeInterval, rule, node, context).map(({ when, route }) => ({
        when: { ...when, headers: [...(when.headers ?? []), matchClusterCookie(session, share.cluster)] },
        route,
      })),
    ),
    ...divided(node),
  ]
}

/** Who gets an answer of the share also gets a cookie that leads back to its cluster. */
function rememberCluster(share: SharePlan, session: Parameters<typeof buildClusterCookie>[0]): SharePlan {
  const { cluster, changes } = share
  if (cluster === undefined) return share
  const { add, remove } = changes.response
  return {
    ...share,
    changes: { ...changes, response: { add: [...add, buildClusterCookie(session, cluster)], remove } },
  }
}

/** Divides requests among several shares: by one Route where they differ in nothing but headers and host. */
function planDivision(
  shares: readonly SharePlan[],
  rule: RouteRuleNode,
  context: RouteContext,
): (node: RouteMatchNode) => RouteForm[] {
  const valid = shares.filter((share) => share.cluster !== undefined)
  const [first] = valid
  const common = new Set(valid.map(({ changes }) => routeLevelKey(changes)))
  if (first === undefined || common.size > 1 || valid.some((share) => share.changes.redirect)) {
    const intervals = divide(shares)
    return (node) =>
      shares.flatMap((share, i) => buildShareForms(share, intervals[i] ?? wholeInterval, rule, node, context))
  }
  return ({ match }) => [{ when: {}, route: buildWeightedAction(shares, first.changes, rule, match.path) }]
}

/** Equal for changes that one Route can make for several clusters. */
function routeLevelKey({ path, mirrors, cors, auths, session }: ChangePlan): string {
  return JSON.stringify([path, mirrors, cors, auths, session])
}

/**
 * The parts of a million that shares get. Envoy compares the same number for each Route of a table, so the
 * Route of a share ends where those before it, and it, have got theirs.
 */
function divide(shares: readonly SharePlan[]): Interval[] {
  const total = shares.reduce((sum, share) => sum + share.weight, 0)
  let sum = 0
  let from = 0
  return shares.map(({ weight }) => {
    sum += weight
    const interval = { from, to: Math.round((sum / total) * wholeShare) }
    from = interval.to
    return interval
  })
}

/** The Routes of one share, for the requests of its interval that no Route before them took. */
function buildShareForms(
  share: SharePlan,
  interval: Interval,
  rule: RouteRuleNode,
  node: RouteMatchNode,
  context: RouteContext,
): RouteForm[] {
  const { cluster, changes } = share
  if (interval.from === interval.to) return []
  const when = { share: interval.to }
  if (cluster === undefined) return [{ when, route: buildFailure(rule) }]
  if (changes.redirect)
    return buildRedirectForms(changes, node, context).map((form) => ({ ...form, when: { ...form.when, ...when } }))
  return [{ when, route: buildSingleAction({ ...share, cluster }, rule, node.match.path, interval) }]
}

function buildRedirectForms(changes: ChangePlan, { match }: RouteMatchNode, context: RouteContext): RouteForm[] {
  if (!changes.redirect) return []
  return buildRedirects(changes.redirect, match.path, context).map(({ when, redirect }) => ({
    when,
    // Envoy looks at no origin before it redirects, but asks who must be asked.
    route: {
      redirect,
      ...buildHeaderFields(changes),
      ...buildFilterConfigs({ ...changes, cors: undefined, session: undefined }),
    },
  }))
}
