import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Collection } from '../../collections/collection.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { scopeOf } from '../../infrastructure/address-request.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import { type AddressPlan, AddressPlanner, type BindProbe } from './address-plan.ts'

/** One Envoy that somebody started for a Gateway. */
export interface LocalProxy {
  readonly adminUrl: string | undefined
  /** Lets requests in flight finish, then ends; resolves when the process is gone. */
  stop(): Promise<void>
}

export interface LocalProxiesOptions {
  readonly fleets: Collection<NamespacedName, ProxyFleet>
  readonly listenAddress: string
  readonly probe: BindProbe
  readonly clock: Clock
  readonly logger: Logger
  /** Starts an Envoy whose credential leads to the Gateway's scope. A rejection is logged and tried again. */
  readonly start: (gateway: NamespacedName) => Promise<LocalProxy>
  /** Told where a Gateway listens; undefined when it is gone. */
  readonly bind: (gateway: NamespacedName, plan: AddressPlan | undefined) => void
}

/** A port that another process holds may become free without anybody telling. */
const retryProblemsAfter = 2000

/** Runs one Envoy for each Gateway on this machine and hands out addresses and ports. */
export class LocalProxies {
  readonly #options: LocalProxiesOptions
  readonly #planner: AddressPlanner
  readonly #proxies = new Map<NamespacedName, LocalProxy>()
  readonly #stopping = new Set<Promise<void>>()
  readonly #unsubscribe: () => void
  /** Gateways that changed since the last look; one reconciliation runs at a time, because ports are shared. */
  readonly #dirty = new Set<NamespacedName>()
  #running: Promise<void> | undefined
  /** Per Gateway whose ports have problems. */
  readonly #retries = new Map<NamespacedName, () => void>()
  #closed = false

  constructor(options: LocalProxiesOptions) {
    this.#options = options
    this.#planner = new AddressPlanner(options.listenAddress, options.probe)
    this.#unsubscribe = options.fleets.subscribe((changes) => this.#reconcileSoon(changes.map((c) => c.key)))
    this.#reconcileSoon([...options.fleets.entries()].map(([key]) => key))
  }

  adminUrl(gateway: NamespacedName): string | undefined {
    return this.#proxies.get(gateway)?.adminUrl
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    for (const cancel of this.#retries.values()) cancel()
    await this.#running
    for (const gateway of [...this.#proxies.keys()]) this.#end(gateway)
    await Promise.all(this.#stopping)
  }

  #reconcileSoon(gateways: Iterable<NamespacedName>): void {
    for (const gateway of gateways) this.#dirty.add(gateway)
    if (this.#dirty.size === 0 || this.#closed) return
    this.#running ??= this.#reconcile().finally(() => {
      this.#running = undefined
      this.#reconcileSoon([])
    })
  }

  async #reconcile(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#closed) {
      // In the order of their names, so that who gets the listen address does not depend on timing.
      const [gateway] = [...this.#dirty].sort() as [NamespacedName]
      this.#dirty.delete(gateway)
      try {
        await this.#reconcileOne(gateway)
      } catch (error) {
        this.#options.logger.error('could not serve a Gateway on this machine; trying again', {
          gateway,
          error: String(error),
        })
        this.#retryLater(gateway)
      }
    }
  }

  async #reconcileOne(gateway: NamespacedName): Promise<void> {
    const fleet = this.#options.fleets.get(gateway)
    if (!fleet) {
      this.#planner.release(gateway)
      this.#options.bind(gateway, undefined)
      this.#end(gateway)
      return
    }
    if (fleet.isHeld && !this.#proxies.has(gateway)) return
    const requestedAddresses = fleet.addresses.flatMap((request) =>
      request.type === 'IPAddress' && scopeOf(request) === 'default' ? (request.value ?? []) : [],
    )
    const plan = await this.#planner.plan({ gateway, ports: fleet.ports, requestedAddresses })
    if (this.#options.fleets.get(gateway) !== fleet) return this.#reconcileOne(gateway)
    this.#options.bind(gateway, plan)
    if (plan.problems.size > 0) this.#retryLater(gateway)
    if (!this.#proxies.has(gateway)) this.#proxies.set(gateway, await this.#options.start(gateway))
  }

  #retryLater(gateway: NamespacedName): void {
    this.#retries.get(gateway)?.()
    const cancel = this.#options.clock.after(retryProblemsAfter, () => {
      this.#retries.delete(gateway)
      this.#reconcileSoon([gateway])
    })
    this.#retries.set(gateway, cancel)
  }

  #end(gateway: NamespacedName): void {
    const proxy = this.#proxies.get(gateway)
    this.#proxies.delete(gateway)
    if (!proxy) return
    const stopped = proxy.stop().catch((error: unknown) => {
      this.#options.logger.error('an Envoy did not end well', { gateway, error: String(error) })
    })
    this.#stopping.add(stopped)
    void stopped.then(() => this.#stopping.delete(stopped))
  }
}
