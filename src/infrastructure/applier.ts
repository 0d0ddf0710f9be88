import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Problem } from '../graph/problem.ts'
import type { InfrastructureKind, Manifest } from './manifest.ts'

/** What keeps a Gateway from having what it needs. */
export type InfrastructureProblem = Problem

/** Says which object, and which very one. */
export interface ObjectIdentity {
  readonly kind: InfrastructureKind
  readonly key: NamespacedName
  readonly uid: string
}

/**
 * unchanged: it was so already, nothing was written. applied: it is so now; `created` if it was not there.
 * kept: it is there, and was not to be changed. deleting: it is being deleted, so it has to be made again afterwards.
 * refused: it cannot be so until somebody changes something; the message says what.
 */
export type ApplyResult =
  | { readonly state: 'unchanged' | 'applied' | 'created' | 'kept' | 'deleting' }
  | { readonly state: 'refused'; readonly message: string }

/**
 * Makes objects be as manifests say.
 * Promises: an object that belongs to somebody else is never touched; what others have set in an object of
 * ours stays as they set it; nothing is written when nothing would change.
 * @throws when the world fails (the API server is away, a right is missing, an object changed meanwhile): to be
 *   tried again later
 */
export interface Applier {
  /** @param onlyCreate an object that is there stays as it is */
  apply(manifest: Manifest, onlyCreate?: boolean): Promise<ApplyResult>
  /** Deletes exactly this object; one that is gone is fine. */
  remove(object: ObjectIdentity): Promise<void>
  /** Nothing will be asked about this Gateway for now. */
  forget(gateway: NamespacedName): void
}
