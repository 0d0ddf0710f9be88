import type { AddressAssignment, GatewayAddress, GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import {
  type AddressRequest,
  type AvailableAddress,
  assignAddresses,
  clusterRoutability,
  describeAssignment,
  explainImpossible,
  requestPath,
  scopeOf,
} from './address-request.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import { infrastructureName } from './names.ts'
import { planPorts } from './port-plan.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { type LiveService, listAvailable, type ServicePlan, serviceTypeOf } from './service-plan.ts'

/** The Services of one Gateway: as they are to be, and as they are. */
export interface ServicesOfGateway {
  readonly plans: readonly ServicePlan[]
  readonly live: readonly LiveService[]
}

/**
 * Where the proxies of a Gateway listen, and how clients reach them. Ports are there from the beginning, so
 * that traffic flows (by port-forward, by node port) while the address is still to be assigned.
 * @param problems what kept the infrastructure from being made
 */
export function deriveGatewayBinding(
  fleet: ProxyFleet,
  services: ServicesOfGateway,
  { listenAddress }: Pick<InfrastructureOptions, 'listenAddress'>,
  problems: readonly Problem[] = [],
): GatewayBinding {
  const moved = [...planPorts(fleet.ports)].filter(([port, bound]) => port !== bound)
  const others = problems.filter(({ on }) => on !== 'AddressesAssigned')
  const { addresses, assignment } = deriveAddresses(fleet, services, problems)
  return {
    listenAddress,
    ports: Object.fromEntries(moved.map(([port, bound]) => [String(port), bound])),
    addresses: addresses.slice(0, mostAddresses),
    ...(assignment && { assignment }),
    portProblems: {},
    ...(others.length > 0 && { problems: others }),
  }
}

/** Of status.addresses. */
const mostAddresses = 16

function deriveAddresses(
  fleet: ProxyFleet,
  { plans, live }: ServicesOfGateway,
  problems: readonly Problem[],
): { readonly addresses: readonly GatewayAddress[]; readonly assignment?: AddressAssignment } {
  const type = serviceTypeOf(fleet, live)
  const isThere = live.some(({ name }) => name === infrastructureName(fleet))
  // What runs stays as it is, whatever is asked for now.
  if (fleet.isHeld) {
    const isOutside = live.some(({ external }) => external.length > 0)
    return { addresses: live.flatMap((service) => listUsual(service, isOutside ? 'LoadBalancer' : service.type)) }
  }
  const requests = fleet.addresses
  const retained = plans.filter((plan) => plan.isRetained)
  const left = live
    .filter(({ name }) => retained.some((plan) => plan.name === name))
    .flatMap((service) => listUsual(service, service.type))
  if (requests.length === 0) {
    const [primary] = plans
    const own = live.find(({ name }) => name === primary?.name)
    const usual = own ? listUsual(own, type) : []
    const addresses = [...usual, ...left]
    if (!isThere) return { addresses }
    const missing = { message: 'no address has been assigned yet', isStatic: false }
    return {
      addresses,
      assignment: { assigned: Math.min(usual.length, 1), missing: usual.length > 0 ? [] : [missing] },
    }
  }
  const assigned = assignAddresses(requests, listAvailable(plans, live, type))
  const given = requests.flatMap((request) => assigned.get(request) ?? [])
  const values = new Set(given.map(({ value }) => value))
  const addresses = [...given, ...left.filter(({ value }) => !values.has(value))]
  if (!isThere) return { addresses }
  const explain = (request: AddressRequest) => explainMissing(request, { plans, live }, type, problems)
  return { addresses, assignment: describeAssignment(requests, assigned, explain) }
}

/** What clients use unless they are told otherwise, by the type of the Service. */
function listUsual({ internal, external }: LiveService, type: string): readonly GatewayAddress[] {
  const inside = internal.map((address) => ({ ...address, routability: clusterRoutability }))
  const outside = external.map((address) => ({ ...address, routability: '' }) satisfies Partial<AvailableAddress>)
  return type === 'LoadBalancer' ? outside : [...inside, ...outside]
}

function explainMissing(
  request: AddressRequest,
  { plans, live }: ServicesOfGateway,
  type: string,
  problems: readonly Problem[],
): string {
  const impossible = explainImpossible(request)
  if (impossible !== undefined) return impossible
  const refusal = problems.find(({ on, path }) => on === 'AddressesAssigned' && path === requestPath(request))
  if (refusal) return refusal.message
  const { value } = request
  const isBalanced = type === 'LoadBalancer' && scopeOf(request) === 'default'
  const giver = isBalanced ? 'the load balancer' : 'the cluster'
  if (request.type === 'Hostname')
    return `${giver} has ${value === undefined ? 'no hostname' : `no hostname ${value}`}: ask for type IPAddress`
  const plan = plans.find((p) => p.request?.index === request.index)
  const others = isBalanced ? (live.find(({ name }) => name === plan?.name)?.external ?? []) : []
  const instead = others.length > 0 ? `, but ${others.map((address) => address.value).join(' and ')}` : ''
  return value === undefined && instead === ''
    ? `${giver} has not assigned an address yet`
    : `${giver} has not assigned ${value ?? 'an address of this type'}${instead}`
}
