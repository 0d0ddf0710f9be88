import { describe, expect, it } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import { type ListenerNode, listenerKey } from '../graph/listener.ts'
import { typeUrls } from '../xds/resource.ts'
import { buildListener } from './listener.ts'
import { renderResource } from './proto-json.ts'
import { buildSecret } from './secret.ts'

const gateway = 'shop/edge' as NamespacedName
const binding: GatewayBinding = { listenAddress: '127.0.0.1', ports: { 80: 10080 }, addresses: [], portProblems: {} }

function certificate(name: string) {
  return {
    key: `shop/${name}` as NamespacedName,
    chain: `chain of ${name}`,
    privateKey: `key of ${name}`,
    dnsNames: [],
  }
}

function listener(name: string, more: Partial<ListenerNode> = {}): ListenerNode {
  return {
    key: listenerKey({ kind: 'Gateway', key: gateway }, name),
    gateway,
    owner: { kind: 'Gateway', key: gateway },
    index: 0,
    name,
    port: 80,
    protocol: 'HTTP',
    hostname: '',
    tls: 'none',
    certificates: [],
    filters: [],
    isClosed: false,
    supportedKinds: [],
    allowedNamespaces: { from: 'Same' },
    verdict: 'accepted',
    problems: [],
    notes: [],
    ...more,
  }
}

const secure = { protocol: 'HTTPS', port: 443, tls: 'terminate' } as const

/** What tests look at, out of the JSON of a Listener. */
interface Rendered {
  readonly name: string
  readonly address: unknown
  readonly listener_filters?: unknown
  readonly filter_chains: readonly {
    readonly name: string
    readonly filter_chain_match?: unknown
    readonly filters: readonly { readonly typed_config: Readonly<Record<string, unknown>> }[]
    readonly transport_socket?: unknown
  }[]
}

function render(listeners: readonly ListenerNode[], headers: 'quiet' | 'verbose' = 'quiet') {
  const { bytes, secrets } = buildListener(listeners, { binding, profile: { headers } })
  return { secrets, listener: renderResource({ typeUrl: typeUrls.listener, bytes }) as unknown as Rendered }
}

