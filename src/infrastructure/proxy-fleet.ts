import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GatewayNode } from '../graph/gateway.ts'

/** What the proxies of one Gateway need, whoever runs them. */
export interface ProxyFleet {
  /** The Gateway; also the scope of its Envoy resources. */
  readonly key: NamespacedName
  /** Listener ports that something may be served on, ascending. */
  readonly ports: readonly number[]
  /** IP addresses that spec.addresses asks for. */
  readonly requestedAddresses: readonly string[]
}

/** A Gateway none of whose listeners could ever serve needs no proxies. */
export function deriveProxyFleet(gateway: GatewayNode): ProxyFleet | undefined {
  const ports = new Set(gateway.listeners.filter((l) => l.verdict !== 'rejected').map((l) => l.port))
  if (ports.size === 0 || gateway.problems.some((p) => p.on === 'Accepted')) return undefined
  const requestedAddresses = (gateway.source.spec.addresses ?? []).flatMap((a) =>
    a.type === 'IPAddress' && a.value !== undefined ? [a.value] : [],
  )
  return { key: gateway.key, ports: [...ports].sort((a, b) => a - b), requestedAddresses }
}
