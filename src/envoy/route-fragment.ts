import { compactList, none } from '../base/compact-list.ts'
import type { Collection, Reads } from '../collections/collection.ts'
import { anyHostname, compareHostnames, type HostnameIntersection, intersectHostname } from '../gatewayapi/hostname.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { BackendIdentity } from '../graph/backend.ts'
import type { L7RouteNode } from '../graph/l7-route.ts'
import type { ListenerKey, ListenerNode } from '../graph/listener.ts'
import type { ListenerFilterNode } from '../graph/listener-filter.ts'
import { portKey } from '../graph/programming.ts'
import type { RouteAttachment } from '../graph/route-attachment.ts'
import type { ResolvedFilter } from '../graph/route-rule.ts'
import { isStreamRoute } from '../graph/stream-owner.ts'
import type { Gate } from './gate.ts'
import { clusterName, tableName } from './names.ts'
import { buildRoutes, type EncodedRoute, listAwaited } from './route.ts'
import { planAuth } from './route-plan.ts'
import type { TableTracing } from './tracing.ts'

/** What routing depends on of a listener; a rotated certificate is not part of it. */
export interface ListenerFacts {
  readonly gateway: NamespacedName
  readonly port: number
  /** Its port among those of all Gateways. */
  readonly place: string
  readonly protocol: 'HTTP' | 'HTTPS'
  readonly hostname: string
  readonly table: string
  readonly filters: readonly ListenerFilterNode[]
  readonly isClosed: boolean
}

/** @returns nothing for a listener that serves no HTTP */
export function viewListener(listener: ListenerNode): ListenerFacts | undefined {
  const { gateway, port, protocol, hostname, verdict, filters, isClosed } = listener
  if (verdict !== 'accepted' || (protocol !== 'HTTP' && protocol !== 'HTTPS')) return undefined
  const place = portKey(gateway, port)
  return { gateway, port, place, protocol, hostname, table: tableName(listener), filters, isClosed }
}

/** What one attachment, or the listener itself, puts into a route table. */
export interface RouteFragment {
  readonly gateway: NamespacedName
  readonly table: string
  /** '' for the listener without a hostname. */
  readonly listenerHostname: string
  /** Where the routes stand; only hostnames that belong to the listener (isolation). */
  readonly hostnames: readonly HostnameIntersection[]
  /** Encoded once, spliced into every virtual host. */
  readonly routes: readonly EncodedRoute[]
  readonly backends: readonly BackendIdentity[]
  /** Names of clusters that warm slowly. */
  readonly awaits: readonly string[]
  readonly sources: readonly string[]
  /** What the listener asks of all requests to its virtual hosts; only in the fragment that is its own. */
  readonly gate?: Gate
  /** Of all requests to the listener; only in the fragment that is its own. */
  readonly tracing?: TableTracing
}

/**
 * A listener claims its own hostname even without a route, so that a less specific listener on the
 * same port does not answer for it.
 */
export function claimHostname(listener: ListenerFacts, tracing?: TableTracing): RouteFragment {
  const { filters, isClosed } = listener
  const hostname = listener.hostname === '' ? anyHostname : listener.hostname
  const slow = filters.filter((filter) => filter.slowToWarm).map(({ backend }) => clusterName(backend))
  return {
    gateway: listener.gateway,
    table: listener.table,
    listenerHostname: listener.hostname,
    hostnames: [{ hostname, original: '' }],
    routes: none,
    backends: compactList(filters.map(({ backend }) => backend)),
    awaits: compactList([...new Set(slow)].sort()),
    sources: none,
    ...((isClosed || filters.length > 0) && { gate: { isClosed, auths: filters.map(planAuth) } }),
    ...(tracing && { tracing }),
  }
}

/** "gateway/port" to the hostnames of the listeners there, the most specific first. */
export type PortHostnames = Collection<string, readonly string[]>

/**
 * What a route contributes to the table of a listener that it is attached to.
 * @returns nothing when the listener does not serve
 */
export function buildFragment(
  { gateway, listener: key, hostnames, route }: RouteAttachment,
  reads: Reads,
  listeners: Collection<ListenerKey, ListenerFacts>,
  portHostnames: PortHostnames,
): RouteFragment | undefined {
  const listener = reads.get(listeners, key)
  if (!listener || isStreamRoute(route)) return undefined
  const { table, hostname } = listener
  const claims = reads.get(portHostnames, listener.place) ?? none
  const isOwned = ({ hostname: own }: HostnameIntersection) => findOwner(claims, own) === hostname
  const owned = hostnames.every(isOwned) ? hostnames : compactList(hostnames.filter(isOwned))
  const serves = owned.length > 0
  // All fields at once: what is put together of parts takes more memory.
  return {
    gateway,
    table,
    listenerHostname: hostname,
    hostnames: owned,
    routes: serves ? compactList(route.rules.flatMap((rule) => buildRoutes(rule, listener))) : none,
    backends: serves ? listBackends(route) : none,
    awaits: serves ? listAwaited(route.rules) : none,
    sources: [route.objectKey],
  }
}

/** The listener on a port to which a hostname belongs: the most specific one that covers it. */
export function findOwner(claims: readonly string[], hostname: string): string | undefined {
  return claims.find((claim) => intersectHostname(claim, hostname) === hostname)
}

/** The most specific first. */
export function sortHostnames(hostnames: readonly string[]): string[] {
  return [...hostnames].sort(compareHostnames)
}

/** Also those that get nothing now: a change of weights must not have to wait for a cluster. */
function listBackends(route: L7RouteNode): readonly BackendIdentity[] {
  const found: BackendIdentity[] = []
  const addOf = (filters: readonly ResolvedFilter[]) => {
    for (const filter of filters) if (filter.type !== 'plain' && filter.backend) found.push(filter.backend)
  }
  for (const { filters, backendRefs } of route.rules) {
    for (const { backend } of backendRefs) if (backend) found.push(backend)
    addOf(filters)
    for (const ref of backendRefs) addOf(ref.filters)
  }
  if (found.length < 2) return compactList(found)
  return [...new Map(found.map((backend) => [clusterName(backend), backend])).values()]
}
