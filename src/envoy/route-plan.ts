import type {
  HTTPCORSFilter,
  HTTPHeaderFilter,
  HTTPPathModifier,
  HTTPRequestRedirectFilter,
} from '../gatewayapi/objects/http-filter.ts'
import type { BackendIdentity } from '../graph/backend.ts'
import type { ListenerFilterNode } from '../graph/listener-filter.ts'
import type { ResolvedFilter, RouteRuleNode } from '../graph/route-rule.ts'
import type { SessionNode } from '../graph/session.ts'
import type { AuthPlan } from './filters/external-auth.ts'
import { foldHeaderFilters, type HeaderMutations, hostOf } from './header-mutation.ts'
import { clusterName } from './names.ts'

export interface MirrorPlan {
  readonly cluster: string
  readonly perMillion: number
}

/** What the filters of a rule, and then those of one of its backends, do to a request. */
export interface ChangePlan {
  readonly redirect: HTTPRequestRedirectFilter | undefined
  readonly host: string | undefined
  readonly path: HTTPPathModifier | undefined
  readonly request: HeaderMutations
  readonly response: HeaderMutations
  readonly mirrors: readonly MirrorPlan[]
  readonly cors: HTTPCORSFilter | undefined
  /** Who is asked, one after the other. */
  readonly auths: readonly AuthPlan[]
  readonly session: SessionNode | undefined
}

/** Where a share of a rule's requests goes. */
export interface SharePlan {
  readonly weight: number
  /** undefined: the share is answered with 500. */
  readonly cluster: string | undefined
  readonly changes: ChangePlan
}

/** Who is asked, and what. */
export function planAuth({ filter, backend }: Pick<ListenerFilterNode, 'filter' | 'backend'>): AuthPlan {
  const { target } = backend
  return { filter, cluster: clusterName(backend), authority: `${target.name}.${target.namespace}` }
}

/** Goes through filters in their order; a later one sees what an earlier one has done, and wins. */
export function planChanges(filters: readonly ResolvedFilter[], session?: SessionNode): ChangePlan {
  let redirect: HTTPRequestRedirectFilter | undefined
  let host: string | undefined
  let path: HTTPPathModifier | undefined
  let cors: HTTPCORSFilter | undefined
  const request: HTTPHeaderFilter[] = []
  const response: HTTPHeaderFilter[] = []
  const mirrors: MirrorPlan[] = []
  const auths: AuthPlan[] = []
  for (const resolved of filters) {
    if (resolved.type === 'external-auth') {
      auths.push(planAuth(resolved))
      continue
    }
    if (resolved.type === 'mirror') {
      const { backend, perMillion } = resolved
      if (backend && perMillion > 0) mirrors.push({ cluster: clusterName(backend), perMillion })
      continue
    }
    const { filter } = resolved
    if (filter.type === 'RequestRedirect') redirect = filter.requestRedirect
    else if (filter.type === 'CORS') cors = filter.cors
    else if (filter.type === 'URLRewrite') {
      host = filter.urlRewrite.hostname ?? host
      path = filter.urlRewrite.path ?? path
    } else if (filter.type === 'RequestHeaderModifier') {
      request.push(filter.requestHeaderModifier)
      host = hostOf(filter.requestHeaderModifier) ?? host
    } else if (filter.type === 'ResponseHeaderModifier') response.push(filter.responseHeaderModifier)
  }
  return {
    redirect,
    host,
    path,
    request: foldHeaderFilters(request),
    response: foldHeaderFilters(response),
    mirrors,
    cors,
    auths,
    session,
  }
}

/** The shares of a rule's backends that get any requests; those that are answered with 500 are one share. */
export function planShares(rule: RouteRuleNode): SharePlan[] {
  const shares: SharePlan[] = []
  let failing = 0
  for (const { backend, weight, filters, session } of rule.backendRefs) {
    if (weight <= 0) continue
    if (backend) {
      const all = filters.length === 0 ? rule.filters : [...rule.filters, ...filters]
      const changes = planChanges(all, rule.session ?? session)
      shares.push({ weight, cluster: clusterName(backend), changes })
    } else failing += weight
  }
  if (failing > 0 && shares.length > 0) shares.push({ weight: failing, cluster: undefined, changes: planChanges([]) })
  return shares
}

/** Every backend that slows the table down: it is routed to, mirrored to or asked, and warms slowly. */
export function slowBackendsOf(rule: RouteRuleNode): BackendIdentity[] {
  const slow: BackendIdentity[] = []
  const add = ({
    backend,
    slowToWarm,
  }: {
    readonly backend: BackendIdentity | undefined
    readonly slowToWarm: boolean
  }) => {
    if (slowToWarm && backend) slow.push(backend)
  }
  const addOf = (filters: readonly ResolvedFilter[]) => {
    for (const f of filters) if ((f.type === 'mirror' && f.perMillion > 0) || f.type === 'external-auth') add(f)
  }
  addOf(rule.filters)
  for (const ref of rule.backendRefs) {
    if (ref.weight <= 0 || !ref.backend) continue
    add(ref)
    addOf(ref.filters)
  }
  return slow
}
