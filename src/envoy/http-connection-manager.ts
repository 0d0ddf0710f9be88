import { envoy } from '../gen/envoy.js'
import type { AddressRange } from '../graph/proxy-parameters.ts'
import { buildDuration, packAny } from './any.ts'
import { type BucketCount, bucketHeader, buildBucketMutation } from './bucket-expression.ts'
import { adsSource } from './config-source.ts'
import { corsFilter } from './filters/cors.ts'
import { listAuthFilters, listListenerFilters } from './filters/external-auth.ts'
import { buildSessionFilter } from './filters/stateful-session.ts'
import type { HeaderPolicy } from './header-policy.ts'
import { scopeCollectionName } from './names.ts'

const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3
type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
const { Router } = envoy.extensions.filters.http.router.v3

const kibibyte = 1024
const minute = 60_000

/** Limits that Envoy's documentation recommends for an edge proxy; a client may not hold more than this. */
const edgeLimits: HttpConnectionManager = {
  commonHttpProtocolOptions: {
    idleTimeout: buildDuration(15 * minute),
    headersWithUnderscoresAction: envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction.REJECT_REQUEST,
  },
  http2ProtocolOptions: {
    maxConcurrentStreams: { value: 100 },
    initialStreamWindowSize: { value: 64 * kibibyte },
    initialConnectionWindowSize: { value: 1024 * kibibyte },
  },
  streamIdleTimeout: buildDuration(5 * minute),
  requestHeadersTimeout: buildDuration(10_000),
}

/** One path has one spelling, for matching and for whatever decides about access (CVE-2021-29492). */
const pathNormalization: HttpConnectionManager = {
  normalizePath: { value: true },
  mergeSlashes: true,
  pathWithEscapedSlashesAction: HttpConnectionManager.PathWithEscapedSlashesAction.UNESCAPE_AND_REDIRECT,
}

/** The table that a filter chain asks for. */
export interface ServedTable {
  readonly name: string
  /** Into how many scoped tables it is divided; 1 is a RouteConfiguration. */
  readonly buckets: 1 | BucketCount
  /** How many filters its listeners have at most. They run before the route is chosen, and may change it. */
  readonly listenerFilters: number
}

/** What all chains of HTTP of a Gateway have in common. */
export interface ChainOptions {
  readonly policy: HeaderPolicy
  /** Nothing is traced unless given. */
  readonly tracing?: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing
}

/**
 * The connection manager of an HTTP or HTTPS filter chain. Every change of it drains connections: it depends on
 * nothing that a route could change, and of policies on as much of telemetry as Envoy has in no other place (ADR 13).
 */
export function buildHttpConnectionManager(
  table: ServedTable,
  statPrefix: string,
  { policy, tracing }: ChainOptions,
): envoy.config.listener.v3.Filter {
  const canReroute = table.listenerFilters > 0
  const router = packAny(Router, { suppressEnvoyHeaders: !policy.addsEnvoyHeaders })
  const manager: HttpConnectionManager = {
    ...edgeLimits,
    ...pathNormalization,
    ...buildHeaderOptions(policy),
    statPrefix,
    ...buildRouteSource(table),
    ...(tracing && { tracing }),
    httpFilters: [
      ...listListenerFilters(table.listenerFilters),
      corsFilter,
      ...listAuthFilters(canReroute),
      buildSessionFilter(canReroute),
      { name: 'envoy.filters.http.router', typedConfig: router },
    ],
    upgradeConfigs: [{ upgradeType: 'websocket' }],
  }
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: packAny(HttpConnectionManager, manager),
  }
}

function buildRouteSource({ name, buckets }: ServedTable): HttpConnectionManager {
  if (buckets === 1) return { rds: { routeConfigName: name, configSource: adsSource } }
  return {
    earlyHeaderMutationExtensions: [buildBucketMutation(buckets)],
    scopedRoutes: {
      name,
      scopeKeyBuilder: { fragments: [{ headerValueExtractor: { name: bucketHeader, index: 0 } }] },
      scopedRds: {
        scopedRdsConfigSource: adsSource,
        srdsResourcesLocator: scopeCollectionName(name, buckets),
      },
    },
  }
}

function buildHeaderOptions({ namesServer, internalAddresses }: HeaderPolicy): HttpConnectionManager {
  const { OVERWRITE, PASS_THROUGH } = HttpConnectionManager.ServerHeaderTransformation
  return {
    // The address of the connection is the client's: x-forwarded-for from outside is extended, not believed.
    useRemoteAddress: { value: true },
    // Absent, nobody is internal. Present but empty, Envoy 1.40 takes all private addresses and loopback for it.
    ...(internalAddresses.length > 0 && { internalAddressConfig: { cidrRanges: internalAddresses.map(buildRange) } }),
    serverHeaderTransformation: namesServer ? OVERWRITE : PASS_THROUGH,
    ...(namesServer && { serverName: 'envoy' }),
  }
}

function buildRange({ addressPrefix, prefixLength }: AddressRange): envoy.config.core.v3.CidrRange {
  return { addressPrefix, prefixLen: { value: prefixLength } }
}
