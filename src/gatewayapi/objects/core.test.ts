import { describe, expect, test } from 'vitest'
import { validateObject } from '../validate-object.ts'
import { decodeSecretValue, type Secret } from './secret.ts'

function validate(apiVersion: string, kind: string, fields: object, metadata: object = {}) {
  const raw = { apiVersion, kind, metadata: { name: 'x', namespace: 'shop', ...metadata }, ...fields }
  const { object, errors = [] } = validateObject(raw)
  return { object, messages: errors.map((error) => error.message).join('\n') }
}

/** Names that are properties of every ordinary object, and the one that changes its prototype. */
const treacherous = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t","hasOwnProperty":"h","valueOf":"v"}')

describe('metadata', () => {
  const check = (metadata: object) => validate('v1', 'ConfigMap', {}, metadata)

  test('keeps what is read and accepts everything that kubectl exports', () => {
    const { object } = check({
      generateName: 'x-',
      labels: { 'app.kubernetes.io/name': 'web', empty: '' },
      annotations: { 'Example.com/Note': 'any text: äöü' },
      generation: 3,
      creationTimestamp: '2026-01-31T12:00:00Z',
      deletionTimestamp: null,
      uid: 'u',
      resourceVersion: '7',
      finalizers: ['a'],
      ownerReferences: [{ kind: 'A' }],
      managedFields: [{ manager: 'kubectl' }],
      selfLink: '/x',
      deletionGracePeriodSeconds: 0,
    })
    expect(object?.metadata).toEqual({
      name: 'x',
      namespace: 'shop',
      labels: { 'app.kubernetes.io/name': 'web', empty: '' },
      annotations: { 'Example.com/Note': 'any text: äöü' },
      generation: 3,
      creationTimestamp: '2026-01-31T12:00:00Z',
      uid: 'u',
      resourceVersion: '7',
    })
  })

  test.each<[object, string]>([
    [{ name: undefined }, 'metadata.name: is required'],
    [{ name: 'Web' }, 'metadata.name: "Web" is not a DNS name'],
    [{ name: 'a'.repeat(254) }, 'is too long: use at most 253'],
    [{ name: '__proto__' }, 'metadata.name: "__proto__" is not a DNS name'],
    [{ namespace: 'a.b' }, 'metadata.namespace: "a.b" is not a namespace'],
    [{ labels: { 'a b': 'c' } }, 'metadata.labels["a b"]: is not a key'],
    [{ labels: { [`${'a'.repeat(64)}`]: 'c' } }, 'is not a key'],
    [{ labels: { 'a_b/c': 'd' } }, 'metadata.labels["a_b/c"]: "a_b" is not a DNS name'],
    [{ labels: { a: '-' } }, 'metadata.labels.a: is not a label value'],
    [{ labels: { a: 'x'.repeat(64) } }, 'metadata.labels.a: is not a label value'],
    [{ labels: { a: 1 } }, 'metadata.labels.a: must be text: put quotes around it'],
    [{ labels: ['a'] }, 'metadata.labels: must be a map of strings'],
    [{ labels: JSON.parse('{"__proto__":"x"}') }, 'metadata.labels.__proto__: is not a key'],
    [{ creationTimestamp: 'yesterday' }, 'metadata.creationTimestamp: "yesterday" is not a time'],
    [{ lables: {} }, 'unknown field "metadata.lables": did you mean labels?'],
  ])('is refused (%#)', (metadata, message) => {
    expect(check(metadata).messages).toContain(message)
  })

  test('gives names of ordinary properties as labels no meaning', () => {
    const { __proto__: _, ...labels } = treacherous
    const { object } = check({ labels })
    expect(Object.getPrototypeOf(object?.metadata.labels)).toBeNull()
    expect(object?.metadata.labels).toEqual(labels)
    expect(check({}).object?.metadata.labels['constructor']).toBeUndefined()
  })
})

