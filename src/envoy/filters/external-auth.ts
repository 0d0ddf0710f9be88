import type { HTTPExternalAuthFilter } from '../../gatewayapi/objects/http-filter.ts'
import { envoy } from '../../gen/envoy.js'
import { maxAuths } from '../../graph/route-rule.ts'
import { buildDuration, packAny } from '../any.ts'

type Any = ReturnType<typeof packAny>
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
 * Places in the chain of every connection manager for filters that a Route brings along, one for each filter in
 * the order of the rule. An `ExtAuthz` can stand there only whole: one that has no service ends Envoy with the first request.
 * Not `envoy.filters.http.filter_chain`, which looks at the Route when the request begins: what a filter of the
 * listener changes may lead to another Route, and a filter that is not asked then protects nothing.
 */
export const authFilters = Array.from({ length: maxAuths }, (_, place) => ({
  name: placeName(place),
  typedConfig: packAny(ExtensionWithMatcher, { extensionConfig: composite }),
}))

function placeName(place: number): string {
  return `gatewright.external_auth.${place}`
}

/** The entries of `typed_per_filter_config` for a Route. @param auths at most as many as there are places */
export function buildAuths(auths: readonly AuthPlan[]): { [filter: string]: Any } {
  return Object.fromEntries(auths.map((auth, place) => [placeName(place), buildAction(auth)]))
}

function buildAction(auth: AuthPlan): Any {
  const typedConfig = { name: 'envoy.filters.http.ext_authz', typedConfig: packAny(ExtAuthz, buildAuth(auth)) }
  const action = { name: 'ask', typedConfig: packAny(ExecuteFilterAction, { typedConfig }) }
  return packAny(ExtensionWithMatcherPerRoute, { xdsMatcher: { onNoMatch: { action } } })
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
