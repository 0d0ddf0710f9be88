import { compactList, none } from '../base/compact-list.ts'
import { parseDuration } from '../gatewayapi/duration.ts'
import { checkHeaderChange } from '../gatewayapi/http-header.ts'
import type { MatchRank } from '../gatewayapi/match-precedence.ts'
import type {
  HTTPExternalAuthFilter,
  HTTPHeaderFilter,
  HTTPRequestMirrorFilter,
  HTTPRouteFilter,
} from '../gatewayapi/objects/http-filter.ts'
import type { HTTPBackendRef, HTTPRouteMatch, HTTPRouteRetry, HTTPRouteRule } from '../gatewayapi/objects/http-route.ts'
import type { BackendObjectReference } from '../gatewayapi/objects/reference.ts'
import { type BackendIdentity, backendKey, identifyBackend } from './backend.ts'
import { type BackendReferenceContext, resolveBackendReference } from './backend-reference.ts'
import type { Problem } from './problem.ts'
import { resolveSession, type SessionNode, type SessionProblem } from './session.ts'

/** The kinds of route whose rules match requests. */
export type L7RouteKind = 'HTTPRoute' | 'GRPCRoute'

/** One backendRef after resolution. A share without `backend` fails. */
export interface ResolvedBackendRef {
  readonly backend: BackendIdentity | undefined
  /** Relative to the sum of its rule. */
  readonly weight: number
  readonly filters: readonly ResolvedFilter[]
  /** Its cluster warms slowly (DNS): tables must wait for it. */
  readonly slowToWarm: boolean
  /** How the backend itself wants clients to be kept, where the rule says nothing. */
  readonly session?: SessionNode
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
  | {
      readonly type: 'external-auth'
      readonly filter: HTTPExternalAuthFilter
      /** Who is asked. A filter that nobody can answer is not here: its rule is broken. */
      readonly backend: BackendIdentity
      readonly slowToWarm: boolean
    }

/** A match whose patterns have been checked, with its rank for precedence. */
export interface RouteMatchNode {
  readonly match: HTTPRouteMatch
  /** Only gRPC requests match. */
  readonly grpc: boolean
  readonly rank: MatchRank
}

/** When a request is tried again. */
export interface RouteRetry {
  /** Tries after the first one: at least one. */
  readonly attempts: number
  /** Status codes that are tried again; failed connections always are. */
  readonly codes: readonly number[]
  /** Base interval between tries in milliseconds; undefined = not given. */
  readonly backoff: number | undefined
}

/** A rule of an HTTPRoute or GRPCRoute. */
export interface RouteRuleNode {
  /** Position in spec.rules: names the field in messages; never part of an Envoy name. */
  readonly index: number
  readonly name: string | undefined
  /** Without the matches that Envoy would refuse; those are problems. */
  readonly matches: readonly RouteMatchNode[]
  readonly filters: readonly ResolvedFilter[]
  readonly backendRefs: readonly ResolvedBackendRef[]
  /** Milliseconds; 0 = no limit; undefined = not given. */
  readonly requestTimeout: number | undefined
  readonly backendRequestTimeout: number | undefined
  /** undefined: nothing is tried again. */
  readonly retry: RouteRetry | undefined
  /** undefined: any endpoint gets any request. */
  readonly session: SessionNode | undefined
  /** A filter that cannot be honoured: every request of the rule fails. */
  readonly broken: boolean
  /** The status of requests that no backend can get; Envoy makes UNAVAILABLE of 503 for gRPC requests. */
  readonly failureStatus: 500 | 503
}

/** A rule as both kinds write it, but for its matches. */
export type RuleSpec = Omit<HTTPRouteRule, 'matches'>

export type RuleContext = BackendReferenceContext

/** Reported for a match that is left out, until it is known whether anything of the route is left. */
export const droppedMatch = 'dropped match'

/** Where a rule is, what it may read, and where its problems go. */
export interface RulePlace {
  readonly kind: L7RouteKind
  /** Of the route. */
  readonly namespace: string
  readonly name: string
  /** Position in spec.rules. */
  readonly index: number
  readonly context: RuleContext
  readonly problems: Problem[]
}

/** ExternalAuth filters in one rule, those of its backends included: as many as every connection manager has places for. */
export const maxAuths = 2

/** Resolves one rule, and reports what is wrong with it. */
export class RuleResolver {
  readonly #place: RulePlace
  #broken = false
  #auths = 0

