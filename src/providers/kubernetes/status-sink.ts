import type { KindName } from '../../gatewayapi/kinds.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { LiveStatus } from './api-client.ts'

/** The status of one object as the API server has it; undefined: the object is gone. */
export interface StatusChange {
  readonly kind: KindName
  readonly key: NamespacedName
  readonly live: LiveStatus | undefined
}

/**
 * Where the provider puts the statuses of Gateway API objects, apart from the objects: our own writes, echoed
 * by the watch, must derive nothing. Called once for all that came together, before the objects of the same
 * batch go to their sink, never with an empty list and with each object at most once. A throw is logged.
 */
export interface StatusSink {
  applyStatus(changes: readonly StatusChange[]): void
}
