import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { Gateway } from '../gatewayapi/objects/gateway.ts'
import type { ListenerSet } from '../gatewayapi/objects/listener-set.ts'
import type { BackendKey } from './backend.ts'
import { backendKeysOf } from './l7-route.ts'
import { filterBackendKeysOf } from './listener-filter.ts'
import type { GraphSources } from './sources.ts'
import { streamBackendKeysOf } from './stream-route.ts'
import { telemetryBackendKeysOf } from './x-telemetry-policy.ts'

/** What somebody refers to as a backend. */
type BackendKeys = Collection<BackendKey, BackendKey>

/** The backends of routes. A route that refers to the same as before an edit costs no more than being looked at. */
export function listKeysOfRoutes(scheduler: Scheduler, sources: GraphSources): readonly BackendKeys[] {
  // Routes of different kinds may have one name, so that each kind has an index of its own.
  return [
    scheduler.keys(
      'BackendKey of HTTPRoutes',
      scheduler.index('HTTPRoutes by backend', sources.httpRoutes, backendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of GRPCRoutes',
      scheduler.index('GRPCRoutes by backend', sources.grpcRoutes, backendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of TLSRoutes',
      scheduler.index('TLSRoutes by backend', sources.tlsRoutes, streamBackendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of TCPRoutes',
      scheduler.index('TCPRoutes by backend', sources.tcpRoutes, streamBackendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of UDPRoutes',
      scheduler.index('UDPRoutes by backend', sources.udpRoutes, streamBackendKeysOf),
    ),
  ]
}

/** The backends of whoever else speaks to some. */
export function listKeysOfOthers(scheduler: Scheduler, sources: GraphSources): readonly BackendKeys[] {
  return [
    scheduler.keys(
      'BackendKey of Gateways',
      scheduler.index('Gateways by backend', sources.gateways, listenerBackendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of ListenerSets',
      scheduler.index('ListenerSets by backend', sources.listenerSets, listenerBackendKeysOf),
    ),
    scheduler.keys(
      'BackendKey of XTelemetryPolicies',
      scheduler.index('XTelemetryPolicies by backend', sources.xTelemetryPolicies, telemetryBackendKeysOf),
    ),
  ]
}

/** What filters of the listeners of a Gateway or ListenerSet refer to. */
function listenerBackendKeysOf({ metadata, spec }: Gateway | ListenerSet): BackendKey[] {
  return filterBackendKeysOf(spec.listeners, metadata.namespace)
}
