import type { Collection, Index, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { Graph } from '../graph/graph.ts'
import type { Problem } from '../graph/problem.ts'
import type { PortProgramming, Refusal } from '../graph/programming.ts'
import { type RouteKindName, type RouteNode, routeKinds } from '../graph/route.ts'
import { deriveBackendTLSPolicyStatus } from './backend-tls-policy.ts'
import { deriveGatewayStatus, type GatewayStatus } from './gateway.ts'
import { type ApiBundle, deriveGatewayClassStatus, type GatewayClassStatus, readInstalledApi } from './gateway-class.ts'
import { deriveListenerSetStatus, type ListenerSetStatus } from './listener-set.ts'
import type { PolicyStatus } from './policy-ancestor.ts'
import { deriveRouteStatus, type RouteStatus } from './route.ts'
import { findShadowing } from './stream-route.ts'
import { deriveTrafficPolicyStatus, deriveXBackendStatus } from './x-backend.ts'
import { deriveTelemetryPolicyStatus } from './x-telemetry-policy.ts'

/** There is one bundle of CRDs in a cluster. */
export type BundleKey = 'installed'

/** The desired status of every object of ours. */
export interface Statuses {
  readonly gatewayClasses: Collection<NamespacedName, GatewayClassStatus>
  readonly gateways: Collection<NamespacedName, GatewayStatus>
  readonly listenerSets: Collection<NamespacedName, ListenerSetStatus>
  /** Those that a Gateway of ours leads to. */
  readonly backendTLSPolicies: Collection<NamespacedName, PolicyStatus>
  readonly xBackends: Collection<NamespacedName, PolicyStatus>
  readonly xBackendTrafficPolicies: Collection<NamespacedName, PolicyStatus>
  readonly xTelemetryPolicies: Collection<NamespacedName, PolicyStatus>
  readonly routes: Readonly<Record<RouteKindName, Collection<NamespacedName, RouteStatus>>>
}

export interface StatusOptions {
  /** Written into status.parents[].controllerName. */
  readonly controllerName: string
  /** What the CRDs of the cluster say of themselves, under one key; nothing where there is no cluster. */
  readonly bundle: Collection<BundleKey, ApiBundle>
  /** What proxies refused, by the canonical key of the objects it came from; none offline. */
  readonly refusals?: Index<string, string, Refusal>
  /** What keeps the Services of XBackends from being made, by XBackend; nothing where none are made. */
  readonly selectorProblems?: Collection<NamespacedName, readonly Problem[]>
  /** Nothing is derived until somebody subscribes, or awakens the collections. */
  readonly isLazy?: boolean
}

export function createStatuses(
  scheduler: Scheduler,
  graph: Graph,
  programming: Collection<string, PortProgramming>,
  { controllerName, bundle, refusals, selectorProblems, isLazy = false }: StatusOptions,
): Statuses {
  const derive = <V, W>(
    name: string,
    from: Collection<NamespacedName, V>,
    compute: (value: V, reads: Reads) => W | undefined,
  ) => scheduler.derive(name, from, compute, { isLazy })
  const deriveRoutes = (kind: RouteKindName) => {
    const routes: Collection<NamespacedName, RouteNode> = graph.routes[kind]
    return derive(`${kind}Status`, routes, (route, reads) =>
      deriveRouteStatus(route, reads.lookup(graph.routeParentsByRoute, route.routeKey), {
        controllerName,
        refusals: refusals ? reads.lookup(refusals, route.objectKey) : [],
        problemsOf: (parent) => findShadowing(parent, reads, graph),
      }),
    )
  }
  return {
    gatewayClasses: derive('GatewayClassStatus', graph.gatewayClasses, (node, reads) =>
      deriveGatewayClassStatus(node, reads.get(bundle, 'installed')),
    ),
    listenerSets: derive('ListenerSetStatus', graph.listenerSets, (node, reads) =>
      deriveListenerSetStatus(node, { reads, graph, programming }),
    ),
    gateways: derive('GatewayStatus', graph.gateways, (node, reads) =>
      deriveGatewayStatus(node, { reads, graph, programming }, readInstalledApi(reads.get(bundle, 'installed'))),
    ),
    backendTLSPolicies: derive('BackendTLSPolicyStatus', graph.backendTLSPolicies, (node, reads) =>
      deriveBackendTLSPolicyStatus(
        node,
        controllerName,
        reads,
        graph,
        refusals && reads.lookup(refusals, `${gatewayGroup}/BackendTLSPolicy/${node.key}`),
      ),
    ),
    xBackends: derive('XBackendStatus', graph.xBackends, (node, reads) =>
      deriveXBackendStatus(
        node,
        controllerName,
        reads,
        graph,
        (selectorProblems && reads.get(selectorProblems, node.key)) ?? [],
      ),
    ),
    xBackendTrafficPolicies: derive('XBackendTrafficPolicyStatus', graph.trafficPolicies, (node, reads) =>
      deriveTrafficPolicyStatus(node, controllerName, reads, graph),
    ),
    xTelemetryPolicies: derive('XTelemetryPolicyStatus', graph.telemetryPolicies, (node, reads) =>
      deriveTelemetryPolicyStatus(node, controllerName, reads, graph),
    ),
    routes: Object.fromEntries(routeKinds.map((kind) => [kind, deriveRoutes(kind)])) as Statuses['routes'],
  }
}
