import { compactList } from '../base/compact-list.ts'
import { buildRouteRank, type RouteRank } from '../gatewayapi/match-precedence.ts'
import { namespacedName } from '../gatewayapi/object-key.ts'
import { type BackendRef, gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { TCPRoute, TLSRoute, UDPRoute } from '../gatewayapi/objects/stream-route.ts'
import type { BackendKey } from './backend.ts'
import { type BackendReferenceContext, keyOfReference, resolveBackendReference } from './backend-reference.ts'
import type { Problem } from './problem.ts'
import { type RouteBase, routeKey } from './route.ts'

/** The kinds of route that say where whole connections, or all datagrams of a client, go. */
export const streamRouteKinds = ['TLSRoute', 'TCPRoute', 'UDPRoute'] as const
export type StreamRouteKind = (typeof streamRouteKinds)[number]

export type StreamRoute = TLSRoute | TCPRoute | UDPRoute

/** One backendRef after resolution. The share of one without `backend` is refused. */
export interface StreamBackendRef {
  readonly backend: BackendKey | undefined
  /** Relative to the sum of the route. */
  readonly weight: number
}

/** A TLSRoute, TCPRoute or UDPRoute by itself: checked, its references resolved, not yet attached to anything. */
export interface StreamRouteNode extends RouteBase {
  readonly kind: StreamRouteKind
  readonly source: StreamRoute
  readonly rank: RouteRank
  readonly backendRefs: readonly StreamBackendRef[]
}

/** Every backend that a route names. */
export function streamBackendKeysOf({ kind, metadata, spec }: StreamRoute): BackendKey[] {
  return [...new Set(spec.rules.flatMap((r) => r.backendRefs.map((ref) => keyOf(kind, ref, metadata.namespace))))]
}

/** The key of what a reference of a route of this kind leads to. */
function keyOf(kind: StreamRouteKind, ref: BackendRef, namespace: string): BackendKey {
  return keyOfReference(ref, namespace, kind === 'UDPRoute' ? 'UDP' : 'TCP')
}

/** Checks a route and resolves what it refers to. */
export function resolveStreamRoute(source: StreamRoute, context: BackendReferenceContext): StreamRouteNode {
  const { kind } = source
  const { namespace, name, creationTimestamp } = source.metadata
  const key = namespacedName(namespace, name)
  const own = routeKey(kind, key)
  const problems: Problem[] = []
  // Rules have no matches, so that the first gets everything; only old versions of the API take more of them.
  const [rule, ...others] = source.spec.rules
  for (const index of others.keys()) {
    const message = `Dropped Rule: all connections go to the first rule of a ${kind}: remove this one`
    problems.push({ on: 'PartiallyInvalid', reason: 'UnsupportedValue', message, path: `spec.rules[${index + 1}]` })
  }
  const backendRefs = (rule?.backendRefs ?? []).map((ref, index): StreamBackendRef => {
    const resolved = resolveBackendReference(ref, { kind, namespace }, context)
    if ('backend' in resolved) return { backend: resolved.backend.key, weight: ref.weight }
    problems.push({ ...resolved.problem, path: `spec.rules[0].backendRefs[${index}]` })
    return { backend: undefined, weight: ref.weight }
  })
  return {
    kind,
    key,
    routeKey: own,
    objectKey: `${gatewayGroup}/${own}`,
    source,
    hostnames: source.kind === 'TLSRoute' ? compactList((source.spec.hostnames ?? []).map((h) => h.toLowerCase())) : [],
    rank: buildRouteRank(key, creationTimestamp),
    backendRefs: compactList(backendRefs),
    problems: compactList(problems),
  }
}
