import type { Collection, Reads } from '../collections/collection.ts'
import { type BackendObjectReference, gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { type BackendKey, type BackendNode, backendKey } from './backend.ts'
import type { Problem } from './problem.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'
import type { RouteKindName } from './route.ts'

/** @param namespace of the route, where the reference names none */
export function keyOfReference(
  ref: BackendObjectReference,
  namespace: string,
  transport: 'TCP' | 'UDP' = 'TCP',
): BackendKey {
  const { group, kind, name } = ref
  // A Backend has the ports of its endpoints; one written beside it must not make another cluster.
  const port = group === '' && kind === 'Service' ? (ref.port ?? 0) : 0
  const target = { group, kind, namespace: ref.namespace ?? namespace, name, port }
  return backendKey(transport === 'UDP' ? { ...target, transport } : target)
}

export interface BackendReferenceContext {
  readonly reads: Reads
  readonly grants: ReferenceGrantIndex
  readonly backends: Collection<BackendKey, BackendNode>
}

/** Who refers: a route, a listener by its owner, or a policy. */
export interface BackendReferrer {
  /** That of Gateways unless given. */
  readonly group?: string
  readonly kind: RouteKindName | 'Gateway' | 'ListenerSet' | 'XTelemetryPolicy'
  readonly namespace: string
}

/**
 * Resolves a reference to a backend.
 * @returns the backend, or what is wrong with the reference, without its path
 */
export function resolveBackendReference(
  ref: BackendObjectReference,
  { group = gatewayGroup, kind, namespace }: BackendReferrer,
  { reads, grants, backends }: BackendReferenceContext,
): { readonly backend: BackendNode } | { readonly problem: Problem } {
  const to = { group: ref.group, kind: ref.kind, namespace: ref.namespace ?? namespace, name: ref.name }
  if (!isReferencePermitted(reads, grants, { group, kind, namespace }, to)) {
    const message = `${ref.kind} "${to.namespace}/${ref.name}" may not be referred to from namespace ${namespace}: add a ReferenceGrant in namespace ${to.namespace} from ${kind} in ${namespace} to ${ref.kind}`
    return { problem: { on: 'ResolvedRefs', reason: 'RefNotPermitted', message } }
  }
  const backend = reads.get(backends, keyOfReference(ref, namespace, kind === 'UDPRoute' ? 'UDP' : 'TCP'))
  if (backend?.state === 'resolved') return { backend }
  // Every reference of a route is in the index that backends are made from, and what is not resolved says why.
  return {
    problem: backend?.problem ?? { on: 'ResolvedRefs', reason: 'BackendNotFound', message: `${ref.kind} not found` },
  }
}
