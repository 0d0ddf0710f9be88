import type { Collection } from '../../collections/collection.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import { requestPath } from '../../infrastructure/address-request.ts'
import type { Applier, InfrastructureProblem } from '../../infrastructure/applier.ts'
import type { InfrastructureOptions } from '../../infrastructure/infrastructure-options.ts'
import type { InfrastructureKind, Manifest } from '../../infrastructure/manifest.ts'
import { infrastructureName } from '../../infrastructure/names.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import { renderInfrastructure } from '../../infrastructure/render-infrastructure.ts'
import { planServices, type ServicePlan } from '../../infrastructure/service-plan.ts'
import { HandOver, isOfEarlierClass, raiseMinimum, renewTrust } from './hand-over.ts'
import type { LiveObject } from './live-object.ts'
import type { OwnedObjects } from './owned-objects.ts'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'

/** Certificates (PEM) that proxies trust the control plane by. */
export interface TrustBundle {
  /** undefined while there is none. */
  current(): string | undefined
  /** @returns ends the subscription */
  subscribe(listener: () => void): () => void
}

export interface ProvisionerOptions extends ReconcilerOptions {
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
}

/**
 * Makes what each Gateway needs, and keeps it so: whatever is deleted or changed by others comes back, except
 * for fields that they have taken over.
 */
export class Provisioner extends Reconciler {
  readonly #options: ProvisionerOptions
  readonly #handOver: HandOver

  constructor(options: ProvisionerOptions) {
    super('a Gateway', options)
    this.#options = options
    this.#handOver = new HandOver({ ...options, onDue: (gateway) => this.touch(gateway) })
  }

  /** Gateways that have something of a class that they had earlier. */
  get changingClass(): number {
    return this.#handOver.size
  }

  override async stop(): Promise<void> {
    await super.stop()
    this.#handOver.clear()
  }

  protected override watch(): readonly (() => void)[] {
    const { fleets, plans, owned, trust } = this.#options
    const touchAll = () => {
      for (const gateway of new Set([...[...fleets.entries()].map(([key]) => key), ...owned.gateways()]))
        this.touch(gateway)
    }
    touchAll()
    return [
      fleets.subscribe(this.touchEach),
      ...(plans ? [plans.subscribe(this.touchEach)] : []),
      owned.subscribe((gateway) => this.touch(gateway)),
      trust.subscribe(touchAll),
    ]
  }

