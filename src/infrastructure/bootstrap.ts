import { baseBootstrap } from './base-bootstrap.ts'
import { podPorts } from './infrastructure-options.ts'

const type = (name: string) => ({ '@type': `type.googleapis.com/${name}` })

/** Where the files of a pod are. */
export const podPaths = {
  /** The ConfigMap. */
  configuration: '/etc/gatewright',
  bootstrap: '/etc/gatewright/bootstrap.json',
  /** Envoy reads these two again when they change. */
  trust: '/etc/gatewright/xds-trust.json',
  credential: '/etc/gatewright/xds-credential.json',
  /** The projected token. */
  token: '/var/run/secrets/gatewright.dev/xds/token',
} as const

export interface PodBootstrapOptions {
  /** Where the control plane is. */
  readonly xds: { readonly host: string; readonly port: number; readonly serverName: string }
  readonly listenAddress: '0.0.0.0' | '::'
  /** Bytes that Envoy may allocate; requests are shed before. */
  readonly maxHeapBytes: number
  /** Other paths and ports than those of a pod; for tests. */
  readonly paths?: { readonly trust: string; readonly credential: string; readonly configuration: string }
  readonly ports?: { readonly admin: number; readonly readiness: number }
}

/**
 * The bootstrap of an Envoy in a pod. It holds no secret and nothing that changes while the pod lives: the
 * node comes from the command line, the trusted certificates and the token from files that Envoy watches.
 */
export function buildPodBootstrap(options: PodBootstrapOptions): object {
  const { dynamic_resources: dynamic, overload_manager: overload } = baseBootstrap
  const ports = options.ports ?? podPorts
  // A proxy that knows nothing must not become ready, however long the control plane is away.
  const wait = { initial_fetch_timeout: '0s' }
  return {
    ...baseBootstrap,
    admin: { ...baseBootstrap.admin, address: buildAddress('127.0.0.1', ports.admin) },
    dynamic_resources: {
      ...dynamic,
      cds_config: { ...dynamic.cds_config, ...wait },
      lds_config: { ...dynamic.lds_config, ...wait },
    },
    static_resources: {
      clusters: [buildXdsCluster(options), buildAdminCluster(ports.admin)],
      listeners: [buildReadinessListener(options.listenAddress, ports.readiness)],
    },
    overload_manager: {
      ...overload,
      refresh_interval: '0.25s',
      resource_monitors: [
        ...overload.resource_monitors,
        {
          name: 'envoy.resource_monitors.fixed_heap',
          typed_config: {
            ...type('envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig'),
            max_heap_size_bytes: String(options.maxHeapBytes),
          },
        },
      ],
      actions: [
        buildOverloadAction('envoy.overload_actions.shrink_heap', 0.95),
        buildOverloadAction('envoy.overload_actions.stop_accepting_requests', 0.98),
      ],
    },
  }
}

/** What Envoy trusts the control plane by, as a file that it watches: a rotated authority needs no new pod. */
export function buildTrustDocument(trustBundle: string): object {
  return {
    resources: [
      {
        ...type('envoy.extensions.transport_sockets.tls.v3.Secret'),
        name: 'xds_trust',
        validation_context: { trusted_ca: { inline_string: trustBundle } },
      },
    ],
  }
}

/** Where the token is. Envoy reads that file again whenever kubelet puts another one in its place. */
export function buildCredentialDocument(tokenPath: string): object {
  return {
    resources: [
      {
        ...type('envoy.extensions.transport_sockets.tls.v3.Secret'),
        name: 'xds_token',
        generic_secret: { secret: { filename: tokenPath } },
      },
    ],
  }
}

function buildXdsCluster({ xds, paths }: PodBootstrapOptions): object {
  const [base] = baseBootstrap.static_resources.clusters
  const protocol = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  const { trust, credential, configuration } = paths ?? podPaths
  const watch = (path: string) => ({
    path_config_source: { path, watched_directory: { path: configuration } },
    resource_api_version: 'V3',
  })
  return {
    ...base,
    type: 'STRICT_DNS',
    // A Service's address changes when the control plane is installed anew; nobody else will tell.
    dns_refresh_rate: '5s',
    dns_failure_refresh_rate: { base_interval: '0.5s', max_interval: '2s' },
    dns_lookup_family: 'ALL',
    load_assignment: {
      cluster_name: 'xds',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: buildAddress(xds.host, xds.port) } }] }],
    },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        ...type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        sni: xds.serverName,
        common_tls_context: {
          tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
          alpn_protocols: ['h2'],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: xds.serverName } }],
            },
            validation_context_sds_secret_config: { name: 'xds_trust', sds_config: watch(trust) },
          },
        },
      },
    },
    typed_extension_protocol_options: {
      [protocol]: {
        ...base.typed_extension_protocol_options[protocol],
        // The token of the moment goes with each stream; one in initial_metadata would be that of the pod's start.
        http_filters: [
          {
            name: 'envoy.filters.http.credential_injector',
            typed_config: {
              ...type('envoy.extensions.filters.http.credential_injector.v3.CredentialInjector'),
              overwrite: true,
              credential: {
                name: 'envoy.http.injected_credentials.generic',
                typed_config: {
                  ...type('envoy.extensions.http.injected_credentials.generic.v3.Generic'),
                  credential: { name: 'xds_token', sds_config: watch(credential) },
                  header: 'authorization',
                  header_value_prefix: 'Bearer ',
                },
              },
            },
          },
          {
            name: 'envoy.filters.http.upstream_codec',
            typed_config: type('envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec'),
          },
        ],
      },
    },
  }
}

function buildAdminCluster(port: number): object {
  return {
    name: 'admin',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'admin',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: buildAddress('127.0.0.1', port) } }] }],
    },
  }
}

/**
 * The only part of the admin page that others reach. Whole paths are compared, without normalization and
 * with the query, because what is forwarded is what was compared: nothing else of the page can be named.
 */
function buildReadinessListener(address: string, port: number): object {
  const routes = ['/ready', '/stats/prometheus'].map((path) => ({
    match: {
      path,
      headers: [
        { name: ':method', string_match: { exact: 'GET' } },
        { name: ':path', string_match: { exact: path } },
      ],
    },
    route: { cluster: 'admin', timeout: '10s' },
  }))
  return {
    name: 'readiness',
    address: buildAddress(address, port),
    // A full proxy is a ready one.
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    per_connection_buffer_limit_bytes: 32768,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
              stat_prefix: 'readiness',
              codec_type: 'HTTP1',
              common_http_protocol_options: { idle_timeout: '60s', max_connection_duration: '600s' },
              request_headers_timeout: '5s',
              stream_idle_timeout: '15s',
              max_request_headers_kb: 8,
              route_config: { virtual_hosts: [{ name: 'admin', domains: ['*'], routes }] },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    ...type('envoy.extensions.filters.http.router.v3.Router'),
                    suppress_envoy_headers: true,
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  }
}

function buildAddress(address: string, port: number): object {
  // "::" alone takes both families; elsewhere Envoy ignores the field.
  return { socket_address: { address, port_value: port, ...(address === '::' && { ipv4_compat: true }) } }
}

function buildOverloadAction(name: string, value: number): object {
  return { name, triggers: [{ name: 'envoy.resource_monitors.fixed_heap', threshold: { value } }] }
}
