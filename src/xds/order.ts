import { typeUrls } from './resource.ts'

/**
 * The order on the wire: what is referred to comes before what refers to it, back to back and
 * without waiting. Endpoints come after their cluster (earlier they are acknowledged and lost) and
 * secrets after the endpoints (earlier, 196 of 200 adds failed requests). Secrets come once more
 * after the listeners, for those that listeners name: a proxy drops what nothing refers to yet.
 */
export const burstOrder: readonly string[] = [
  typeUrls.cluster,
  typeUrls.endpoint,
  typeUrls.secret,
  typeUrls.extension,
  typeUrls.listener,
  typeUrls.secret,
  typeUrls.scopedRoute,
  typeUrls.route,
]

/** What refers to others goes first; listeners are missing because they go at once, with their additions. */
export const removalOrder: readonly string[] = [
  typeUrls.scopedRoute,
  typeUrls.cluster,
  typeUrls.endpoint,
  typeUrls.route,
  typeUrls.extension,
  typeUrls.secret,
]

/** How the protocol and stock Envoy treat a type. */
export interface TypeTraits {
  /** Never having named a resource means wanting all of them. */
  readonly legacyWildcard: boolean
  /** State of the world: what a response leaves out is deleted. */
  readonly fullSet: boolean
  /** Uses clusters: nothing is removed before its changes are accepted, and one version is in flight at most. */
  readonly table: boolean
}

const traits: ReadonlyMap<string, TypeTraits> = new Map([
  [typeUrls.cluster, { legacyWildcard: true, fullSet: true, table: false }],
  [typeUrls.endpoint, { legacyWildcard: false, fullSet: false, table: false }],
  [typeUrls.secret, { legacyWildcard: false, fullSet: false, table: false }],
  [typeUrls.extension, { legacyWildcard: false, fullSet: false, table: false }],
  [typeUrls.listener, { legacyWildcard: true, fullSet: true, table: true }],
  [typeUrls.route, { legacyWildcard: false, fullSet: false, table: true }],
  [typeUrls.scopedRoute, { legacyWildcard: true, fullSet: true, table: true }],
])

/** A type that we do not serve: whatever is asked for does not exist. */
const unknownTraits: TypeTraits = { legacyWildcard: true, fullSet: false, table: false }

export function traitsOf(typeUrl: string): TypeTraits {
  return traits.get(typeUrl) ?? unknownTraits
}

/** The types whose acknowledgement a removal waits for. */
export const tableTypes: readonly string[] = [...traits].filter(([, t]) => t.table).map(([typeUrl]) => typeUrl)
