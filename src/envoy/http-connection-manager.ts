import { envoy } from '../gen/envoy.js'
import { buildDuration, packAny } from './any.ts'
import { adsSource } from './config-source.ts'
import type { AddressRange, HeaderPolicy } from './header-policy.ts'

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

/**
 * The connection manager of an HTTP or HTTPS filter chain. It depends on nothing that a route or a
 * policy could change, because every change of it drains connections.
 * @param tableName the RouteConfiguration that it asks for
 */
export function buildHttpConnectionManager(
  tableName: string,
  statPrefix: string,
  policy: HeaderPolicy,
): envoy.config.listener.v3.Filter {
  const router = packAny(Router, { suppressEnvoyHeaders: !policy.addsEnvoyHeaders })
  const manager: HttpConnectionManager = {
    ...edgeLimits,
    ...pathNormalization,
    ...buildHeaderOptions(policy),
    statPrefix,
    rds: { routeConfigName: tableName, configSource: adsSource },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: router }],
    upgradeConfigs: [{ upgradeType: 'websocket' }],
  }
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: packAny(HttpConnectionManager, manager),
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
