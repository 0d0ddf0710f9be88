import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import { envoy } from '../gen/envoy.js'
import { type BackendNode, identityOf, type StaticEndpoint } from '../graph/backend.ts'
import { collectEndpoints, isPlainAddress, type SocketEndpoint } from '../graph/endpoint.ts'
import { clusterName } from './names.ts'
import { withWriter } from './spare-writer.ts'

type ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment
type LbEndpoint = envoy.config.endpoint.v3.LbEndpoint
const { ClusterLoadAssignment } = envoy.config.endpoint.v3

/**
 * The endpoints of a backend that are known by address: EDS takes IP addresses and Unix sockets, no names.
 * @param slices those of the backend's Service, in any order
 * @param name of the cluster; the backend's own unless given
 */
export function buildClusterLoadAssignment(
  backend: BackendNode,
  slices: readonly EndpointSlice[],
  name = clusterName(identityOf(backend)),
): Uint8Array {
  const endpoints = backend.endpoints.type === 'dns' ? [] : listLbEndpoints(backend, slices)
  return withWriter((writer) => ClusterLoadAssignment.encode(buildAssignment(name, endpoints), writer).finish())
}

/** What a backend leads to, also where that is a name. */
export function listLbEndpoints({ endpoints, target }: BackendNode, slices: readonly EndpointSlice[]): LbEndpoint[] {
  if (endpoints.type === 'static') return listStaticEndpoints(endpoints.endpoints)
  if (endpoints.type === 'endpoint-slices')
    return collectEndpoints(endpoints.portName, target.transport ?? 'TCP', slices).map(buildSocketEndpoint)
  return endpoints.endpoints.map(({ hostname, port }) => buildSocketEndpoint({ address: hostname, port }))
}

/** For clusters whose endpoints are names. */
export function buildNamedAssignment(
  name: string,
  endpoints: ReadonlyArray<{ readonly hostname: string; readonly port: number }>,
): ClusterLoadAssignment {
  return buildAssignment(
    name,
    endpoints.map(({ hostname, port }) => buildSocketEndpoint({ address: hostname, port })),
  )
}

function buildAssignment(name: string, lbEndpoints: readonly LbEndpoint[]): ClusterLoadAssignment {
  return { clusterName: name, endpoints: lbEndpoints.length === 0 ? [] : [{ lbEndpoints }] }
}

function buildSocketEndpoint({ address, port }: SocketEndpoint): LbEndpoint {
  return { endpoint: { address: { socketAddress: { address, portValue: port } } } }
}

/** As written, each once, without those for which Envoy would refuse all of them. */
function listStaticEndpoints(endpoints: readonly StaticEndpoint[]): LbEndpoint[] {
  const found = new Map<string, LbEndpoint>()
  for (const endpoint of endpoints) {
    if (endpoint.type === 'ip' && isPlainAddress(endpoint.address))
      found.set(`${endpoint.address} ${endpoint.port}`, buildSocketEndpoint(endpoint))
    else if (endpoint.type === 'unix' && isSocketPath(endpoint.path))
      found.set(endpoint.path, { endpoint: { address: { pipe: { path: endpoint.path } } } })
  }
  return [...found.values()]
}

/** Linux has room for 108 bytes, a NUL at the end included. */
function isSocketPath(path: string): boolean {
  return Buffer.byteLength(path) < 108 && !path.includes('\0') && path.isWellFormed()
}
