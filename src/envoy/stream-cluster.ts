import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import { envoy } from '../gen/envoy.js'
import type { BackendNode } from '../graph/backend.ts'
import type { BackendTls } from '../graph/backend-tls-policy.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { buildClusterBase } from './cluster-base.ts'
import { listLbEndpoints } from './cluster-load-assignment.ts'
import { backendPath } from './names.ts'
import { buildLocalities, type WeightedEndpoints } from './stream-locality.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

const { Cluster } = envoy.config.cluster.v3
const { ClusterLoadAssignment } = envoy.config.endpoint.v3
type ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment
type LbEndpoint = envoy.config.endpoint.v3.LbEndpoint
const { Protocol } = envoy.config.core.v3.SocketAddress

/** A part of the connections of a place. */
export interface StreamShare {
  /** undefined: these connections are refused. */
  readonly backend: BackendNode | undefined
  /** How TLS is spoken to it; undefined: connections are passed on as they are. */
  readonly tls: BackendTls | undefined
  /** More than 0. */
  readonly weight: number
  /** Those of the backend's Service. */
  readonly slices: readonly EndpointSlice[]
}

/**
 * Nobody: a connection to it fails at once, in Envoy's own kernel, and a datagram is dropped. The
 * specification wants the share of a backend that does not exist, or has no endpoints, refused by its weight,
 * and Envoy would give it to the others.
 */
const nobody: LbEndpoint = { endpoint: { address: { socketAddress: { address: '255.255.255.255', portValue: 9 } } } }

/**
 * The cluster of a place: all backends of its route, each a locality with its weight. What the route says is
 * a matter of the endpoints, so that editing it keeps connections and never changes a listener (ADR 7).
 */
export function buildStreamCluster(
  name: string,
  shares: readonly StreamShare[],
  certificate?: CertificateNode,
): Uint8Array {
  return Cluster.encode({
    ...buildClusterBase(name, needsDns(shares) ? buildAssignment(name, shares) : undefined),
    commonLbConfig: { localityWeightedLbConfig: {} },
    transportSocketMatches: shares.flatMap(({ backend, tls }) =>
      backend && tls
        ? [buildSocketMatch(backend, buildUpstreamTls(tls, { certificate: backend.clientCertificate ?? certificate }))]
        : [],
    ),
  }).finish()
}

/** Each endpoint of a backend that is spoken to with TLS carries the backend's name, by which its socket is found. */
const matchKey = 'backend'

function buildSocketMatch(
  { target }: BackendNode,
  transportSocket: envoy.config.core.v3.TransportSocket,
): envoy.config.cluster.v3.Cluster.TransportSocketMatch {
  const name = backendPath(target)
  return { name, match: { fields: { [matchKey]: { stringValue: name } } }, transportSocket }
}

function markEndpoint(endpoint: LbEndpoint, { target }: BackendNode): LbEndpoint {
  const fields = { [matchKey]: { stringValue: backendPath(target) } }
  return { ...endpoint, metadata: { filterMetadata: { 'envoy.transport_socket_match': { fields } } } }
}

/** Endpoints that are names cannot come by EDS: then all of them stand in the cluster. */
export function needsDns(shares: readonly StreamShare[]): boolean {
  return shares.some(({ backend }) => backend?.endpoints.type === 'dns')
}

export function buildStreamAssignment(name: string, shares: readonly StreamShare[]): Uint8Array {
  return ClusterLoadAssignment.encode(buildAssignment(name, shares)).finish()
}

function buildAssignment(clusterName: string, shares: readonly StreamShare[]): ClusterLoadAssignment {
  const served: WeightedEndpoints[] = []
  // One locality, because Envoy knows an address once.
  let refused = 0
  for (const { backend, tls, weight, slices } of shares) {
    const found = backend ? listEndpoints(backend, slices) : []
    const isMarked = tls !== undefined
    const endpoints = backend && isMarked ? found.map((endpoint) => markEndpoint(endpoint, backend)) : found
    if (backend && endpoints.length > 0) served.push({ name: backendPath(backend.target), weight, endpoints, isMarked })
    else refused += weight
  }
  if (refused > 0) served.push({ name: 'nobody', weight: refused, endpoints: [nobody], isMarked: false })
  return { clusterName, endpoints: buildLocalities(served) }
}

function listEndpoints(backend: BackendNode, slices: readonly EndpointSlice[]): LbEndpoint[] {
  const found = listLbEndpoints(backend, slices)
  return backend.target.transport === 'UDP' ? found.flatMap(toDatagrams) : found
}

/** Datagrams go to no Unix socket. */
function toDatagrams({ endpoint }: LbEndpoint): LbEndpoint[] {
  const socketAddress = endpoint?.address?.socketAddress
  return socketAddress
    ? [{ endpoint: { address: { socketAddress: { ...socketAddress, protocol: Protocol.UDP } } } }]
    : []
}
