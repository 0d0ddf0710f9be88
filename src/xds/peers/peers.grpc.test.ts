import { credentials } from '@grpc/grpc-js'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Source } from '../../collections/collection.ts'
import { Scheduler } from '../../collections/scheduler.ts'
import { ackKey, type ResourceAck } from '../acks.ts'
import { createTokenAuthenticator } from '../authenticator.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../resource.ts'
import { createXdsServer } from '../server.ts'
import type { XdsServer } from '../server-options.ts'
import { createFleetAcks } from './fleet-acks.ts'
import { PeerAcks } from './peer-acks.ts'
import type { PeerAck } from './peer-protocol.ts'

const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const token = 'replica-token'

function createReplica() {
  const scheduler = new Scheduler({ logger: silentLogger, rethrow: true })
  const collection = (name: string): Source<string, EnvoyResource> => scheduler.source(name)
  const collections = {
    cluster: collection('cluster'),
    endpoint: collection('endpoint'),
    secret: collection('secret'),
    listener: collection('listener'),
    route: collection('route'),
  }
  const xds = createXdsServer({
    scheduler,
    collections,
    authenticator: createTokenAuthenticator(() => new Map()),
    isReplica: async (peer) => peer.metadata('authorization')[0] === `Bearer ${token}`,
    logger: silentLogger,
    clock: systemClock,
  })
  const setAck = (key: string, ack: ResourceAck | undefined) =>
    scheduler.batch(() => (ack ? xds.acks.set(key, ack) : xds.acks.delete(key)))
  closing.push(() => xds.close())
  return { scheduler, collections, xds, setAck }
}

async function listen(xds: XdsServer, at = '127.0.0.1:0') {
  return xds.listen(at)
}

function hear(scheduler: Scheduler, addresses: readonly string[], given = token) {
  const into = scheduler.source<string, PeerAck>('xds.peerAcks')
  const peers = new PeerAcks({
    into,
    batch: (run) => scheduler.batch(run),
    credentials: () => credentials.createInsecure(),
    serverName: 'gatewright',
    token: async () => given,
    clock: systemClock,
    logger: silentLogger,
    grace: 150,
    retryAfter: 30,
  })
  closing.push(() => peers.close())
  peers.setPeers(addresses)
  return { into, peers }
}

const listenerAck = ackKey(typeUrls.listener, 'shop/edge', 'port-80')

describe('acks between replicas', () => {
  it('tell what the proxies of the other replica accept, refuse and forget', async () => {
    const other = createReplica()
    other.setAck(listenerAck, { ackedVersion: 'a' })
    other.setAck(ackKey(typeUrls.cluster, 'shop/edge', 'good'), { ackedVersion: 'c' })
    const { into } = hear(new Scheduler({ logger: silentLogger }), [await listen(other.xds)])
    const heard = () => [...into.entries()].map(([, { key, ack }]) => [key, ack])
    // A cluster that is accepted interests nobody.
    await vi.waitFor(() => expect(heard()).toEqual([[listenerAck, { ackedVersion: 'a' }]]))
    const bad = ackKey(typeUrls.cluster, 'shop/edge', 'bad')
    const culprits = [{ name: 'h', sources: ['route/h'], message: 'no' }]
    other.setAck(bad, { rejected: { version: 'd', message: 'no', culprits } })
    await vi.waitFor(() =>
      expect(heard()).toContainEqual([bad, { rejected: { version: 'd', message: 'no', culprits } }]),
    )
    other.setAck(bad, { ackedVersion: 'e' })
    await vi.waitFor(() => expect(heard()).toHaveLength(1))
    other.setAck(listenerAck, undefined)
    await vi.waitFor(() => expect(heard()).toEqual([]))
  })

  it('are told to nobody who is no replica', async () => {
    const other = createReplica()
    other.setAck(listenerAck, { ackedVersion: 'a' })
    const { into, peers } = hear(new Scheduler({ logger: silentLogger }), [await listen(other.xds)], 'stolen')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(into.size).toBe(0)
    expect(peers.state).toEqual({ peers: 1, complete: 0 })
  })

  it('outlive a short interruption, and what has changed meanwhile is found', async () => {
    const first = createReplica()
    first.setAck(listenerAck, { ackedVersion: 'a' })
    const gone = ackKey(typeUrls.listener, 'shop/edge', 'port-81')
    first.setAck(gone, { ackedVersion: 'a' })
    const address = await listen(first.xds)
    const { into, peers } = hear(new Scheduler({ logger: silentLogger }), [address])
    await vi.waitFor(() => expect(into.size).toBe(2))
    await first.xds.close()
    const second = createReplica()
    second.setAck(listenerAck, { ackedVersion: 'b' })
    await listen(second.xds, address)
    expect(into.size).toBe(2)
    await vi.waitFor(() => {
      expect(peers.state.complete).toBe(1)
      expect([...into.entries()].map(([, v]) => v)).toEqual([{ key: listenerAck, ack: { ackedVersion: 'b' } }])
    })
  })

  it('are forgotten when the replica does not come back', async () => {
    const other = createReplica()
    other.setAck(listenerAck, { ackedVersion: 'a' })
    const { into } = hear(new Scheduler({ logger: silentLogger }), [await listen(other.xds)])
    await vi.waitFor(() => expect(into.size).toBe(1))
    await other.xds.close()
    await vi.waitFor(() => expect(into.size).toBe(0), { timeout: 3000 })
  })
})

it('the acks of a fleet prefer the version that is wanted, whoever heard of it', async () => {
  const { scheduler, collections, xds, setAck } = createReplica()
  const peerAcks = scheduler.source<string, PeerAck>('peers')
  const fleet = createFleetAcks(scheduler, collections, xds.acks, peerAcks)
  const want = (version: string) =>
    scheduler.batch(() =>
      collections.listener.set(resourceKey('shop/edge', 'port-80'), {
        typeUrl: typeUrls.listener,
        scope: 'shop/edge',
        name: 'port-80',
        version,
        bytes: new Uint8Array(),
        sources: [],
      }),
    )
  const hears = (peer: string, ack: ResourceAck) =>
    scheduler.batch(() => peerAcks.set(`${peer}\n${listenerAck}`, { key: listenerAck, ack }))
  want('2')
  setAck(listenerAck, { ackedVersion: '1' })
  expect(fleet.get(listenerAck)).toEqual({ ackedVersion: '1' })
  hears('b', { ackedVersion: '2' })
  expect(fleet.get(listenerAck)).toEqual({ ackedVersion: '2' })
  want('3')
  hears('b', { ackedVersion: '2', rejected: { version: '3', message: 'no' } })
  expect(fleet.get(listenerAck)).toEqual({ ackedVersion: '1', rejected: { version: '3', message: 'no' } })
  setAck(listenerAck, undefined)
  expect(fleet.get(listenerAck)).toEqual({ ackedVersion: '2', rejected: { version: '3', message: 'no' } })
})
