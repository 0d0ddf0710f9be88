import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { XBackend } from './x-backend.ts'
import { XBackendTrafficPolicy } from './x-backend-traffic-policy.ts'
import { XTelemetryPolicy } from './x-telemetry-policy.ts'

function check(schema: z.ZodType, kind: string, spec: object) {
  const head = { apiVersion: 'gateway.networking.x-k8s.io/v1alpha1', kind, metadata: { name: 'x' } }
  const result = schema.safeParse({ ...head, spec })
  return {
    spec: (result.data as { spec: Record<string, unknown> } | undefined)?.spec,
    messages: (result.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
  }
}

describe('an XBackend', () => {
  const outside = { type: 'ExternalHostname', port: { number: 443 }, externalHostname: { hostname: 'api.example.com' } }
  const inside = { type: 'EndpointSelector', port: { number: 80 }, endpointSelector: { matchLabels: { app: 'a' } } }
  const validation = { hostname: 'api.example.com', wellKnownCACertificates: 'System' }
  const serverOnly = { mode: 'ServerOnly', validation }

  test.each<[string, object]>([
    ['a host outside', outside],
    ['pods', inside],
    ['TLS', { ...outside, protocol: 'HTTP2', tls: serverOnly }],
    [
      'TLS both ways',
      { ...outside, tls: { ...serverOnly, mode: 'ClientAndServer', clientCertificateRef: { name: 'c' } } },
    ],
    ['sessions', { ...inside, sessionPersistence: { cookie: { name: 'c' } } }],
    ['HTTP/2 in the clear', { ...inside, protocol: 'H2C' }],
  ])('is accepted with %s', (_, spec) => {
    expect(check(XBackend, 'XBackend', spec).messages).toBe('')
  })

  test('has the port of older releases as its number', () => {
    expect(check(XBackend, 'XBackend', { ...outside, port: { port: 8443, name: 'https' } }).spec?.['port']).toEqual({
      number: 8443,
    })
  })

  test.each<[object, string]>([
    [{ type: 'ExternalHostname', port: { number: 1 } }, 'externalHostname: is required when type is ExternalHostname'],
    [
      { ...inside, externalHostname: { hostname: 'a.b' } },
      'externalHostname: is not allowed when type is EndpointSelector',
    ],
    [{ ...outside, port: {} }, 'port.number: is required'],
    [{ ...outside, externalHostname: { hostname: 'web.shop.svc.cluster.local' } }, 'is a name of the cluster'],
    [{ ...inside, endpointSelector: { matchLabels: {} } }, 'must have at least one label'],
    [{ ...outside, sessionPersistence: { cookie: {} } }, 'sessionPersistence: is not allowed'],
    [{ ...outside, protocol: 'H2C', tls: serverOnly }, 'ServerOnly is not allowed with protocol H2C'],
    [{ ...outside, protocol: 'HTTP2' }, 'HTTP2 needs tls'],
    [{ ...outside, protocol: 'WSS' }, 'WSS needs tls'],
    [{ ...outside, tls: { mode: 'ServerOnly' } }, 'tls.validation: is required when mode is ServerOnly'],
    [{ ...outside, tls: { mode: 'None', validation } }, 'tls.validation: is not allowed'],
    [{ ...outside, tls: { ...serverOnly, mode: 'ClientAndServer' } }, 'tls.clientCertificateRef: is required'],
    [
      { ...outside, tls: { ...serverOnly, clientCertificateRef: { name: 'c' } } },
      'tls.clientCertificateRef: is not allowed',
    ],
  ])('is refused (%#)', (spec, message) => {
    expect(check(XBackend, 'XBackend', spec).messages).toContain(message)
  })
})

describe('an XBackendTrafficPolicy', () => {
  const target = { group: '', kind: 'Service', name: 'a' }
  const constraint = (retryConstraint: object) => ({ targetRefs: [target], retryConstraint })

  test('has the defaults of the specification', () => {
    expect(check(XBackendTrafficPolicy, 'XBackendTrafficPolicy', constraint({})).spec?.['retryConstraint']).toEqual({
      budget: { percent: 20, interval: '10s' },
      minRetryRate: { count: 10, interval: '1s' },
    })
  })

  test.each<[object, string]>([
    [{ targetRefs: [] }, 'targetRefs: must have at least one item'],
    [{ targetRefs: [target, target] }, 'repeats item 0'],
    [constraint({ budget: { percent: 101 } }), '101 is not a percentage'],
    [constraint({ budget: { interval: '500ms' } }), '"500ms" is not allowed'],
    [constraint({ minRetryRate: { count: 0 } }), 'minRetryRate.count'],
    [constraint({ minRetryRate: { interval: '0s' } }), '"0s" is not allowed'],
    [constraint({ minRetryRate: { interval: '2h' } }), '"2h" is not allowed'],
  ])('is refused (%#)', (spec, message) => {
    expect(check(XBackendTrafficPolicy, 'XBackendTrafficPolicy', spec).messages).toContain(message)
  })
})

describe('an XTelemetryPolicy', () => {
  const target = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'a' }
  const provider = { backendRef: { name: 'collector', port: 4317 }, headers: [{ name: 'x-key', value: 'k' }] }
  const tracing = (fields: object) => ({ targetRefs: [target], tracing: fields })
  const enabled = (fields: object) => tracing({ mode: 'Enabled', provider, ...fields })
  const attribute = (fields: object) => enabled({ attributes: [{ name: 'a', ...fields }] })

  test.each<[string, object]>([
    ['tracing by default', tracing({})],
    ['tracing switched off', tracing({ mode: 'Disabled' })],
    [
      'everything',
      enabled({
        samplingRate: { numerator: 5 },
        parentBasedSampling: { mode: 'Enabled', samplingRate: { numerator: 1, denominator: 2 } },
        serviceName: 'edge',
        spanName: 'GET orders',
        attributes: [
          { name: 'user', sourceType: 'Header', headerName: 'x-user' },
          { name: 'env', sourceType: 'Literal', literalValue: 'prod' },
          { name: 'method', sourceType: 'Attribute', attributeKey: 'http.request.method' },
        ],
      }),
    ],
  ])('is accepted with %s', (_, spec) => {
    expect(check(XTelemetryPolicy, 'XTelemetryPolicy', spec).messages).toBe('')
  })

  test.each<[object, string]>([
    [{ targetRefs: [target] }, 'tracing: is required'],
    [tracing({ mode: 'Enabled' }), 'tracing.provider: is required'],
    [tracing({ mode: 'Disabled', provider }), 'tracing.provider: is not allowed when mode is Disabled'],
    [tracing({ samplingRate: { numerator: 5 } }), 'tracing.samplingRate: is not allowed'],
    [enabled({ samplingRate: { numerator: 101 } }), '101 is more than the denominator'],
    [
      enabled({ parentBasedSampling: { samplingRate: { numerator: 5 } } }),
      'parentBasedSampling.samplingRate: is not allowed',
    ],
    [attribute({ sourceType: 'Header' }), 'headerName: is required when sourceType is Header'],
    [attribute({ sourceType: 'Literal', literalValue: 'a', headerName: 'b' }), 'headerName: is not allowed'],
    [enabled({ spanName: 'two  blanks' }), 'is not a span name'],
  ])('is refused (%#)', (spec, message) => {
    expect(check(XTelemetryPolicy, 'XTelemetryPolicy', spec).messages).toContain(message)
  })
})
