import type { GatewayBinding } from '../../graph/gateway-binding.ts'
import {
  type AddressRequest,
  assignAddresses,
  buildAddress,
  describeAssignment,
  explainImpossible,
} from '../../infrastructure/address-request.ts'
import type { AddressPlan } from './address-plan.ts'

/** Where a Gateway listens on this machine: at one address, which no cluster has a part in. */
export function deriveLocalBinding(
  { address, isMissing, bound, problems }: AddressPlan,
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
