import { anyHostname } from '../gatewayapi/hostname.ts'
import type { envoy } from '../gen/envoy.js'
import type { ListenerNode } from '../graph/listener.ts'
import { buildHttpConnectionManager, type ChainOptions, type ServedTable } from './http-connection-manager.ts'
import { listenerName, missingCluster, streamClusterName } from './names.ts'
import { buildTcpProxy } from './stream-proxy.ts'
import { buildDownstreamTls, httpProtocols } from './tls-context.ts'

type FilterChain = envoy.config.listener.v3.FilterChain

/** The one chain of an HTTP port: its listeners share a table, where the virtual hosts keep them apart. */
export function buildPlainChain(listener: ListenerNode, chain: ChainOptions, table: ServedTable): FilterChain {
  return {
    name: 'http',
    filters: [buildHttpConnectionManager(table, listenerName(listener), chain)],
  }
}

/** The chain of an HTTPS listener, with a table of its own: a host reaches only the listener that its SNI named. */
export function buildSecureChain(listener: ListenerNode, chain: ChainOptions, table: ServedTable): FilterChain {
  return {
    ...matchServerName(listener.hostname),
    filters: [buildHttpConnectionManager(table, listenerName(listener), chain)],
    transportSocket: buildDownstreamTls(listener, httpProtocols),
  }
}

/** The one chain of a TCP listener. */
export function buildTcpChain(listener: ListenerNode): FilterChain {
  return { name: 'tcp', filters: [buildTcpProxy(streamClusterName(listener), listenerName(listener))] }
}

/** The chain of a TLS listener for one of the names that its routes serve. */
export function buildTlsChain(listener: ListenerNode, serverName: string): FilterChain {
  return {
    ...matchServerName(serverName),
    filters: [buildTcpProxy(streamClusterName(listener, serverName), listenerName(listener))],
    ...(listener.tls === 'terminate' && { transportSocket: buildDownstreamTls(listener) }),
  }
}

/**
 * The chain for those names of a TLS listener that no route serves: closes connections without a word, so
 * that neither a less specific listener takes them nor a handshake tells that there is something.
 */
export function buildClosingChain(listener: ListenerNode): FilterChain {
  return {
    ...matchServerName(listener.hostname),
    filters: [buildTcpProxy(missingCluster, listenerName(listener))],
  }
}

/** @param hostname '' or "*" for every name */
function matchServerName(hostname: string): FilterChain {
  const any = hostname === '' || hostname === anyHostname
  return {
    name: any ? anyHostname : hostname,
    filterChainMatch: { transportProtocol: 'tls', ...(!any && { serverNames: [hostname] }) },
  }
}
