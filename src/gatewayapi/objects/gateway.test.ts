import { describe, expect, test } from 'vitest'
import { validateObject } from '../validate-object.ts'
import type { Gateway } from './gateway.ts'

const http = { name: 'http', port: 80, protocol: 'HTTP' }
const secret = { name: 'cert' }
const https = { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [secret] } }

function validate(spec: object) {
  const raw = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gw', namespace: 'infra' },
    spec: { gatewayClassName: 'gatewright', listeners: [http], ...spec },
  }
  const { object, errors = [] } = validateObject(raw)
  return { gateway: object as Gateway | undefined, messages: errors.map((error) => error.message) }
}

const many = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const listener = (fields: object) => ({ listeners: [{ ...http, ...fields }] })
const ca = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] }
const bundle = { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'b' }

describe('a Gateway is accepted with', () => {
  test.each<[string, object]>([
    ['an HTTP listener', {}],
    ['64 listeners', { listeners: many(64, (index) => ({ ...http, name: `l${index}`, port: 1000 + index })) }],
    [
      'one port by hostname',
      { listeners: [http, { ...http, name: 'a', hostname: 'a.com' }, { ...http, name: 'b', hostname: '*.a.com' }] },
    ],
    [
      'one port number for TCP and UDP',
      {
        listeners: [
          { ...http, protocol: 'TCP' },
          { ...http, name: 'u', protocol: 'UDP' },
        ],
      },
    ],
    ['HTTPS with a certificate', { listeners: [https] }],
    ['HTTPS with options instead', listener({ protocol: 'HTTPS', tls: { options: { 'example.com/cert': 'x' } } })],
    ['HTTPS without tls', listener({ protocol: 'HTTPS' })],
    ['TLS passthrough', listener({ protocol: 'TLS', tls: { mode: 'Passthrough' } })],
    ['a protocol of an implementation', listener({ protocol: 'example.com/bar' })],
    [
      'a namespace selector',
      listener({ allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { a: 'b' } } } } }),
    ],
    ['route kinds', listener({ allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }] } })],
    [
      'addresses',
      { addresses: [{ value: '1.2.3.4' }, { value: '1.2.3.5' }, { type: 'Hostname', value: 'a.com' }, {}, {}] },
    ],
    ['an unknown address type', { addresses: [{ type: 'test/fake-invalid-type', value: 'x' }] }],
    [
      'routability',
      { addresses: [{ routability: 'Cluster' }, { routability: '' }, { routability: 'example.com/zone' }] },
    ],
    [
      'infrastructure',
      {
        infrastructure: {
          labels: { 'a.com/b': 'c' },
          annotations: { b: 'any text' },
          parametersRef: { group: '', kind: 'ConfigMap', name: 'p' },
        },
      },
    ],
    [
      'client certificates',
      { tls: { frontend: { default: { validation: ca }, perPort: [{ port: 8443, tls: { validation: ca } }] } } },
    ],
    ['a client certificate of its own', { tls: { backend: { clientCertificateRef: secret } } }],
    ['a trust bundle', { tls: { frontend: { default: { validation: { caCertificateRefs: [bundle] } } } } }],
    ['allowed listeners', { allowedListeners: { namespaces: { from: 'All' } } }],
    [
      'filters on HTTP',
      listener({
        filters: { requests: [{ type: 'ExtensionRef', extensionRef: { group: 'a', kind: 'B', name: 'c' } }] },
      }),
    ],
  ])('%s', (_, spec) => {
    expect(validate(spec).messages).toEqual([])
  })
})

