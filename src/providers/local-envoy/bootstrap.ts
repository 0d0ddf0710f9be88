import { baseBootstrap as base } from '../../infrastructure/base-bootstrap.ts'

export interface BootstrapOptions {
  readonly nodeId: string
  /** Socket of the control plane, and the credential that it knows this proxy by. */
  readonly xds: { readonly unixPath: string; readonly token: string }
  /** Port of the admin page on loopback; 0 for any. */
  readonly adminPort: number
}

/** The bootstrap of one local Envoy, as an object: no text of a user is ever pasted into a document. */
export function buildBootstrap({ nodeId, xds, adminPort }: BootstrapOptions): object {
  const { ads_config: ads } = base.dynamic_resources
  const service = {
    ...ads.grpc_services[0],
    initial_metadata: [{ key: 'authorization', value: `Bearer ${xds.token}` }],
  }
  const endpoint = { endpoint: { address: { pipe: { path: xds.unixPath } } } }
  const cluster = {
    ...base.static_resources.clusters[0],
    load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [endpoint] }] },
  }
  return {
    ...base,
    admin: { ...base.admin, address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    node: { id: nodeId, cluster: 'gatewright' },
    dynamic_resources: { ...base.dynamic_resources, ads_config: { ...ads, grpc_services: [service] } },
    static_resources: { ...base.static_resources, clusters: [cluster] },
  }
}
