import { assert } from '../base/assert.ts'
import { compareBy, compareStrings } from '../base/compare.ts'
import { envoy } from '../gen/envoy.js'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { ProxyProfile } from '../graph/gateway-class.ts'
import type { ListenerNode } from '../graph/listener.ts'
import { packAny } from './any.ts'
import { buildHttpConnectionManager } from './http-connection-manager.ts'
import { httpsTableName, httpTableName, listenerName, secretName } from './names.ts'
import { buildDownstreamTls } from './tls-context.ts'

const { Listener } = envoy.config.listener.v3
const { TlsInspector } = envoy.extensions.filters.listener.tls_inspector.v3

const kibibyte = 1024

export interface EncodedListener {
  readonly bytes: Uint8Array
  /** Names of the secrets that its chains use, sorted. */
  readonly secrets: readonly string[]
}

/** The route table that serves a listener: one per HTTP port, one per HTTPS listener. */
export function tableNameOf(listener: Pick<ListenerNode, 'protocol' | 'port' | 'hostname'>): string {
  return listener.protocol === 'HTTPS' ? httpsTableName(listener.port, listener.hostname) : httpTableName(listener.port)
}

/**
 * The Envoy Listener of one port of a Gateway.
 * @param listeners the accepted listeners of the port, at least one, all of one protocol
 */
export function buildListener(
  port: number,
  listeners: readonly ListenerNode[],
  binding: GatewayBinding,
  profile: ProxyProfile,
): EncodedListener {
  const protocol = listeners[0]?.protocol
  assert(
    protocol !== undefined && listeners.every((l) => l.protocol === protocol),
    'a port has listeners of one protocol',
  )
  const sorted = [...listeners].sort(compareBy((a, b) => compareStrings(a.hostname, b.hostname)))
  const secure = protocol === 'HTTPS'
  const chains = secure
    ? sorted.map((listener) => buildSecureChain(listener, profile))
    : [{ name: 'http', filters: [buildHttpConnectionManager(httpTableName(port), listenerName(port), profile)] }]
  const bytes = Listener.encode({
    name: listenerName(port),
    address: { socketAddress: { address: binding.listenAddress, portValue: binding.ports[String(port)] ?? port } },
    perConnectionBufferLimitBytes: { value: 32 * kibibyte },
    filterChains: chains,
    ...(secure && { listenerFilters: [tlsInspector] }),
  }).finish()
  const secrets = secure ? [...new Set(sorted.flatMap((l) => l.certificates.map((c) => secretName(c.key))))].sort() : []
  return { bytes, secrets }
}

const tlsInspector = { name: 'envoy.filters.listener.tls_inspector', typedConfig: packAny(TlsInspector, {}) }

/** One chain per hostname, with a table of its own: a host reaches only the listener that its SNI named. */
function buildSecureChain(listener: ListenerNode, profile: ProxyProfile): envoy.config.listener.v3.FilterChain {
  return {
    name: listener.hostname === '' ? '*' : listener.hostname,
    filterChainMatch: {
      transportProtocol: 'tls',
      ...(listener.hostname !== '' && { serverNames: [listener.hostname] }),
    },
    filters: [buildHttpConnectionManager(tableNameOf(listener), listenerName(listener.port), profile)],
    transportSocket: buildDownstreamTls(listener.certificates),
  }
}
