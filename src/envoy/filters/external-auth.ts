import { assert } from '../../base/assert.ts'
import type { HTTPExternalAuthFilter } from '../../gatewayapi/objects/http-filter.ts'
import { envoy } from '../../gen/envoy.js'
import { maxAuths } from '../../graph/route-rule.ts'
import { buildDuration, packAny } from '../any.ts'

type Any = ReturnType<typeof packAny>
type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
type ListStringMatcher = envoy.type.matcher.v3.ListStringMatcher
const { ExtensionWithMatcher, ExtensionWithMatcherPerRoute } = envoy.extensions.common.matching.v3
const { Composite, ExecuteFilterAction } = envoy.extensions.filters.http.composite.v3
const { ExtAuthz } = envoy.extensions.filters.http.ext_authz.v3
const { ApiVersion } = envoy.config.core.v3

/** An ExternalAuth filter with the cluster that is asked. */
export interface AuthPlan {
  readonly filter: HTTPExternalAuthFilter
  readonly cluster: string
  /** "service.namespace": who is asked, as a host. A cluster's name is none, and gRPC servers refuse it. */
  readonly authority: string
}

/** For the answer of whoever is asked, in milliseconds. Envoy's 200 would refuse clients of a service that starts up. */
const answerTimeout = 10_000

const composite = { name: 'composite', typedConfig: packAny(Composite, {}) }

/**
 * Places in the chain of every connection manager for filters that a Route or a virtual host brings along, one for
 * each filter in the order of the list. An `ExtAuthz` can stand there only whole: one that has no service ends Envoy
 * with the first request. Not `envoy.filters.http.filter_chain`, which looks at the Route when the request begins:
 * what a filter of the listener changes may lead to another Route, and a filter that is not asked protects nothing (ADR 11).
 */
function buildPlace(name: string, disabled: boolean): HttpFilter {
  return { name, typedConfig: packAny(ExtensionWithMatcher, { extensionConfig: composite }), disabled }
}

const listPlaces = (kind: string, count: number) =>
  Array.from({ length: count }, (_, place) => `gatewright.${kind}.${place}`)

/**
 * Of listeners. They stand in virtual hosts, which nothing changes on the way, so that they may be switched on there.
 * @param count of filters of that listener of the table that has most
 */
export function listListenerFilters(count: number): HttpFilter[] {
  return listPlaces('listener_auth', count).map((name) => buildPlace(name, true))
}

const routePlaces = listPlaces('external_auth', maxAuths)

/**
 * Of rules. Envoy leaves a filter that is `disabled` out when a request begins, unless its Route switches it on.
 * @param canReroute whether the Route may be another one later, because the listener has filters
 */
export function listAuthFilters(canReroute: boolean): HttpFilter[] {
  return routePlaces.map((name) => buildPlace(name, !canReroute))
}

/** The entries of `typed_per_filter_config` for a Route. @param auths at most as many as there are places */
export function buildAuths(auths: readonly AuthPlan[]): { [filter: string]: Any } {
  return fillPlaces(routePlaces, auths, false)
}

/** The same for the virtual hosts of a listener. What they change may lead to another Route, but never to another host. */
export function buildListenerAuths(auths: readonly AuthPlan[]): { [filter: string]: Any } {
  return fillPlaces(listPlaces('listener_auth', auths.length), auths, true)
}

function fillPlaces(places: readonly string[], auths: readonly AuthPlan[], clearRouteCache: boolean) {
  assert(auths.length <= places.length, 'there is a place for every filter, or its rule is broken')
  return Object.fromEntries(
    auths.map((auth, place) => {
      const config = packAny(ExtAuthz, { ...buildAuth(auth), ...(clearRouteCache && { clearRouteCache }) })
      const typedConfig = { name: 'envoy.filters.http.ext_authz', typedConfig: config }
      const action = { name: 'ask', typedConfig: packAny(ExecuteFilterAction, { typedConfig }) }
      return [places[place], packAny(ExtensionWithMatcherPerRoute, { xdsMatcher: { onNoMatch: { action } } })]
    }),
  )
}

function buildAuth({ filter, cluster, authority }: AuthPlan): envoy.extensions.filters.http.ext_authz.v3.ExtAuthz {
  const { protocol, grpc, http, forwardBody } = filter
  const allowed = (protocol === 'GRPC' ? grpc : http)?.allowedHeaders ?? []
  const timeout = buildDuration(answerTimeout)
  return {
    transportApiVersion: ApiVersion.V3,
    ...(allowed.length > 0 && { allowedHeaders: matchNames(allowed) }),
    // A body that is longer is refused with 413: who decides must not decide by half of it.
    ...(forwardBody?.maxSize && { withRequestBody: { maxRequestBytes: forwardBody.maxSize } }),
    decoderHeaderMutationRules: { disallowExpression: { regex: ofAnswer } },
    ...(protocol === 'GRPC'
      ? { grpcService: { envoyGrpc: { clusterName: cluster, authority }, timeout } }
      : { httpService: buildHttpService(http, { uri: `http://${authority}`, cluster, timeout }) }),
  }
}

function buildHttpService(
  http: HTTPExternalAuthFilter['http'],
  serverUri: envoy.config.core.v3.HttpUri,
): envoy.extensions.filters.http.ext_authz.v3.HttpService {
  const { path = '', allowedResponseHeaders = [] } = http ?? {}
  const copied = allowedResponseHeaders.length > 0 ? matchNames(allowedResponseHeaders) : everyName
  return {
    serverUri,
    ...(path !== '' && { pathPrefix: buildPathPrefix(path) }),
    authorizationResponse: { allowedUpstreamHeaders: copied },
  }
}

/** Envoy puts it before a path that begins with "/". */
function buildPathPrefix(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  return trimmed === '' || trimmed.startsWith('/') ? trimmed : `/${trimmed}`
}

const everyName: ListStringMatcher = { patterns: [{ safeRegex: { regex: '.*' } }] }

/**
 * Headers that are about the answer itself, and would make nonsense, or another request, of what follows. Envoy by
 * itself lets nobody change the host and the method.
 */
const ofAnswer =
  '(?i)(?:connection|content-encoding|content-length|content-type|date|http2-settings|keep-alive|proxy-connection|server|te|trailer|transfer-encoding|upgrade)'

function matchNames(names: readonly string[]): ListStringMatcher {
  return { patterns: names.map((exact) => ({ exact: exact.toWellFormed(), ignoreCase: true })) }
}
