import type { envoy } from '../gen/envoy.js'
import type { ListenerNode } from '../graph/listener.ts'
import type { HeaderPolicy } from './header-policy.ts'
import { buildHttpConnectionManager, type ServedTable } from './http-connection-manager.ts'
import { listenerName } from './names.ts'
import { buildDownstreamTls } from './tls-context.ts'

type FilterChain = envoy.config.listener.v3.FilterChain

/** The one chain of an HTTP port: its listeners share a table, where the virtual hosts keep them apart. */
export function buildPlainChain(listener: ListenerNode, policy: HeaderPolicy, table: ServedTable): FilterChain {
  return {
    name: 'http',
    filters: [buildHttpConnectionManager(table, listenerName(listener.port), policy)],
  }
}

/** The chain of an HTTPS listener, with a table of its own: a host reaches only the listener that its SNI named. */
export function buildSecureChain(listener: ListenerNode, policy: HeaderPolicy, table: ServedTable): FilterChain {
  const { hostname } = listener
  return {
    name: hostname === '' ? '*' : hostname,
    filterChainMatch: { transportProtocol: 'tls', ...(hostname !== '' && { serverNames: [hostname] }) },
    filters: [buildHttpConnectionManager(table, listenerName(listener.port), policy)],
    transportSocket: buildDownstreamTls(listener.certificates),
  }
}
