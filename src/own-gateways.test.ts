import { beforeEach, describe, expect, test } from 'vitest'
import { namespacedName } from './gatewayapi/object-key.ts'
import { Gateway } from './gatewayapi/objects/gateway.ts'
import { GatewayClass } from './gatewayapi/objects/gateway-class.ts'
import { OwnGateways } from './own-gateways.ts'
import type { ObjectChange } from './providers/object-sink.ts'

const apiVersion = 'gateway.networking.k8s.io/v1'
const ours = 'example.com/ours'
const theirs = 'example.com/theirs'
const key = namespacedName('shop', 'web')

function classOf(name: string, controllerName: string | undefined): ObjectChange {
  const object =
    controllerName === undefined
      ? undefined
      : GatewayClass.parse({ apiVersion, kind: 'GatewayClass', metadata: { name }, spec: { controllerName } })
  return { kind: 'GatewayClass', key: namespacedName('', name), object }
}

function gatewayOf(gatewayClassName: string | undefined, more: { uid?: string; deletionTimestamp?: string } = {}) {
  const listeners = [{ name: 'http', protocol: 'HTTP', port: 80 }]
  const metadata = { name: 'web', namespace: 'shop', uid: 'uid-1', ...more }
  const object =
    gatewayClassName === undefined
      ? undefined
      : Gateway.parse({ apiVersion, kind: 'Gateway', metadata, spec: { gatewayClassName, listeners } })
  return { kind: 'Gateway', key, object } satisfies ObjectChange
}

let batches: string[][]
let poison: boolean
let own: OwnGateways
beforeEach(() => {
  batches = []
  poison = false
  const apply = (changes: readonly ObjectChange[]) => {
    if (poison) throw new Error('poison')
    batches.push(changes.map(({ kind, object }) => `${object ? '+' : '-'}${kind}`))
  }
  own = new OwnGateways({ apply }, [ours])
})

describe('What comes through', () => {
  test('is our class and its Gateway, in whatever order they come', () => {
    own.apply([gatewayOf('a')])
    expect(batches).toEqual([])
    own.apply([classOf('a', ours)])
    expect(batches).toEqual([['+GatewayClass', '+Gateway']])
    own.apply([gatewayOf('a')])
    expect(batches[1]).toEqual(['+Gateway'])
  })

  test('is nothing of another controller', () => {
    own.apply([classOf('b', theirs), gatewayOf('b')])
    own.apply([gatewayOf('b')])
    own.apply([gatewayOf(undefined)])
    own.apply([classOf('b', undefined)])
    expect(batches).toEqual([])
  })

  test('is every object of another kind', () => {
    own.apply([classOf('b', theirs), { kind: 'Service', key, object: undefined }])
    expect(batches).toEqual([['-Service']])
  })

  test('goes again when the Gateway names another class, or its class another controller, and comes back', () => {
    own.apply([classOf('a', ours), classOf('b', theirs), gatewayOf('a')])
    own.apply([gatewayOf('b')])
    own.apply([gatewayOf('a')])
    own.apply([classOf('a', theirs)])
    own.apply([classOf('a', ours)])
    own.apply([gatewayOf(undefined)])
    expect(batches).toEqual([
      ['+GatewayClass', '+Gateway'],
      ['-Gateway'],
      ['+Gateway'],
      ['-GatewayClass', '-Gateway'],
      ['+GatewayClass', '+Gateway'],
      ['-Gateway'],
    ])
  })

  test('stays as it was while the Gateway names a class that is not there, such as one that comes a moment later', () => {
    own.apply([classOf('a', ours), gatewayOf('a')])
    own.apply([gatewayOf('b')])
    expect(batches).toHaveLength(1)
    expect(own.ownershipOf(key)).toBe('unknown')
    own.apply([classOf('b', ours)])
    own.apply([gatewayOf('c')])
    own.apply([classOf('c', theirs)])
    expect(batches.slice(1)).toEqual([['+GatewayClass', '+Gateway'], ['-Gateway']])
  })

  test('stays, with its class, when the class is deleted, and goes when nothing needs that any more', () => {
    own.apply([classOf('a', ours), gatewayOf('a')])
    own.apply([classOf('a', undefined)])
    expect(batches).toHaveLength(1)
    own.apply([classOf('a', ours)])
    own.apply([classOf('a', undefined)])
    own.apply([gatewayOf('b')])
    own.apply([classOf('b', ours)])
    own.apply([classOf('b', undefined)])
    own.apply([gatewayOf(undefined)])
    expect(batches.slice(1)).toEqual([
      ['+GatewayClass', '+Gateway'],
      ['+GatewayClass', '-GatewayClass', '+Gateway'],
      ['-GatewayClass', '-Gateway'],
    ])
  })

  test('goes when a Gateway of a class that is not there is deleted, or is another one of that name', () => {
    own.apply([classOf('a', ours), gatewayOf('a')])
    own.apply([gatewayOf('b')])
    own.apply([gatewayOf('b', { deletionTimestamp: '2026-01-01T00:00:00Z' })])
    own.apply([gatewayOf('a')])
    own.apply([gatewayOf('b', { uid: 'uid-2' })])
    expect(batches.slice(1)).toEqual([['-Gateway'], ['+Gateway'], ['-Gateway']])
  })

  test('is known after a load, which has turns if the sink gives any', async () => {
    const loads: string[][] = []
    const load = async (changes: readonly ObjectChange[]) => void loads.push(changes.map(({ kind }) => kind))
    const apply = (changes: readonly ObjectChange[]) => void batches.push(changes.map(({ kind }) => kind))
    const patient = new OwnGateways({ apply, load }, [ours])
    await patient.load([classOf('a', ours), classOf('b', theirs), gatewayOf('a')])
    patient.apply([gatewayOf('b')])
    expect({ loads, batches }).toEqual({ loads: [['GatewayClass', 'Gateway']], batches: [['Gateway']] })
    await own.load([classOf('a', ours), gatewayOf('a')])
    expect(batches[1]).toEqual(['+GatewayClass', '+Gateway'])
  })

  test('comes once more by itself when the sink refused it together with something else', () => {
    poison = true
    const changes = [classOf('a', ours), gatewayOf('a')]
    expect(() => own.apply(changes)).toThrow('poison')
    poison = false
    for (const change of changes) own.apply([change])
    expect(batches.flat()).toContain('+GatewayClass')
    expect(batches.flat()).toContain('+Gateway')
    own.apply([gatewayOf(undefined)])
    expect(batches.at(-1)).toEqual(['-Gateway'])
  })
})

test('A Gateway is foreign when its class is known and not ours', () => {
  expect(own.ownershipOf(key)).toBe('unknown')
  own.apply([gatewayOf('a')])
  expect(own.ownershipOf(key)).toBe('unknown')
  own.apply([classOf('a', theirs)])
  expect(own.ownershipOf(key)).toBe('foreign')
  own.apply([classOf('a', ours)])
  expect(own.ownershipOf(key)).toBe('unknown')
})
