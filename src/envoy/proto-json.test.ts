import { Writer } from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import { envoy } from '../gen/envoy.js'
import { typeUrls } from '../xds/resource.ts'
import { buildDuration, packAny } from './any.ts'
import { redacted, renderMessage, renderResource } from './proto-json.ts'

const { Route, RouteAction } = envoy.config.route.v3
const { Cluster } = envoy.config.cluster.v3
const { Secret } = envoy.extensions.transport_sockets.tls.v3

/** A message with one length-delimited field. */
const field = (number: number, bytes: Uint8Array) =>
  Writer.create()
    .uint32((number << 3) | 2)
    .bytes(bytes)
    .finish()
const text = (value: string) => new TextEncoder().encode(value)

describe('renderMessage', () => {
  it('uses the field names of the .proto files, enums by name, and leaves defaults out', () => {
    const bytes = Cluster.encode({
      name: 'c',
      lbPolicy: Cluster.LbPolicy.LEAST_REQUEST,
      ignoreHealthOnHostRemoval: true,
    }).finish()
    expect(renderMessage('envoy.config.cluster.v3.Cluster', bytes)).toEqual({
      name: 'c',
      lb_policy: 'LEAST_REQUEST',
      ignore_health_on_host_removal: true,
    })
  })

  it.each([
    [0, '0s'],
    [5000, '5s'],
    [250, '0.250s'],
    [1500, '1.500s'],
    [90_061_001, '90061.001s'],
  ])('writes %i ms as %s', (milliseconds, expected) => {
    const bytes = RouteAction.encode({ timeout: buildDuration(milliseconds) }).finish()
    expect(renderMessage('envoy.config.route.v3.RouteAction', bytes)).toEqual({ timeout: expected })
  })

  it.each([
    [-1, -500_000_000, '-1.500s'],
    [0, -500_000_000, '-0.500s'],
    [0, 1000, '0.000001s'],
    [0, 1, '0.000000001s'],
  ])('writes %i seconds and %i nanoseconds as %s', (seconds, nanos, expected) => {
    const bytes = Writer.create().uint32(8).int64(seconds).uint32(16).int32(nanos).finish()
    expect(renderMessage('google.protobuf.Duration', bytes)).toBe(expected)
  })

  it('writes wrappers as their values, also when the value is the default', () => {
    const bytes = Cluster.encode({
      perConnectionBufferLimitBytes: { value: 32768 },
      healthChecks: [{ healthyThreshold: { value: 0 } }],
    }).finish()
    expect(renderMessage('envoy.config.cluster.v3.Cluster', bytes)).toEqual({
      per_connection_buffer_limit_bytes: 32768,
      health_checks: [{ healthy_threshold: 0 }],
    })
  })

  it('expands an Any, and puts a value with a JSON form of its own into "value"', () => {
    const packed = packAny(RouteAction, { cluster: 'c', timeout: buildDuration(1) })
    const bytes = envoy.config.core.v3.TypedExtensionConfig.encode({ name: 'x', typedConfig: packed }).finish()
    expect(renderMessage('envoy.config.core.v3.TypedExtensionConfig', bytes)).toEqual({
      name: 'x',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.config.route.v3.RouteAction',
        cluster: 'c',
        timeout: '0.001s',
      },
    })
    const duration = {
      type_url: 'type.googleapis.com/google.protobuf.Duration',
      value: Writer.create().uint32(8).int64(3).finish(),
    }
    const other = envoy.config.core.v3.TypedExtensionConfig.encode({ typedConfig: duration }).finish()
    expect(renderMessage('envoy.config.core.v3.TypedExtensionConfig', other)).toEqual({
      typed_config: { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '3s' },
    })
  })

  it('writes Struct, Value and ListValue as JSON', () => {
    const number = Writer.create().uint32(17).double(1.5).finish()
    const nothing = Writer.create().uint32(8).int32(0).finish()
    const list = field(6, Buffer.concat([field(1, number), field(1, nothing), field(1, field(3, text('x')))]))
    const nested = field(
      5,
      field(1, Buffer.concat([field(1, text('deep')), field(2, Writer.create().uint32(32).bool(true).finish())])),
    )
    const struct = Buffer.concat([
      field(1, Buffer.concat([field(1, text('list')), field(2, list)])),
      field(1, Buffer.concat([field(1, text('__proto__')), field(2, nested)])),
    ])
    const rendered = renderMessage('google.protobuf.Struct', struct)
    expect(JSON.stringify(rendered)).toBe('{"list":[1.5,null,"x"],"__proto__":{"deep":true}}')
  })

  it('writes maps as objects and bytes in base64', () => {
    const packed = packAny(envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {
      explicitHttpConfig: { http2ProtocolOptions: {} },
    })
    const bytes = Cluster.encode({ typedExtensionProtocolOptions: { a: packed, b: packed } }).finish()
    expect(
      Object.keys(
        (renderMessage('envoy.config.cluster.v3.Cluster', bytes) as { typed_extension_protocol_options: object })
          .typed_extension_protocol_options,
      ),
    ).toEqual(['a', 'b'])
    const source = envoy.config.core.v3.DataSource.encode({ inlineBytes: text('hello') }).finish()
    expect(renderMessage('envoy.config.core.v3.DataSource', source)).toEqual({ inline_bytes: 'aGVsbG8=' })
  })

  it('reads packed and unpacked lists of numbers alike', () => {
    const packed = field(7, Uint8Array.of(0xf7, 0x03, 0xf8, 0x03))
    const unpacked = Writer.create().uint32(56).uint32(503).uint32(56).uint32(504).finish()
    for (const bytes of [packed, unpacked])
      expect(renderMessage('envoy.config.route.v3.RetryPolicy', bytes)).toEqual({ retriable_status_codes: [503, 504] })
  })

  it('names a field or message that it does not know', () => {
    expect(() => renderMessage('envoy.config.route.v3.Route', field(999, text('?')))).toThrow(
      /field 999 of envoy\.config\.route\.v3\.Route/,
    )
    expect(() => renderMessage('envoy.Nonsense', field(1, text('?')))).toThrow(/envoy\.Nonsense/)
  })
})

describe('renderResource', () => {
  const secret = {
    typeUrl: typeUrls.secret,
    bytes: Secret.encode({
      name: 's',
      tlsCertificate: { certificateChain: { inlineString: 'CHAIN' }, privateKey: { inlineString: 'KEY' } },
    }).finish(),
  }

  it('hides private keys', () => {
    expect(renderResource(secret)).toEqual({
      name: 's',
      tls_certificate: { certificate_chain: { inline_string: 'CHAIN' }, private_key: redacted },
    })
    expect(JSON.stringify(renderResource(secret))).not.toContain('KEY')
  })

  it('shows them when asked to', () => {
    expect(renderResource(secret, { revealSecrets: true })['tls_certificate']).toHaveProperty('private_key', {
      inline_string: 'KEY',
    })
  })

  it('takes the message from the type URL', () => {
    const bytes = Route.encode({ match: { prefix: '/' } }).finish()
    expect(renderResource({ typeUrl: 'type.googleapis.com/envoy.config.route.v3.Route', bytes })).toEqual({
      match: { prefix: '/' },
    })
  })
})
