import { describe, expect, test } from 'vitest'
import { contains, identifyItem, leaveOut } from './field-path.ts'

const service = {
  metadata: {
    labels: { 'app.kubernetes.io/name': 'edge', team: 'blue' },
    ownerReferences: [{ uid: 'u', name: 'edge' }],
  },
  spec: {
    selector: { a: 'b' },
    ports: [
      { name: 'dns', port: 53, protocol: 'TCP', targetPort: 10053 },
      { name: 'dns-udp', port: 53, protocol: 'UDP', targetPort: 10053 },
    ],
    args: ['x', 'y'],
  },
}

const without = (...fields: string[]) => leaveOut(service, new Set(fields))

describe('leaving out a field that the API server names', () => {
  test.each([
    ['.spec.selector', (s: typeof service) => Reflect.deleteProperty(s.spec, 'selector')],
    [
      '.spec.ports[port=53,protocol="UDP"].name',
      (s: typeof service) => Reflect.deleteProperty(s.spec.ports[1] ?? {}, 'name'),
    ],
    ['.spec.ports[port=53,protocol="TCP"]', (s: typeof service) => void s.spec.ports.shift()],
    [
      '.metadata.labels.app.kubernetes.io/name',
      (s: typeof service) => Reflect.deleteProperty(s.metadata.labels, 'app.kubernetes.io/name'),
    ],
    [
      '.metadata.ownerReferences[uid="u"].name',
      (s: typeof service) => Reflect.deleteProperty(s.metadata.ownerReferences[0] ?? {}, 'name'),
    ],
    ['.spec.args', (s: typeof service) => Reflect.deleteProperty(s.spec, 'args')],
  ])('%s', (field, remove) => {
    const expected = structuredClone(service)
    remove(expected)
    expect(without(field)).toEqual({ object: expected, unknown: [] })
  })

  test('names those that are not there', () => {
    expect(without('.spec.nothing', '.spec.args[0]', '.spec.selector')).toMatchObject({
      unknown: ['.spec.nothing', '.spec.args[0]'],
    })
  })

  test('changes nothing of the original', () => {
    const before = structuredClone(service)
    without('.spec.selector', '.spec.ports[port=53,protocol="TCP"]')
    expect(service).toEqual(before)
  })
})

test('items are named as field managers name them', () => {
  expect(identifyItem('ports', { port: 80 })).toBe('[port=80,protocol="TCP"]')
  expect(identifyItem('ports', { containerPort: 80, protocol: 'UDP' })).toBe('[containerPort=80,protocol="UDP"]')
  expect(identifyItem('containers', { name: 'envoy' })).toBe('[name="envoy"]')
  expect(identifyItem('args', 'x')).toBeUndefined()
})

describe('an object contains another', () => {
  test('when it has more fields, more items, and those in another order', () => {
    const ports = [{ name: 'more', port: 99, protocol: 'TCP' }, ...[...service.spec.ports].reverse()]
    expect(contains({ ...service, status: {}, spec: { ...service.spec, ports, clusterIP: '10.0.0.1' } }, service)).toBe(
      true,
    )
  })

  test.each([
    { spec: { ...service.spec, args: ['y', 'x'] } },
    { spec: { ...service.spec, args: ['x', 'y', 'z'] } },
    { spec: { ...service.spec, selector: { a: 'c' } } },
    { spec: { ...service.spec, ports: [service.spec.ports[0]] } },
    { spec: undefined },
    { metadata: { ...service.metadata, labels: { team: 'blue' } } },
  ])('not when something of it is another, or missing: %o', (change) => {
    expect(contains({ ...service, ...change }, service)).toBe(false)
  })
})
