import type { Collection, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { formatObjectKey, type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { BackendKey, BackendNode } from '../graph/backend.ts'
import type { Graph } from '../graph/graph.ts'
import type { ListenerKey, ListenerNode } from '../graph/listener.ts'
import { portKey } from '../graph/programming.ts'
import type { StreamOwner } from '../graph/stream-owner.ts'
import type { StreamRouteNode } from '../graph/stream-route.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../xds/resource.ts'
import { buildSecretUser, type ClientCertificates, listSlices } from './backends.ts'
import { streamClusterName } from './names.ts'
import { buildResource, sameContent, sourceOfBackend } from './resource.ts'
import { findOwner, sortHostnames } from './route-fragment.ts'
import type { SecretUser } from './secrets.ts'
import { buildStreamAssignment, buildStreamCluster, needsDns, type StreamShare } from './stream-cluster.ts'
import { listTlsSecrets } from './upstream-tls.ts'

/** Connections with one destination: of a TCP or UDP listener all, of a TLS listener those for one server name. */
interface ServedPlace {
  readonly gateway: NamespacedName
  readonly listener: ListenerKey
  /** "*" for every name. */
  readonly hostname: string
  readonly cluster: string
  readonly route: StreamRouteNode
  /** Whether backends are spoken to with TLS where a policy says so: not where a client's own TLS is passed on. */
  readonly mayUseTls: boolean
}

export interface Streams {
  readonly cluster: Collection<string, EnvoyResource>
  readonly endpoint: Collection<string, EnvoyResource>
  readonly secretUsers: Collection<string, SecretUser>
  /** The names that a TLS listener has a chain for, sorted. */
  readonly serverNames: Collection<ListenerKey, readonly string[]>
}

/** Wires the derivations from the owners of connections to clusters with their endpoints. */
export function createStreams(scheduler: Scheduler, graph: Graph, clientCertificates: ClientCertificates): Streams {
  const places = createPlaces(scheduler, graph)
  const serverNames = scheduler.group(
    'server names of a listener',
    scheduler.index('ServedPlaces by listener', places, (p) => [p.listener]),
    (_listener, _reads, members) => members.map((p) => p.hostname).sort(),
  )
  const byCluster = scheduler.index('ServedPlaces by cluster', places, (p) => [resourceKey(p.gateway, p.cluster)])
  const cluster = scheduler.group(
    'Cluster of a stream',
    byCluster,
    (_key, reads, [place]) => {
      if (!place) return undefined
      const known = resolveShares(place, reads, graph)
      // Only endpoints that are names are the cluster's business.
      const shares = needsDns(known) ? withSlices(known, reads, graph) : known
      const secure = listSecure(shares)
      const certificate = secure.length > 0 ? reads.get(clientCertificates, place.gateway) : undefined
      const bytes = buildStreamCluster(place.cluster, shares, certificate)
      const named = secure.flatMap(({ tls, clientCertificate = certificate }) =>
        tls ? listTlsSecrets(tls, clientCertificate) : [],
      )
      const secrets = [...new Set(named)].sort()
      const more = {
        ...(needsDns(shares) && { slowToWarm: true }),
        ...(secrets.length > 0 && { secrets }),
      }
      return buildResource(typeUrls.cluster, place.gateway, place.cluster, bytes, sourcesOf(place.route), more)
    },
    sameContent,
  )
  const endpoint = scheduler.group(
    'ClusterLoadAssignment of a stream',
    byCluster,
    (_key, reads, [place]) => {
      const known = place ? resolveShares(place, reads, graph) : []
      if (!place || needsDns(known)) return undefined
      const bytes = buildStreamAssignment(place.cluster, withSlices(known, reads, graph))
      return buildResource(typeUrls.endpoint, place.gateway, place.cluster, bytes, sourcesOf(place.route))
    },
    sameContent,
  )
  const secretUsers = scheduler.group('SecretUser of a stream', byCluster, (_key, reads, [place]) => {
    return place && buildSecretUser(place.gateway, listSecure(resolveShares(place, reads, graph)))
  })
  return { cluster, endpoint, secretUsers, serverNames }
}

type ListenerView = Pick<ListenerNode, 'gateway' | 'port' | 'protocol' | 'hostname' | 'tls'>

function createPlaces(scheduler: Scheduler, graph: Graph): Collection<string, ServedPlace> {
  const listeners = scheduler.derive(
    'stream view of a ListenerNode',
    graph.listeners,
    (l): ListenerView | undefined => {
      const { gateway, port, protocol, hostname, tls } = l
      return l.verdict === 'accepted' && protocol !== 'HTTP' ? { gateway, port, protocol, hostname, tls } : undefined
    },
  )
  // Server names are shared between listeners of protocols TLS and HTTPS.
  const secure = scheduler.index('listeners with TLS by port', listeners, (l) =>
    l.tls === 'none' ? [] : [portKey(l.gateway, l.port)],
  )
  const claims = scheduler.group('server names of a port', secure, (_key, _reads, members) =>
    sortHostnames(members.map((l) => l.hostname)),
  )
  const resolvePlace = ({ gateway, listener: key, hostname, route }: StreamOwner, reads: Reads) => {
    const listener = reads.get(listeners, key)
    if (!listener) return undefined
    const cluster = streamClusterName(listener, hostname)
    const mayUseTls = listener.tls !== 'passthrough' && listener.protocol !== 'UDP'
    const place: ServedPlace = { gateway, listener: key, hostname, cluster, route, mayUseTls }
    if (listener.tls === 'none') return place
    const owner = findOwner(reads.get(claims, portKey(gateway, listener.port)) ?? [], hostname)
    return owner === listener.hostname ? place : undefined
  }
  return scheduler.derive('ServedPlace', graph.streamOwners, resolvePlace)
}

/** By backend, those that are refused together; without those that get nothing. */
function resolveShares({ route, mayUseTls }: ServedPlace, reads: Reads, graph: Graph): StreamShare[] {
  const weights = new Map<BackendKey | undefined, number>()
  for (const { backend, weight } of route.backendRefs)
    if (weight > 0) weights.set(backend, (weights.get(backend) ?? 0) + weight)
  return [...weights]
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
    .map(([key, weight]): StreamShare => {
      const backend = key && reads.get(graph.backends, key)
      // Where TLS is asked for and cannot be had, nothing is sent in the clear.
      const isUsable = backend?.state === 'resolved' && !(mayUseTls && backend.tlsProblem)
      const tls = mayUseTls && isUsable ? backend.tls : undefined
      return { backend: isUsable ? backend : undefined, tls, weight, slices: [] }
    })
}

/** Those that are spoken to with TLS. */
function listSecure(shares: readonly StreamShare[]): BackendNode[] {
  return shares.flatMap(({ backend, tls }) => (backend && tls ? [backend] : []))
}

function withSlices(shares: readonly StreamShare[], reads: Reads, graph: Graph): StreamShare[] {
  return shares.map((share) => (share.backend ? { ...share, slices: listSlices(share.backend, reads, graph) } : share))
}

function sourcesOf({ kind, key, backendRefs }: StreamRouteNode): string[] {
  const route = formatObjectKey({ group: gatewayGroup, kind, ...splitNamespacedName(key) })
  const backends = backendRefs.flatMap(({ backend }) => (backend ? [sourceOfBackend(backend)] : []))
  return [...new Set([route, ...backends])].sort()
}
