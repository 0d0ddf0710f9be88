import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
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
    collectKeys(scheduler, 'HTTPRoutes', sources.httpRoutes, backendKeysOf),
    collectKeys(scheduler, 'GRPCRoutes', sources.grpcRoutes, backendKeysOf),
    collectKeys(scheduler, 'TLSRoutes', sources.tlsRoutes, streamBackendKeysOf),
    collectKeys(scheduler, 'TCPRoutes', sources.tcpRoutes, streamBackendKeysOf),
    collectKeys(scheduler, 'UDPRoutes', sources.udpRoutes, streamBackendKeysOf),
  ]
}

/** The backends of whoever else speaks to some. */
export function listKeysOfOthers(scheduler: Scheduler, sources: GraphSources): readonly BackendKeys[] {
  return [
    collectKeys(scheduler, 'Gateways', sources.gateways, listenerBackendKeysOf),
    collectKeys(scheduler, 'ListenerSets', sources.listenerSets, listenerBackendKeysOf),
    collectKeys(scheduler, 'XTelemetryPolicies', sources.xTelemetryPolicies, telemetryBackendKeysOf),
  ]
}

function collectKeys<T>(
  scheduler: Scheduler,
  kinds: string,
  objects: Collection<NamespacedName, T>,
  keysOf: (object: T) => readonly BackendKey[],
): BackendKeys {
  return scheduler.keys(`BackendKey of ${kinds}`, scheduler.index(`${kinds} by backend`, objects, keysOf))
}

/** What filters of the listeners of a Gateway or ListenerSet refer to. */
function listenerBackendKeysOf({ metadata, spec }: Gateway | ListenerSet): BackendKey[] {
  return filterBackendKeysOf(spec.listeners, metadata.namespace)
}