describe('an Envoy listener', () => {
  it('has the name of the port that users write and listens on the one that is bound', () => {
    const { listener: rendered } = render([listener('http')])
    expect(rendered.name).toBe('port-80')
    expect(rendered.address).toEqual({ socket_address: { address: '127.0.0.1', port_value: 10080 } })
    const { listener: other } = render([listener('http', { port: 8080 })])
    expect(other.address).toEqual({ socket_address: { address: '127.0.0.1', port_value: 8080 } })
  })

  it('serves all HTTP listeners of a port from one table', () => {
    const { listener: rendered, secrets } = render([
      listener('all'),
      listener('some', { hostname: '*.example.com' }),
      listener('one', { hostname: 'a.example.com' }),
    ])
    expect(rendered.filter_chains).toHaveLength(1)
    expect(rendered.filter_chains[0]?.filters[0]?.typed_config['rds']).toEqual({
      route_config_name: 'port-80',
      config_source: { ads: {}, resource_api_version: 'V3' },
    })
    expect(rendered).not.toHaveProperty('listener_filters')
    expect(secrets).toEqual([])
  })

  it('does not change with the HTTP listeners of its port, because every change drains connections', () => {
    const one = buildListener([listener('all')], { binding, profile: { headers: 'quiet' } })
    const two = buildListener([listener('one', { hostname: 'a.test' }), listener('all')], {
      binding,
      profile: { headers: 'quiet' },
    })
    expect(two).toEqual(one)
  })

  it('has a chain with a table of its own for each HTTPS listener, and one for every other name', () => {
    const { listener: rendered, secrets } = render([
      listener('any', { ...secure, certificates: [certificate('any')] }),
      listener('one', { ...secure, hostname: 'a.test', certificates: [certificate('rsa'), certificate('ec')] }),
      listener('some', { ...secure, hostname: '*.test', certificates: [certificate('rsa')] }),
    ])
    expect(rendered.filter_chains.map((chain) => [chain.name, chain.filter_chain_match])).toEqual([
      ['*', { transport_protocol: 'tls' }],
      ['*.test', { transport_protocol: 'tls', server_names: ['*.test'] }],
      ['a.test', { transport_protocol: 'tls', server_names: ['a.test'] }],
    ])
    expect(rendered.filter_chains.map((chain) => chain.filters[0]?.typed_config['rds'])).toMatchObject([
      { route_config_name: 'port-443/*' },
      { route_config_name: 'port-443/*.test' },
      { route_config_name: 'port-443/a.test' },
    ])
    expect(rendered.listener_filters).toMatchObject([{ name: 'envoy.filters.listener.tls_inspector' }])
    expect(secrets).toEqual(['Secret/shop/any', 'Secret/shop/ec', 'Secret/shop/rsa'])
  })

  it('has the same bytes in whatever order listeners come', () => {
    const a = listener('a', { ...secure, hostname: 'a.test', certificates: [certificate('a')] })
    const b = listener('b', { ...secure, hostname: 'b.test', certificates: [certificate('b')] })
    expect(buildListener([a, b], { binding, profile: { headers: 'quiet' } })).toEqual(
      buildListener([b, a], { binding, profile: { headers: 'quiet' } }),
    )
  })

  it('names certificates in the order of their references and never holds a key', () => {
    const { listener: rendered } = render([
      listener('one', { ...secure, certificates: [certificate('rsa'), certificate('ec')] }),
    ])
    const sds_config = { ads: {}, resource_api_version: 'V3' }
    expect(rendered.filter_chains[0]?.transport_socket).toEqual({
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        common_tls_context: {
          alpn_protocols: ['h2', 'http/1.1'],
          tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
          tls_certificate_sds_secret_configs: [
            { name: 'Secret/shop/rsa', sds_config },
            { name: 'Secret/shop/ec', sds_config },
          ],
        },
      },
    })
    expect(JSON.stringify(rendered)).not.toContain('key of')
  })

  it('does not change when a certificate is rotated', () => {
    const before = listener('one', { ...secure, certificates: [certificate('web')] })
    const after = { ...before, certificates: [{ ...certificate('web'), chain: 'new', privateKey: 'new' }] }
    expect(buildListener([after], { binding, profile: { headers: 'quiet' } })).toEqual(
      buildListener([before], { binding, profile: { headers: 'quiet' } }),
    )
  })

  it('limits what a client may hold, and gives a path one spelling', () => {
    const { listener: rendered } = render([listener('http')])
    expect(rendered.filter_chains[0]?.filters[0]?.typed_config).toMatchObject({
      stat_prefix: 'port-80',
      use_remote_address: true,
      normalize_path: true,
      merge_slashes: true,
      path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST', idle_timeout: '900s' },
      http2_protocol_options: {
        max_concurrent_streams: 100,
        initial_stream_window_size: 65536,
        initial_connection_window_size: 1048576,
      },
      stream_idle_timeout: '300s',
      request_headers_timeout: '10s',
      upgrade_configs: [{ upgrade_type: 'websocket' }],
    })
  })

  it.each([
    ['quiet', 'PASS_THROUGH', true],
    ['verbose', undefined, false],
  ] as const)('has the header habit %s', (headers, transformation, suppress) => {
    const manager = render([listener('http')], headers).listener.filter_chains[0]?.filters[0]?.typed_config ?? {}
    // OVERWRITE is Envoy's default, which protobuf may leave out.
    expect([transformation, 'OVERWRITE']).toContain(manager['server_header_transformation'] ?? 'OVERWRITE')
    const router = (manager['http_filters'] as { typed_config: { suppress_envoy_headers?: boolean } }[]).at(-1)
    expect(router?.typed_config.suppress_envoy_headers ?? false).toBe(suppress)
    // An empty list would make every private address an internal one.
    expect(manager['internal_address_config']).toEqual({
      cidr_ranges: [{ address_prefix: '255.255.255.255', prefix_len: 32 }],
    })
  })
})

describe('a secret', () => {
  it('holds the certificate and its key, which is not printed', () => {
    const bytes = buildSecret(certificate('web'))
    expect(renderResource({ typeUrl: typeUrls.secret, bytes })).toEqual({
      name: 'Secret/shop/web',
      tls_certificate: { certificate_chain: { inline_string: 'chain of web' }, private_key: '[redacted]' },
    })
    expect(Buffer.from(bytes).includes('key of web')).toBe(true)
  })
})
