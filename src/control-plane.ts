import type { Clock } from './base/clock.ts'
import type { Logger } from './base/logger.ts'
import type { Collection, Source } from './collections/collection.ts'
import { Scheduler } from './collections/scheduler.ts'
import { createProgramming, programmingUnknown } from './envoy/programming.ts'
import { createRefusals } from './envoy/refusal.ts'
import { createEnvoyResources, type EnvoyResources, type EnvoyTranslation } from './envoy/resources.ts'
import { defaultTablePolicy, type TableFormOptions, type TablePolicy } from './envoy/table-form.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import { createGraph, type Graph } from './graph/graph.ts'
import type { Problem } from './graph/problem.ts'
import { createGatewayBindings } from './infrastructure/gateway-bindings.ts'
import { createGatewayServices, type GatewayServices } from './infrastructure/gateway-services.ts'
import type { InfrastructureOptions } from './infrastructure/infrastructure-options.ts'
import { deriveProxyFleet, type ProxyFleet } from './infrastructure/proxy-fleet.ts'
import { createReadyFleets } from './infrastructure/ready-fleets.ts'
import { planSelectorService, type SelectorServicePlan } from './infrastructure/selector-service.ts'
import { createSources, type WritableSources } from './sources.ts'
import type { ApiBundle } from './status/gateway-class.ts'
import { type BundleKey, createStatuses, type Statuses } from './status/statuses.ts'
import type { Authenticator } from './xds/authenticator.ts'
import { createFleetAcks } from './xds/peers/fleet-acks.ts'
import { isWorthTelling, type PeerAck } from './xds/peers/peer-protocol.ts'
import { createXdsServer } from './xds/server.ts'
import type { XdsServer, XdsServerOptions } from './xds/server-options.ts'

export interface ControlPlaneOptions {
  /** controllerNames of the GatewayClasses to serve; the first is written into statuses. */
  readonly controllerNames: readonly string[]
  readonly logger: Logger
  /** When a large table is divided; automatically unless given. */
  readonly tablePolicy?: TablePolicy
  /** Whether Backends may lead to the machine of the proxy: its loopback addresses, its Unix sockets. Yes unless told. */
  readonly allowsLocalBackends?: boolean
  /** A bug in a derivation surfaces instead of being logged; for tests. */
  readonly rethrow?: boolean
}

/** Everything from the user's objects to Envoy's resources and the objects' statuses. */
export interface ControlPlane {
  readonly scheduler: Scheduler
  readonly sources: WritableSources
  readonly graph: Graph
  readonly resources: EnvoyResources
  readonly statuses: Statuses
  /** What has to run for each Gateway. */
  readonly fleets: Collection<NamespacedName, ProxyFleet>
  /** What the CRDs of the cluster say of themselves; filled by whoever reads them. */
  readonly bundle: Source<BundleKey, ApiBundle>
  /** In a cluster, the Services that each of them is to have; absent where bindings are somebody else's. */
  readonly services: GatewayServices | undefined
  /** What is to be made for XBackends that choose pods by their labels. */
  readonly selectorServices: Collection<NamespacedName, SelectorServicePlan>
  /** What kept it from being made; filled by whoever makes it. */
  readonly infrastructureProblems: Source<NamespacedName, readonly Problem[]>
  /** The same of the Services of XBackends. */
  readonly selectorProblems: Source<NamespacedName, readonly Problem[]>
}

/** A control plane that nobody is connected to: for translating files. */
export function createOfflineControlPlane(options: ControlPlaneOptions): ControlPlane {
  const pipeline = createPipeline(options)
  return complete(pipeline, options, programmingUnknown(pipeline.scheduler, pipeline.graph))
}

/** Envoy's `--drain-time-s`, in milliseconds: how long connections live that a changed listener has left. */
const drainTime = 60_000

export interface ServingOptions extends ControlPlaneOptions {
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly tls?: XdsServerOptions['tls']
  /** In a cluster: what proxies bind. Bindings follow from Services then; elsewhere the source has to be filled. */
  readonly listenAddress?: InfrastructureOptions['listenAddress']
  /** Whether a caller is another replica; without it there are none. */
  readonly isReplica?: XdsServerOptions['isReplica']
  /** Statuses are derived when somebody awakens them: of several replicas one writes, and proxies go first. */
  readonly lazyStatuses?: boolean
}

