import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Collection } from '../../collections/collection.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { requestPath } from '../../infrastructure/address-request.ts'
import type { Applier, InfrastructureProblem } from '../../infrastructure/applier.ts'
import type { InfrastructureOptions } from '../../infrastructure/infrastructure-options.ts'
import type { InfrastructureKind, Manifest } from '../../infrastructure/manifest.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import { renderInfrastructure } from '../../infrastructure/render-infrastructure.ts'
import { planServices, type ServicePlan } from '../../infrastructure/service-plan.ts'
import { ApiError } from './api-client.ts'
import { type BackoffRange, chooseBackoff } from './backoff.ts'
import type { LiveObject } from './live-object.ts'
import type { OwnedObjects } from './owned-objects.ts'

/** Certificates (PEM) that proxies trust the control plane by. */
export interface TrustBundle {
  /** undefined while there is none. */
  current(): string | undefined
  /** @returns ends the subscription */
  subscribe(listener: () => void): () => void
}

export interface ProvisionerOptions {
  readonly fleets: Collection<NamespacedName, ProxyFleet>
  /** The Services that each of them is to have; unless given, as if there were none yet. */
  readonly plans?: Collection<NamespacedName, readonly ServicePlan[]>
  readonly owned: OwnedObjects
  readonly applier: Applier
  readonly trust: TrustBundle
  readonly options: InfrastructureOptions
  /**
   * Whose a Gateway without a fleet is. foreign: its class is another controller's. unknown: it, or its class, is
   * not there.
   */
  readonly ownershipOf: (gateway: NamespacedName) => 'foreign' | 'unknown'
  /** Told what keeps a Gateway from having what it needs; an empty list when nothing does any more. */
  readonly onProblems: (gateway: NamespacedName, problems: readonly InfrastructureProblem[]) => void
  readonly clock: Clock
  readonly logger: Logger
  /** 0 to 1, as Math.random. */
  readonly random?: () => number
}

/** Plain numbers since the start. */
export interface ProvisionerCounters {
  reconciliations: number
  /** Those that ended because the world failed. */
  failures: number
}

/** Milliseconds. */
const backoff: BackoffRange = { base: 1000, max: 60_000 }
/** The same where a right is missing: who gives it waits for us. */
const rightBackoff: BackoffRange = { base: 1000, max: 10_000 }
/**
 * Before something is tried again that somebody has to put right: nobody tells us when. Milliseconds, and more
 * for each Gateway that is in such trouble, so that many do not keep the API server busy.
 */
const refusedPause = 10_000
const refusedPauseEach = 50

/** Gateways that are worked on at the same time. */
const maxRunning = 4

interface Work {
  state: 'waiting' | 'ready' | 'running'
  /** Something changed while it was running. */
  isTouched: boolean
  failures: number
  cancelTimer: (() => void) | undefined
}

/**
 * Makes what each Gateway needs, and keeps it so: whatever is deleted or changed by others comes back, except
 * for fields that they have taken over. To be started by the leader only, and stopped when it is leader no more.
 * A Gateway that fails delays no other.
 */
export class Provisioner {
  readonly #options: ProvisionerOptions
  readonly #random: () => number
  readonly #work = new Map<NamespacedName, Work>()
  readonly #troubled = new Set<NamespacedName>()
  readonly #unsubscribe: (() => void)[] = []
  #running = 0
  #isActive = false
  #idle: (() => void)[] = []
  readonly counters: ProvisionerCounters = { reconciliations: 0, failures: 0 }

