import { compactList, none } from '../base/compact-list.ts'
import type { Collection, Reads } from '../collections/collection.ts'
import { parseDuration } from '../gatewayapi/duration.ts'
import { checkHeaderChange } from '../gatewayapi/http-header.ts'
import { buildMatchRank, buildRouteRank, type MatchRank, type RouteRank } from '../gatewayapi/match-precedence.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { HTTPHeaderFilter, HTTPRequestMirrorFilter, HTTPRouteFilter } from '../gatewayapi/objects/http-filter.ts'
import type { HTTPBackendRef, HTTPRoute, HTTPRouteMatch, HTTPRouteRule } from '../gatewayapi/objects/http-route.ts'
import { type BackendObjectReference, gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { checkRegularExpression } from '../gatewayapi/regular-expression.ts'
import { type BackendIdentity, type BackendKey, type BackendNode, backendKey } from './backend.ts'
import type { Problem } from './problem.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'
import { estimateRouteSize, maxRouteSize } from './route-size.ts'

/** One backendRef after resolution. A share without `backend` is answered with 500. */
export interface ResolvedBackendRef {
  readonly backend: BackendIdentity | undefined
  /** Relative to the sum of its rule. */
  readonly weight: number
  readonly filters: readonly ResolvedFilter[]
  /** Its cluster warms slowly (DNS): tables must wait for it. */
  readonly slowToWarm: boolean
}

/** A filter as written, with what it refers to resolved. */
export type ResolvedFilter =
  | { readonly type: 'plain'; readonly filter: HTTPRouteFilter }
  | {
      readonly type: 'mirror'
      /** undefined: the mirror is dropped (and a problem says so). */
      readonly backend: BackendIdentity | undefined
      readonly slowToWarm: boolean
      /** Share of requests in parts of a million. */
      readonly perMillion: number
    }

/** A match whose patterns have been checked, with its rank for precedence. */
export interface HTTPRouteMatchNode {
  readonly match: HTTPRouteMatch
  readonly rank: MatchRank
}

export interface HTTPRouteRuleNode {
  /** Position in spec.rules: names the field in messages; never part of an Envoy name. */
  readonly index: number
  readonly name: string | undefined
  /** Without the matches that Envoy would refuse; those are problems. */
  readonly matches: readonly HTTPRouteMatchNode[]
  readonly filters: readonly ResolvedFilter[]
  readonly backendRefs: readonly ResolvedBackendRef[]
  /** Milliseconds; 0 = no limit; undefined = not given. */
  readonly requestTimeout: number | undefined
  readonly backendRequestTimeout: number | undefined
  /** A filter that cannot be honoured: every request of the rule is answered with 500. */
  readonly broken: boolean
}

/** An HTTPRoute by itself: checked, its references resolved, not yet attached to anything. */
export interface HTTPRouteNode {
  readonly key: NamespacedName
  readonly source: HTTPRoute
  /** Lower case, as written; empty = those of the listener. */
  readonly hostnames: readonly string[]
  readonly rules: readonly HTTPRouteRuleNode[]
  readonly problems: readonly Problem[]
}

/** Every backend that a route names, in backendRefs and in mirrors. */
export function backendKeysOf(route: HTTPRoute): BackendKey[] {
  const keys = new Set<BackendKey>()
  const add = (ref: BackendObjectReference) => keys.add(keyOfReference(ref, route.metadata.namespace))
  for (const rule of route.spec.rules) {
    for (const filter of rule.filters ?? []) if (filter.type === 'RequestMirror') add(filter.requestMirror.backendRef)
    for (const ref of rule.backendRefs ?? []) {
      add(ref)
      for (const filter of ref.filters ?? []) if (filter.type === 'RequestMirror') add(filter.requestMirror.backendRef)
    }
  }
  return [...keys]
}

function keyOfReference(ref: BackendObjectReference, namespace: string): BackendKey {
  const { group, kind, name } = ref
  // A Backend has the ports of its endpoints; one written beside it must not make another cluster.
  const port = group === '' && kind === 'Service' ? (ref.port ?? 0) : 0
  return backendKey({ group, kind, namespace: ref.namespace ?? namespace, name, port })
}

export interface HTTPRouteContext {
  readonly reads: Reads
  readonly grants: ReferenceGrantIndex
  readonly backends: Collection<BackendKey, BackendNode>
}

/** Checks a route and resolves what it refers to. */
export function resolveHTTPRoute(source: HTTPRoute, context: HTTPRouteContext): HTTPRouteNode {
  const key = namespacedName(source.metadata.namespace, source.metadata.name)
  const rules: HTTPRouteRuleNode[] = []
  const problems: Problem[] = []
  const rank = buildRouteRank(key, source.metadata.creationTimestamp)
  for (const [index, rule] of source.spec.rules.entries())
    rules.push(new RuleResolver(source, rank, index, context, problems).resolve(rule))
  const size = estimateRouteSize(source)
  if (size > maxRouteSize) problems.push(buildSizeProblem(size))
  const hostnames = (source.spec.hostnames ?? []).map((h) => h.toLowerCase())
  return {
    key,
    source,
    hostnames: compactList(hostnames),
    rules: compactList(rules),
    problems: compactList(rankPartialProblems(rules, problems)),
  }
}

/** What is not accepted attaches to nothing, so that nobody translates it. */
function buildSizeProblem(size: number): Problem {
  const mebibytes = (bytes: number) => Math.ceil(bytes / 1024 / 1024)
  const message = `the route needs about ${mebibytes(size)} MiB of configuration, because each match repeats the filters for each hostname and backend: use at most ${mebibytes(maxRouteSize)} MiB, with shorter values, fewer hostnames, or several routes`
  return { on: 'Accepted', reason: 'UnsupportedValue', message }
}

/** Reported for a match that is left out, until it is known whether anything of the route is left. */
const droppedMatch = 'dropped match'

/** When no match of any rule is left, the route as a whole is not accepted: "partially" would be a lie. */
function rankPartialProblems(rules: readonly HTTPRouteRuleNode[], problems: readonly Problem[]): readonly Problem[] {
  const nothingLeft = rules.every((r) => r.matches.length === 0)
  return problems.map((p) => {
    if (p.on !== droppedMatch && p.on !== 'PartiallyInvalid') return p
    if (nothingLeft) return { ...p, on: 'Accepted' }
    // The specification wants such a message to begin with what was done about it.
    return p.on === droppedMatch ? { ...p, on: 'PartiallyInvalid', message: `Dropped Rule: ${p.message}` } : p
  })
}

/** What one rule's resolution shares: where it is and where problems go. */
class RuleResolver {
  readonly #route: HTTPRoute
  readonly #rank: RouteRank
  readonly #index: number
  readonly #context: HTTPRouteContext
  readonly #problems: Problem[]
  #broken = false

  constructor(route: HTTPRoute, rank: RouteRank, index: number, context: HTTPRouteContext, problems: Problem[]) {
    this.#route = route
    this.#rank = rank
    this.#index = index
    this.#context = context
    this.#problems = problems
  }

  resolve(rule: HTTPRouteRule): HTTPRouteRuleNode {
    const matches = this.#resolveMatches(rule)
    const filters = this.#resolveFilters(rule.filters ?? none, 'filters')
    const backendRefs = (rule.backendRefs ?? []).map((ref, i) => this.#resolveBackendRef(ref, `backendRefs[${i}]`))
    for (const field of ['retry', 'sessionPersistence'] as const) {
      if (rule[field] === undefined) continue
      this.#report(
        'PartiallyInvalid',
        'UnsupportedValue',
        `${field} is not supported and has no effect: remove it`,
        field,
      )
    }
    return {
      index: this.#index,
      name: rule.name,
      matches: compactList(matches),
      filters: compactList(filters),
      backendRefs: compactList(backendRefs),
      requestTimeout: milliseconds(rule.timeouts?.request),
      backendRequestTimeout: milliseconds(rule.timeouts?.backendRequest),
      broken: this.#broken,
    }
  }

  #report(on: string, reason: string, message: string, field: string): void {
    this.#problems.push({ on, reason, message, path: `spec.rules[${this.#index}].${field}` })
  }

  #resolveMatches(rule: HTTPRouteRule): HTTPRouteMatchNode[] {
    const nodes: HTTPRouteMatchNode[] = []
    for (const [matchIndex, match] of rule.matches.entries()) {
      const error = checkPatterns(match)
      if (error) this.#report(droppedMatch, 'UnsupportedValue', error.message, `matches[${matchIndex}].${error.field}`)
      else {
        const effective = dropRepeatedHeaders(match)
        nodes.push({ match: effective, rank: buildMatchRank(this.#rank, this.#index, matchIndex, effective) })
      }
    }
    return nodes
  }

  #resolveFilters(filters: readonly HTTPRouteFilter[], field: string): ResolvedFilter[] {
    const resolved: ResolvedFilter[] = []
    for (const [index, filter] of filters.entries()) {
      const path = `${field}[${index}]`
      if (filter.type === 'RequestMirror') resolved.push(this.#resolveMirror(filter.requestMirror, path))
      else if (filter.type === 'ExtensionRef') {
        // A filter that is not known must not be skipped: it may be the one that protects the backend.
        this.#broken = true
        const { group, kind, name } = filter.extensionRef
        const message = `filter ${kind} "${name}" of group "${group}" is not supported: requests are answered with 500`
        this.#report('ResolvedRefs', 'InvalidKind', message, path)
      } else if (filter.type === 'CORS' || filter.type === 'ExternalAuth') {
        this.#broken = true
        const message = `filter ${filter.type} is not supported: requests are answered with 500`
        this.#report('PartiallyInvalid', 'UnsupportedValue', message, path)
      } else {
        if (filter.type === 'RequestHeaderModifier')
          this.#checkHeaders(filter.requestHeaderModifier, 'request', `${path}.requestHeaderModifier`)
        if (filter.type === 'ResponseHeaderModifier')
          this.#checkHeaders(filter.responseHeaderModifier, 'response', `${path}.responseHeaderModifier`)
        resolved.push({ type: 'plain', filter })
      }
    }
    return resolved
  }

  /** Changes that Envoy would refuse are left out; whoever wrote them is told. */
  #checkHeaders(filter: HTTPHeaderFilter, direction: 'request' | 'response', field: string): void {
    for (const kind of ['set', 'add', 'remove'] as const) {
      for (const [index, header] of (filter[kind] ?? []).entries()) {
        const { name, value } = typeof header === 'string' ? { name: header, value: '' } : header
        const message = checkHeaderChange(kind, name, direction, value)
        if (message) this.#report('PartiallyInvalid', 'UnsupportedValue', message, `${field}.${kind}[${index}]`)
      }
    }
  }

  #resolveMirror(mirror: HTTPRequestMirrorFilter, field: string): ResolvedFilter {
    const backend = this.#resolveReference(mirror.backendRef, `${field}.requestMirror.backendRef`)
    const { numerator, denominator } = mirror.fraction ?? { numerator: mirror.percent ?? 100, denominator: 100 }
    return {
      type: 'mirror',
      backend: backend && { target: backend.target, protocol: backend.protocol },
      slowToWarm: backend?.endpoints.type === 'dns',
      perMillion: Math.round((numerator / denominator) * 1_000_000),
    }
  }

  #resolveBackendRef(ref: HTTPBackendRef, field: string): ResolvedBackendRef {
    const backend = this.#resolveReference(ref, field)
    return {
      backend: backend && { target: backend.target, protocol: backend.protocol },
      weight: ref.weight,
      filters: compactList(this.#resolveFilters(ref.filters ?? none, `${field}.filters`)),
      slowToWarm: backend?.endpoints.type === 'dns',
    }
  }

  /** @returns the backend, or undefined after the reason has been reported */
  #resolveReference(ref: BackendObjectReference, field: string): BackendNode | undefined {
    const { reads, grants, backends } = this.#context
    const { namespace } = this.#route.metadata
    const to = { group: ref.group, kind: ref.kind, namespace: ref.namespace ?? namespace, name: ref.name }
    const from = { group: gatewayGroup, kind: 'HTTPRoute', namespace }
    if (!isReferencePermitted(reads, grants, from, to)) {
      const message = `${ref.kind} "${to.namespace}/${ref.name}" may not be referred to from namespace ${namespace}: add a ReferenceGrant in namespace ${to.namespace} from HTTPRoute in ${namespace} to ${ref.kind}`
      this.#report('ResolvedRefs', 'RefNotPermitted', message, field)
      return undefined
    }
    const backend = reads.get(backends, keyOfReference(ref, namespace))
    if (backend?.state === 'resolved') return backend
    if (backend?.problem) this.#report(backend.problem.on, backend.problem.reason, backend.problem.message, field)
    return undefined
  }
}

function milliseconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration)
}

/** Names compare without case; of several entries for one header the first counts (HTTPHeaderMatch.name). */
function dropRepeatedHeaders(match: HTTPRouteMatch): HTTPRouteMatch {
  const names = (match.headers ?? []).map((h) => h.name.toLowerCase())
  if (new Set(names).size === names.length) return match
  return { ...match, headers: (match.headers ?? []).filter((_, index) => names.indexOf(names[index] ?? '') === index) }
}

/** Envoy would refuse a whole table for one pattern that RE2 does not take. */
function checkPatterns(match: HTTPRouteMatch): { field: string; message: string } | undefined {
  const check = (value: string, field: string) => {
    const message = checkRegularExpression(value)
    return message === undefined ? undefined : { field, message }
  }
  if (match.path.type === 'RegularExpression') {
    const error = check(match.path.value, 'path.value')
    if (error) return error
  }
  for (const list of ['headers', 'queryParams'] as const) {
    for (const [index, item] of (match[list] ?? []).entries()) {
      if (item.type !== 'RegularExpression') continue
      const error = check(item.value, `${list}[${index}].value`)
      if (error) return error
    }
  }
  return undefined
}
