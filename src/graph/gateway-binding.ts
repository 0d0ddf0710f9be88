import type { Problem } from './problem.ts'

/** Where the proxies of one Gateway listen and how clients reach them; filled by whoever runs the proxies. */
export interface GatewayBinding {
  /** What Envoy binds, e.g. "0.0.0.0" in a pod, "127.0.0.1" on a laptop. */
  readonly listenAddress: string
  /** Listener port to bound port, where they differ (privileged ports move by +10000). */
  readonly ports: Readonly<Record<string, number>>
  /** All that the proxies are reached at, whoever asked for them; empty while none is assigned. */
  readonly addresses: readonly GatewayAddress[]
  /** The routability of addresses that are given to those who ask for none; '' unless given. */
  readonly defaultRoutability?: '' | 'Cluster'
  /** Listener port to the reason why it cannot be bound. */
  readonly portProblems: Readonly<Record<string, string>>
  /** Why there are no proxies, or not as they should be; on `Programmed` of the Gateway. */
  readonly problems?: readonly Problem[]
}

export interface GatewayAddress {
  readonly type: string
  readonly value: string
  /** From where it is reached: 'Cluster' for an address of a Service inside its cluster; '' unless given (GEP-5093). */
  readonly routability?: '' | 'Cluster'
}
