import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { type GatewayNode, listListeners } from '../graph/gateway.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { ProxyParameters } from '../graph/proxy-parameters.ts'
import { type AddressRequest, listAddressRequests } from './address-request.ts'

/** One way into a Gateway, however many listeners share it. */
export interface FleetPort {
  readonly port: number
  readonly transport: 'TCP' | 'UDP'
  /** Protocol of the listeners, lower case; where they differ, the first of the alphabet. */
  readonly protocol: string
}

/** What the proxies of one Gateway need, whoever runs them. */
export interface ProxyFleet {
  /** The Gateway; also the scope of its Envoy resources. */
  readonly key: NamespacedName
  /** Of the Gateway; '' where nobody has given it one. */
  readonly uid: string
  /** Somebody has deleted the Gateway, and finalizers still hold it. */
  readonly isDeleting: boolean
  readonly className: string
  /** Listener ports that something may be served on, ascending. */
  readonly ports: readonly number[]
  /** The same with what is spoken there: a number may stand twice, for TCP and for UDP. */
  readonly listens: readonly FleetPort[]
  /** What spec.addresses asks for. */
  readonly addresses: readonly AddressRequest[]
  /** From spec.infrastructure, for everything that is created. */
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** undefined: they cannot be read now, so what runs stays as it is. */
  readonly parameters: ProxyParameters | undefined
  /**
   * The Gateway is not accepted, or nothing can be served. Nothing is begun for it, and what runs stays as it is:
   * a typing error in a live Gateway must cost neither its traffic nor its address.
   */
  readonly isHeld: boolean
}

/** There is one for every Gateway of ours, so that what runs goes only with it. */
export function deriveProxyFleet(gateway: GatewayNode): ProxyFleet {
  const listens = listListens(listListeners(gateway).filter((l) => l.verdict !== 'rejected'))
  const isHeld = listens.length === 0 || gateway.problems.some((p) => p.on === 'Accepted')
  const { metadata, spec } = gateway.source
  return {
    key: gateway.key,
    uid: metadata.uid ?? '',
    isDeleting: metadata.deletionTimestamp !== undefined,
    className: spec.gatewayClassName,
    ports: [...new Set(listens.map((l) => l.port))],
    listens,
    addresses: listAddressRequests(spec.addresses),
    labels: spec.infrastructure?.labels ?? {},
    annotations: spec.infrastructure?.annotations ?? {},
    parameters: gateway.parameters,
    isHeld,
  }
}

/** Sorted by port, TCP before UDP. */
function listListens(listeners: readonly ListenerNode[]): readonly FleetPort[] {
  const found = new Map<string, FleetPort>()
  for (const { port, protocol: name } of listeners) {
    const protocol = name.toLowerCase()
    const transport = protocol === 'udp' ? 'UDP' : 'TCP'
    const key = `${String(port).padStart(5, '0')}/${transport}`
    const known = found.get(key)
    if (!known || protocol < known.protocol) found.set(key, { port, transport, protocol })
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, listen]) => listen)
}
