import type { GRPCRouteMatch } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPRouteMatch } from '../gatewayapi/objects/http-route.ts'
import type { ListenerCase, RequestCase, RouteCase, RouteSetCase } from './random-route-set.ts'

/**
 * Which rule of a set gets a request: the specification, written down as directly as can be, and without
 * a line of the product. It looks at every match of every route, and sorts those that match.
 */
export type Outcome =
  /** The rule's Service. */
  | number
  /** The rule has none: 500, or UNAVAILABLE. */
  | 'failure'
  /** No rule matches. */
  | 'not found'

/** What a match is compared by, the most important first; the smaller goes first. */
type SortKey = readonly (number | string)[]

export function findOutcome(set: RouteSetCase, request: RequestCase): Outcome {
  const host = request.host.toLowerCase().replace(/:\d+$/, '')
  // Isolation: a host belongs to the most specific listener of the port that covers it.
  const [listener] = set.listeners
    .filter((l) => coversHost(l.hostname, host))
    .sort((a, b) => compareKeys(specificity(a.hostname), specificity(b.hostname)))
  if (listener === undefined) return 'not found'
  const candidates = set.routes.flatMap((route) => listCandidates(route, listener, host, request))
  const [best] = candidates.sort((a, b) => compareKeys(a.key, b.key))
  return best === undefined ? 'not found' : (best.service ?? 'failure')
}

interface Candidate {
  readonly key: SortKey
  readonly service: number | undefined
}

function listCandidates(route: RouteCase, listener: ListenerCase, host: string, request: RequestCase): Candidate[] {
  if (route.sections !== undefined && !route.sections.includes(listener.name)) return []
  const matching = (route.hostnames.length === 0 ? [undefined] : route.hostnames)
    .map((own) => ({ own, common: intersect(listener.hostname, own) }))
    .filter(({ common }) => common !== null && coversHost(common, host))
    // The hostname that matches best, then the route's own.
    .map(({ own, common }) => [...specificity(common ?? undefined), ...specificity(own)])
    .sort(compareKeys)
  const [hostKey] = matching
  if (hostKey === undefined) return []
  const age = [route.created === undefined ? Number.POSITIVE_INFINITY : Date.parse(route.created)]
  const found: Candidate[] = []
  const consider = (service: number | undefined, kind: number, key: SortKey, rule: number, match: number) =>
    found.push({ service, key: [...hostKey, kind, ...key, ...age, `${route.namespace}/${route.name}`, rule, match] })
  for (const [ruleIndex, rule] of route.rules.entries()) {
    for (const [matchIndex, match] of rule.matches.entries()) {
      if (route.kind === 'GRPCRoute') {
        if (matchesGRPC(match as GRPCRouteMatch, request))
          consider(rule.service, 0, sortGRPC(match as GRPCRouteMatch), ruleIndex, matchIndex)
      } else if (matchesHTTP(match as HTTPRouteMatch, request))
        consider(rule.service, 1, sortHTTP(match as HTTPRouteMatch), ruleIndex, matchIndex)
    }
  }
  return found
}

function compareKeys(a: SortKey, b: SortKey): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] as typeof left
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

function coversHost(pattern: string | undefined, host: string): boolean {
  if (pattern === undefined) return true
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) && host !== pattern.slice(1) : host === pattern
}

/** null: nothing in common. undefined: every host. */
function intersect(a: string | undefined, b: string | undefined): string | undefined | null {
  if (a === undefined) return b
  if (b === undefined || a === b) return a
  const isWithin = (narrow: string, wide: string) =>
    wide.startsWith('*.') && narrow.replace(/^\*/, 'x').endsWith(wide.slice(1))
  if (isWithin(b, a)) return b
  if (isWithin(a, b)) return a
  return null
}

/** Most characters in a non-wildcard hostname, then most characters, then none at all. */
function specificity(hostname: string | undefined): number[] {
  if (hostname === undefined) return [2, 0]
  return [hostname.startsWith('*') ? 1 : 0, -hostname.length]
}

function matchesValue(match: { type: string; value: string }, value: string | undefined): boolean {
  if (value === undefined) return false
  return match.type === 'Exact' ? value === match.value : new RegExp(`^(?:${match.value})$`).test(value)
}

/** Of several entries for one header the first counts. */
function distinctHeaders<H extends { readonly name: string }>(headers: readonly H[] = []): H[] {
  const lower = headers.map((h) => h.name.toLowerCase())
  return headers.filter((h, index) => lower.indexOf(h.name.toLowerCase()) === index)
}

function matchesHeaders(match: Pick<HTTPRouteMatch, 'headers'>, { headers }: RequestCase): boolean {
  return distinctHeaders(match.headers).every((h) => matchesValue(h, headers[h.name.toLowerCase()]))
}

function matchesHTTP(match: HTTPRouteMatch, request: RequestCase): boolean {
  const { type, value } = match.path
  const prefix = value.replace(/\/$/, '')
  const onPath =
    type === 'PathPrefix'
      ? request.path === prefix || request.path.startsWith(`${prefix}/`)
      : matchesValue({ type, value }, request.path)
  return (
    onPath &&
    (match.method === undefined || match.method === request.method) &&
    matchesHeaders(match, request) &&
    (match.queryParams ?? []).every((q) => matchesValue(q, request.query.find(([name]) => name === q.name)?.[1]))
  )
}

function sortHTTP({ path: { type, value }, method, headers, queryParams = [] }: HTTPRouteMatch): SortKey {
  const length = type === 'PathPrefix' && value.length > 1 ? value.replace(/\/$/, '').length : value.length
  const kind = ['Exact', 'RegularExpression', 'PathPrefix'].indexOf(type)
  return [kind, -length, method === undefined ? 1 : 0, -distinctHeaders(headers).length, -queryParams.length]
}

function matchesGRPC(match: GRPCRouteMatch, request: RequestCase): boolean {
  if (!request.grpc) return false
  const { type = 'Exact', service, method } = match.method ?? {}
  const [, ownService, ownMethod, ...more] = request.path.split('/')
  // "/service" alone is no gRPC method, and who asks for it by a rule for the service gets what the rule gives.
  const onService = service === undefined || matchesValue({ type, value: service }, ownService)
  const onMethod = method === undefined || matchesValue({ type, value: method }, ownMethod)
  const shaped = (service ?? method) === undefined || (ownMethod !== undefined && ownMethod !== '' && more.length === 0)
  return onService && onMethod && shaped && matchesHeaders(match, request)
}

function sortGRPC({ method, headers }: GRPCRouteMatch): SortKey {
  const kind = method === undefined ? 2 : method.type === 'Exact' ? 0 : 1
  return [kind, -(method?.service ?? '').length, -(method?.method ?? '').length, -distinctHeaders(headers).length]
}
