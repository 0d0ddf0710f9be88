import { type LogFields, type Logger, silentLogger } from '../base/logger.ts'
import type { Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import { validateObject } from '../gatewayapi/validate-object.ts'
import type { InfrastructureProblem } from '../infrastructure/applier.ts'
import { createGatewayServices } from '../infrastructure/gateway-services.ts'
import type { ProxyFleet } from '../infrastructure/proxy-fleet.ts'
import { KubernetesApplier } from '../providers/kubernetes/applier.ts'
import { OwnedObjects } from '../providers/kubernetes/owned-objects.ts'
import { OwnedObjectsWatch } from '../providers/kubernetes/owned-objects-watch.ts'
import { projectObject } from '../providers/kubernetes/projection.ts'
import { Provisioner } from '../providers/kubernetes/provisioner.ts'
import type { RawObject } from '../providers/kubernetes/raw-object.ts'
import { FakeApi } from './fake-api.ts'
import { FakeApiClient } from './fake-api-client.ts'
import type { FakeObject } from './fake-api-store.ts'
import { pass, settle } from './fake-api-time.ts'
import { testFleet, testOptions } from './pod-envoy.ts'
import { FakeClock } from './xds-clock.ts'

const writes = ['create', 'update', 'patch', 'delete'] as const

/** The provisioner with everything around it, against an API server in the same process. Time is the test's. */
export class InfrastructureBed {
  readonly clock: FakeClock
  readonly api: FakeApi
  readonly client: FakeApiClient
  readonly scheduler = new Scheduler({ rethrow: true })
  readonly fleets: Source<NamespacedName, ProxyFleet> = this.scheduler.source('ProxyFleet')
  /** As the provider has read them: see {@link InfrastructureBed.readServices}. */
  readonly services: Source<NamespacedName, Service> = this.scheduler.source('Service')
  readonly owned = new OwnedObjects()
  readonly logs: { readonly level: string; readonly message: string; readonly fields?: LogFields | undefined }[] = []
  readonly problems = new Map<NamespacedName, readonly InfrastructureProblem[]>()
  readonly watch: OwnedObjectsWatch
  readonly applier: KubernetesApplier
  readonly provisioner: Provisioner
  ownership: 'foreign' | 'unknown' = 'unknown'
  #trust: string | undefined = 'PEM'
  readonly #trustListeners = new Set<() => void>()

  /** @param shared the API server, and the time, of another one: another replica */
  constructor(shared?: Pick<InfrastructureBed, 'api' | 'clock'>) {
    this.clock = shared?.clock ?? new FakeClock()
    this.api = shared?.api ?? new FakeApi({ clock: this.clock })
    this.client = new FakeApiClient(this.api, this.clock)
    const log = (level: string) => (message: string, fields?: LogFields) =>
      void this.logs.push({ level, message, fields })
    const logger: Logger = { ...silentLogger, info: log('info'), warn: log('warn'), error: log('error') }
    const { clock, client, owned } = this
    this.watch = new OwnedObjectsWatch({ client, clock, logger: silentLogger, owned })
    this.applier = new KubernetesApplier({ client, owned, logger })
    this.provisioner = new Provisioner({
      fleets: this.fleets,
      plans: createGatewayServices(this.scheduler, this.fleets, this.services).plans,
      owned,
      applier: this.applier,
      trust: {
        current: () => this.#trust,
        subscribe: (listener) => {
          this.#trustListeners.add(listener)
          return () => this.#trustListeners.delete(listener)
        },
      },
      options: testOptions,
      ownershipOf: () => this.ownership,
      onProblems: (gateway, problems) => void this.problems.set(gateway, problems),
      clock,
      logger,
      random: () => 0.5,
    })
  }

  /** As the leader does it. */
  async start(): Promise<void> {
    this.watch.start()
    await this.watch.synced
    this.provisioner.start()
    await this.settle()
  }

  async stop(): Promise<void> {
    await this.provisioner.stop()
    await this.watch.stop()
  }

  /** Until there is nothing more to do at this moment. */
  async settle(): Promise<void> {
    for (let round = 0; round < 5; round++) {
      await settle()
      await this.provisioner.settled()
    }
  }

  async pass(milliseconds: number, step = 500): Promise<void> {
    await pass(this.clock, milliseconds, step)
    await this.settle()
  }

  async setFleet(more: Partial<ProxyFleet> = {}): Promise<ProxyFleet> {
    const fleet = { ...testFleet, ...more }
    this.scheduler.batch(() => this.fleets.set(fleet.key, fleet))
    await this.settle()
    return fleet
  }

  async dropFleet(key: NamespacedName = testFleet.key): Promise<void> {
    this.scheduler.batch(() => this.fleets.delete(key))
    await this.settle()
  }

  async setTrust(bundle: string | undefined): Promise<void> {
    this.#trust = bundle
    for (const listener of this.#trustListeners) listener()
    await this.settle()
  }

  /** The provider reads the Services that there are. */
  async readServices(): Promise<void> {
    const live = this.api.list('Service').map((object) => projectObject('Service', 'v1', object as RawObject))
    const objects = live.flatMap((object) => (validateObject(object, {}).object as Service | undefined) ?? [])
    const keys = new Set(objects.map(({ metadata }) => namespacedName(metadata.namespace, metadata.name)))
    this.scheduler.batch(() => {
      for (const [key] of [...this.services.entries()]) if (!keys.has(key)) this.services.delete(key)
      for (const object of objects)
        this.services.set(namespacedName(object.metadata.namespace, object.metadata.name), object)
    })
    await this.settle()
  }

  /** The object of the fleet's name. */
  get(kind: string, name = 'edge-gatewright'): FakeObject | undefined {
    return this.api.get(kind, 'shop', name)
  }

  /** The kinds of which there is an object of the name, the fleet's unless given. */
  kinds(name?: string): string[] {
    const all = [
      'Service',
      'ServiceAccount',
      'ConfigMap',
      'Deployment',
      'HorizontalPodAutoscaler',
      'PodDisruptionBudget',
    ]
    return all.filter((kind) => this.get(kind, name) !== undefined)
  }

  /** Somebody else changes an object with kubectl. */
  async edit(plural: string, patch: object, group = ''): Promise<void> {
    await this.client.call({
      method: 'PATCH',
      path: `${group === '' ? '/api/v1' : `/apis/${group}`}/namespaces/shop/${plural}/edge-gatewright`,
      query: { fieldManager: 'kubectl-client-side-apply' },
      contentType: 'application/merge-patch+json',
      body: patch,
    })
    await this.settle()
  }

  /** As the controller of Deployments tells it. */
  async setReadyPods(deployment: string, readyReplicas: number): Promise<void> {
    const live = this.get('Deployment', deployment)
    if (!live) throw new Error(`there is no Deployment ${deployment}`)
    this.api.put({ ...live, status: { observedGeneration: live.metadata.generation, readyReplicas } })
    await this.settle()
  }

  /** As a load balancer does; the provider reads it. */
  async assignAddress(service: string, ip: string): Promise<void> {
    if (!this.api.assignAddress('shop', service, ip)) throw new Error(`there is no Service ${service}`)
    await this.readServices()
  }

  /** How many writes were asked for since the last call. */
  takeWrites(): number {
    const total = writes.reduce((sum, verb) => sum + this.api.requests.count({ verb }), 0)
    const before = this.#writes
    this.#writes = total
    return total - before
  }

  /** How many requests but watches and lists were made since the last call. */
  takeCalls(): number {
    const total =
      this.api.requests.count({ verb: 'get' }) + writes.reduce((s, verb) => s + this.api.requests.count({ verb }), 0)
    const before = this.#calls
    this.#calls = total
    return total - before
  }

  #writes = 0
  #calls = 0
}