  protected override async reconcile(gateway: NamespacedName): Promise<readonly InfrastructureProblem[]> {
    const { fleets, plans, owned, applier, trust, options, ownershipOf } = this.#options
    const wanted = fleets.get(gateway)
    // What is made for a Gateway that is being deleted would only be in its way.
    if (wanted?.isHeld || wanted?.isDeleting) return []
    if (!wanted) {
      this.#handOver.forget(gateway)
      // Objects of a Gateway that is gone are the garbage collector's.
      if (ownershipOf(gateway) === 'foreign') await this.#removeEach(owned.ofGateway(gateway))
      if (owned.ofGateway(gateway).length === 0) applier.forget(gateway)
      return []
    }
    const trustBundle = trust.current()
    if (trustBundle === undefined) return []
    const ours = owned.ofGateway(gateway).filter(({ owner }) => owner?.uid === wanted.uid)
    const earlier = ours.filter((object) => isOfEarlierClass(object, wanted))
    const fleet = raiseMinimum(wanted, earlier)
    const services = plans?.get(gateway) ?? planServices(fleet, [])
    const manifests = renderInfrastructure({ fleet, options, trustBundle }, services)
    await this.#renewTrust(earlier, manifests)
    // What the parameters say is not known: what runs stays as it is.
    const onlyCreate = fleet.parameters === undefined
    const runs = (objects: readonly LiveObject[]) => objects.some(({ kind }) => kind === 'Deployment')
    if (onlyCreate && runs(earlier) && !runs(ours.filter((object) => !earlier.includes(object))))
      return [this.#handOver.pending(fleet, 'the parameters cannot be read')]
    const problems: InfrastructureProblem[] = []
    /** @returns what is refused */
    const applyEach = async (some: readonly Manifest[]): Promise<readonly Manifest[]> => {
      if (!this.isActive) return []
      const results = await settleAll(some.map((manifest) => applier.apply(manifest, onlyCreate)))
      const refused: Manifest[] = []
      for (const [index, result] of results.entries()) {
        const manifest = some[index]
        if (!manifest || result.state !== 'refused') continue
        problems.push(describeRefusal(manifest, result.message, services))
        refused.push(manifest)
      }
      return refused
    }
    // What does not wait for others is made at the same time: clients wait for the slowest.
    const refused = await applyEach(manifests.filter(({ kind }) => beforePods.includes(kind)))
    // Pods must not run as somebody else, or with somebody else's configuration.
    if (refused.some(({ kind }) => kind !== 'Service')) return problems
    for (const manifest of manifests) if (!beforePods.includes(manifest.kind)) await applyEach([manifest])
    if (!this.isActive) return problems
    if (!onlyCreate && problems.every(isAboutAddress))
      problems.push(...(await this.#removeSurplus(fleet, manifests, services)))
    return problems
  }

  /**
   * What was made for the Gateway earlier and is not wanted now: with other parameters, at once; for another class of
   * ours, when what is made for this one serves.
   * @returns what keeps it
   */
  async #removeSurplus(
    fleet: ProxyFleet,
    manifests: readonly Manifest[],
    services: readonly ServicePlan[],
  ): Promise<readonly InfrastructureProblem[]> {
    const { owned } = this.#options
    const { namespace } = splitNamespacedName(fleet.key)
    const wanted = new Set([
      ...manifests.map(({ kind, metadata }) => `${kind} ${namespace}/${metadata.name}`),
      ...services.map(({ name }) => `Service ${namespace}/${name}`),
    ])
    const surplus = owned.ofGateway(fleet.key).filter((object) => {
      return object.owner?.uid === fleet.uid && !wanted.has(`${object.kind} ${object.key}`)
    })
    const earlier = surplus.filter((object) => isOfEarlierClass(object, fleet))
    const deployment = owned.get('Deployment', namespacedName(namespace, infrastructureName(fleet)))
    const { due, problems } = this.#handOver.step(fleet, earlier, deployment, services)
    await this.#removeEach([...surplus.filter((object) => !earlier.includes(object)), ...due])
    return problems
  }

  async #renewTrust(earlier: readonly LiveObject[], manifests: readonly Manifest[]): Promise<void> {
    const current = manifests.find(({ kind }) => kind === 'ConfigMap')
    for (const object of earlier) {
      const manifest = current && !object.isDeleting ? renewTrust(object, current) : undefined
      if (manifest && this.isActive) await this.#options.applier.apply(manifest)
    }
  }

  /** One that cannot be deleted does not keep the others. @throws the first error */
  async #removeEach(objects: readonly LiveObject[]): Promise<void> {
    const errors: unknown[] = []
    for (const object of objects)
      if (!object.isDeleting && this.isActive)
        await this.#options.applier.remove(object).catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }
}

/** The address, which takes others the longest, and what pods need. */
const beforePods: readonly InfrastructureKind[] = ['Service', 'ServiceAccount', 'ConfigMap']

/** Leaves nothing under way. @throws the first error */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

/** What keeps proxies available, and no request needs. */
const besideTraffic: readonly InfrastructureKind[] = ['HorizontalPodAutoscaler', 'PodDisruptionBudget']

/** Without a Service for one address, others may still do; without anything else for traffic the Gateway is not whole. */
function describeRefusal(
  { kind, metadata }: Manifest,
  message: string,
  [, ...further]: readonly ServicePlan[],
): InfrastructureProblem {
  if (besideTraffic.includes(kind))
    return { on: 'gatewright.dev/InfrastructureComplete', reason: 'NotApplied', message }
  const plan = kind === 'Service' ? further.find(({ name }) => name === metadata.name) : undefined
  if (!plan) return { on: 'Programmed', reason: 'Invalid', message }
  const path = plan.request ? { path: requestPath(plan.request) } : {}
  return { on: addressesAssigned, reason: 'NotAssigned', message, ...path }
}

const addressesAssigned = 'AddressesAssigned'

function isAboutAddress({ on }: InfrastructureProblem): boolean {
  return on === addressesAssigned
}
