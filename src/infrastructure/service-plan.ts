import { ipVersion } from '../base/ip-version.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayAddress } from '../graph/gateway-binding.ts'
import {
  type AddressRequest,
  type AvailableAddress,
  assignAddresses,
  buildAddress,
  clusterRoutability,
  isSameAddress,
  scopeOf,
} from './address-request.ts'
import { gatewayClassNameLabel } from './labels.ts'
import { addressServiceName, infrastructureName, labelValue } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

type ServiceType = 'LoadBalancer' | 'NodePort' | 'ClusterIP'

/** A Service that a Gateway is to have. */
export interface ServicePlan {
  readonly name: string
  readonly type: ServiceType
  /** The one address to ask for: of the load balancer, or for type ClusterIP of the cluster. Any unless given. */
  readonly address?: string
  /** The entry of spec.addresses that it is for. */
  readonly request?: Pick<AddressRequest, 'index'>
  /** Its addresses are not asked for any more. They go when what is asked for instead is there. */
  readonly isRetained?: boolean
  /** It was made when the Gateway had another class of ours, and stays as that has made it. */
  readonly isOfEarlierClass?: boolean
}

/** A Service that a Gateway has. */
export interface LiveService {
  readonly name: string
  readonly type: string
  /** As its label says it. */
  readonly className: string | undefined
  /** spec.loadBalancerIP. */
  readonly asksFor: string | undefined
  /** From outside of the cluster. */
  readonly external: readonly GatewayAddress[]
  readonly internal: readonly GatewayAddress[]
}

export function readLiveService({ metadata, spec, status }: Service): LiveService {
  const assigned = (status?.loadBalancer?.ingress ?? [])
    .flatMap(({ ip, hostname }) => [ip, hostname])
    .filter((text) => text !== undefined && text !== '')
  const { type, loadBalancerIP, externalIPs = [], clusterIPs = [spec.clusterIP ?? ''] } = spec
  const external = [...(type === 'LoadBalancer' ? assigned : []), ...externalIPs] as string[]
  return {
    name: metadata.name,
    type,
    className: metadata.labels[gatewayClassNameLabel],
    asksFor: typeof loadBalancerIP === 'string' && loadBalancerIP !== '' ? loadBalancerIP : undefined,
    external: [...new Set(external)].map(buildAddress),
    internal: clusterIPs.filter((ip) => ipVersion(ip) !== 0).map(buildAddress),
  }
}

/** Of type LoadBalancer unless the parameters say otherwise; while nobody can read them, as it is. */
export function serviceTypeOf({ parameters }: ProxyFleet, live: readonly LiveService[]): ServiceType {
  if (parameters) return parameters.serviceType ?? 'LoadBalancer'
  const types = live.map(({ type }) => type)
  return (['LoadBalancer', 'NodePort', 'ClusterIP'] as const).find((type) => types.includes(type)) ?? 'LoadBalancer'
}

/**
 * The Services of a Gateway: one that always is, of the name of everything else, and one for each further entry of
 * spec.addresses, because a Service can ask for one address only. What has an address that is asked for keeps it,
 * and an address that is not asked for any more goes when all that are have come: an edit of live addresses costs
 * no connection that could have been kept.
 * @param live what it has already, e.g. from an earlier spec
 */
export function planServices(fleet: ProxyFleet, live: readonly LiveService[]): readonly ServicePlan[] {
  return new Planning(fleet, live).plan()
}

class Planning {
  readonly #fleet: ProxyFleet
  readonly #live: readonly LiveService[]
  readonly #primary: string
  readonly #type: ServiceType
  readonly #plans = new Map<string, ServicePlan>()
  /** Requests for which nothing more is to be planned. */
  readonly #settled = new Set<AddressRequest>()

  constructor(fleet: ProxyFleet, live: readonly LiveService[]) {
    this.#fleet = fleet
    this.#live = live
    this.#primary = infrastructureName(fleet)
    this.#type = serviceTypeOf(fleet, live)
  }

