import type { Collection } from '../../collections/collection.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { Service } from '../../gatewayapi/objects/service.ts'
import type { XBackend } from '../../gatewayapi/objects/x-backend.ts'
import type { InfrastructureProblem } from '../../infrastructure/applier.ts'
import {
  locateSelectorService,
  readXBackendUid,
  type SelectorServicePlan,
} from '../../infrastructure/selector-service.ts'
import type { KubernetesApplier } from './applier.ts'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'

export interface SelectorServiceProvisionerOptions extends ReconcilerOptions {
  readonly xBackends: Collection<NamespacedName, XBackend>
  /** What each of them needs that chooses pods by their labels. */
  readonly plans: Collection<NamespacedName, SelectorServicePlan>
  /** All Services of the cluster, as they were read. */
  readonly services: Collection<NamespacedName, Service>
  /** For nothing else, because it remembers objects by the names of their owners. */
  readonly applier: Pick<KubernetesApplier, 'apply' | 'remove' | 'find' | 'forget'>
}

/**
 * Makes the headless Service of each XBackend that chooses pods by their labels, once something of ours leads to it,
 * and keeps it so until the XBackend goes (then it is the garbage collector's) or changes its type.
 */
export class SelectorServiceProvisioner extends Reconciler {
  readonly #options: SelectorServiceProvisionerOptions

  constructor(options: SelectorServiceProvisionerOptions) {
    const { xBackends, services, onProblems } = options
    /** The graph sees it by itself: a Service of that name that is not ours. */
    const isTold = (xBackend: NamespacedName): boolean => {
      const service = services.get(locateSelectorService(xBackend))
      return service !== undefined && !isMadeFor(service, xBackends.get(xBackend))
    }
    super('an XBackend', {
      ...options,
      onProblems: (xBackend, problems) => onProblems(xBackend, isTold(xBackend) ? [] : problems),
    })
    this.#options = options
  }

  protected override watch(): readonly (() => void)[] {
    const { xBackends, plans, services } = this.#options
    for (const [key] of xBackends.entries()) this.touch(key)
    return [
      xBackends.subscribe(this.touchEach),
      plans.subscribe(this.touchEach),
      // Only what is ours has the label, also in the moment in which somebody takes it away.
      services.subscribe((changes) => {
        const touched = changes.filter(({ before, after }) => hasUid(before) || hasUid(after)).map(({ key }) => key)
        if (touched.length > 0) this.#touchOwners(new Set(touched))
      }),
    ]
  }

  /** There are few XBackends, and their Services seldom change: nobody keeps an index of them. */
  #touchOwners(services: ReadonlySet<NamespacedName>): void {
    for (const [xBackend] of this.#options.xBackends.entries())
      if (services.has(locateSelectorService(xBackend))) this.touch(xBackend)
  }

  protected override async reconcile(xBackend: NamespacedName): Promise<readonly InfrastructureProblem[]> {
    const { xBackends, plans, services, applier } = this.#options
    const source = xBackends.get(xBackend)
    if (!source) {
      // Its Service is the garbage collector's; or it is only that XBackends cannot be read now.
      applier.forget(xBackend)
      return []
    }
    const plan = plans.get(xBackend)
    const key = locateSelectorService(xBackend)
    const known = services.get(key)
    const isOurs = known !== undefined && isMadeFor(known, source)
    if (!plan) {
      if (isOurs) await this.#remove(key, source)
      return []
    }
    // What is made for one that is being deleted would only be in its way; what is not used yet is not needed.
    if (plan.isDeleting || (!plan.isUsed && !isOurs)) return []
    const result = await applier.apply(plan.manifest)
    if (result.state !== 'refused') return []
    const { message } = result
    return [{ on: 'Accepted', reason: 'UnsupportedValue', message, path: 'spec.endpointSelector' }]
  }

  /** A label is no proof: whose it is says the owner that it has now. */
  async #remove(key: NamespacedName, { metadata }: XBackend): Promise<void> {
    const { applier } = this.#options
    const live = await applier.find({ kind: 'Service', key })
    if (live?.owner?.kind === 'XBackend' && live.owner.uid === metadata.uid && !live.isDeleting)
      await applier.remove(live)
  }
}

function isMadeFor(service: Service, xBackend: XBackend | undefined): boolean {
  const uid = readXBackendUid(service)
  return uid !== undefined && uid === xBackend?.metadata.uid
}

function hasUid(service: Service | undefined): boolean {
  return service !== undefined && readXBackendUid(service) !== undefined
}
