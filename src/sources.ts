import type { Collection, Source } from './collections/collection.ts'
import type { Scheduler } from './collections/scheduler.ts'
import type { KindName, KubernetesObject, ObjectOf } from './gatewayapi/kinds.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import type { GraphSources } from './graph/sources.ts'

/** The sources as providers fill them. */
export type WritableSources = {
  readonly [K in keyof GraphSources]: GraphSources[K] extends Collection<infer Key, infer V> ? Source<Key, V> : never
}

/** Empty sources, one for each kind that is read, and one for what is known of the proxies. */
export function createSources(scheduler: Scheduler): WritableSources {
  return {
    gatewayClasses: scheduler.source('GatewayClass'),
    gateways: scheduler.source('Gateway'),
    listenerSets: scheduler.source('ListenerSet'),
    httpRoutes: scheduler.source('HTTPRoute'),
    grpcRoutes: scheduler.source('GRPCRoute'),
    tlsRoutes: scheduler.source('TLSRoute'),
    tcpRoutes: scheduler.source('TCPRoute'),
    udpRoutes: scheduler.source('UDPRoute'),
    backendTLSPolicies: scheduler.source('BackendTLSPolicy'),
    xBackends: scheduler.source('XBackend'),
    xBackendTrafficPolicies: scheduler.source('XBackendTrafficPolicy'),
    xTelemetryPolicies: scheduler.source('XTelemetryPolicy'),
    referenceGrants: scheduler.source('ReferenceGrant'),
    services: scheduler.source('Service'),
    endpointSlices: scheduler.source('EndpointSlice'),
    secrets: scheduler.source('Secret'),
    configMaps: scheduler.source('ConfigMap'),
    clusterTrustBundles: scheduler.source('ClusterTrustBundle'),
    namespaces: scheduler.source('Namespace'),
    backends: scheduler.source('Backend'),
    bindings: scheduler.source('GatewayBinding'),
  }
}

/** Finds the source that objects of a kind go into. */
export function sourcesByKind(sources: WritableSources): (kind: KindName) => Source<NamespacedName, KubernetesObject> {
  const byKind: { readonly [K in KindName]: Source<NamespacedName, ObjectOf<K>> } = {
    GatewayClass: sources.gatewayClasses,
    Gateway: sources.gateways,
    ListenerSet: sources.listenerSets,
    HTTPRoute: sources.httpRoutes,
    GRPCRoute: sources.grpcRoutes,
    TLSRoute: sources.tlsRoutes,
    TCPRoute: sources.tcpRoutes,
    UDPRoute: sources.udpRoutes,
    BackendTLSPolicy: sources.backendTLSPolicies,
    XBackend: sources.xBackends,
    XBackendTrafficPolicy: sources.xBackendTrafficPolicies,
    XTelemetryPolicy: sources.xTelemetryPolicies,
    ReferenceGrant: sources.referenceGrants,
    Service: sources.services,
    EndpointSlice: sources.endpointSlices,
    Secret: sources.secrets,
    ConfigMap: sources.configMaps,
    ClusterTrustBundle: sources.clusterTrustBundles,
    Namespace: sources.namespaces,
    Backend: sources.backends,
  }
  // The kind of a change and the type of its object belong together; only the type system does not know.
  return (kind) => byKind[kind] as unknown as Source<NamespacedName, KubernetesObject>
}
