import { describe, expect, it } from 'vitest'
import { type BackendNode, backendKey } from '../graph/backend.ts'
import { typeUrls } from '../xds/resource.ts'
import { buildCluster } from './cluster.ts'
import { renderResource } from './proto-json.ts'

const target = { group: '', kind: 'Service', namespace: 'shop', name: 'web', port: 80 }
const service: BackendNode = {
  key: backendKey(target),
  target,
  state: 'resolved',
  protocol: 'http1',
  webSocket: false,
  endpoints: { type: 'endpoint-slices', service: 'cart', portName: '' },
}

function render(backend: BackendNode) {
  return renderResource({ typeUrl: typeUrls.cluster, bytes: buildCluster(backend) })
}

describe('a cluster', () => {
  it('gets its endpoints by EDS under its own name, so that they change without it', () => {
    expect(render(service)).toEqual({
      name: 'Service/shop/web/80/http1',
      alt_stat_name: 'shop/web/80',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '2s' } },
      connect_timeout: '5s',
      lb_policy: 'LEAST_REQUEST',
      per_connection_buffer_limit_bytes: 32768,
      ignore_health_on_host_removal: true,
      circuit_breakers: {
        thresholds: [
          {
            max_connections: 4294967295,
            max_pending_requests: 4294967295,
            max_requests: 4294967295,
            max_retries: 4294967295,
          },
        ],
      },
    })
  })

  it('speaks HTTP/2 without TLS to a backend that asks for it', () => {
    const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
    expect(render({ ...service, protocol: 'h2c' })).toMatchObject({
      name: 'Service/shop/web/80/h2c',
      typed_extension_protocol_options: {
        [extension]: {
          '@type': `type.googleapis.com/${extension}`,
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    })
  })

  it('asks DNS with limits, because a silent server would hold back the acknowledgement of all clusters', () => {
    const cluster = render({ ...service, endpoints: { type: 'dns', endpoints: [{ hostname: 'a.test', port: 81 }] } })
    expect(cluster).toMatchObject({
      type: 'STRICT_DNS',
      load_assignment: {
        cluster_name: 'Service/shop/web/80/http1',
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'a.test', port_value: 81 } } } }] },
        ],
      },
      typed_dns_resolver_config: {
        name: 'envoy.network.dns_resolver.cares',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
          query_tries: 1,
        },
      },
    })
    expect(cluster).not.toHaveProperty('eds_cluster_config')
  })

  it('has the same bytes whatever the endpoints are', () => {
    const unix = { type: 'static' as const, endpoints: [{ type: 'unix' as const, path: '/run/a' }] }
    expect(buildCluster({ ...service, endpoints: unix })).toEqual(buildCluster(service))
  })
})