describe('a Service', () => {
  const check = (spec: object | undefined, metadata = {}) => validate('v1', 'Service', { spec }, metadata)

  test('is completed', () => {
    const { object } = check({ ports: [{ port: 80, targetPort: 'http' }], selector: { app: 'web' }, clusterIP: 'None' })
    expect(object).toMatchObject({ spec: { type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP' }] } })
    expect(check(undefined).object).toMatchObject({ spec: { type: 'ClusterIP', ports: [] } })
  })

  test.each<[object, string, object?]>([
    [{ ports: [{ port: 0 }] }, 'spec.ports[0].port: 0 is not a port'],
    [
      { ports: [{ port: 1 }, { port: 2, name: 'b' }] },
      'spec.ports[0].name: is required when a Service has several ports',
    ],
    [
      {
        ports: [
          { port: 1, name: 'a' },
          { port: 2, name: 'a' },
        ],
      },
      'spec.ports[1].name: "a" is used twice',
    ],
    [
      {
        ports: [
          { port: 1, name: 'a' },
          { port: 1, name: 'b' },
        ],
      },
      'spec.ports[1].port: 1/TCP is given twice',
    ],
    [{ ports: [{ port: 1, protocol: 'tcp' }] }, 'protocol: "tcp" is not supported: use TCP, UDP or SCTP'],
    [{ ports: [{ port: 1, targetPort: true }] }, 'targetPort: must be a port number or the name of one'],
    [{ type: 'Internal' }, 'spec.type: "Internal" is not supported: use ClusterIP'],
    [{ selectors: {} }, 'unknown field "spec.selectors": did you mean selector?'],
    [{}, 'metadata.name: "a.b" is not a DNS label', { name: 'a.b' }],
  ])('is refused (%#)', (spec, message, metadata) => {
    expect(check(spec, metadata).messages).toContain(message)
  })
})

describe('an EndpointSlice', () => {
  const check = (fields: object) => validate('discovery.k8s.io/v1', 'EndpointSlice', { addressType: 'IPv4', ...fields })

  test('is completed, also without endpoints', () => {
    expect(check({ endpoints: null, ports: null }).object).toMatchObject({ endpoints: [], ports: [] })
    const { object } = check({ endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] })
    expect(object).toMatchObject({
      endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }],
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    })
  })

  test.each<[object, string]>([
    [{ addressType: 'IP' }, 'addressType: "IP" is not supported: use IPv4, IPv6 or FQDN'],
    [{ endpoints: [{ addresses: [] }] }, 'endpoints[0].addresses: must have at least one item'],
    [{ endpoints: [{ addresses: ['::1'] }] }, 'endpoints[0].addresses[0]: "::1" is not an IPv4 address'],
    [{ addressType: 'IPv6', endpoints: [{ addresses: ['1.2.3.4'] }] }, '"1.2.3.4" is not an IPv6 address'],
    [
      { endpoints: [{ addresses: ['1.2.3.4'], conditions: { ready: 'yes' } }] },
      'conditions.ready: "yes" is not true or false',
    ],
  ])('is refused (%#)', (fields, message) => {
    expect(check(fields).messages).toContain(message)
  })
})

describe('a Secret', () => {
  const check = (fields: object) => validate('v1', 'Secret', fields)

  test('has stringData merged into data, where it wins', () => {
    const { object } = check({ data: { a: 'YQ==', b: 'Yg==' }, stringData: { b: 'B', c: 'ü' } })
    const secret = object as Secret
    expect(secret).toMatchObject({ type: 'Opaque', data: { a: 'YQ==', b: 'Qg==', c: 'w7w=' } })
    expect(secret).not.toHaveProperty('stringData')
    expect(decodeSecretValue(secret, 'c')).toEqual(Buffer.from('ü'))
    expect(decodeSecretValue(secret, 'constructor')).toBeUndefined()
  })

  test('may use every name as a key', () => {
    const secret = check({ stringData: treacherous }).object as Secret
    expect(Object.keys(secret.data).sort()).toEqual([
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toString',
      'valueOf',
    ])
    expect(Buffer.from(decodeSecretValue(secret, '__proto__') ?? []).toString()).toBe('p')
    expect(({} as Record<string, unknown>)['p']).toBeUndefined()
  })

  test.each<[object, string]>([
    [{ data: { a: 'not base64!' } }, 'data.a: is not base64'],
    [{ data: { a: 'YQ' } }, 'data.a: is not base64'],
    [{ data: { 'a b': 'YQ==' } }, 'data["a b"]: is not a key of data'],
    [{ data: { '..': 'YQ==' } }, 'is not a key of data'],
    [
      { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } },
      'data: tls.key is required when type is kubernetes.io/tls',
    ],
  ])('is refused (%#)', (fields, message) => {
    expect(check(fields).messages).toContain(message)
  })

  test('is not quoted in messages', () => {
    const { messages } = check({ data: { a: 's3cret!' }, stringData: { b: 12345678 } })
    expect(messages).not.toContain('s3cret')
    expect(messages).not.toContain('12345678')
  })
})

