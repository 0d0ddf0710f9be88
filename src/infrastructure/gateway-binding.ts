import { isIP } from 'node:net'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayAddress, GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import { planPorts } from './port-plan.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/**
 * Where the proxies of a Gateway listen, and how clients reach them. Ports are there from the beginning, so
 * that traffic flows (by port-forward, by node port) while the address is still to be assigned.
 * @param service the live Service of the Gateway, if there is one
 * @param problems what kept the infrastructure from being made
 */
export function deriveGatewayBinding(
  fleet: ProxyFleet,
  service: Service | undefined,
  { listenAddress }: Pick<InfrastructureOptions, 'listenAddress'>,
  problems: readonly Problem[] = [],
): GatewayBinding {
  const moved = [...planPorts(fleet.ports)].filter(([port, bound]) => port !== bound)
  const addresses = service ? listAddresses(service) : []
  const requested = addresses.filter((address) => fleet.requestedAddresses.includes(address.value))
  return {
    listenAddress,
    ports: Object.fromEntries(moved.map(([port, bound]) => [String(port), bound])),
    // Whoever asked for an address and has it is not told of others that a load balancer adds by itself.
    addresses: requested.length > 0 ? requested : addresses,
    portProblems: {},
    ...withProblems([...problems, ...findUnusableAddresses(fleet, addresses)]),
  }
}

function withProblems(problems: readonly Problem[]): Pick<GatewayBinding, 'problems'> {
  return problems.length > 0 ? { problems } : {}
}

/** Whoever asks for addresses and gets others is told. A single one that is not there may still be coming. */
function findUnusableAddresses({ requestedAddresses }: ProxyFleet, assigned: readonly GatewayAddress[]): Problem[] {
  if (assigned.length === 0 && requestedAddresses.length === 1) return []
  const missing = requestedAddresses.filter((requested) => !assigned.some(({ value }) => value === requested))
  if (missing.length === 0) return []
  const several = requestedAddresses.length > 1 ? ': a Service can ask for one address only' : ''
  const message = `the load balancer did not assign ${missing.join(', ')}${several}`
  return [{ on: 'Programmed', reason: 'AddressNotUsable', message, path: 'spec.addresses' }]
}

const mostAddresses = 16

/** What clients can use, by the type of the Service; empty while nothing is assigned. */
function listAddresses({ spec, status }: Service): readonly GatewayAddress[] {
  const external = (spec.externalIPs ?? []).map(buildAddress)
  const assigned = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) =>
    [ip, hostname].filter((text) => text !== undefined && text !== '').map((text) => buildAddress(text as string)),
  )
  const internal = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => isIP(ip) !== 0).map(buildAddress)
  const own = spec.type === 'LoadBalancer' ? assigned : internal
  const byValue = new Map([...own, ...external].map((address) => [address.value, address]))
  return [...byValue.values()].slice(0, mostAddresses)
}

function buildAddress(value: string): GatewayAddress {
  return { type: isIP(value) === 0 ? 'Hostname' : 'IPAddress', value }
}
