import type { GatewayBinding } from '../graph/gateway-binding.ts'
import {
  type AddressRequest,
  assignAddresses,
  buildAddress,
  describeAssignment,
  explainImpossible,
} from './address-request.ts'

/** What has been found on this machine for a Gateway. */
export interface LocalPlan {
  readonly address: string
  /** The machine has no such address. */
  readonly isMissing: boolean
  /** Listener port to bound port. */
  readonly bound: ReadonlyMap<number, number>
  /** Listener port to why it cannot be bound. */
  readonly problems: ReadonlyMap<number, string>
}

/** Where a Gateway listens on this machine: at one address, which no cluster has a part in. */
export function deriveLocalBinding(
  { address, isMissing, bound, problems }: LocalPlan,
  requests: readonly AddressRequest[],
): GatewayBinding {
  const own = { ...buildAddress(address), routability: '', holder: address, forAny: 'default' } as const
  const assigned = assignAddresses(requests, isMissing ? [] : [own])
  const explain = (request: AddressRequest): string =>
    explainImpossible(request) ??
    (isMissing && request.value === address
      ? `this machine has no address ${address}: add it, or ask for another one`
      : `on this machine a Gateway has one address, which is ${address}: ask for no other`)
  const given = requests.flatMap((request) => assigned.get(request) ?? [])
  return {
    listenAddress: address,
    ports: Object.fromEntries([...bound].map(([port, value]) => [String(port), value])),
    // Where it does listen is told also when something else was asked for.
    addresses: given.length > 0 || isMissing ? given : [{ type: own.type, value: own.value }],
    assignment: requests.length === 0 ? { assigned: 1, missing: [] } : describeAssignment(requests, assigned, explain),
    portProblems: Object.fromEntries([...problems].map(([port, value]) => [String(port), value])),
  }
}
