import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
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
import { type ReconcileCounters, ReconcileQueue } from './reconcile-queue.ts'

export interface SelectorServiceProvisionerOptions {
  readonly xBackends: Collection<NamespacedName, XBackend>
  /** What each of them needs that chooses pods by their labels. */
  readonly plans: Collection<NamespacedName, SelectorServicePlan>
  /** All Services of the cluster, as they were read. */
  readonly services: Collection<NamespacedName, Service>
  /** For nothing else, because it remembers objects by the names of their owners. */
  readonly applier: Pick<KubernetesApplier, 'apply' | 'remove' | 'find' | 'forget'>
  /** Told what keeps the Service of an XBackend from being made; an empty list when nothing does any more. */
  readonly onProblems: (xBackend: NamespacedName, problems: readonly InfrastructureProblem[]) => void
  readonly clock: Clock
  readonly logger: Logger
  /** 0 to 1, as Math.random. */
  readonly random?: () => number
}

/**
 * Makes the headless Service of each XBackend that chooses pods by their labels, once something of ours leads to it,
 * and keeps it so until the XBackend goes (then it is the garbage collector's) or changes its type. To be started by
 * the leader only, and stopped when it is leader no more.
 */
export class SelectorServiceProvisioner {
  readonly #options: SelectorServiceProvisionerOptions
  readonly #queue: ReconcileQueue<NamespacedName>
  readonly #troubled = new Set<NamespacedName>()
  readonly #unsubscribe: (() => void)[] = []

  constructor(options: SelectorServiceProvisionerOptions) {
    this.#options = options
    const { clock, logger, random } = options
    this.#queue = new ReconcileQueue({
      reconcile: async (xBackend) => {
        const refusal = await this.#reconcile(xBackend)
        this.#report(xBackend, refusal)
        return refusal !== undefined
      },
      subject: 'an XBackend',
      clock,
      logger,
      random,
    })
  }

  get counters(): ReconcileCounters {
    return this.#queue.counters
  }

  /** XBackends that wait for something to be done, or for another try. */
  get pending(): number {
    return this.#queue.pending
  }

  /** Looks at everything. The collections must be complete by now. */
  start(): void {
    if (this.#queue.isActive) return
    this.#queue.start()
    const { xBackends, plans, services } = this.#options
    this.#unsubscribe.push(
      xBackends.subscribe((changes) => {
        for (const { key } of changes) this.#queue.touch(key)
      }),
      plans.subscribe((changes) => {
        for (const { key } of changes) this.#queue.touch(key)
      }),
      // Only what is ours has the label, also in the moment in which somebody takes it away.
      services.subscribe((changes) => {
        const touched = changes.filter(({ before, after }) => hasUid(before) || hasUid(after)).map(({ key }) => key)
        if (touched.length > 0) this.#touchOwners(new Set(touched))
      }),
    )
    for (const [key] of xBackends.entries()) this.#queue.touch(key)
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    await this.#queue.stop()
  }

  /** Resolves when no XBackend is being worked on, or ready to be. */
  settled(): Promise<void> {
    return this.#queue.settled()
  }

  /** There are few XBackends, and their Services seldom change: nobody keeps an index of them. */
  #touchOwners(services: ReadonlySet<NamespacedName>): void {
    for (const [xBackend] of this.#options.xBackends.entries())
      if (services.has(locateSelectorService(xBackend))) this.#queue.touch(xBackend)
  }

  /** @returns why the Service cannot be made until somebody changes something */
  async #reconcile(xBackend: NamespacedName): Promise<Refusal | undefined> {
    const { xBackends, plans, services, applier } = this.#options
    const source = xBackends.get(xBackend)
    if (!source) {
      // Its Service is the garbage collector's; or it is only that XBackends cannot be read now.
      applier.forget(xBackend)
      return undefined
    }
    const plan = plans.get(xBackend)
    const key = locateSelectorService(xBackend)
    const known = services.get(key)
    const isOurs = known !== undefined && readXBackendUid(known) === source.metadata.uid
    if (!plan) {
      if (isOurs) await this.#remove(key, source)
      return undefined
    }
    // What is made for one that is being deleted would only be in its way; what is not used yet is not needed.
    if (plan.isDeleting || (!plan.isUsed && !isOurs)) return undefined
    const result = await applier.apply(plan.manifest)
    if (result.state !== 'refused') return undefined
    return { message: result.message, isTold: known !== undefined && !isOurs }
  }

  /** A label is no proof: whose it is says the owner that it has now. */
  async #remove(key: NamespacedName, { metadata }: XBackend): Promise<void> {
    const { applier } = this.#options
    const live = await applier.find({ kind: 'Service', key })
    if (live?.owner?.kind === 'XBackend' && live.owner.uid === metadata.uid && !live.isDeleting)
      await applier.remove(live)
  }

  #report(xBackend: NamespacedName, refusal: Refusal | undefined): void {
    const isTrouble = refusal !== undefined && !refusal.isTold
    if (!isTrouble && !this.#troubled.delete(xBackend)) return
    if (isTrouble) this.#troubled.add(xBackend)
    const { message = '' } = refusal ?? {}
    const problem = { on: 'Accepted', reason: 'UnsupportedValue', message, path: 'spec.endpointSelector' }
    this.#options.onProblems(xBackend, isTrouble ? [problem] : [])
  }
}

interface Refusal {
  readonly message: string
  /** The graph sees it by itself: a Service of that name that is not ours. */
  readonly isTold: boolean
}

function hasUid(service: Service | undefined): boolean {
  return service !== undefined && readXBackendUid(service) !== undefined
}
