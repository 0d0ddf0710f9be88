import type { NamespacedName } from '../gatewayapi/object-key.ts'

/** What the proxies of a Gateway have made of one of its ports. */
export interface PortProgramming {
  readonly gateway: NamespacedName
  readonly port: number
  readonly transport: Transport
  /** programmed: a connected proxy has accepted exactly the current listener, and a version of each of its tables, and some proxy takes connections. unknown: no proxy can be asked (offline). */
  readonly state: 'programmed' | 'pending' | 'rejected' | 'unknown'
  /** Why not, for people; '' when programmed. */
  readonly message: string
}

/** Ports of TCP and of UDP have nothing to do with each other. */
export type Transport = 'TCP' | 'UDP'

export function transportOf({ protocol }: { readonly protocol: string }): Transport {
  return protocol === 'UDP' ? 'UDP' : 'TCP'
}

/** The key of a {@link PortProgramming}. */
export function portKey(gateway: NamespacedName, port: number, transport: Transport = 'TCP'): string {
  return transport === 'UDP' ? `${gateway}/${port}/udp` : `${gateway}/${port}`
}

/** A resource that a proxy refused; its last accepted version goes on serving. */
export interface Refusal {
  /** Canonical keys of the objects that it came from. */
  readonly sources: readonly string[]
  readonly message: string
}
