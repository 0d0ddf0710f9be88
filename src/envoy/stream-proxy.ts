import { envoy } from '../gen/envoy.js'
import { packAny } from './any.ts'

const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3
const { Route, UdpProxyConfig } = envoy.extensions.filters.udp.udp_proxy.v3

/** Sends a connection to an endpoint of a cluster; without one, or without the cluster, it is closed. */
export function buildTcpProxy(cluster: string, statPrefix: string): envoy.config.listener.v3.Filter {
  return { name: 'envoy.filters.network.tcp_proxy', typedConfig: packAny(TcpProxy, { statPrefix, cluster }) }
}

/** Sends the datagrams of each client to one endpoint of a cluster; without one they are dropped. */
export function buildUdpProxy(cluster: string, statPrefix: string): envoy.config.listener.v3.ListenerFilter {
  const config = {
    statPrefix,
    matcher: { onNoMatch: { action: { name: 'route', typedConfig: packAny(Route, { cluster }) } } },
  }
  return { name: 'envoy.filters.udp_listener.udp_proxy', typedConfig: packAny(UdpProxyConfig, config) }
}