  plan(): readonly ServicePlan[] {
    const requests = this.#fleet.addresses
    const isBalanced = (request: AddressRequest) => this.#type === 'LoadBalancer' && scopeOf(request) === 'default'
    this.#planBalanced(requests.filter(isBalanced))
    if (!this.#plans.has(this.#primary)) {
      // Who asks for addresses gets these and no others.
      const type = requests.length > 0 && this.#type === 'LoadBalancer' ? 'ClusterIP' : this.#type
      this.#add({ name: this.#primary, type })
    }
    this.#planInternal(requests.filter((request) => !isBalanced(request) && scopeOf(request) !== 'none'))
    if (this.#isWaiting()) this.#retain()
    const { [this.#primary]: primary, ...others } = Object.fromEntries(this.#plans)
    return [...(primary ? [primary] : []), ...Object.values(others)]
  }

  /** Requests that load balancers are asked for. */
  #planBalanced(requests: readonly AddressRequest[]): void {
    const certain = requests.filter((request) => asksForCertainIP(request))
    for (const request of certain) this.#keepBalanced(request)
    this.#planPrimary(requests.filter((request) => !this.#settled.has(request)))
    for (const request of requests) {
      if (this.#settled.has(request)) continue
      // A load balancer can be asked for no hostname: it has the one that it has.
      if (request.value !== undefined && !asksForCertainIP(request)) continue
      this.#addFor(request, 'LoadBalancer')
    }
  }

  /** What the one Service that always is can do for the requests that are left. */
  #planPrimary(requests: readonly AddressRequest[]): void {
    if (this.#plans.has(this.#primary)) return
    const live = this.#find(this.#primary)
    const isFree = live === undefined || live.external.length === 0
    const certain = requests.filter((request) => asksForCertainIP(request))
    const chosen =
      requests.find(({ value }) => value === undefined) ??
      requests.find((request) => !asksForCertainIP(request)) ??
      // Also when the load balancer has given it another one: a further Service would fare no better.
      certain.find(({ value }) => value === live?.asksFor) ??
      // Load balancers do not take an address from a Service to give it another one.
      (isFree ? certain.find((request) => this.#find(this.#nameFor(request, 'LoadBalancer')) === undefined) : undefined)
    if (chosen === undefined) return
    const address = asksForCertainIP(chosen) ? { address: chosen.value } : {}
    this.#add({ name: this.#primary, type: 'LoadBalancer', request: chosen, ...address })
    this.#settled.add(chosen)
  }

  /** Requests that addresses inside the cluster are given to. */
  #planInternal(requests: readonly AddressRequest[]): void {
    for (const request of requests) this.#keepInternal(request)
    const own = this.#find(this.#primary)?.internal[0]?.value
    const isGiven = own !== undefined && requests.some(({ value }) => value !== undefined && isSameAddress(value, own))
    // The Service that always is has an address inside the cluster anyway.
    const first = requests.find(({ type, value }) => type === 'IPAddress' && value === undefined)
    if (first && !isGiven) this.#settled.add(first)
    for (const request of requests)
      if (!this.#settled.has(request) && request.type === 'IPAddress') this.#addFor(request, 'ClusterIP')
  }

  /** What a load balancer has assigned stays where it is, and is asked for by name. */
  #keepBalanced(request: AddressRequest & { readonly value: string }): void {
    const holder = this.#findHolder(request.value, ({ external }) => external)
    if (!holder) return
    this.#settled.add(request)
    if (!this.#plans.has(holder.name) && holder.type === 'LoadBalancer')
      this.#add({ name: holder.name, type: 'LoadBalancer', request, address: request.value })
  }

  #keepInternal(request: AddressRequest): void {
    if (request.value === undefined) return
    const isDefault = scopeOf(request) === 'default'
    const holder = this.#findHolder(request.value, ({ internal, external }) => [
      ...internal,
      ...(isDefault ? external : []),
    ])
    if (!holder) return
    this.#settled.add(request)
    if (!this.#plans.has(holder.name))
      this.#add({ name: holder.name, type: 'ClusterIP', request, address: request.value })
  }

  #findHolder(
    value: string,
    addressesOf: (service: LiveService) => readonly GatewayAddress[],
  ): LiveService | undefined {
    return this.#live.find((service) => addressesOf(service).some((address) => isSameAddress(address.value, value)))
  }

  #addFor(request: AddressRequest, type: 'LoadBalancer' | 'ClusterIP'): void {
    const name = this.#nameFor(request, type)
    this.#add({ name, type, request, ...(request.value !== undefined && { address: request.value }) })
    this.#settled.add(request)
  }

  /** By what it asks for, so that a request means the same Service wherever it stands in the list. */
  #nameFor({ value }: AddressRequest, type: 'LoadBalancer' | 'ClusterIP'): string {
    if (value !== undefined) return addressServiceName(this.#fleet, `${type}/${value}`)
    for (let number = 1; ; number++) {
      const name = addressServiceName(this.#fleet, `${type}/any/${number}`)
      if (!this.#plans.has(name)) return name
    }
  }

  #isWaiting(): boolean {
    const requests = this.#fleet.addresses
    const primary = this.#find(this.#primary)
    if (requests.length === 0)
      return primary === undefined || (this.#type === 'LoadBalancer' && primary.external.length === 0)
    const assigned = assignAddresses(requests, listAvailable([...this.#plans.values()], this.#live, this.#type))
    return requests.some((request) => scopeOf(request) !== 'none' && !assigned.has(request))
  }

  #retain(): void {
    for (const { name, type, className, asksFor, external, internal } of this.#live) {
      const planned = this.#plans.get(name)
      const isInUse = type === 'LoadBalancer' ? external.length > 0 : name !== this.#primary && internal.length > 0
      const isTurned = planned?.type === 'ClusterIP' && type === 'LoadBalancer' && this.#type === 'LoadBalancer'
      const isLeft = planned === undefined || isTurned
      if (!isInUse || !isLeft) continue
      const address = type === 'LoadBalancer' ? asksFor : internal[0]?.value
      const isOfEarlierClass = planned === undefined && className !== labelValue(this.#fleet.className)
      this.#add({
        name,
        type: type as ServiceType,
        isRetained: true,
        ...(isOfEarlierClass && { isOfEarlierClass }),
        ...(address !== undefined && { address }),
      })
    }
  }

  #add(plan: ServicePlan): void {
    const { request, ...rest } = plan
    this.#plans.set(plan.name, { ...rest, ...(request && { request: { index: request.index } }) })
  }

  #find(name: string): LiveService | undefined {
    return this.#live.find((service) => service.name === name)
  }
}

function asksForCertainIP(request: AddressRequest): request is AddressRequest & { readonly value: string } {
  return request.type === 'IPAddress' && request.value !== undefined
}

/**
 * The addresses that requests can be given.
 * @param type of the Services of Gateways that ask for nothing else
 */
export function listAvailable(
  plans: readonly ServicePlan[],
  live: readonly LiveService[],
  type: ServiceType,
): readonly AvailableAddress[] {
  const services = new Map(live.map((service) => [service.name, service]))
  return plans.flatMap((plan, position): AvailableAddress[] => {
    const service = services.get(plan.name)
    if (!service) return []
    const isPrimary = position === 0
    const isAny = plan.address === undefined
    const ofLoadBalancer = type === 'LoadBalancer' ? 'Cluster' : 'default'
    // One that is for an address outside of the cluster has another inside, which is for who asks for that very one.
    const isForAnyInside = isPrimary || (isAny && plan.type === 'ClusterIP')
    const list = (
      addresses: readonly GatewayAddress[],
      routability: AvailableAddress['routability'],
      forAny: AvailableAddress['forAny'],
    ) => addresses.map((address) => ({ ...address, holder: plan.name, routability, forAny }))
    return [
      ...list(plan.isRetained ? [] : service.external, '', isAny ? 'default' : 'nobody'),
      ...list(
        plan.isRetained && !isPrimary ? [] : service.internal,
        clusterRoutability,
        isForAnyInside ? ofLoadBalancer : 'nobody',
      ),
    ]
  })
}
