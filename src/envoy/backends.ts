import { none } from '../base/compact-list.ts'
import type { Collection, Index, Reads } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import type { HTTPHeader } from '../gatewayapi/objects/http-filter.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { BackendIdentity, BackendNode } from '../graph/backend.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import type { Graph } from '../graph/graph.ts'
import { type EnvoyResource, resourceKey, splitResourceKey, typeUrls } from '../xds/resource.ts'
import { buildCluster } from './cluster.ts'
import { buildClusterLoadAssignment } from './cluster-load-assignment.ts'
import { clusterName, speaksTls } from './names.ts'
import { buildBackendResource, type Place, sameContent } from './resource.ts'
import type { SecretUser } from './secrets.ts'
import { listTlsSecrets } from './upstream-tls.ts'

/** What makes the proxies of a Gateway speak to backends: routes and filters. */
export interface BackendUser {
  readonly gateway: NamespacedName
  readonly backends: readonly BackendIdentity[]
}

export interface Backends {
  readonly cluster: Collection<string, EnvoyResource>
  readonly endpoint: Collection<string, EnvoyResource>
  readonly secretUsers: Collection<string, SecretUser>
}

/** The certificate that the proxies of a Gateway show to backends, by Gateway. */
export type ClientCertificates = Collection<string, CertificateNode>

/** Those that are spoken HTTP to; their endpoints: {@link createBackendEndpoints}. */
export interface HttpBackends extends Omit<Backends, 'endpoint'> {
  readonly uses: Index<string, string, BackendUser>
}

/** Wires the derivations from the backends that are spoken HTTP to, to clusters. */
export function createBackends(
  scheduler: Scheduler,
  graph: Graph,
  users: Collection<string, BackendUser>,
  clientCertificates: ClientCertificates,
): HttpBackends {
  const uses = scheduler.index('BackendUsers by cluster', users, ({ gateway, backends }) =>
    backends.map((backend) => resourceKey(gateway, clusterName(backend))),
  )
  const cluster = scheduler.group(
    'Cluster of a backend',
    uses,
    (key, reads, members) => {
      const [scope, name] = splitResourceKey(key)
      const backend = findUsed(reads, graph, name, members)
      return backend && buildClusterResource({ scope, name }, backend, { reads, clientCertificates })
    },
    sameContent,
  )
  const secretUsers = scheduler.group(
    'SecretUser of a backend',
    uses,
    (key, reads, members): SecretUser | undefined => {
      const [gateway, name] = splitResourceKey(key)
      // Most clusters speak no TLS and say so in their names: nothing is read for them, nor kept.
      if (!speaksTls(name)) return undefined
      const backend = findUsed(reads, graph, name, members)
      return backend?.tls && buildSecretUser(gateway, [backend])
    },
  )
  return { uses, cluster, secretUsers }
}

/** The endpoints of these clusters. By themselves: whoever waits for clusters need not wait for them. */
export function createBackendEndpoints(
  scheduler: Scheduler,
  graph: Graph,
  uses: HttpBackends['uses'],
): Backends['endpoint'] {
  return scheduler.group(
    'ClusterLoadAssignment of a backend',
    uses,
    (key, reads, members) => {
      const [scope, name] = splitResourceKey(key)
      const backend = findUsed(reads, graph, name, members)
      return backend && buildEndpointResource({ scope, name }, backend, reads, graph)
    },
    sameContent,
  )
}

interface ClusterResourceContext {
  readonly reads: Reads
  readonly clientCertificates: ClientCertificates
  /** Of every request; none unless given. */
  readonly headers?: readonly HTTPHeader[]
  /** What asks for them, or for this cluster, beside the backend itself. */
  readonly source?: string
}

/** The cluster of a backend that the proxies of a Gateway speak HTTP to. */
export function buildClusterResource(
  place: Place,
  backend: BackendNode,
  { reads, clientCertificates, headers = [], source }: ClusterResourceContext,
): EnvoyResource {
  const certificate = backend.tls && (backend.clientCertificate ?? reads.get(clientCertificates, place.scope))
  const secrets = backend.tls ? listTlsSecrets(backend.tls, certificate) : []
  const { key, tlsPolicy } = backend
  const others: string[] = []
  if (tlsPolicy !== undefined) others.push(`${gatewayGroup}/BackendTLSPolicy/${tlsPolicy}`)
  if (source !== undefined) others.push(source)
  const bytes = buildCluster(backend, { name: place.name, certificate, headers })
  const slowToWarm = backend.endpoints.type === 'dns'
  return buildBackendResource(typeUrls.cluster, place, bytes, {
    backend: key,
    others,
    slowToWarm,
    ...(secrets.length > 0 && { secrets }),
  })
}

/** The endpoints of such a cluster. @returns nothing where they are looked up by name */
export function buildEndpointResource(
  place: Place,
  backend: BackendNode,
  reads: Reads,
  graph: Graph,
): EnvoyResource | undefined {
  if (backend.endpoints.type === 'dns') return undefined
  const bytes = buildClusterLoadAssignment(backend, listSlices(backend, reads, graph), place.name)
  return buildBackendResource(typeUrls.endpoint, place, bytes, { backend: backend.key })
}

/** What TLS to backends takes, beside the certificate of the Gateway. @returns nothing where that is nothing */
export function buildSecretUser(
  gateway: NamespacedName | string,
  backends: readonly BackendNode[],
): SecretUser | undefined {
  const certificates = backends.flatMap(({ clientCertificate }) => clientCertificate ?? [])
  const authorities = backends.flatMap(({ tls }) => (tls && tls.authorities !== 'system' ? [tls.authorities] : []))
  return certificates.length + authorities.length > 0 ? { gateway, certificates, authorities } : undefined
}

/** The EndpointSlices that a backend's endpoints come from, if they do. */
export function listSlices({ endpoints, target }: BackendNode, reads: Reads, graph: Graph): readonly EndpointSlice[] {
  if (endpoints.type !== 'endpoint-slices') return []
  return reads.lookup(graph.endpointSlicesByService, namespacedName(target.namespace, endpoints.service))
}

/** The backend behind a cluster, with the protocol that the cluster's users speak: routes of another kind may speak another. */
export function findBackend(
  reads: Reads,
  graph: Graph,
  { key, protocol, tls }: BackendIdentity,
): BackendNode | undefined {
  const backend = reads.get(graph.backends, key)
  if (backend?.state !== 'resolved' || backend.tlsProblem || backend.tls?.hash !== tls) return undefined
  return backend.protocol === protocol ? backend : { ...backend, protocol }
}

/** @param users those of the cluster: any of them tells which backend is behind it */
function findUsed(reads: Reads, graph: Graph, cluster: string, users: readonly BackendUser[]): BackendNode | undefined {
  const backends = users[0]?.backends ?? none
  const used = backends.length === 1 ? backends[0] : backends.find((backend) => clusterName(backend) === cluster)
  return used && findBackend(reads, graph, used)
}
