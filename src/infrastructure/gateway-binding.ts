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
  return {
    listenAddress,
    ports: Object.fromEntries(moved.map(([port, bound]) => [String(port), bound])),
    addresses: service ? listAddresses(service) : [],
    ...(service && isForCluster(service) && { defaultRoutability: 'Cluster' }),
    portProblems: {},
    ...(problems.length > 0 && { problems }),
  }
}

const mostAddresses = 16

/** A Service that nothing from outside leads to. */
function isForCluster({ spec }: Service): boolean {
  return spec.type !== 'LoadBalancer' && (spec.externalIPs ?? []).length === 0
}

/** What leads to the Service from outside (a load balancer, what the Service says itself), then from inside the cluster. */
function listAddresses({ spec, status }: Service): readonly GatewayAddress[] {
  const assigned = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) =>
    [ip, hostname].flatMap((text) => (text ? [buildAddress(text, '')] : [])),
  )
  const internal = (spec.clusterIPs ?? [spec.clusterIP ?? ''])
    .filter((ip) => isIP(ip) !== 0)
    .map((ip) => buildAddress(ip, 'Cluster'))
  const external = (spec.externalIPs ?? []).map((ip) => buildAddress(ip, ''))
  const all = [...(spec.type === 'LoadBalancer' ? assigned : []), ...external, ...internal]
  return [...new Map(all.map((address) => [address.value, address])).values()].slice(0, mostAddresses)
}

function buildAddress(value: string, routability: '' | 'Cluster'): GatewayAddress {
  return { type: isIP(value) === 0 ? 'Hostname' : 'IPAddress', value, routability }
}
