import { contentVersion } from '../base/hash.ts'
import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { formatObjectKey, type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { type BackendKey, backendKey } from '../graph/backend.ts'
import type { Graph } from '../graph/graph.ts'
import { portKey } from '../graph/programming.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../xds/resource.ts'
import { buildCluster } from './cluster.ts'
import { buildClusterLoadAssignment } from './cluster-load-assignment.ts'
import { buildListener } from './listener.ts'
import { clusterName, listenerName, secretName } from './names.ts'
import { buildChunk, buildRouteConfiguration, chunkKey, sameChunk, sameTable } from './route-configuration.ts'
import { buildFragment, claimHostname, sortHostnames, viewListener } from './route-fragment.ts'
import { buildSecret } from './secret.ts'
import { buildVirtualHost, hostKey, sameList, sameVirtualHost } from './virtual-host.ts'

type Resources = Collection<string, EnvoyResource>

/** Everything that the proxies of all Gateways should have, keyed by `resourceKey(gateway, name)`. */
export interface EnvoyResources {
  readonly cluster: Resources
  readonly endpoint: Resources
  readonly secret: Resources
  readonly listener: Resources
  readonly route: Resources
}

/** Equal for everybody who sends or explains it; the bytes are in the version. */
const byContent = {
  equals: (a: EnvoyResource, b: EnvoyResource) =>
    a.version === b.version &&
    a.slowToWarm === b.slowToWarm &&
    sameList(a.secrets ?? [], b.secrets ?? []) &&
    sameList(a.sources, b.sources),
}

/** Wires the derivations from the graph to Envoy's resources. Each reads only what stands above it. */
export function createEnvoyResources(scheduler: Scheduler, graph: Graph): EnvoyResources {
  return { ...createTablesAndBackends(scheduler, graph), ...createListeners(scheduler, graph) }
}

function createTablesAndBackends(scheduler: Scheduler, graph: Graph) {
  const listeners = scheduler.derive('ListenerFacts', graph.listeners, viewListener)
  const listenersByPort = scheduler.index('ListenerFacts by port', listeners, (l) => [portKey(l.gateway, l.port)])
  const portHostnames = scheduler.group('hostnames of a port', listenersByPort, (_key, _reads, members) =>
    sortHostnames(members.map((l) => l.hostname)),
  )
  const fragments = scheduler.join('RouteFragment', [
    scheduler.derive('RouteFragment of an attachment', graph.attachments, (attachment, reads) =>
      buildFragment(attachment, reads, listeners, portHostnames),
    ),
    scheduler.derive('RouteFragment of a listener', listeners, claimHostname),
  ])
  const fragmentsByHost = scheduler.index('RouteFragments by host', fragments, (f) =>
    f.hostnames.map(({ hostname }) => hostKey(f.gateway, f.table, hostname)),
  )
  const virtualHosts = scheduler.group(
    'VirtualHost',
    fragmentsByHost,
    (key, reads) => buildVirtualHost(key, reads, fragmentsByHost),
    { equals: sameVirtualHost },
  )
  const virtualHostsByChunk = scheduler.index('VirtualHosts by chunk', virtualHosts, (v) => [chunkKey(v)])
  const chunks = scheduler.group('TableChunk', virtualHostsByChunk, (_key, _reads, members) => buildChunk(members), {
    equals: sameChunk,
  })
  const chunksByTable = scheduler.index('TableChunks by table', chunks, (c) => [resourceKey(c.gateway, c.table)])
  const route = scheduler.group(
    'RouteConfiguration resource',
    chunksByTable,
    (_key, _reads, members) => buildRouteConfiguration(members),
    { equals: sameTable },
  )

  const uses = scheduler.index('RouteFragments by backend', fragments, (f) =>
    f.backends.map((backend) => `${f.gateway}\n${backendKey(backend.target)}\n${backend.protocol}`),
  )
  const usedBackend = (key: string) => key.split('\n') as [NamespacedName, BackendKey, string]
  const clusters = scheduler.derive('encoded Cluster', graph.backends, (backend) => {
    if (backend.state !== 'resolved') return undefined
    const slowToWarm = backend.endpoints.type === 'dns'
    return { bytes: buildCluster(backend), name: clusterName(backend), protocol: backend.protocol, slowToWarm }
  })
  const assignments = scheduler.derive('encoded ClusterLoadAssignment', graph.backends, (backend, reads) => {
    if (backend.state !== 'resolved' || backend.endpoints.type === 'dns') return undefined
    const { namespace, name } = backend.target
    const service = `${namespace}/${name}` as NamespacedName
    const slices =
      backend.endpoints.type === 'endpoint-slices' ? reads.lookup(graph.endpointSlicesByService, service) : []
    return {
      bytes: buildClusterLoadAssignment(backend, slices),
      name: clusterName(backend),
      protocol: backend.protocol,
    }
  })
  const used = scheduler.group('used backend', uses, (key) => key)
  const cluster = scheduler.deriveMany(
    'Cluster resource',
    used,
    (key, reads) => {
      const [scope, backend, protocol] = usedBackend(key)
      const encoded = reads.get(clusters, backend)
      if (encoded?.protocol !== protocol) return []
      const { name, bytes, slowToWarm } = encoded
      return [resource(typeUrls.cluster, scope, name, bytes, [sourceOf(backend)], slowToWarm ? { slowToWarm } : {})]
    },
    byContent,
  )
  const endpoint = scheduler.deriveMany(
    'ClusterLoadAssignment resource',
    used,
    (key, reads) => {
      const [scope, backend, protocol] = usedBackend(key)
      const encoded = reads.get(assignments, backend)
      if (encoded?.protocol !== protocol) return []
      return [resource(typeUrls.endpoint, scope, encoded.name, encoded.bytes, [sourceOf(backend)])]
    },
    byContent,
  )
  return { route, cluster, endpoint }
}

function createListeners(scheduler: Scheduler, graph: Graph) {
  const accepted = scheduler.derive('accepted ListenerNode', graph.listeners, (l) =>
    l.verdict === 'accepted' ? l : undefined,
  )
  const byCertificate = scheduler.index('ListenerNodes by certificate', accepted, (l) =>
    l.certificates.map((c) => resourceKey(l.gateway, c.key)),
  )
  const secret = scheduler.deriveMany(
    'Secret resource',
    scheduler.group('used certificate', byCertificate, (key, _reads, members) => {
      const [scope = '', secretKey] = key.split('\n')
      const certificate = members.flatMap((l) => l.certificates).find((c) => c.key === secretKey)
      return certificate && { scope, certificate }
    }),
    ({ scope, certificate }) => {
      const source = formatObjectKey({ group: '', kind: 'Secret', ...splitNamespacedName(certificate.key) })
      return [resource(typeUrls.secret, scope, secretName(certificate.key), buildSecret(certificate), [source])]
    },
    byContent,
  )

  const byPort = scheduler.index('accepted ListenerNodes by port', accepted, (l) => [portKey(l.gateway, l.port)])
  const profiles = scheduler.derive('ProxyProfile', graph.gateways, (gateway) => gateway.profile)
  const listener = scheduler.deriveMany(
    'Listener resource',
    scheduler.group('listeners of a port', byPort, (_key, _reads, members) => members),
    (members, reads) => {
      const first = members[0]
      const binding = first && reads.get(graph.bindings, first.gateway)
      const profile = first && reads.get(profiles, first.gateway)
      if (!first || !binding || !profile || binding.portProblems[String(first.port)] !== undefined) return []
      const { bytes, secrets } = buildListener(members, binding, profile)
      const source = formatObjectKey({ group: gatewayGroup, kind: 'Gateway', ...splitNamespacedName(first.gateway) })
      return [resource(typeUrls.listener, first.gateway, listenerName(first.port), bytes, [source], { secrets })]
    },
    byContent,
  )
  return { secret, listener }
}

function sourceOf(key: BackendKey): string {
  return key.slice(0, key.lastIndexOf('/'))
}

function resource(
  typeUrl: string,
  scope: string,
  name: string,
  bytes: Uint8Array,
  sources: readonly string[],
  more: Partial<EnvoyResource> = {},
): readonly [string, EnvoyResource] {
  return [resourceKey(scope, name), { typeUrl, scope, name, version: contentVersion(bytes), bytes, sources, ...more }]
}