describe('a Gateway is refused for', () => {
  test.each<[string, object, string]>([
    ['no class', { gatewayClassName: undefined }, 'spec.gatewayClassName: is required: add it'],
    ['an empty class', { gatewayClassName: '' }, 'spec.gatewayClassName: must not be empty'],
    ['no listeners', { listeners: [] }, 'spec.listeners: must have at least one item'],
    [
      '65 listeners',
      { listeners: many(65, (i) => ({ ...http, name: `l${i}`, port: 1000 + i })) },
      'spec.listeners: has 65 items: use at most 64',
    ],
    ['port 70000', listener({ port: 70000 }), 'spec.listeners[0].port: 70000 is not a port: use 1 to 65535'],
    ['no port', listener({ port: undefined }), 'spec.listeners[0].port: is required: add it'],
    ['no protocol', listener({ protocol: undefined }), 'spec.listeners[0].protocol: is required: add it'],
    [
      'a bad protocol',
      listener({ protocol: 'H TTP' }),
      'spec.listeners[0].protocol: "H TTP" is not a protocol: use HTTP',
    ],
    ['a bad name', listener({ name: 'Http' }), 'spec.listeners[0].name: "Http" is not a section name'],
    [
      'a name twice',
      { listeners: [http, { ...http, port: 81 }] },
      'spec.listeners[1].name: "http" is the name of item 0 already',
    ],
    [
      'port, protocol and hostname twice',
      { listeners: [http, { ...http, name: 'b' }] },
      'spec.listeners[1]: has port 80, protocol HTTP and no hostname like listener "http"',
    ],
    [
      'tls on HTTP',
      listener({ tls: { certificateRefs: [secret] } }),
      'spec.listeners[0].tls: is not allowed for protocol HTTP',
    ],
    [
      'tls on TCP',
      listener({ protocol: 'TCP', tls: { certificateRefs: [secret] } }),
      'spec.listeners[0].tls: is not allowed for protocol TCP',
    ],
    [
      'passthrough on HTTPS',
      listener({ protocol: 'HTTPS', tls: { mode: 'Passthrough' } }),
      'spec.listeners[0].tls.mode: Passthrough is not allowed for protocol HTTPS',
    ],
    ['TLS without tls', listener({ protocol: 'TLS' }), 'spec.listeners[0].tls: is required for protocol TLS'],
    [
      'terminating without a certificate',
      listener({ protocol: 'TLS', tls: {} }),
      'tls.certificateRefs: is required when mode is Terminate',
    ],
    [
      'an unknown mode',
      listener({ protocol: 'TLS', tls: { mode: 'Mutual' } }),
      'tls.mode: "Mutual" is not supported: use Terminate or Passthrough',
    ],
    [
      'a hostname on TCP',
      listener({ protocol: 'TCP', hostname: 'a.com' }),
      'spec.listeners[0].hostname: is not allowed for protocol TCP',
    ],
    ['an IP as hostname', listener({ hostname: '1.2.3.4' }), 'hostname: "1.2.3.4" is an IP address'],
    [
      'unknown route namespaces',
      listener({ allowedRoutes: { namespaces: { from: 'None' } } }),
      'from: "None" is not supported: use All, Selector or Same',
    ],
    [
      '9 route kinds',
      listener({ allowedRoutes: { kinds: many(9, () => ({ kind: 'A' })) } }),
      'kinds: has 9 items: use at most 8',
    ],
    ['filters on TCP', listener({ protocol: 'TCP', filters: {} }), 'filters: is not allowed for protocol TCP'],
    [
      'an address twice',
      { addresses: [{ value: '1.2.3.4' }, { value: '1.2.3.4' }] },
      'spec.addresses[1].value: "1.2.3.4" is given twice',
    ],
    [
      'a bad hostname address',
      { addresses: [{ type: 'Hostname', value: 'a_b' }] },
      'spec.addresses[0].value: "a_b" is not a hostname',
    ],
    ['a bad address type', { addresses: [{ type: 'Foo' }] }, 'spec.addresses[0].type: "Foo" is not an address type'],
    ['17 addresses', { addresses: many(17, () => ({})) }, 'spec.addresses: has 17 items: use at most 16'],
    [
      'reserved routability',
      { addresses: [{ routability: 'a.k8s.io/b' }] },
      'routability: "a.k8s.io/b" is not a routability',
    ],
    [
      '9 infrastructure labels',
      { infrastructure: { labels: Object.fromEntries(many(9, (i) => [`l${i}`, ''])) } },
      'infrastructure.labels: has 9 entries: use at most 8',
    ],
    [
      'a bad infrastructure label',
      { infrastructure: { labels: { a: 'b c' } } },
      'infrastructure.labels.a: is not a label value',
    ],
    [
      'a bad infrastructure annotation',
      { infrastructure: { annotations: { 'A.com/b': '' } } },
      'annotations["A.com/b"]: "A.com" is not a DNS name',
    ],
    [
      'a port twice in tls',
      {
        tls: {
          frontend: {
            default: {},
            perPort: [
              { port: 1, tls: {} },
              { port: 1, tls: {} },
            ],
          },
        },
      },
      'perPort[1].port: 1 repeats item 0',
    ],
    ['no frontend default', { tls: { frontend: {} } }, 'tls.frontend.default: is required: add it'],
    [
      'no CA',
      { tls: { frontend: { default: { validation: { caCertificateRefs: [] } } } } },
      'caCertificateRefs: must have at least one item',
    ],
    [
      'a bundle in a namespace',
      { tls: { frontend: { default: { validation: { caCertificateRefs: [{ ...bundle, namespace: 'a' }] } } } } },
      'caCertificateRefs[0].namespace: is not allowed for a ClusterTrustBundle',
    ],
    [
      'unknown allowed listeners',
      { allowedListeners: { namespaces: { from: 'Some' } } },
      'from: "Some" is not supported: use All, Selector, Same or None',
    ],
  ])('%s', (_, spec, message) => {
    expect(validate(spec).messages.join('\n')).toContain(message)
  })
})

