import type { Clock } from './base/clock.ts'
import type { Logger } from './base/logger.ts'
import type { ObservableValue } from './base/observable-value.ts'
import type { Source } from './collections/collection.ts'
import type { ServingControlPlane } from './control-plane.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import type { Problem } from './graph/problem.ts'
import type { InfrastructureOptions } from './infrastructure/infrastructure-options.ts'
import { createPauses } from './object-sink.ts'
import type { OwnGateways } from './own-gateways.ts'
import type { ApiClient } from './providers/kubernetes/api-client.ts'
import { KubernetesApplier } from './providers/kubernetes/applier.ts'
import type { KubernetesProvider } from './providers/kubernetes/kubernetes-provider.ts'
import { LeaderElection } from './providers/kubernetes/leader-election.ts'
import type { LiveStatuses } from './providers/kubernetes/live-statuses.ts'
import type { OwnedObjects } from './providers/kubernetes/owned-objects.ts'
import { Provisioner } from './providers/kubernetes/provisioner.ts'
import { SelectorServiceProvisioner } from './providers/kubernetes/selector-service-provisioner.ts'
import { listStatusKinds, type StatusKind } from './providers/kubernetes/status-kind.ts'
import { StatusWriter } from './providers/kubernetes/status-writer.ts'

export interface LeadershipOptions {
  readonly api: ApiClient
  readonly controlPlane: ServingControlPlane
  readonly provider: KubernetesProvider
  /** What the API server has as statuses. */
  readonly live: LiveStatuses
  /** What was made for Gateways before. */
  readonly owned: OwnedObjects
  readonly ownGateways: OwnGateways
  /** Certificates that proxies trust; '' as long as there is none. */
  readonly trust: Pick<ObservableValue<string>, 'current' | 'subscribe'>
  readonly infrastructure: InfrastructureOptions
  /** Written into statuses. */
  readonly controllerName: string
  /** Of the Lease, and as whom we hold it. */
  readonly lease: { readonly namespace: string; readonly name: string; readonly identity: string }
  /** This replica leads without asking. */
  readonly withoutElection: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** What only the replica does that leads: it writes statuses, and makes what Gateways and XBackends need. */
export class Leadership {
  readonly election: LeaderElection
  readonly writer: StatusWriter
  readonly provisioner: Provisioner
  readonly selectorServices: SelectorServiceProvisioner
  /** Of the two provisioners. */
  readonly appliers: readonly KubernetesApplier[]
  readonly #options: LeadershipOptions
  readonly #statusKinds: readonly StatusKind[]
  /** When the proxies that waited have been served; undefined before the cluster is known. */
  #served: Promise<void> | undefined
  #derivedStatuses: Promise<void> | undefined
  #isStopped = false

  constructor(options: LeadershipOptions) {
    this.#options = options
    const { api, controlPlane, provider, live, owned, ownGateways, trust, infrastructure, clock, logger } = options
    const { fleets, services, sources, infrastructureProblems, selectorProblems } = controlPlane
    this.#statusKinds = listStatusKinds(controlPlane.statuses)
    this.election = new LeaderElection({ api, clock, logger, ...options.lease })
    this.election.subscribe((isOurs) => this.#lead(isOurs))
    this.writer = new StatusWriter({
      api,
      live,
      kinds: this.#statusKinds,
      resourceOf: (kind) => provider.resourceOf(kind),
      controllerName: options.controllerName,
      isLeader: () => this.isLeader(),
      logger,
      clock,
    })
    const applier = new KubernetesApplier({ client: api, owned, logger })
    this.provisioner = new Provisioner({
      fleets,
      ...(services && { plans: services.plans }),
      owned,
      applier,
      trust: { current: () => trust.current() || undefined, subscribe: (listener) => trust.subscribe(listener) },
      options: infrastructure,
      ownershipOf: (gateway) => ownGateways.ownershipOf(gateway),
      onProblems: (gateway, problems) => this.#tell(infrastructureProblems, gateway, problems),
      clock,
      logger,
    })
    const selectorApplier = new KubernetesApplier({ client: api, owned: { get: () => undefined }, logger })
    this.selectorServices = new SelectorServiceProvisioner({
      xBackends: sources.xBackends,
      plans: controlPlane.selectorServices,
      services: sources.services,
      applier: selectorApplier,
      onProblems: (xBackend, problems) => this.#tell(selectorProblems, xBackend, problems),
      clock,
      logger,
    })
    this.appliers = [applier, selectorApplier]
  }

  isLeader(): boolean {
    return this.#options.withoutElection || this.election.isLeader()
  }

  /**
   * The objects of the cluster are known: whoever leads may write from now on.
   * @param served resolves when the proxies that waited for that have been served, which goes first
   */
  begin(served: Promise<void>): void {
    this.#served = served
    if (this.#options.withoutElection) this.#lead(true)
    else this.election.start()
  }

  /** Resolves when nothing is under way any more, and the Lease is given back. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.writer.close()
    await Promise.all([this.provisioner.stop(), this.selectorServices.stop()])
    await this.election.stop()
  }

  #lead(isOurs: boolean): void {
    // Whoever stops may be elected all the same, until that has stopped too.
    if (isOurs && !this.#isStopped) {
      this.#derivedStatuses ??= this.#deriveStatuses()
      void this.#derivedStatuses.then(() => this.isLeader() && !this.#isStopped && this.writer.activate())
      this.provisioner.start()
      this.selectorServices.start()
    } else {
      this.writer.deactivate()
      void this.provisioner.stop()
      void this.selectorServices.stop()
    }
  }

  async #deriveStatuses(): Promise<void> {
    const { controlPlane, logger } = this.#options
    await this.#served
    try {
      await controlPlane.scheduler.awakenInTurns(
        this.#statusKinds.map(({ desired }) => desired),
        createPauses(),
      )
    } catch (error) {
      // The writer has the rest derived, all at once.
      logger.error('Statuses could not be derived in turns', { error: String(error) })
    }
  }

  #tell(into: Source<NamespacedName, readonly Problem[]>, owner: NamespacedName, problems: readonly Problem[]): void {
    this.#options.controlPlane.scheduler.batch(() => {
      if (problems.length > 0) into.set(owner, problems)
      else into.delete(owner)
    })
  }
}
