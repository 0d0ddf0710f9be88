import { ipVersion } from '../base/ip-version.ts'
import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import type { AddressAssignment, GatewayAddress, MissingAddress } from '../graph/gateway-binding.ts'

/** Of an address that is a ClusterIP (GEP-5093). */
export const clusterRoutability = 'Cluster'
/** Promises nothing; conformance tests ask for it to see that it is told in the status. */
const sentinelRoutability = 'testing.x-k8s.io/sentinel'

/** One entry of spec.addresses, of a type that is supported. */
export interface AddressRequest {
  /** In spec.addresses. */
  readonly index: number
  readonly type: 'IPAddress' | 'Hostname'
  /** undefined: any will do. */
  readonly value: string | undefined
  /** '' unless given. */
  readonly routability: string
}

/** An address that a request can be given. */
export interface AvailableAddress extends GatewayAddress {
  readonly routability: '' | typeof clusterRoutability
  /** Who has it, e.g. the name of a Service. */
  readonly holder: string
  /** Whoever asks for no certain address can be given it: by default, or only when asking for a ClusterIP. */
  readonly forAny: 'default' | 'Cluster' | 'nobody'
}

export function listAddressRequests(addresses: readonly GatewaySpecAddress[] = []): readonly AddressRequest[] {
  return addresses.flatMap(({ type, value, routability = '' }, index) =>
    type === 'IPAddress' || type === 'Hostname'
      ? [{ index, type, value: value === '' ? undefined : value, routability }]
      : [],
  )
}

/** What a request asks for: whatever is usual, a ClusterIP, or what nobody can give. */
export function scopeOf({ type, routability }: AddressRequest): 'default' | 'Cluster' | 'none' {
  if (routability === '' || routability === sentinelRoutability) return 'default'
  return routability === clusterRoutability && type === 'IPAddress' ? 'Cluster' : 'none'
}

/**
 * Gives each request an address of its own, to those first that want a certain one. Holders give one address
 * each to those who want any.
 */
export function assignAddresses(
  requests: readonly AddressRequest[],
  available: readonly AvailableAddress[],
): ReadonlyMap<AddressRequest, GatewayAddress> {
  const assigned = new Map<AddressRequest, GatewayAddress>()
  const taken = new Set<AvailableAddress>()
  const generous = new Set<string>()
  const assign = (request: AddressRequest, address: AvailableAddress): void => {
    taken.add(address)
    const { type, value = address.value, routability } = request
    const isTold = routability !== '' && scopeOf(request) === 'default'
    assigned.set(request, { type, value, routability: isTold ? routability : address.routability })
  }
  const isFit = (request: AddressRequest, address: AvailableAddress): boolean =>
    !taken.has(address) &&
    address.type === request.type &&
    (scopeOf(request) === 'default' || (scopeOf(request) === 'Cluster' && address.routability === clusterRoutability))
  for (const request of requests) {
    const { value } = request
    if (value === undefined) continue
    const found = available.find((address) => isFit(request, address) && isSameAddress(address.value, value))
    if (found) assign(request, found)
  }
  // Whoever takes nothing but a ClusterIP chooses before those who take anything.
  const undecided = requests.filter((request) => request.value === undefined)
  for (const scope of ['Cluster', 'default'] as const)
    for (const request of undecided.filter((r) => scopeOf(r) === scope)) {
      const found = available.find(
        (address) =>
          isFit(request, address) &&
          (address.forAny === 'default' || address.forAny === scope) &&
          !generous.has(`${address.forAny} ${address.holder}`),
      )
      if (!found) continue
      generous.add(`${found.forAny} ${found.holder}`)
      assign(request, found)
    }
  return assigned
}

/** Names each request that has no address. */
export function describeAssignment(
  requests: readonly AddressRequest[],
  assigned: ReadonlyMap<AddressRequest, GatewayAddress>,
  explain: (request: AddressRequest) => string,
): AddressAssignment {
  const missing = requests
    .filter((request) => !assigned.has(request))
    .map((request): MissingAddress => {
      const path = requestPath(request)
      return { path, message: explain(request), isStatic: request.value !== undefined }
    })
  return { assigned: assigned.size, missing }
}

export function requestPath({ index }: Pick<AddressRequest, 'index'>): string {
  return `spec.addresses[${index}]`
}

/** Why nobody can give what is asked for; undefined if somebody might. */
export function explainImpossible(request: AddressRequest): string | undefined {
  if (scopeOf(request) !== 'none') return undefined
  if (request.routability === clusterRoutability)
    return 'routability Cluster is for addresses of type IPAddress: use that type, or another routability'
  return `routability ${request.routability} is not known: leave it out, or use ${clusterRoutability}`
}

/** An IPv6 address may be written in several ways. */
export function isSameAddress(a: string, b: string): boolean {
  return a === b || canonicalize(a) === canonicalize(b)
}

function canonicalize(value: string): string {
  return ipVersion(value) === 6 && !value.includes('%')
    ? new URL(`http://[${value}]`).hostname.slice(1, -1)
    : value.toLowerCase()
}

export function buildAddress(value: string): GatewayAddress {
  return { type: ipVersion(value) === 0 ? 'Hostname' : 'IPAddress', value }
}
