import type { Index, Reads } from '../collections/collection.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { ReferenceGrant } from '../gatewayapi/objects/reference-grant.ts'

/** ReferenceGrants by the namespace that they stand in, which is the namespace of what they allow to be referred to. */
export type ReferenceGrantIndex = Index<string, NamespacedName, ReferenceGrant>

/** Who refers. */
export interface Referrer {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

/** What is referred to. */
export interface Referent {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/**
 * Whether `from` may refer to `to`: the only place where a reference across namespaces is allowed
 * (GEP-709). Within one namespace everything is. Ask before looking the referent up, so that the
 * answer does not tell whether it exists.
 */
export function isReferencePermitted(reads: Reads, grants: ReferenceGrantIndex, from: Referrer, to: Referent): boolean {
  if (from.namespace === to.namespace) return true
  return reads
    .lookup(grants, to.namespace)
    .some(
      ({ spec }) =>
        spec.from.some((f) => f.group === from.group && f.kind === from.kind && f.namespace === from.namespace) &&
        spec.to.some((t) => t.group === to.group && t.kind === to.kind && (t.name === undefined || t.name === to.name)),
    )
}