export interface ServingControlPlane extends ControlPlane {
  readonly xds: XdsServer
  /** What the proxies of other replicas say; filled by whoever calls them. */
  readonly peerAcks: Source<string, PeerAck>
}

/** A control plane with its xDS server, which still has to listen. */
export function createServingControlPlane(options: ServingOptions): ServingControlPlane {
  const { logger, clock, authenticator, tls, isReplica } = options
  const pipeline = createPipeline(options, { afterDrain: (run) => void clock.after(drainTime, run) })
  const { scheduler, graph, resources, served, fleets, services } = pipeline
  const xds = createXdsServer({
    scheduler,
    collections: served,
    authenticator,
    logger,
    clock,
    drainTime,
    publishes: isWorthTelling,
    ...(tls && { tls }),
    ...(isReplica && { isReplica }),
  })
  const peerAcks = scheduler.source<string, PeerAck>('xds.peerAcks')
  const acks = isReplica ? createFleetAcks(scheduler, served, xds.acks, peerAcks) : xds.acks
  const ready = services && createReadyFleets(scheduler, fleets, services, graph.endpointSlicesByService)
  const programming = createProgramming(scheduler, graph, resources, acks, ready)
  const refusals = createRefusals(scheduler, resources, acks)
  return { ...complete(pipeline, options, programming, refusals), xds, peerAcks }
}

type Pipeline = Pick<
  ControlPlane,
  | 'scheduler'
  | 'sources'
  | 'graph'
  | 'fleets'
  | 'services'
  | 'selectorServices'
  | 'bundle'
  | 'infrastructureProblems'
  | 'selectorProblems'
> &
  EnvoyTranslation

function createPipeline(
  options: ControlPlaneOptions & Pick<ServingOptions, 'listenAddress'>,
  tableFormOptions: Omit<TableFormOptions, 'policy'> = {},
): Pipeline {
  const { controllerNames, logger, rethrow = false, tablePolicy = defaultTablePolicy, listenAddress } = options
  const scheduler = new Scheduler({ logger, rethrow })
  const sources = createSources(scheduler)
  const bundle: Source<BundleKey, ApiBundle> = scheduler.source('GatewayApiBundle')
  const infrastructureProblems = scheduler.source<NamespacedName, readonly Problem[]>('infrastructure problems')
  const selectorProblems = scheduler.source<NamespacedName, readonly Problem[]>('problems of selector Services')
  const attached = createGraph(scheduler, sources, {
    controllerNames: new Set(controllerNames),
    ...(options.allowsLocalBackends !== undefined && { allowsLocalBackends: options.allowsLocalBackends }),
  })
  const fleets = scheduler.derive('ProxyFleet', attached.gateways, deriveProxyFleet)
  const selectorServices = scheduler.derive('SelectorServicePlan', attached.selectorServices, planSelectorService)
  const services = listenAddress ? createGatewayServices(scheduler, fleets, sources.services) : undefined
  const bindings =
    services && listenAddress
      ? createGatewayBindings(scheduler, fleets, services, infrastructureProblems, { listenAddress })
      : sources.bindings
  const graph = { ...attached, bindings }
  const resources = createEnvoyResources(scheduler, graph, { policy: tablePolicy, ...tableFormOptions })
  return {
    scheduler,
    sources,
    graph,
    fleets,
    services,
    selectorServices,
    bundle,
    infrastructureProblems,
    selectorProblems,
    ...resources,
  }
}

function complete(
  pipeline: Pipeline,
  { controllerNames, lazyStatuses = false }: ControlPlaneOptions & Pick<ServingOptions, 'lazyStatuses'>,
  programming: ReturnType<typeof createProgramming>,
  refusals?: ReturnType<typeof createRefusals>,
): ControlPlane {
  const { scheduler, graph } = pipeline
  const controllerName = controllerNames[0] ?? ''
  return {
    ...pipeline,
    statuses: createStatuses(scheduler, graph, programming, {
      controllerName,
      bundle: pipeline.bundle,
      selectorProblems: pipeline.selectorProblems,
      isLazy: lazyStatuses,
      ...(refusals && { refusals }),
    }),
  }
}