test('a Gateway is completed with the defaults of its fields', () => {
  const { gateway } = validate({
    listeners: [http, { ...https, allowedRoutes: {} }],
    addresses: [{}],
    allowedListeners: {},
  })
  const [first, second] = gateway?.spec.listeners ?? []
  expect(first?.allowedRoutes).toEqual({ namespaces: { from: 'Same' } })
  expect(second?.allowedRoutes).toEqual({ namespaces: { from: 'Same' } })
  expect(second?.tls).toEqual({ mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'cert' }] })
  expect(gateway?.spec.addresses).toEqual([{ type: 'IPAddress' }])
  expect(gateway?.spec.allowedListeners).toEqual({ namespaces: { from: 'None' } })
})

describe('a GatewayClass', () => {
  const check = (spec: object) =>
    validateObject({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'c', namespace: 'x' },
      spec,
    })

  test('is accepted, and its namespace ignored', () => {
    const parametersRef = { group: 'a.b', kind: 'C', name: 'd', namespace: 'e' }
    const { object } = check({ controllerName: 'gatewright.dev/gateway-controller', description: 'd', parametersRef })
    expect(object?.metadata.namespace).toBe('')
  })

  test.each<[object, string]>([
    [{}, 'spec.controllerName: is required'],
    [{ controllerName: 'gatewright' }, 'spec.controllerName: "gatewright" is not a controller name'],
    [{ controllerName: 'a.b/c', description: 'x'.repeat(65) }, 'is too long: use at most 64 characters'],
    [{ controllerName: 'a.b/c', parametersRef: { name: 'x', kind: 'C' } }, 'spec.parametersRef.group: is required'],
  ])('is refused (%j)', (spec, message) => {
    expect(
      check(spec)
        .errors?.map((error) => error.message)
        .join('\n'),
    ).toContain(message)
  })
})

describe('a ReferenceGrant', () => {
  const from = { group: '', kind: 'Gateway', namespace: 'a' }
  const to = { group: '', kind: 'Secret' }
  const check = (spec: object, apiVersion = 'gateway.networking.k8s.io/v1beta1') =>
    validateObject({ apiVersion, kind: 'ReferenceGrant', metadata: { name: 'g', namespace: 'x' }, spec })

  test('is accepted in its older version', () => {
    expect(check({ from: [from], to: [to, { ...to, name: 'cert' }] }).object?.apiVersion).toBe(
      'gateway.networking.k8s.io/v1',
    )
  })

  test.each<[object, string]>([
    [{ to: [to] }, 'spec.from: is required'],
    [{ from: [], to: [to] }, 'spec.from: must have at least one item'],
    [{ from: [from], to: many(17, () => to) }, 'spec.to: has 17 items: use at most 16'],
    [{ from: [{ ...from, namespace: undefined }], to: [to] }, 'spec.from[0].namespace: is required'],
    [{ from: [{ ...from, name: 'x' }], to: [to] }, 'unknown field "spec.from[0].name"'],
  ])('is refused (%#)', (spec, message) => {
    expect(
      check(spec)
        .errors?.map((error) => error.message)
        .join('\n'),
    ).toContain(message)
  })
})