  constructor(place: RulePlace) {
    this.#place = place
  }

  /** @param matches those that are usable */
  resolve(rule: RuleSpec, matches: readonly RouteMatchNode[]): RouteRuleNode {
    const filters = this.#resolveFilters(rule.filters ?? none, 'filters')
    const backendRefs = (rule.backendRefs ?? none).map((ref, i) => this.#resolveBackendRef(ref, `backendRefs[${i}]`))
    this.#checkRedirect(rule)
    return {
      index: this.#place.index,
      name: rule.name,
      matches: compactList(matches),
      filters: compactList(filters),
      backendRefs: compactList(backendRefs),
      requestTimeout: milliseconds(rule.timeouts?.request),
      backendRequestTimeout: milliseconds(rule.timeouts?.backendRequest),
      retry: resolveRetry(rule.retry),
      session: this.#resolveSession(rule, backendRefs),
      broken: this.#broken,
      failureStatus: failures[this.#place.kind].status,
    }
  }

  /** @param field relative to the rule */
  readonly report = (on: string, reason: string, message: string, field: string): void => {
    this.#place.problems.push({ on, reason, message, path: `spec.rules[${this.#place.index}].${field}` })
  }

  #resolveFilters(filters: readonly HTTPRouteFilter[], field: string): ResolvedFilter[] {
    const resolved: ResolvedFilter[] = []
    for (const [index, filter] of filters.entries()) {
      const path = `${field}[${index}]`
      if (filter.type === 'RequestMirror') resolved.push(this.#resolveMirror(filter.requestMirror, path))
      else if (filter.type === 'ExtensionRef') {
        const { group, kind, name } = filter.extensionRef
        this.#break(
          'ResolvedRefs',
          'InvalidKind',
          `filter ${kind} "${name}" of group "${group}" is not supported`,
          path,
        )
      } else if (filter.type === 'ExternalAuth') resolved.push(...this.#resolveAuth(filter.externalAuth, path))
      else {
        if (filter.type === 'RequestHeaderModifier')
          this.#checkHeaders(filter.requestHeaderModifier, 'request', `${path}.requestHeaderModifier`)
        if (filter.type === 'ResponseHeaderModifier')
          this.#checkHeaders(filter.responseHeaderModifier, 'response', `${path}.responseHeaderModifier`)
        resolved.push({ type: 'plain', filter })
      }
    }
    return resolved
  }

  /** A filter that is not known must not be skipped: it may be the one that protects the backend. */
  #break(on: string, reason: string, message: string, field: string): void {
    this.#broken = true
    this.report(on, reason, `${message}: ${failures[this.#place.kind].told}`, field)
  }

  /** Requests that nobody can be asked about do not pass. */
  #resolveAuth(filter: HTTPExternalAuthFilter, field: string): ResolvedFilter[] {
    this.#auths++
    if (this.#auths > maxAuths) {
      const message = `more than ${maxAuths} ExternalAuth filters in one rule are not supported`
      this.#break('PartiallyInvalid', 'UnsupportedValue', message, field)
      return []
    }
    const who = filter.protocol === 'GRPC' ? 'GRPCRoute' : 'HTTPRoute'
    const { backend, slowToWarm } = this.#resolveReference(filter.backendRef, `${field}.externalAuth.backendRef`, who)
    if (backend) return [{ type: 'external-auth', filter, backend, slowToWarm }]
    this.#broken = true
    return []
  }

  /** Changes that Envoy would refuse are left out; whoever wrote them is told. */
  #checkHeaders(filter: HTTPHeaderFilter, direction: 'request' | 'response', field: string): void {
    for (const kind of ['set', 'add', 'remove'] as const) {
      const changes = filter[kind]
      if (changes === undefined) continue
      for (const [index, header] of changes.entries()) {
        const { name, value } = typeof header === 'string' ? { name: header, value: '' } : header
        const message = checkHeaderChange(kind, name, direction, value)
        if (message) this.report('PartiallyInvalid', 'UnsupportedValue', message, `${field}.${kind}[${index}]`)
      }
    }
  }

