/**
 * One Envoy resource as it goes over the wire, made once and shared by every stream.
 */
export interface EnvoyResource {
  /** e.g. "type.googleapis.com/envoy.config.cluster.v3.Cluster". */
  readonly typeUrl: string
  /** The proxy fleet that this resource belongs to; a stream of another scope never sees it. */
  readonly scope: string
  /** Unique within (scope, typeUrl). */
  readonly name: string
  /** Content hash of `bytes`: equal content has an equal version, also after a restart. */
  readonly version: string
  /** The encoded message (not yet wrapped in an Any). */
  readonly bytes: Uint8Array
  /** Their number; there where telling it is cheaper than making them. */
  readonly byteLength?: number
  /** Puts `bytes` into a message, from `at` on; there where they need not be made for that. @returns their number */
  copyBytes?(into: Buffer, at: number): number
  /** Canonical keys of the user's objects that this came from: answers "why is this here?" and receives a NACK. */
  readonly sources: readonly string[]
  /**
   * For a Cluster: it warms only after DNS answers or health checks, which no EDS push can shorten,
   * so that tables that name it in `awaits` must not be sent before its CDS ACK (2 s at most).
   */
  readonly slowToWarm?: boolean
  /** For a table: names of `slowToWarm` clusters that it routes to. */
  readonly awaits?: readonly string[]
  /** For a Listener or a Cluster: names of the secrets it uses, pushed unprompted with it. */
  readonly secrets?: readonly string[]
  /** What may be to blame by itself when all is refused, e.g. the virtual hosts of a table; in the order of the bytes. */
  parts?(): readonly ResourcePart[]
  /**
   * The same resource with other parts in the place of some, by name; undefined stands for one that every
   * proxy loads and that answers with 500. Equal parts give an equal version.
   */
  replaceParts?(others: ReadonlyMap<string, ResourcePart | undefined>): EnvoyResource
}

/** A part of a resource, under a name that is unique in it. */
export interface ResourcePart {
  readonly name: string
  /** Content hash of `bytes`. */
  readonly version: string
  readonly bytes: Uint8Array
  /** Those of the resource's sources that are in this part. */
  readonly sources: readonly string[]
  /** Only stands for a part that is out of order. */
  readonly isPlaceholder?: boolean
}

/** The key of a resource in a collection of one type: scope and name, joined by a character that neither can hold. */
export function resourceKey(scope: string, name: string): string {
  return `${scope}\n${name}`
}

/** The reverse of {@link resourceKey}. */
export function splitResourceKey(key: string): readonly [scope: string, name: string] {
  const end = key.indexOf('\n')
  return [key.slice(0, end), key.slice(end + 1)]
}

/** Type URLs in the order in which a change is sent: what is referred to comes before what refers to it. */
export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  extension: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  scopedRoute: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
} as const
