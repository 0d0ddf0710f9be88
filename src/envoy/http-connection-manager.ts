import { envoy } from '../gen/envoy.js'
import type { ProxyProfile } from '../graph/gateway-class.ts'
import { packAny } from './any.ts'
import { adsSource } from './config-source.ts'

const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3
type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
const { Router } = envoy.extensions.filters.http.router.v3

/**
 * What Envoy adds to requests and responses by itself. Quiet is what a backend behind a plain reverse
 * proxy sees; verbose is Envoy's own habit.
 */
const headerHabits: Readonly<
  Record<ProxyProfile['headers'], { manager: HttpConnectionManager; suppressEnvoyHeaders: boolean }>
> = {
  quiet: {
    manager: { serverHeaderTransformation: HttpConnectionManager.ServerHeaderTransformation.PASS_THROUGH },
    suppressEnvoyHeaders: true,
  },
  verbose: {
    manager: {
      serverHeaderTransformation: HttpConnectionManager.ServerHeaderTransformation.OVERWRITE,
      serverName: 'envoy',
    },
    suppressEnvoyHeaders: false,
  },
}

const kibibyte = 1024

/** Limits that Envoy's documentation recommends for an edge proxy; a client may not hold more than this. */
const edgeLimits: HttpConnectionManager = {
  commonHttpProtocolOptions: {
    headersWithUnderscoresAction: envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction.REJECT_REQUEST,
  },
  http2ProtocolOptions: {
    maxConcurrentStreams: { value: 100 },
    initialStreamWindowSize: { value: 64 * kibibyte },
    initialConnectionWindowSize: { value: 1024 * kibibyte },
  },
  requestHeadersTimeout: { seconds: 10, nanos: 0 },
}

/**
 * The connection manager of an HTTP or HTTPS filter chain. It depends on nothing that a route or a
 * policy could change, because every change of it drains connections.
 */
export function buildHttpConnectionManager(
  tableName: string,
  statPrefix: string,
  profile: ProxyProfile,
): envoy.config.listener.v3.Filter {
  const habit = headerHabits[profile.headers]
  const router = packAny(Router, { suppressEnvoyHeaders: habit.suppressEnvoyHeaders })
  const manager: HttpConnectionManager = {
    ...edgeLimits,
    ...habit.manager,
    statPrefix,
    rds: { routeConfigName: tableName, configSource: adsSource },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: router }],
    useRemoteAddress: { value: true },
    normalizePath: { value: true },
    mergeSlashes: true,
    pathWithEscapedSlashesAction: HttpConnectionManager.PathWithEscapedSlashesAction.UNESCAPE_AND_REDIRECT,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
  }
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: packAny(HttpConnectionManager, manager),
  }
}
