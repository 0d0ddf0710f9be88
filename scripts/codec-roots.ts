/** A message that Gatewright encodes or decodes; what it refers to comes along. */
export interface CodecRoot {
  /** Import path of the .proto file. */
  readonly file: string
  /** Full name of the message. */
  readonly message: string
  /** If given, only these fields (proto names) are kept: the rest of the message is never read or sent. */
  readonly keep?: readonly string[]
}

const message = (file: string, name: string, keep?: readonly string[]): CodecRoot => {
  const dir = file.slice(0, file.lastIndexOf('/'))
  return { file: `${file}.proto`, message: `${dir.replaceAll('/', '.')}.${name}`, ...(keep && { keep }) }
}

const http = 'envoy/extensions/filters/http'
const network = 'envoy/extensions/filters/network'
const samplers = 'envoy/extensions/tracers/opentelemetry/samplers/v3'

/** What is sent: encoded, and printed from its bytes, never decoded into objects. */
export const resourceRoots: readonly CodecRoot[] = [
  message('envoy/config/listener/v3/listener', 'Listener'),
  message('envoy/config/route/v3/route', 'RouteConfiguration'),
  message('envoy/config/route/v3/scoped_route', 'ScopedRouteConfiguration'),
  message('envoy/config/cluster/v3/cluster', 'Cluster'),
  message('envoy/config/endpoint/v3/endpoint', 'ClusterLoadAssignment'),
  message('envoy/extensions/transport_sockets/tls/v3/secret', 'Secret'),
  message('envoy/extensions/transport_sockets/tls/v3/tls', 'DownstreamTlsContext'),
  message('envoy/extensions/transport_sockets/tls/v3/tls', 'UpstreamTlsContext'),
  message(`${network}/http_connection_manager/v3/http_connection_manager`, 'HttpConnectionManager'),
  message(`${network}/tcp_proxy/v3/tcp_proxy`, 'TcpProxy'),
  message('envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy', 'UdpProxyConfig'),
  message('envoy/extensions/filters/udp/udp_proxy/v3/route', 'Route'),
  message(`${http}/router/v3/router`, 'Router'),
  message(`${http}/cors/v3/cors`, 'Cors'),
  message(`${http}/cors/v3/cors`, 'CorsPolicy'),
  message(`${http}/composite/v3/composite`, 'Composite'),
  message(`${http}/composite/v3/composite`, 'ExecuteFilterAction', ['typed_config']),
  message('envoy/extensions/common/matching/v3/extension_matcher', 'ExtensionWithMatcher'),
  message('envoy/extensions/common/matching/v3/extension_matcher', 'ExtensionWithMatcherPerRoute'),
  message(`${http}/ext_authz/v3/ext_authz`, 'ExtAuthz'),
  message(`${http}/stateful_session/v3/stateful_session`, 'StatefulSession'),
  message(`${http}/stateful_session/v3/stateful_session`, 'StatefulSessionPerRoute'),
  message('envoy/extensions/http/stateful_session/cookie/v3/cookie', 'CookieBasedSessionState'),
  message('envoy/extensions/http/stateful_session/header/v3/header', 'HeaderBasedSessionState'),
  message('envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector', 'TlsInspector'),
  message('envoy/extensions/upstreams/http/v3/http_protocol_options', 'HttpProtocolOptions'),
  message('envoy/extensions/access_loggers/stream/v3/stream', 'StdoutAccessLog'),
  message('envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation', 'HeaderMutation'),
  message('envoy/extensions/retry/host/previous_hosts/v3/previous_hosts', 'PreviousHostsPredicate'),
  message('envoy/config/trace/v3/opentelemetry', 'OpenTelemetryConfig'),
  message(`${samplers}/parent_based_sampler`, 'ParentBasedSamplerConfig'),
  message(`${samplers}/trace_id_ratio_based_sampler`, 'TraceIdRatioBasedSamplerConfig'),
  message(`${samplers}/cel_sampler`, 'CELSamplerConfig'),
  message(`${http}/header_mutation/v3/header_mutation`, 'HeaderMutation', ['mutations']),
  message(`${http}/header_mutation/v3/header_mutation`, 'Mutations', ['request_mutations']),
  message(`${http}/upstream_codec/v3/upstream_codec`, 'UpstreamCodec'),
  message('envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver', 'CaresDnsResolverConfig'),
]

/** What proxies and Gatewright say to each other about resources. */
export const discoveryRoots: readonly CodecRoot[] = [
  message('envoy/service/discovery/v3/discovery', 'DiscoveryRequest'),
  message('envoy/service/discovery/v3/discovery', 'DiscoveryResponse'),
  message('envoy/service/discovery/v3/discovery', 'DeltaDiscoveryRequest'),
  message('envoy/service/discovery/v3/discovery', 'DeltaDiscoveryResponse'),
  // A proxy tells 60 KB about itself; this much of it is read.
  message('envoy/config/core/v3/base', 'Node', [
    'id',
    'cluster',
    'metadata',
    'user_agent_name',
    'user_agent_build_version',
  ]),
]
