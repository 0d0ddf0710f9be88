import type { HTTPRequestRedirectFilter } from '../gatewayapi/objects/http-filter.ts'
import type { HTTPPathMatch } from '../gatewayapi/objects/http-route.ts'
import { envoy } from '../gen/envoy.js'
import { planPathChange } from './path-rewrite.ts'
import type { MatchExtension } from './route-match.ts'

type RedirectAction = envoy.config.route.v3.RedirectAction
const { RedirectResponseCode } = envoy.config.route.v3.RedirectAction

/** What redirects need to know of the listener. */
export interface RedirectContext {
  readonly protocol: 'HTTP' | 'HTTPS'
  /** The listener's port as users see it. */
  readonly port: number
}

export interface ConditionalRedirect {
  readonly when: MatchExtension
  readonly redirect: RedirectAction
}

const responseCodes = {
  301: RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectResponseCode.FOUND,
  303: RedirectResponseCode.SEE_OTHER,
  307: RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectResponseCode.PERMANENT_REDIRECT,
} as const

const wellKnownPorts = { http: 80, https: 443 } as const

/**
 * One redirect, in the order in which Envoy must try its forms. The port of the Location is never
 * that of the request's Host: it is the given one, or that of the given scheme, or the listener's, and is left
 * out where the scheme implies it (HTTPRequestRedirectFilter.port). Envoy leaves the Host's port in place
 * unless a port is given, so that requests whose Host names another port need a form of their own.
 */
export function buildRedirects(
  filter: HTTPRequestRedirectFilter,
  match: HTTPPathMatch,
  context: RedirectContext,
): ConditionalRedirect[] {
  const listenerScheme = context.protocol === 'HTTPS' ? 'https' : 'http'
  const scheme = filter.scheme ?? listenerScheme
  const port = filter.port ?? (filter.scheme === undefined ? context.port : wellKnownPorts[filter.scheme])
  const redirect: RedirectAction = {
    ...(filter.scheme !== undefined && { schemeRedirect: filter.scheme }),
    ...(filter.hostname !== undefined && { hostRedirect: filter.hostname }),
    ...buildPathRedirect(filter, match),
    responseCode: responseCodes[filter.statusCode],
  }
  if (port !== wellKnownPorts[scheme]) return [{ when: {}, redirect: { ...redirect, portRedirect: port } }]
  if (filter.hostname !== undefined) return [{ when: {}, redirect }]
  return [
    { when: { headers: otherPort(listenerScheme) }, redirect: { ...redirect, portRedirect: port } },
    { when: {}, redirect },
  ]
}

function buildPathRedirect({ path }: HTTPRequestRedirectFilter, match: HTTPPathMatch): RedirectAction {
  const change = path && planPathChange(path, match)
  if (change === undefined) return {}
  if (change.kind === 'full') return { pathRedirect: change.path }
  if (change.kind === 'prefix') return { prefixRewrite: change.prefixRewrite }
  return { regexRewrite: change.regexRewrite }
}

/** A Host with a port other than the one that Envoy takes off by itself, or that may stay. */
function otherPort(scheme: 'http' | 'https'): envoy.config.route.v3.HeaderMatcher[] {
  return [
    { name: ':authority', stringMatch: { contains: ':' } },
    { name: ':authority', stringMatch: { suffix: `:${wellKnownPorts[scheme]}` }, invertMatch: true },
  ]
}
