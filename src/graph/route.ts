import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { ObjectMeta } from '../gatewayapi/objects/object-meta.ts'
import type { ParentReference } from '../gatewayapi/objects/reference.ts'
import type { L7RouteNode } from './l7-route.ts'
import type { Problem } from './problem.ts'
import type { StreamRouteNode } from './stream-route.ts'

/** The kinds of route, in the order in which they are listed. */
export const routeKinds = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const
export type RouteKindName = (typeof routeKinds)[number]

/** A route of any kind: narrow by `kind`. */
export type RouteNode = L7RouteNode | StreamRouteNode

/** What is the same for routes of every kind: all that attachment and statuses look at. */
export interface RouteBase {
  readonly kind: RouteKindName
  readonly key: NamespacedName
  /** Those of the route among routes of all kinds and among all objects: made once, because much is found by them. */
  readonly routeKey: RouteKey
  readonly objectKey: string
  readonly source: {
    readonly metadata: ObjectMeta
    readonly spec: {
      readonly parentRefs?: readonly ParentReference[] | undefined
      readonly useDefaultGateways?: 'All' | 'None' | undefined
      readonly rules?: readonly unknown[] | undefined
    }
  }
  /** Lower case, as written; empty = those of the listener. */
  readonly hostnames: readonly string[]
  readonly problems: readonly Problem[]
}

/** "Kind/namespace/name": a route among those of all kinds. */
export type RouteKey = string & { readonly __brand: 'RouteKey' }

export function routeKey(kind: RouteKindName, key: NamespacedName): RouteKey {
  return `${kind}/${key}` as RouteKey
}
