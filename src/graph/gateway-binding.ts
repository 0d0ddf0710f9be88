import type { Problem } from './problem.ts'

/** Where the proxies of one Gateway listen and how clients reach them; filled by whoever runs the proxies. */
export interface GatewayBinding {
  /** What Envoy binds, e.g. "0.0.0.0" in a pod, "127.0.0.1" on a laptop. */
  readonly listenAddress: string
  /** Listener port to bound port, where they differ (privileged ports move by +10000). */
  readonly ports: Readonly<Record<string, number>>
  /** For status.addresses; empty while none is assigned. */
  readonly addresses: readonly GatewayAddress[]
  /** What has become of spec.addresses; absent before anybody has seen to it. */
  readonly assignment?: AddressAssignment
  /** Listener port to the reason why it cannot be bound. */
  readonly portProblems: Readonly<Record<string, string>>
  /** Why there are no proxies, or not as they should be; on `Programmed` of the Gateway. */
  readonly problems?: readonly Problem[]
}

export interface GatewayAddress {
  readonly type: string
  readonly value: string
  /** From where it is reachable (GEP-5093): "Cluster" for the address of a Service inside the cluster; '' unless given. */
  readonly routability?: string
}

/** How far the addresses that a Gateway should have are there. */
export interface AddressAssignment {
  /** Entries of spec.addresses that have an address; without any entry, 1 when the Gateway has one. */
  readonly assigned: number
  /** Those that have none, in their order. */
  readonly missing: readonly MissingAddress[]
}

export interface MissingAddress {
  /** e.g. "spec.addresses[1]"; absent where nothing is asked for and there is none nevertheless. */
  readonly path?: string
  readonly message: string
  /** It was to be one certain address. */
  readonly isStatic: boolean
}
