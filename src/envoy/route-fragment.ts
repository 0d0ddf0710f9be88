import type { Collection, Reads } from '../collections/collection.ts'
import { compareHostnames, type HostnameIntersection } from '../gatewayapi/hostname.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { formatObjectKey } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { type BackendIdentity, backendKey } from '../graph/backend.ts'
import type { HTTPRouteNode } from '../graph/http-route.ts'
import type { ListenerKey, ListenerNode } from '../graph/listener.ts'
import type { RouteAttachment } from '../graph/route-attachment.ts'
import { tableName } from './names.ts'
import { buildRoutes, clustersOf, type EncodedRoute } from './route.ts'

/** What routing depends on of a listener; a rotated certificate is not part of it. */
export interface ListenerFacts {
  readonly gateway: NamespacedName
  readonly port: number
  readonly protocol: 'HTTP' | 'HTTPS'
  readonly hostname: string
  readonly table: string
}

/** @returns nothing for a listener that serves no HTTP */
export function viewListener(listener: ListenerNode): ListenerFacts | undefined {
  const { gateway, port, protocol, hostname, verdict } = listener
  if (verdict !== 'accepted' || (protocol !== 'HTTP' && protocol !== 'HTTPS')) return undefined
  return { gateway, port, protocol, hostname, table: tableName(listener) }
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
}

/**
 * A listener claims its own hostname even without a route, so that a less specific listener on the
 * same port does not answer for it.
 */
export function claimHostname(listener: ListenerFacts): RouteFragment {
  const hostname = listener.hostname === '' ? '*' : listener.hostname
  return {
    gateway: listener.gateway,
    table: listener.table,
    listenerHostname: listener.hostname,
    hostnames: [{ hostname, original: '' }],
    routes: [],
    backends: [],
    awaits: [],
    sources: [],
  }
}

/** "gateway/port" to the hostnames of the listeners there, the most specific first. */
export type PortHostnames = Collection<string, readonly string[]>

export function buildFragment(
  attachment: RouteAttachment,
  reads: Reads,
  listeners: Collection<ListenerKey, ListenerFacts>,
  portHostnames: PortHostnames,
): RouteFragment | undefined {
  const listener = reads.get(listeners, attachment.listener)
  if (!listener) return undefined
  const claims = reads.get(portHostnames, `${listener.gateway}/${listener.port}`) ?? []
  const hostnames = attachment.hostnames.filter(({ hostname }) => findOwner(claims, hostname) === listener.hostname)
  const { route } = attachment
  return {
    gateway: attachment.gateway,
    table: listener.table,
    listenerHostname: listener.hostname,
    hostnames,
    routes: route.rules.flatMap((rule) => buildRoutes(rule, listener)),
    backends: collectBackends(route),
    awaits: [...new Set(route.rules.flatMap((rule) => clustersOf(rule).awaits))].sort(),
    sources: [formatObjectKey({ group: gatewayGroup, kind: 'HTTPRoute', ...route.source.metadata })],
  }
}

/** The most specific listener hostname that covers a hostname; `claims` are ordered by specificity. */
function findOwner(claims: readonly string[], hostname: string): string | undefined {
  return claims.find((claim) => claim === '' || claim === hostname || coversHostname(claim, hostname))
}

/** Whether a wildcard covers a hostname (or a narrower wildcard). */
export function coversHostname(wide: string, narrow: string): boolean {
  return wide.startsWith('*.') && narrow.endsWith(wide.slice(1)) && narrow.length > wide.length - 1
}

export function sortHostnames(hostnames: readonly string[]): string[] {
  return [...hostnames].sort(compareHostnames)
}

function collectBackends(route: HTTPRouteNode): BackendIdentity[] {
  const found = new Map<string, BackendIdentity>()
  const add = (backend: BackendIdentity | undefined) => {
    if (backend) found.set(`${backendKey(backend.target)}/${backend.protocol}`, backend)
  }
  for (const rule of route.rules) {
    for (const filter of rule.filters) if (filter.type === 'mirror') add(filter.backend)
    for (const ref of rule.backendRefs) {
      add(ref.backend)
      for (const filter of ref.filters) if (filter.type === 'mirror') add(filter.backend)
    }
  }
  return [...found.values()]
}
