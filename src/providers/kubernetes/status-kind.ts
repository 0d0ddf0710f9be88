import type { Collection } from '../../collections/collection.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { Statuses } from '../../status/statuses.ts'
import type { JsonObject } from './json.ts'
import { findPatience } from './status-patience.ts'
import {
  gatewayClassShape,
  gatewayShape,
  listenerSetShape,
  policyShape,
  routeShape,
  type StatusShape,
} from './status-shape.ts'

/** A kind whose statuses are written. */
export interface StatusKind {
  /** As in the object's `kind`, e.g. "HTTPRoute". */
  readonly kind: string
  readonly shape: StatusShape
  /**
   * What the status of each object of ours is to be, without lastTransitionTime. A change of anything in it,
   * and only that, leads to a write.
   */
  readonly desired: Collection<NamespacedName, object>
  /**
   * Whether writes of one object keep a distance, see status-pace.ts. For objects whose status counts others.
   */
  readonly isPaced: boolean
  /** Milliseconds from the first change on for which a status may be kept back; 0 unless given. */
  readonly patience?: (live: JsonObject, desired: JsonObject | undefined) => number
}

/** The kinds of all desired statuses: what few objects have, and many wait for, first. */
export function listStatusKinds({
  gatewayClasses,
  gateways,
  listenerSets,
  routes,
  ...policies
}: Statuses): readonly StatusKind[] {
  return [
    { kind: 'GatewayClass', shape: gatewayClassShape, desired: gatewayClasses, isPaced: false },
    { kind: 'Gateway', shape: gatewayShape, desired: gateways, isPaced: true, patience: findPatience },
    { kind: 'ListenerSet', shape: listenerSetShape, desired: listenerSets, isPaced: true, patience: findPatience },
    ...Object.entries(routes).map(([kind, desired]) => ({ kind, shape: routeShape, desired, isPaced: false })),
    { kind: 'BackendTLSPolicy', shape: policyShape, desired: policies.backendTLSPolicies, isPaced: true },
    { kind: 'XBackend', shape: policyShape, desired: policies.xBackends, isPaced: true },
    { kind: 'XBackendTrafficPolicy', shape: policyShape, desired: policies.xBackendTrafficPolicies, isPaced: true },
    { kind: 'XTelemetryPolicy', shape: policyShape, desired: policies.xTelemetryPolicies, isPaced: true },
  ]
}
