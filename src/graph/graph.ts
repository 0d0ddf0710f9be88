import type { Collection, Index, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { type EndpointSlice, serviceNameLabel } from '../gatewayapi/objects/endpoint-slice.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import { decodeSecretValue } from '../gatewayapi/objects/secret.ts'
import {
  type BackendKey,
  type BackendNode,
  backendKey,
  parseBackendKey,
  resolveBackend,
  targetOfBackend,
} from './backend.ts'
import { listKeysOfOthers, listKeysOfRoutes } from './backend-keys.ts'
import {
  type BackendTLSPolicyNode,
  type PoliciesByTarget,
  resolveBackendTLSPolicy,
  targetKey,
  targetKeysOf,
} from './backend-tls-policy.ts'
import { type CaBundleKey, type CaBundleState, caBundleKey, parseBundle, parseConfigMapBundle } from './ca-bundle.ts'
import { type CertificateState, parseCertificate } from './certificate.ts'
import { type GatewayNode, listListeners, resolveGateway } from './gateway.ts'
import type { GatewayBinding } from './gateway-binding.ts'
import { type GatewayClassNode, resolveGatewayClass } from './gateway-class.ts'
import { resolveGRPCRoute } from './grpc-route.ts'
import { resolveHTTPRoute } from './http-route.ts'
import type { L7RouteNode } from './l7-route.ts'
import type { ListenerKey, ListenerNode } from './listener.ts'
import { declareListenerSet, type ListenerSetNode } from './listener-set.ts'
import { createAncestorFinder, type FindAncestors } from './policy-ancestor.ts'
import { type RouteKey, type RouteKindName, type RouteNode, routeKinds } from './route.ts'
import {
  attachRoute,
  type DefaultParents,
  listParents,
  type RouteAttachment,
  type RouteParentNode,
} from './route-attachment.ts'
import { deriveSelectorService, type SelectorService } from './selector-service.ts'
import type { GraphSources } from './sources.ts'
import { chooseOwner, placesOf, type StreamOwner, type StreamPlace } from './stream-owner.ts'
import { resolveStreamRoute, type StreamRouteNode, streamRouteKinds } from './stream-route.ts'
import { isXBackend, judgeXBackend, resolveXBackend, type XBackendNode } from './x-backend.ts'
import {
  applyTrafficPolicy,
  resolveTrafficPolicy,
  type TrafficPolicies,
  type TrafficPolicyNode,
  trafficTargetsOf,
} from './x-backend-traffic-policy.ts'
import {
  gatewaysOfTelemetry,
  resolveTelemetryPolicy,
  type TelemetryPolicies,
  type TelemetryPolicyNode,
} from './x-telemetry-policy.ts'

/** The attached graph: every object of the user's with its verdict, connected. Read by envoy/, status/ and infrastructure/. */
export interface Graph {
  readonly gatewayClasses: Collection<NamespacedName, GatewayClassNode>
  readonly gateways: Collection<NamespacedName, GatewayNode>
  /** Those that name a Gateway of ours. */
  readonly listenerSets: Collection<NamespacedName, ListenerSetNode>
  /** Of Gateways and of ListenerSets. */
  readonly listeners: Collection<ListenerKey, ListenerNode>
  readonly listenersByGateway: Index<NamespacedName, ListenerKey, ListenerNode>
  readonly routes: GraphRoutes
  readonly routeParents: Collection<string, RouteParentNode>
  readonly routeParentsByRoute: Index<RouteKey, string, RouteParentNode>
  readonly attachments: Collection<string, RouteAttachment>
  readonly attachmentsByListener: Index<ListenerKey, string, RouteAttachment>
  readonly streamOwners: Collection<StreamPlace, StreamOwner>
  readonly backendTLSPolicies: Collection<NamespacedName, BackendTLSPolicyNode>
  readonly trafficPolicies: Collection<NamespacedName, TrafficPolicyNode>
  readonly trafficPoliciesByTarget: TrafficPolicies
  readonly xBackends: Collection<NamespacedName, XBackendNode>
  /** By XBackend: those that choose pods by their labels. */
  readonly selectorServices: Collection<NamespacedName, SelectorService>
  readonly telemetryPolicies: Collection<NamespacedName, TelemetryPolicyNode>
  readonly telemetryPoliciesByGateway: TelemetryPolicies
  readonly policiesByTarget: PoliciesByTarget
  /** The ancestors of its policies, sorted. No collection: there are as many targets as backends, and few have a policy. */
  readonly findAncestors: FindAncestors
  readonly caBundles: Collection<CaBundleKey, CaBundleState>
  readonly backends: Collection<BackendKey, BackendNode>
  /** By "namespace/service". */
  readonly endpointSlicesByService: Index<NamespacedName, NamespacedName, EndpointSlice>
  readonly bindings: Collection<NamespacedName, GatewayBinding>
}

/** The routes of each kind. */
export interface GraphRoutes extends Readonly<Record<RouteKindName, Collection<NamespacedName, RouteNode>>> {
  readonly HTTPRoute: Collection<NamespacedName, L7RouteNode>
  readonly GRPCRoute: Collection<NamespacedName, L7RouteNode>
  readonly TLSRoute: Collection<NamespacedName, StreamRouteNode>
  readonly TCPRoute: Collection<NamespacedName, StreamRouteNode>
  readonly UDPRoute: Collection<NamespacedName, StreamRouteNode>
}

export interface GraphOptions {
  /** The controllerNames of the GatewayClasses that are ours. */
  readonly controllerNames: ReadonlySet<string>
  /** Whether Backends may lead to the machine of the proxy; yes unless told. */
  readonly allowsLocalBackends?: boolean
}

/** Wires the derivations. Each reads only what stands above it. */
export function createGraph(scheduler: Scheduler, sources: GraphSources, options: GraphOptions): Graph {
  const { controllerNames, allowsLocalBackends: allowsLocal = true } = options
  const grants = scheduler.index('ReferenceGrants by namespace', sources.referenceGrants, (g) => [g.metadata.namespace])
  const endpointSlicesByService = scheduler.index('EndpointSlices by Service', sources.endpointSlices, (slice) => {
    const service = slice.metadata.labels[serviceNameLabel]
    return service === undefined ? [] : [namespacedName(slice.metadata.namespace, service)]
  })

  const gatewayClasses = scheduler.derive('GatewayClassNode', sources.gatewayClasses, (gatewayClass, reads) =>
    resolveGatewayClass(gatewayClass, reads, controllerNames, sources.configMaps),
  )
  const certificates = scheduler.derive(
    'CertificateState',
    sources.secrets,
    (secret, _reads, key): CertificateState => {
      if (secret.type !== 'kubernetes.io/tls')
        return { state: 'malformed', message: `is of type ${secret.type}: use type kubernetes.io/tls` }
      const empty = new Uint8Array()
      return parseCertificate(
        key,
        decodeSecretValue(secret, 'tls.crt') ?? empty,
        decodeSecretValue(secret, 'tls.key') ?? empty,
      )
    },
  )
  const caBundles = scheduler.join('CaBundleState', [
    scheduler.deriveMany('CaBundleState of a ConfigMap', sources.configMaps, (configMap, _reads, key) => {
      const state = parseConfigMapBundle(configMap)
      return state ? [[caBundleKey('ConfigMap', key), state] as const] : []
    }),
    scheduler.deriveMany(
      'CaBundleState of a ClusterTrustBundle',
      sources.clusterTrustBundles,
      ({ spec }, _reads, key) => [
        [caBundleKey('ClusterTrustBundle', key), parseBundle(spec.trustBundle, 'in spec.trustBundle')] as const,
      ],
    ),
  ])
  const { configMaps, namespaces } = sources
  const backendTLSPolicies = scheduler.derive('BackendTLSPolicyNode', sources.backendTLSPolicies, (policy, reads) =>
    resolveBackendTLSPolicy(policy, { reads, configMaps, caBundles }),
  )
  const policiesByTarget = scheduler.index('BackendTLSPolicyNodes by target', backendTLSPolicies, targetKeysOf)
  const trafficPolicies = scheduler.derive(
    'XBackendTrafficPolicyNode',
    sources.xBackendTrafficPolicies,
    resolveTrafficPolicy,
  )
  const trafficPoliciesByTarget = scheduler.index(
    'XBackendTrafficPolicyNodes by target',
    trafficPolicies,
    trafficTargetsOf,
  )
  const { xBackends, services } = sources
  const xBackendContext = { services, grants, certificates, configMaps, caBundles, allowsLocal }
  const resolve = (key: BackendKey, reads: Reads) => {
    const target = parseBackendKey(key)
    const about = targetOfBackend(key)
    const node = isXBackend(target)
      ? resolveXBackend(key, target, { reads, xBackends, ...xBackendContext })
      : resolveBackend(key, target, {
          reads,
          services,
          backends: sources.backends,
          policies: policiesByTarget,
          about,
          allowsLocal,
        })
    return applyTrafficPolicy(node, about, reads, trafficPoliciesByTarget)
  }
  const keysOfOthers = listKeysOfOthers(scheduler, sources)
  const backendKeys = scheduler.join('BackendKey', [...listKeysOfRoutes(scheduler, sources), ...keysOfOthers])
  const backends = scheduler.derive('BackendNode', backendKeys, resolve)
  const telemetryPolicies = scheduler.derive('TelemetryPolicyNode', sources.xTelemetryPolicies, (policy, reads) =>
    resolveTelemetryPolicy(policy, { reads, grants, backends }),
  )
  const listenerSets = scheduler.index(
    'DeclaredListenerSets by Gateway',
    scheduler.derive('DeclaredListenerSet', sources.listenerSets, (set, reads) =>
      declareListenerSet(set, { reads, grants, certificates, backends }),
    ),
    (set) => [set.gateway],
  )
  const gateways = scheduler.derive('GatewayNode', sources.gateways, (gateway, reads) =>
    resolveGateway(gateway, {
      reads,
      grants,
      certificates,
      backends,
      classes: gatewayClasses,
      configMaps,
      namespaces,
      listenerSets,
      caBundles,
    }),
  )
  const listeners = scheduler.deriveMany('ListenerNode', gateways, (gateway) =>
    listListeners(gateway).map((listener) => [listener.key, listener] as const),
  )
  const listenersByGateway = scheduler.index('ListenerNodes by Gateway', listeners, (l) => [l.gateway])
  const parents = scheduler.deriveMany('ParentNode', gateways, listParents)
  const defaultParents: DefaultParents = scheduler.index('default ParentNodes', parents, (p) =>
    p.isDefault ? ['All'] : [],
  )

  const routes = {
    HTTPRoute: scheduler.derive('HTTPRouteNode', sources.httpRoutes, (route, reads, key) =>
      resolveHTTPRoute(route, key, { reads, grants, backends }),
    ),
    GRPCRoute: scheduler.derive('GRPCRouteNode', sources.grpcRoutes, (route, reads, key) =>
      resolveGRPCRoute(route, key, { reads, grants, backends }),
    ),
    TLSRoute: scheduler.derive('TLSRouteNode', sources.tlsRoutes, (route, reads) =>
      resolveStreamRoute(route, { reads, grants, backends }),
    ),
    TCPRoute: scheduler.derive('TCPRouteNode', sources.tcpRoutes, (route, reads) =>
      resolveStreamRoute(route, { reads, grants, backends }),
    ),
    UDPRoute: scheduler.derive('UDPRouteNode', sources.udpRoutes, (route, reads) =>
      resolveStreamRoute(route, { reads, grants, backends }),
    ),
  }
  const routesOf = (kind: RouteKindName): Collection<NamespacedName, RouteNode> => routes[kind]
  const routeParents = scheduler.join(
    'RouteParentNode',
    routeKinds.map((kind) =>
      scheduler.deriveMany(`RouteParentNode of ${kind}s`, routesOf(kind), (route, reads) =>
        attachRoute(route, { reads, parents, defaultParents, namespaces: sources.namespaces }).map(
          (node) => [node.key, node] as const,
        ),
      ),
    ),
  )
  const routeParentsByRoute = scheduler.index('RouteParentNodes by route', routeParents, (p) => [p.route])
  const attach = (kind: RouteKindName) =>
    scheduler.deriveMany(`RouteAttachment of ${kind}s`, routesOf(kind), (route, reads) => {
      // Several parentRefs may lead to one listener; the route is there once.
      const parentsOfRoute = reads.lookup(routeParentsByRoute, route.routeKey)
      const entries = parentsOfRoute.flatMap((p) => p.attachments.map((a) => [a.key, a] as const))
      return parentsOfRoute.length < 2 ? entries : new Map(entries)
    })
  const attachmentsOf = new Map(routeKinds.map((kind) => [kind, attach(kind)]))
  const attachments = scheduler.join('RouteAttachment', [...attachmentsOf.values()])
  const attachmentsByListener = scheduler.index('RouteAttachments by listener', attachments, (a) => [a.listener])
  const findAncestors = createAncestorFinder(scheduler, attachments, grants)
  const attachmentsByPlace = scheduler.index(
    'RouteAttachments by place',
    scheduler.join(
      'RouteAttachment of streams',
      streamRouteKinds.flatMap((kind) => attachmentsOf.get(kind) ?? []),
    ),
    placesOf,
  )
  const streamOwners = scheduler.group('StreamOwner', attachmentsByPlace, (place, _reads, members) =>
    chooseOwner(place, members),
  )

  return {
    gatewayClasses,
    gateways,
    listenerSets: scheduler.deriveMany('ListenerSetNode', gateways, ({ sets }) =>
      sets.map((set) => [set.key, set] as const),
    ),
    listeners,
    listenersByGateway,
    routes,
    routeParents,
    routeParentsByRoute,
    attachments,
    attachmentsByListener,
    streamOwners,
    backendTLSPolicies,
    trafficPolicies,
    trafficPoliciesByTarget,
    xBackends: scheduler.derive('XBackendNode', xBackends, (backend, reads) =>
      judgeXBackend(backend, { reads, ...xBackendContext }),
    ),
    selectorServices: scheduler.derive('SelectorService', xBackends, (backend, reads, key) => {
      const target = { group: experimentalGroup, kind: 'XBackend', ...splitNamespacedName(key) }
      const ofRoutes = findAncestors(targetKey(target), reads)
      const ofOthers = keysOfOthers.some((named) => reads.has(named, backendKey({ ...target, port: 0 })))
      return deriveSelectorService(backend, key, ofRoutes.length > 0 || ofOthers)
    }),
    telemetryPolicies,
    telemetryPoliciesByGateway: scheduler.index(
      'TelemetryPolicyNodes by Gateway',
      telemetryPolicies,
      gatewaysOfTelemetry,
    ),
    policiesByTarget,
    findAncestors,
    caBundles,
    backends,
    endpointSlicesByService,
    bindings: sources.bindings,
  }
}
