import type { KindName, KubernetesObject } from '../gatewayapi/kinds.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'

/** What became of one object. */
export interface ObjectChange {
  readonly kind: KindName
  readonly key: NamespacedName
  /** undefined: there is no such object any more. */
  readonly object: KubernetesObject | undefined
}

/**
 * Where the provider puts what it found; the composition root maps kinds to sources.
 * The provider calls `apply` once for all that changed together, never with an empty list and with each
 * object at most once. The sink settles the list as one transaction. A throw ends the provider's rescan.
 */
export interface ObjectSink {
  apply(changes: readonly ObjectChange[]): void
  /**
   * The same for what comes first, which is everything there is, of all kinds or of most and then the rest: it may take
   * its turns. The provider hands on nothing else before it is done. A rejection means what a throw does. `apply` is
   * called unless given.
   */
  load?(changes: readonly ObjectChange[]): Promise<void>
}
