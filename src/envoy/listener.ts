import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/compare.ts'
import { anyHostname } from '../gatewayapi/hostname.ts'
import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { ProxyProfile } from '../graph/proxy-parameters.ts'
import { packAny } from './any.ts'
import { buildClosingChain, buildPlainChain, buildSecureChain, buildTcpChain, buildTlsChain } from './filter-chain.ts'
import { buildHeaderPolicy } from './header-policy.ts'
import type { ChainOptions, ServedTable } from './http-connection-manager.ts'
import { authoritiesName, listenerName, secretName, streamClusterName, tableName } from './names.ts'
import { buildUdpProxy } from './stream-proxy.ts'
import { buildListenerTracing, type ListenerTracing } from './tracing.ts'

const { Listener } = envoy.config.listener.v3
const { SocketAddress } = envoy.config.core.v3
type FilterChain = envoy.config.listener.v3.FilterChain
const { TlsInspector } = envoy.extensions.filters.listener.tls_inspector.v3

const kibibyte = 1024

const tlsInspector = { name: 'envoy.filters.listener.tls_inspector', typedConfig: packAny(TlsInspector, {}) }

export interface EncodedListener {
  readonly bytes: Uint8Array
  /** Names of the secrets that its chains use, sorted. */
  readonly secrets: readonly string[]
}

export interface ListenerOptions {
  readonly binding: GatewayBinding
  readonly profile: ProxyProfile
  /** Nothing is traced unless given. */
  readonly tracing?: ListenerTracing
  /** How a table is divided; not unless given. */
  readonly bucketsOf?: (table: string) => ServedTable['buckets']
  /** The names that routes of a TLS listener serve, sorted; none unless given. */
  readonly serverNamesOf?: (listener: ListenerNode) => readonly string[]
}

/**
 * The Envoy Listener of one port of a Gateway. Its name is the port as users write it, wherever it is bound.
 * @param listeners the accepted listeners of the port in any order: at least one, with protocols that go together
 */
export function buildListener(listeners: readonly ListenerNode[], options: ListenerOptions): EncodedListener {
  const [first] = listeners
  const secure = first?.protocol === 'HTTPS' || first?.protocol === 'TLS'
  assert(
    first &&
      listeners.every(
        (l) => l.port === first.port && (secure ? l.tls !== 'none' : l.protocol === first.protocol && l.tls === 'none'),
      ),
    'an Envoy listener is made of the listeners of one port, whose protocols go together',
  )
  const { binding } = options
  const datagrams = first.protocol === 'UDP'
  const sorted = [...listeners].sort((a, b) => compareStrings(a.hostname, b.hostname))
  const bytes = Listener.encode({
    name: listenerName(first),
    address: {
      socketAddress: {
        address: binding.listenAddress,
        portValue: binding.ports[String(first.port)] ?? first.port,
        // Every address of both families, by one socket.
        ...(binding.listenAddress === '::' && { ipv4Compat: true }),
        ...(datagrams && { protocol: SocketAddress.Protocol.UDP }),
      },
    },
    ...(datagrams
      ? { udpListenerConfig: {}, listenerFilters: [buildUdpProxy(streamClusterName(first), listenerName(first))] }
      : {
          perConnectionBufferLimitBytes: { value: 32 * kibibyte },
          filterChains: secure
            ? sorted.flatMap((l) => buildSecureChains(l, options))
            : [buildOnlyChain(sorted, options)],
          ...(secure && { listenerFilters: [tlsInspector] }),
        }),
  }).finish()
  return { bytes, secrets: [...new Set(listeners.flatMap(listSecrets))].sort() }
}

/** @param listeners those of the port, at least one */
function buildOnlyChain(listeners: readonly ListenerNode[], options: ListenerOptions): FilterChain {
  const [first] = listeners as [ListenerNode]
  if (first.protocol === 'TCP') return buildTcpChain(first)
  return buildPlainChain(first, shareOptions(first, options), serve(listeners, options))
}

function buildSecureChains(listener: ListenerNode, options: ListenerOptions): FilterChain[] {
  if (listener.protocol === 'HTTPS')
    return [buildSecureChain(listener, shareOptions(listener, options), serve([listener], options))]
  const serverNames = options.serverNamesOf?.(listener) ?? []
  const chains = serverNames.map((serverName) => buildTlsChain(listener, serverName))
  return serverNames.includes(listener.hostname || anyHostname) ? chains : [...chains, buildClosingChain(listener)]
}

function shareOptions({ gateway }: ListenerNode, { profile, tracing }: ListenerOptions): ChainOptions {
  const { namespace, name } = splitNamespacedName(gateway)
  return {
    policy: buildHeaderPolicy(profile),
    ...(tracing && { tracing: buildListenerTracing(tracing, `${name}.${namespace}`) }),
  }
}

/** @param listeners all that share the table, at least one */
function serve(listeners: readonly ListenerNode[], { bucketsOf }: ListenerOptions): ServedTable {
  const name = tableName((listeners as [ListenerNode])[0])
  const listenerFilters = Math.max(...listeners.map((l) => l.filters.length))
  return { name, buckets: bucketsOf?.(name) ?? 1, listenerFilters }
}

function listSecrets({ certificates, clientValidation }: ListenerNode): string[] {
  const names = certificates.map((c) => secretName(c.key))
  return clientValidation ? [...names, authoritiesName(clientValidation.authorities)] : names
}
