import type { Clock } from './base/clock.ts'
import type { Logger } from './base/logger.ts'
import type { Collection, Source } from './collections/collection.ts'
import { Scheduler } from './collections/scheduler.ts'
import { createProgramming, programmingUnknown } from './envoy/programming.ts'
import { createEnvoyResources, type EnvoyResources } from './envoy/resources.ts'
import { claimedFeatures } from './gatewayapi/features.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import { createGraph, type Graph } from './graph/graph.ts'
import type { GraphSources } from './graph/sources.ts'
import { deriveProxyFleet, type ProxyFleet } from './infrastructure/proxy-fleet.ts'
import { createStatuses, type Statuses } from './status/statuses.ts'
import type { Authenticator } from './xds/authenticator.ts'
import { createXdsServer } from './xds/server.ts'
import type { XdsServer } from './xds/server-options.ts'

export interface ControlPlaneOptions {
  /** controllerNames of the GatewayClasses to serve; the first is written into statuses. */
  readonly controllerNames: readonly string[]
  readonly logger: Logger
  /** A bug in a derivation surfaces instead of being logged; for tests. */
  readonly rethrow?: boolean
}

/** The sources as providers fill them. */
export type WritableSources = {
  readonly [K in keyof GraphSources]: GraphSources[K] extends Collection<infer Key, infer V> ? Source<Key, V> : never
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
}

/** A control plane that nobody is connected to: for translating files. */
export function createOfflineControlPlane(options: ControlPlaneOptions): ControlPlane {
  const pipeline = createPipeline(options)
  return complete(pipeline, options, programmingUnknown(pipeline.scheduler, pipeline.graph))
}

export interface ServingOptions extends ControlPlaneOptions {
  readonly authenticator: Authenticator
  readonly clock: Clock
}

/** A control plane with its xDS server, which still has to listen. */
export function createServingControlPlane(options: ServingOptions): ControlPlane & { readonly xds: XdsServer } {
  const pipeline = createPipeline(options)
  const { scheduler, graph, resources } = pipeline
  const { logger, clock, authenticator } = options
  const xds = createXdsServer({ scheduler, collections: resources, authenticator, logger, clock })
  const programming = createProgramming(scheduler, graph, resources, xds.acks)
  return { ...complete(pipeline, options, programming), xds }
}

type Pipeline = Pick<ControlPlane, 'scheduler' | 'sources' | 'graph' | 'resources'>

function createPipeline({ controllerNames, logger, rethrow = false }: ControlPlaneOptions): Pipeline {
  const scheduler = new Scheduler({ logger, rethrow })
  const sources: WritableSources = {
    gatewayClasses: scheduler.source('GatewayClass'),
    gateways: scheduler.source('Gateway'),
    httpRoutes: scheduler.source('HTTPRoute'),
    referenceGrants: scheduler.source('ReferenceGrant'),
    services: scheduler.source('Service'),
    endpointSlices: scheduler.source('EndpointSlice'),
    secrets: scheduler.source('Secret'),
    configMaps: scheduler.source('ConfigMap'),
    namespaces: scheduler.source('Namespace'),
    backends: scheduler.source('Backend'),
    bindings: scheduler.source('GatewayBinding'),
  }
  const graph = createGraph(scheduler, sources, { controllerNames: new Set(controllerNames) })
  return { scheduler, sources, graph, resources: createEnvoyResources(scheduler, graph) }
}

function complete(
  pipeline: Pipeline,
  { controllerNames }: ControlPlaneOptions,
  programming: ReturnType<typeof createProgramming>,
): ControlPlane {
  const { scheduler, graph } = pipeline
  const controllerName = controllerNames[0] ?? ''
  return {
    ...pipeline,
    statuses: createStatuses(scheduler, graph, programming, { controllerName, features: claimedFeatures }),
    fleets: scheduler.derive('ProxyFleet', graph.gateways, deriveProxyFleet),
  }
}
