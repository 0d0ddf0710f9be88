import { describe, expect, it } from 'vitest'
import { type JsonResource, validateAll, validateResources } from './envoy-validate.ts'

const ads = { ads: {}, resource_api_version: 'V3' }
const http = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'

const listener = (more: object = {}): JsonResource => {
  const manager = {
    '@type': http,
    stat_prefix: 'port-80',
    rds: { config_source: ads, route_config_name: 't' },
    ...more,
  }
  return {
    type: 'listener',
    resource: {
      name: 'l',
      // Privileged, so that binding it would be noticed.
      address: { socket_address: { address: '192.0.2.7', port_value: 80 } },
      filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
    },
  }
}
const router = {
  name: 'router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
}
const table = (match: object): JsonResource => ({
  type: 'route',
  resource: {
    name: 't',
    validate_clusters: false,
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match, route: { cluster: 'c' } }] }],
  },
})
const cluster: JsonResource = {
  type: 'cluster',
  resource: { name: 'c', type: 'EDS', eds_cluster_config: { eds_config: ads } },
}
const endpoint = (address: string): JsonResource => ({
  type: 'endpoint',
  resource: {
    cluster_name: 'c',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: 80 } } } }] }],
  },
})

describe('stock Envoy, asked about resources', () => {
  it('accepts what is right, with our bootstrap', async () => {
    const resources = [listener({ http_filters: [router] }), table({ prefix: '/' }), cluster, endpoint('127.0.0.1')]
    expect(await validateResources(resources)).toBeUndefined()
  })

  it('tells of each kind of mistake, and of nothing else', async () => {
    const problems = await validateAll(
      new Map([
        ['good', [table({ prefix: '/' })]],
        ['regex', [table({ safe_regex: { regex: '(' } })]],
        ['unknown field', [table({ prefx: '/' })]],
        ['missing', [listener({ stat_prefix: '', http_filters: [router] })]],
        ['address', [endpoint('bad-host')]],
        ['big regex', [table({ safe_regex: { regex: '/[a-z]{600}' } })]],
        ['two tables', [table({ prefix: '/' }), table({ prefix: '/' })]],
      ]),
    )
    expect([...problems.keys()]).toEqual(['regex', 'unknown field', 'missing', 'address'])
    expect(problems.get('regex')).toContain('missing )')
    expect(problems.get('unknown field')).toContain('prefx')
    expect(problems.get('address')).toContain('malformed IP address: bad-host')
  })
})