  constructor(options: ProvisionerOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** Gateways that wait for something to be done, or for another try. */
  get pending(): number {
    return this.#work.size
  }

  /** Looks at everything. `owned` must be complete by now. */
  start(): void {
    if (this.#isActive) return
    this.#isActive = true
    const { fleets, plans, owned, trust } = this.#options
    const touchAll = () => {
      for (const gateway of new Set([...[...fleets.entries()].map(([key]) => key), ...owned.gateways()]))
        this.touch(gateway)
    }
    this.#unsubscribe.push(
      fleets.subscribe((changes) => {
        for (const { key } of changes) this.touch(key)
      }),
      plans?.subscribe((changes) => {
        for (const { key } of changes) this.touch(key)
      }) ?? (() => {}),
      owned.subscribe((gateway) => this.touch(gateway)),
      trust.subscribe(touchAll),
    )
    touchAll()
  }

  /** Resolves when nothing is under way any more; what was begun for a Gateway stops at the next object. */
  async stop(): Promise<void> {
    this.#isActive = false
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    for (const [gateway, work] of [...this.#work]) {
      work.cancelTimer?.()
      if (work.state !== 'running') this.#work.delete(gateway)
    }
    await this.settled()
  }

  /** Resolves when no Gateway is being worked on, or ready to be. */
  settled(): Promise<void> {
    if (this.#running === 0 && ![...this.#work.values()].some((work) => work.state === 'ready'))
      return Promise.resolve()
    return new Promise((resolve) => void this.#idle.push(resolve))
  }

  /** Something about a Gateway may be to do, e.g. because its class is another controller's by now. */
  touch(gateway: NamespacedName): void {
    if (!this.#isActive) return
    const work = this.#work.get(gateway) ?? { state: 'ready', isTouched: false, failures: 0, cancelTimer: undefined }
    this.#work.set(gateway, work)
    if (work.state === 'running') work.isTouched = true
    // One that failed waits for its turn, so that a burst of changes is no burst of failures.
    else if (work.state === 'ready' || work.failures === 0) this.#makeReady(work)
  }

  #makeReady(work: Work): void {
    work.cancelTimer?.()
    work.cancelTimer = undefined
    work.state = 'ready'
    // Changes come in bursts; one look is enough for all of one task.
    setImmediate(() => this.#pump())
  }

  #pump(): void {
    for (const [gateway, work] of this.#work) {
      if (this.#running >= maxRunning || !this.#isActive) break
      if (work.state === 'ready') void this.#run(gateway, work)
    }
    if (this.#running === 0 && ![...this.#work.values()].some((work) => work.state === 'ready'))
      for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #run(gateway: NamespacedName, work: Work): Promise<void> {
    const { logger } = this.#options
    work.state = 'running'
    work.isTouched = false
    this.#running++
    this.counters.reconciliations++
    let pause: number | undefined
    try {
      const problems = await this.#reconcile(gateway)
      work.failures = 0
      this.#report(gateway, problems)
      if (problems.length > 0) pause = this.#spread(refusedPause + refusedPauseEach * this.#troubled.size)
    } catch (error) {
      this.counters.failures++
      work.failures++
      pause = this.#chooseBackoff(work.failures, error)
      const fields = { gateway, failures: work.failures, retryInMilliseconds: Math.round(pause), error: String(error) }
      if (work.failures === 1) logger.warn('What a Gateway needs could not be made; trying again', fields)
      else logger.debug('What a Gateway needs could still not be made', fields)
    }
    this.#running--
    if (!this.#isActive) this.#work.delete(gateway)
    else if (work.isTouched && work.failures === 0) this.#makeReady(work)
    else if (pause !== undefined) {
      work.state = 'waiting'
      work.cancelTimer = this.#options.clock.after(pause, () => this.#makeReady(work))
    } else this.#work.delete(gateway)
    this.#pump()
  }

  /** @returns what somebody has to put right */
  async #reconcile(gateway: NamespacedName): Promise<readonly InfrastructureProblem[]> {
    const { fleets, plans, owned, applier, trust, options, ownershipOf } = this.#options
    const fleet = fleets.get(gateway)
    // What is made for a Gateway that is being deleted would only be in its way.
    if (fleet?.isHeld || fleet?.isDeleting) return []
    if (!fleet) {
      // Objects of a Gateway that is gone are the garbage collector's.
      if (ownershipOf(gateway) === 'foreign') await this.#removeEach(owned.ofGateway(gateway))
      if (owned.ofGateway(gateway).length === 0) applier.forget(gateway)
      return []
    }
    const trustBundle = trust.current()
    if (trustBundle === undefined) return []
    const services = plans?.get(gateway) ?? planServices(fleet, [])
    const manifests = renderInfrastructure({ fleet, options, trustBundle }, services)
    // What the parameters say is not known: what runs stays as it is.
    const onlyCreate = fleet.parameters === undefined
    const problems: InfrastructureProblem[] = []
    for (const manifest of manifests) {
      if (!this.#isActive) return problems
      const result = await applier.apply(manifest, onlyCreate)
      if (result.state !== 'refused') continue
      problems.push(describeRefusal(manifest, result.message, services))
      // Pods must not run as somebody else, or with somebody else's configuration.
      if (neededByPods.includes(manifest.kind)) return problems
    }
    if (!onlyCreate && problems.every(isAboutAddress)) await this.#removeSurplus(fleet, manifests)
    return problems
  }

  /** What was made for the Gateway earlier and is not wanted now: other parameters, another class of ours. */
  async #removeSurplus({ key, uid }: ProxyFleet, manifests: readonly Manifest[]): Promise<void> {
    const wanted = new Set(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`))
    const surplus = this.#options.owned.ofGateway(key).filter((object) => {
      return object.owner?.uid === uid && !wanted.has(`${object.kind} ${object.key}`)
    })
    await this.#removeEach(surplus)
  }

  /** One that cannot be deleted does not keep the others. @throws the first error */
  async #removeEach(objects: readonly LiveObject[]): Promise<void> {
    const errors: unknown[] = []
    for (const object of objects)
      if (!object.isDeleting && this.#isActive)
        await this.#options.applier.remove(object).catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }

  #report(gateway: NamespacedName, problems: readonly InfrastructureProblem[]): void {
    if (problems.length === 0 && !this.#troubled.delete(gateway)) return
    if (problems.length > 0) this.#troubled.add(gateway)
    this.#options.onProblems(gateway, problems)
  }

  #chooseBackoff(failures: number, error: unknown): number {
    const asked = error instanceof ApiError ? (error.retryAfter ?? 0) : 0
    const range = error instanceof ApiError && error.status === 403 ? rightBackoff : backoff
    return Math.max(chooseBackoff(failures, range, this.#random), Math.min(asked, backoff.max))
  }

  /** Somewhere in the second half, so that those who failed together do not come back together. */
  #spread(milliseconds: number): number {
    return (milliseconds * (1 + this.#random())) / 2
  }
}

const neededByPods: readonly InfrastructureKind[] = ['ServiceAccount', 'ConfigMap']

/** Without a Service for one address, others may still do; without anything else the Gateway is not whole. */
function describeRefusal(
  { kind, metadata }: Manifest,
  message: string,
  [, ...further]: readonly ServicePlan[],
): InfrastructureProblem {
  const plan = kind === 'Service' ? further.find(({ name }) => name === metadata.name) : undefined
  if (!plan) return { on: 'Programmed', reason: 'Invalid', message }
  const path = plan.request ? { path: requestPath(plan.request) } : {}
  return { on: addressesAssigned, reason: 'NotAssigned', message, ...path }
}

const addressesAssigned = 'AddressesAssigned'

function isAboutAddress({ on }: InfrastructureProblem): boolean {
  return on === addressesAssigned
}
