import { describe, expect, test } from 'vitest'
import { findKind, kinds } from './kinds.ts'
import { formatFieldPath, validateObject } from './validate-object.ts'

const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart' }, spec: { ports: [{ port: 80 }] } }
const messages = (raw: unknown, options = {}) => validateObject(raw, options).errors?.map((error) => error.message)

test.each<[unknown, string]>([
  [null, 'null is not an object'],
  ['text', '"text" is not an object'],
  [[], 'a list is not an object'],
  [{}, 'apiVersion: is required'],
  [{ apiVersion: 'v1' }, 'kind: is required'],
  [{ apiVersion: 1, kind: 'Service' }, 'apiVersion: is required, as text'],
  [
    { apiVersion: 'v1', kind: 'Pod' },
    'kind: "Pod" of "v1" is not supported: use Backend (gateway.envoyproxy.io/v1alpha1), BackendTLSPolicy (gateway.networking.k8s.io/v1), ',
  ],
  [{ apiVersion: 'v2', kind: 'Service' }, 'apiVersion: "v2" of Service is not supported: use v1'],
  [
    { apiVersion: 'gateway.networking.k8s.io/v1alpha2', kind: 'Gateway' },
    'use gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1beta1',
  ],
  [{ apiVersion: 'v1', kind: 'Service' }, 'metadata: is required: add it'],
  [{ apiVersion: 'v1', kind: 'Service', metadata: 'x' }, 'metadata: "x" is not an object'],
  [{ apiVersion: 'v1', kind: 'constructor' }, 'kind: "constructor" of "v1" is not supported'],
])('what is no object of a known kind is refused (%#)', (raw, message) => {
  expect(messages(raw)?.join('\n')).toContain(message)
})

describe('the namespace', () => {
  test('is required of namespaced kinds unless there is a default', () => {
    expect(messages(service)).toEqual(['metadata.namespace: is required: name a namespace'])
    expect(validateObject(service, { defaultNamespace: 'shop' }).object?.metadata.namespace).toBe('shop')
    expect(service.metadata).toEqual({ name: 'cart' })
  })

  test('is the one that is written, not the default', () => {
    const raw = { ...service, metadata: { name: 'cart', namespace: 'own' } }
    expect(validateObject(raw, { defaultNamespace: 'shop' }).object?.metadata.namespace).toBe('own')
  })
})

describe('unknown fields', () => {
  const raw = {
    ...service,
    metadata: { name: 'cart', namespace: 'shop', foo: 1 },
    spec: { ports: [{ port: 80, appProtocl: 1 }], x: {} },
    y: 1,
  }

  test('are all reported, with where they stand', () => {
    const { errors = [] } = validateObject(raw)
    expect(errors.map((error) => error.path)).toEqual([
      ['metadata', 'foo'],
      ['spec', 'ports', 0, 'appProtocl'],
      ['spec', 'x'],
      ['y'],
    ])
    expect(errors.map((error) => error.message)).toContain('unknown field "y": remove it')
    expect(errors.map((error) => error.message)).toContain(
      'unknown field "spec.ports[0].appProtocl": did you mean appProtocol?',
    )
  })

  test('are dropped on request, and nothing else is', () => {
    const copy = structuredClone(raw)
    expect(validateObject(raw, { unknownFields: 'drop' }).object).toMatchObject({ spec: { ports: [{ port: 80 }] } })
    expect(raw).toEqual(copy)
    expect(messages({ ...raw, spec: { ports: [{ port: 0, x: 1 }] } }, { unknownFields: 'drop' })).toEqual([
      'spec.ports[0].port: 0 is not a port: use 1 to 65535',
    ])
  })

  test('named __proto__ are unknown like any other', () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":1}}')
    expect(messages({ ...service, spec: hostile }, { defaultNamespace: 'a' })).toEqual([
      'unknown field "spec.__proto__": remove it',
    ])
    expect(
      validateObject({ ...service, spec: hostile }, { defaultNamespace: 'a', unknownFields: 'drop' }).object,
    ).toBeDefined()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

test('null counts as absent, in fields that have a default too', () => {
  const raw = { ...service, spec: { type: null, ports: [{ port: 80, name: null }], selector: null }, status: null }
  const { object } = validateObject(raw, { defaultNamespace: 'shop' })
  expect(object).toMatchObject({ spec: { type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP' }] } })
  expect(messages({ ...service, spec: { ports: [null] } }, { defaultNamespace: 'a' })).toEqual([
    'spec.ports[0]: null is not an object: write "field: value" lines',
  ])
})

test('status is accepted whatever it holds', () => {
  expect(
    validateObject({ ...service, status: { loadBalancer: { x: [1] } } }, { defaultNamespace: 'a' }).object,
  ).toBeDefined()
})

test('paths read as users write them', () => {
  expect(formatFieldPath(['spec', 'listeners', 0, 'port'])).toBe('spec.listeners[0].port')
  expect(formatFieldPath(['metadata', 'labels', 'a.b/c'])).toBe('metadata.labels["a.b/c"]')
  expect(formatFieldPath([])).toBe('')
})

describe('the table of kinds', () => {
  test.each(Object.entries(kinds))('finds %s in all of its versions', (name, { group, versions, kind }) => {
    expect(kind).toBe(name)
    for (const version of versions)
      expect(findKind(group === '' ? version : `${group}/${version}`, kind).found).toBe('supported')
    expect(findKind(`${group}/v0`, kind).found).toBe('unsupported-version')
    expect(findKind('example.com/v1', kind).found).toBe('unknown')
  })
})

test('half of a surrogate pair becomes a replacement character, as the API server has it', () => {
  const { object } = validateObject({
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'Backend',
    metadata: { name: 'a', namespace: 'b', annotations: { c: '\udc00' } },
    spec: { endpoints: [{ unix: { path: '/\ud800' } }] },
  })
  expect(object).toMatchObject({
    metadata: { annotations: { c: '\ufffd' } },
    spec: { endpoints: [{ unix: { path: '/\ufffd' } }] },
  })
})
