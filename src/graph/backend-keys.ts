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
    listKeys(scheduler, 'HTTPRoutes', sources.httpRoutes, backendKeysOf),
    listKeys(scheduler, 'GRPCRoutes', sources.grpcRoutes, backendKeysOf),
    listKeys(scheduler, 'TLSRoutes', sources.tlsRoutes, streamBackendKeysOf),
    listKeys(scheduler, 'TCPRoutes', sources.tcpRoutes, streamBackendKeysOf),
    listKeys(scheduler, 'UDPRoutes', sources.udpRoutes, streamBackendKeysOf),
  ]
}

/** The backends of whoever else speaks to some. */
export function listKeysOfOthers(scheduler: Scheduler, sources: GraphSources): readonly BackendKeys[] {
  return [
    listKeys(scheduler, 'Gateways', sources.gateways, listenerBackendKeysOf),
    listKeys(scheduler, 'ListenerSets', sources.listenerSets, listenerBackendKeysOf),
    listKeys(scheduler, 'XTelemetryPolicies', sources.xTelemetryPolicies, telemetryBackendKeysOf),
  ]
}

function listKeys<K extends string, V>(
  scheduler: Scheduler,
  objects: string,
  from: Collection<K, V>,
  keysOf: (object: V) => Iterable<BackendKey>,
): BackendKeys {
  return scheduler.keys(`BackendKey of ${objects}`, scheduler.index(`${objects} by backend`, from, keysOf))
}

/** What filters of the listeners of a Gateway or ListenerSet refer to. */
function listenerBackendKeysOf({ metadata, spec }: Gateway | ListenerSet): BackendKey[] {
  return filterBackendKeysOf(spec.listeners, metadata.namespace)
}
