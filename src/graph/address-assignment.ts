import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import type { GatewayAddress, GatewayBinding } from './gateway-binding.ts'

/** What became of spec.addresses. */
export interface AddressAssignment {
  /** For status.addresses: one for each entry that is satisfied; all that there are where nothing is asked for. */
  readonly assigned: readonly GatewayAddress[]
  /** Positions in spec.addresses. */
  readonly unsatisfied: readonly number[]
}

/**
 * Gives each entry of spec.addresses an address of its own. None is given in place of another: who asks for
 * a value, or for a routability, gets that or nothing (GEP-5093).
 */
export function assignAddresses(
  requests: readonly GatewaySpecAddress[],
  { addresses, defaultRoutability = '' }: Pick<GatewayBinding, 'addresses' | 'defaultRoutability'>,
): AddressAssignment {
  const usual = addresses.filter((address) => routabilityOf(address) === defaultRoutability)
  if (requests.length === 0) return { assigned: usual, unsatisfied: [] }
  const left = new Set(addresses)
  const given = new Map<number, GatewayAddress>()
  const give = (isSpecific: boolean) => {
    for (const [index, { type, value = '', routability = defaultRoutability }] of requests.entries()) {
      if ((value !== '') !== isSpecific) continue
      const found = [...left].find(
        (a) => a.type === type && routabilityOf(a) === routability && (value === '' || a.value === value),
      )
      if (!found) continue
      left.delete(found)
      given.set(index, found)
    }
  }
  // Whoever will take any address must not take the one that another entry names.
  give(true)
  give(false)
  const order = [...requests.keys()]
  return {
    assigned: order.flatMap((index) => given.get(index) ?? []),
    unsatisfied: order.filter((index) => !given.has(index)),
  }
}

function routabilityOf({ routability = '' }: GatewayAddress): string {
  return routability
}
