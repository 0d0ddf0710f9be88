import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import { listAddressRequests } from '../infrastructure/address-request.ts'
import { deriveGatewayBinding } from '../infrastructure/gateway-binding.ts'
import { gatewayClassNameLabel } from '../infrastructure/labels.ts'
import type { Manifest } from '../infrastructure/manifest.ts'
import type { ProxyFleet } from '../infrastructure/proxy-fleet.ts'
import { renderServices } from '../infrastructure/service.ts'
import { type LiveService, planServices, type ServicePlan } from '../infrastructure/service-plan.ts'
import { testFleet, testOptions } from './pod-envoy.ts'

interface FakeService {
  type: string
  className: string | undefined
  asksFor: string | undefined
  clusterIP: string
  external: string | undefined
}

/**
 * The Services of one Gateway in a cluster whose load balancer has 192.0.2.x to give, never takes back what a
 * Service has while that is of its type, and gives no address twice; ClusterIPs are 10.96.0.x.
 */
export class AddressCluster {
  fleet: ProxyFleet
  readonly services = new Map<string, FakeService>()
  /** Whether the load balancer works. */
  isBalancing = true
  /** What the API server refused, by name. */
  readonly refused = new Map<string, string>()
  #next = 0

  constructor(fleet: Partial<ProxyFleet> = {}) {
    this.fleet = { ...testFleet, ...fleet }
  }

  request(...addresses: readonly (string | Partial<GatewaySpecAddress>)[]): this {
    const entries = addresses.map((a) => ({
      type: 'IPAddress',
      ...(typeof a === 'string' ? (a === '' ? {} : { value: a }) : a),
    }))
    this.fleet = { ...this.fleet, addresses: listAddressRequests(entries) }
    return this
  }

  changeClass(className: string): this {
    this.fleet = { ...this.fleet, className }
    return this
  }

  live(): readonly LiveService[] {
    return [...this.services]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { type, className, asksFor, clusterIP, external }]) => ({
        name,
        type,
        className,
        asksFor,
        external: external === undefined ? [] : [{ type: 'IPAddress', value: external }],
        internal: [{ type: 'IPAddress', value: clusterIP }],
      }))
  }

  plans(): readonly ServicePlan[] {
    return planServices(this.fleet, this.live())
  }

  binding(): GatewayBinding {
    const plans = this.plans()
    const problems = plans.flatMap(({ name, request }) => {
      const message = this.refused.get(name)
      if (message === undefined || request === undefined) return []
      return [{ on: 'AddressesAssigned', reason: 'NotAssigned', message, path: `spec.addresses[${request.index}]` }]
    })
    return deriveGatewayBinding(this.fleet, { plans, live: this.live() }, testOptions, problems)
  }

  addresses(): string[] {
    return this.binding().addresses.map(({ value, routability = '' }) => `${value}${routability && ` ${routability}`}`)
  }

  /** @returns whether something has changed */
  step(): boolean {
    const before = JSON.stringify([...this.services])
    const plans = this.plans()
    const names = new Set(plans.map(({ name }) => name))
    this.refused.clear()
    for (const manifest of renderServices({ fleet: this.fleet, options: testOptions, trustBundle: '' }, plans))
      this.#apply(manifest)
    for (const name of [...this.services.keys()]) if (!names.has(name)) this.services.delete(name)
    if (this.isBalancing) this.#balance()
    return JSON.stringify([...this.services]) !== before
  }

  /** @throws when it does not come to rest */
  settle(): this {
    for (let steps = 0; this.step(); steps++) if (steps > 20) throw new Error('never ends')
    return this
  }

  #apply({ metadata: { name, labels }, spec }: Manifest): void {
    const { type, loadBalancerIP, clusterIP } = spec as {
      type: string
      loadBalancerIP?: string
      clusterIP?: string
    }
    const known = this.services.get(name)
    const taken = new Set([...this.services].filter(([n]) => n !== name).map(([, s]) => s.clusterIP))
    if (clusterIP !== undefined && (!clusterIP.startsWith('10.96.') || taken.has(clusterIP))) {
      this.refused.set(name, `the API server refuses ${clusterIP}`)
      return
    }
    if (known && clusterIP !== undefined && known.clusterIP !== clusterIP)
      throw new Error('clusterIP cannot be changed')
    this.services.set(name, {
      type,
      className: labels[gatewayClassNameLabel],
      asksFor: loadBalancerIP,
      clusterIP: known?.clusterIP ?? clusterIP ?? `10.96.0.${++this.#next}`,
      external: type === 'LoadBalancer' ? known?.external : undefined,
    })
  }

  #balance(): void {
    const used = new Set([...this.services.values()].map(({ external }) => external))
    for (const service of this.services.values()) {
      if (service.type !== 'LoadBalancer' || service.external !== undefined) continue
      let wanted = service.asksFor
      while (wanted === undefined || (service.asksFor === undefined && used.has(wanted)))
        wanted = `192.0.2.${100 + (this.#next++ % 100)}`
      if (!wanted.startsWith('192.0.2.') || used.has(wanted)) continue
      service.external = wanted
      used.add(wanted)
    }
  }
}