  /** Envoy redirects before it looks at the origin of a request. */
  #checkRedirect({ filters }: RuleSpec): void {
    if (filters === undefined) return
    const cors = filters.findIndex((filter) => filter.type === 'CORS')
    if (cors < 0 || !filters.some((filter) => filter.type === 'RequestRedirect')) return
    const message =
      'CORS has no effect beside a RequestRedirect: remove it, or move it to the rule that is redirected to'
    this.report('PartiallyInvalid', 'UnsupportedValue', message, `filters[${cors}]`)
  }

  #resolveSession(
    { sessionPersistence }: RuleSpec,
    backendRefs: readonly ResolvedBackendRef[],
  ): SessionNode | undefined {
    if (sessionPersistence === undefined) return undefined
    const { kind, namespace, name } = this.#place
    const report = ({ field, message }: SessionProblem) =>
      this.report('PartiallyInvalid', 'UnsupportedValue', message, `sessionPersistence.${field}`)
    const targets = backendRefs.flatMap(({ backend }) => (backend ? [backendKey(backend.target)] : [])).sort()
    const session = resolveSession(sessionPersistence, [kind, namespace, name, ...targets].join('\n'), report)
    const used = backendRefs.filter(({ backend, weight }) => backend && weight > 0)
    if (session.type === 'header' && used.length > 1) {
      const message =
        'a session by header holds within one backend alone, and requests are shared among several: use a cookie'
      report({ field: 'type', message })
    }
    return session
  }

  #resolveMirror(mirror: HTTPRequestMirrorFilter, field: string): ResolvedFilter {
    const { numerator, denominator } = mirror.fraction ?? { numerator: mirror.percent ?? 100, denominator: 100 }
    return {
      type: 'mirror',
      ...this.#resolveReference(mirror.backendRef, `${field}.requestMirror.backendRef`),
      perMillion: Math.round((numerator / denominator) * 1_000_000),
    }
  }

  #resolveBackendRef(ref: HTTPBackendRef, field: string): ResolvedBackendRef {
    const { backend, slowToWarm, session } = this.#resolveReference(ref, field)
    const filters =
      ref.filters === undefined ? none : compactList(this.#resolveFilters(ref.filters, `${field}.filters`))
    // All fields at once: what is put together of parts takes more memory.
    const resolved = { backend, slowToWarm, weight: ref.weight, filters }
    return session === undefined ? resolved : { ...resolved, session }
  }

  /**
   * @param spoken how the backend is spoken to: as routes of this kind do
   * @returns no backend after the reason has been reported
   */
  #resolveReference(
    ref: BackendObjectReference,
    field: string,
    spoken: L7RouteKind = this.#place.kind,
  ): Pick<ResolvedBackendRef, 'backend' | 'slowToWarm' | 'session'> {
    const resolved = resolveBackendReference(ref, this.#place, this.#place.context)
    const identified = 'backend' in resolved ? identifyBackend(resolved.backend, spoken) : resolved
    if ('problem' in identified) {
      const { on, reason, message } = identified.problem
      this.report(on, reason, message, field)
      return { backend: undefined, slowToWarm: false }
    }
    const { endpoints, session } = 'backend' in resolved ? resolved.backend : {}
    return { backend: identified, slowToWarm: endpoints?.type === 'dns', ...(session && { session }) }
  }
}

/** What clients get where no backend can answer (HTTPRouteRule.backendRefs, GRPCRouteRule.backendRefs). */
const failures = {
  HTTPRoute: { status: 500, told: 'requests are answered with 500' },
  GRPCRoute: { status: 503, told: 'requests fail with UNAVAILABLE' },
} as const

function resolveRetry(retry: HTTPRouteRetry | undefined): RouteRetry | undefined {
  if (retry === undefined || retry.attempts === 0) return undefined
  const { attempts, codes = [], backoff } = retry
  return { attempts, codes: compactList(codes), backoff: milliseconds(backoff) }
}

function milliseconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration)
}
