import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Graph } from '../graph/graph.ts'
import type { PortProgramming } from '../graph/programming.ts'
import { deriveGatewayStatus, type GatewayStatus } from './gateway.ts'
import { deriveGatewayClassStatus, type GatewayClassStatus } from './gateway-class.ts'
import { deriveRouteStatus, type RouteStatus } from './route.ts'

/** The desired status of every object of ours. */
export interface Statuses {
  readonly gatewayClasses: Collection<NamespacedName, GatewayClassStatus>
  readonly gateways: Collection<NamespacedName, GatewayStatus>
  readonly httpRoutes: Collection<NamespacedName, RouteStatus>
}

export interface StatusOptions {
  /** Written into status.parents[].controllerName. */
  readonly controllerName: string
  /** Names for GatewayClass.status.supportedFeatures. */
  readonly features: readonly string[]
}

export function createStatuses(
  scheduler: Scheduler,
  graph: Graph,
  programming: Collection<string, PortProgramming>,
  { controllerName, features }: StatusOptions,
): Statuses {
  return {
    gatewayClasses: scheduler.derive('GatewayClassStatus', graph.gatewayClasses, (node) =>
      deriveGatewayClassStatus(node, features),
    ),
    gateways: scheduler.derive('GatewayStatus', graph.gateways, (node, reads) =>
      deriveGatewayStatus(node, { reads, graph, programming }),
    ),
    httpRoutes: scheduler.derive('HTTPRouteStatus', graph.httpRoutes, (route, reads) =>
      deriveRouteStatus(route, reads.lookup(graph.routeParentsByRoute, route.key), controllerName),
    ),
  }
}
