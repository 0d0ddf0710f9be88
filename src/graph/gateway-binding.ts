import type { Problem } from './problem.ts'

/** Where the proxies of one Gateway listen and how clients reach them; filled by whoever runs the proxies. */
export interface GatewayBinding {
  /** What Envoy binds, e.g. "0.0.0.0" in a pod, "127.0.0.1" on a laptop. */
  readonly listenAddress: string
  /** Listener port to bound port, where they differ (privileged ports move by +10000). */
  readonly ports: Readonly<Record<string, number>>
  /** For status.addresses; empty while none is assigned. */
  readonly addresses: readonly GatewayAddress[]
  /** Listener port to the reason why it cannot be bound. */
  readonly portProblems: Readonly<Record<string, string>>
  /** Why there are no proxies, or not as they should be; on `Programmed` of the Gateway. */
  readonly problems?: readonly Problem[]
}

export interface GatewayAddress {
  readonly type: string
  readonly value: string
}