describe('a ConfigMap', () => {
  test('holds text and binary data', () => {
    const { object } = validate('v1', 'ConfigMap', { data: { 'ca.crt': 'pem' }, binaryData: { b: 'YQ==' } })
    expect(object).toMatchObject({ data: { 'ca.crt': 'pem' }, binaryData: { b: 'YQ==' } })
  })

  test.each<[object, string]>([
    [{ data: { 'a/b': '' } }, 'data["a/b"]: is not a key of data'],
    [{ data: { a: 5 } }, 'data.a: must be text'],
    [{ binaryData: { a: '?' } }, 'binaryData.a: is not base64'],
    [{ data: { a: '' }, binaryData: { a: '' } }, 'binaryData.a: is in data too'],
  ])('is refused (%#)', (fields, message) => {
    expect(validate('v1', 'ConfigMap', fields).messages).toContain(message)
  })
})

describe('a Namespace', () => {
  test('is cluster-scoped and needs no spec', () => {
    expect(validate('v1', 'Namespace', {}).object?.metadata.namespace).toBe('')
    expect(validate('v1', 'Namespace', {}, { name: 'a.b' }).messages).toContain('"a.b" is not a DNS label')
  })
})

describe('a Backend', () => {
  const check = (spec: object) => validate('gateway.envoyproxy.io/v1alpha1', 'Backend', { spec })
  const ip = { ip: { address: '10.0.0.1', port: 80 } }
  const fqdn = { fqdn: { hostname: 'a.com', port: 80 } }
  const many = (count: number) => Array.from({ length: count }, () => ip)

  test.each<[string, object]>([
    ['addresses', { endpoints: [ip, { ip: { address: '::1', port: 1 } }, { unix: { path: '/run/a.sock' } }] }],
    ['names', { endpoints: [{ ...fqdn, hostname: 'b.com', zone: 'z' }], appProtocols: ['gateway.envoyproxy.io/h2c'] }],
    ['TLS', { endpoints: [fqdn], tls: { wellKnownCACertificates: 'System', autoSNIFromEndpointHostname: true } }],
  ])('is accepted with %s', (_, spec) => {
    expect(check(spec).messages).toBe('')
    expect(check(spec).object).toMatchObject({ spec: { type: 'Endpoints' } })
  })

  test.each<[object, string]>([
    [{ type: 'DynamicResolver' }, 'spec.type: DynamicResolver is not supported by this version of Gatewright'],
    [{ type: 'Foo' }, 'spec.type: "Foo" is not supported: use Endpoints'],
    [{ endpoints: [] }, 'spec.endpoints: must have at least one item'],
    [{ endpoints: many(257) }, 'spec.endpoints: has 257 items: use at most 256'],
    [{ endpoints: [{}] }, 'spec.endpoints[0]: has no address'],
    [{ endpoints: [{ ...ip, ...fqdn }] }, 'spec.endpoints[0]: has several addresses'],
    [{ endpoints: [ip, fqdn] }, 'spec.endpoints: mixes fqdn with other addresses'],
    [{ endpoints: [{ ip: { address: 'a.com', port: 80 } }] }, 'ip.address: "a.com" is not an IP address: use fqdn'],
    [{ endpoints: [{ ip: { address: '1.2.3.4', port: 0 } }] }, 'ip.port: 0 is not a port'],
    [{ endpoints: [{ unix: { path: 'x'.repeat(109) } }] }, 'is too long: use at most 108'],
    [{ appProtocols: ['h2c'] }, 'appProtocols[0]: "h2c" is not supported'],
    [
      { tls: { insecureSkipVerify: true, wellKnownCACertificates: 'System' } },
      'tls.insecureSkipVerify: is not allowed together',
    ],
    [{ tls: { sni: 'a', autoSNIFromEndpointHostname: true } }, 'tls.sni: is not allowed together'],
    [{ tls: { minVersion: '1.3', ciphers: ['A'] } }, 'tls.ciphers: has no effect'],
    [{ tls: { minVersion: '1.3', maxVersion: '1.2' } }, 'tls.maxVersion: 1.2 is less than minVersion'],
    [
      { endpoints: [ip], tls: { autoSNIFromEndpointHostname: true } },
      'endpoints[0].hostname: is required with autoSNI',
    ],
  ])('is refused (%#)', (spec, message) => {
    expect(check(spec).messages).toContain(message)
  })
})
