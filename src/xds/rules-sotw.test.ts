import { expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'

/** Rules S1-S9: state of the world only. */

async function connect(bed: XdsBed): Promise<FakeProxy> {
  return bed.connect('sotw')
}

const names = (responses: readonly SeenResponse[]): readonly (readonly string[])[] => responses.map((r) => r.names)

test('S1: clusters and listeners come as full sets, and what is missing is deleted', async () => {
  const bed = new XdsBed({ linger: 0, drainTime: 0 })
  bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2'), makeResource('listener', 'l1'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  proxy.subscribe('listener')
  expect(names(proxy.takeAll())).toEqual([['c1', 'c2'], ['l1']])
  bed.put(makeResource('cluster', 'c2', 'v2'))
  expect(names(proxy.takeAll())).toEqual([['c1', 'c2']])
  bed.put(makeResource('listener', 'l2'))
  expect(names(proxy.takeAll())).toEqual([['l1', 'l2']])
  bed.change([], [['cluster', 'c1']])
  bed.advance(1)
  expect(names(proxy.takeAll())).toEqual([['c2']])
  bed.change(
    [],
    [
      ['cluster', 'c2'],
      ['listener', 'l1'],
      ['listener', 'l2'],
    ],
  )
  bed.advance(1)
  expect(proxy.takeAll().map((r) => [r.type, r.names])).toEqual([['listener', []]])
  bed.advance(1)
  expect(proxy.takeAll().map((r) => [r.type, r.names])).toEqual([['cluster', []]])
})

test('S1: a cluster that is on its way out stays in the set', async () => {
  const bed = new XdsBed({ linger: 30_000 })
  bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  proxy.takeAll()
  bed.change([makeResource('cluster', 'c2', 'v2')], [['cluster', 'c1']])
  expect(names(proxy.takeAll()).map((n) => [...n].sort())).toEqual([['c1', 'c2']])
  bed.advance(30_001)
  expect(names(proxy.takeAll())).toEqual([['c2']])
})

test('S2: other types carry only what has changed', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r1'), makeResource('route', 'r2'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1', 'r2')
  expect(names(proxy.takeAll())).toEqual([['r1', 'r2']])
  bed.put(makeResource('route', 'r2', 'v2'))
  expect(names(proxy.takeAll())).toEqual([['r2']])
})

test('S2: their deletion is left to what refers to them', async () => {
  const bed = new XdsBed({ linger: 0, drainTime: 0 })
  bed.put(makeResource('endpoint', 'c'))
  const proxy = await connect(bed)
  proxy.subscribe('endpoint', 'c')
  proxy.takeAll()
  bed.change([], [['endpoint', 'c']])
  bed.advance(1000)
  expect(proxy.takeAll()).toEqual([])
})

test('S3: each request lists everything that is wanted', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r1'), makeResource('route', 'r2'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1', 'r2')
  proxy.takeAll()
  proxy.subscribe('route', 'r2')
  bed.put(makeResource('route', 'r1', 'v2'), makeResource('route', 'r2', 'v2'))
  expect(names(proxy.takeAll())).toEqual([['r2']])
})

test('S4: a request with a stale nonce gets no response', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r1'), makeResource('route', 'r2'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1')
  const [first] = proxy.takeAll()
  bed.put(makeResource('route', 'r1', 'v2'))
  const [second] = proxy.take()
  proxy.sotw('route', { responseNonce: first?.nonce, resourceNames: ['r1', 'r2'] })
  expect(proxy.take()).toEqual([])
  // The answer to the newest response says the same, and counts.
  proxy.sotw('route', { responseNonce: second?.nonce, resourceNames: ['r1', 'r2'] })
  expect(names(proxy.take())).toEqual([['r2']])
})

test('S6: what was asked for with a stale nonce and is no longer wanted is not answered', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('endpoint', 'one'), makeResource('endpoint', 'two'))
  const proxy = await bed.connect('sotw')
  proxy.sotw('endpoint', { resourceNames: ['one'] })
  const [first] = proxy.take()
  proxy.sotw('endpoint', { resourceNames: ['one', 'two', 'missing'], responseNonce: 'stale' })
  expect(proxy.take()).toEqual([])
  const fresh = { versionInfo: first?.version ?? '', responseNonce: first?.nonce ?? '' }
  proxy.sotw('endpoint', { resourceNames: ['one'], ...fresh })
  expect(proxy.take()).toEqual([])
})

test('S4: a stale answer is still an answer to what it names', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  const [first] = proxy.take()
  bed.put(makeResource('cluster', 'c', 'v2'))
  proxy.take()
  proxy.ack(first as SeenResponse)
  bed.settle()
  expect(bed.ack('cluster', 'c')?.ackedVersion).toBe(makeResource('cluster', 'c').version)
})

test('S5: the first request of a type is always answered, also with a foreign nonce', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r'), makeResource('endpoint', 'c'))
  const proxy = await connect(bed)
  proxy.sotw('route', { responseNonce: 'of another server', versionInfo: 'v', resourceNames: ['r'] })
  proxy.sotw('endpoint', { versionInfo: 'v', resourceNames: ['c', 'missing'] })
  expect(proxy.take().map((r) => [r.type, r.names])).toEqual([
    ['endpoint', ['c']],
    ['route', ['r']],
  ])
  const empty = await connect(bed)
  empty.subscribe('cluster')
  empty.subscribe('route', 'missing')
  expect(empty.take().map((r) => [r.type, r.names])).toEqual([
    ['cluster', []],
    ['route', []],
  ])
})

test('S5: only full sets are skipped by their version', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c'), makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  proxy.subscribe('route', 'r')
  const [cluster, route] = proxy.takeAll()
  proxy.disconnect()
  const again = await connect(bed)
  again.sotw('cluster', { versionInfo: cluster?.version ?? '' })
  again.sotw('route', { versionInfo: route?.version ?? '', resourceNames: ['r'] })
  expect(again.take().map((r) => r.type)).toEqual(['route'])
})

test('S6: added names are answered, removed names are not', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('endpoint', 'c1'), makeResource('endpoint', 'c2'))
  const proxy = await connect(bed)
  proxy.subscribe('endpoint', 'c1')
  proxy.takeAll()
  proxy.subscribe('endpoint', 'c1', 'c2')
  expect(names(proxy.takeAll())).toEqual([['c2']])
  proxy.subscribe('endpoint', 'c2')
  expect(proxy.takeAll()).toEqual([])
})

test('S7: what was waiting is dropped when it is no longer wanted', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r1'), makeResource('route', 'r2'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1', 'r2')
  const [first] = proxy.take()
  // Waits for the answer to the first version.
  bed.put(makeResource('route', 'r1', 'v2'))
  expect(proxy.take()).toEqual([])
  proxy.sotwNames.set('route', ['r2'])
  proxy.ack(first as SeenResponse)
  expect(proxy.take()).toEqual([])
})

test('S8: nothing named, where that does not mean everything, is no subscription and gets no answer', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.sotw('route')
  expect(proxy.take()).toEqual([])
  proxy.subscribe('route', 'r')
  proxy.takeAll()
  proxy.subscribe('route')
  bed.put(makeResource('route', 'r', 'v2'))
  expect(proxy.take()).toEqual([])
})

test('S9: endpoints and tables are answered also when they are no longer wanted', async () => {
  const bed = new XdsBed({ linger: 30_000 })
  bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'), makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  proxy.takeAll()
  bed.change(
    [],
    [
      ['cluster', 'c'],
      ['endpoint', 'c'],
      ['route', 'r'],
    ],
  )
  proxy.subscribe('endpoint', 'c')
  proxy.subscribe('route', 'r', 'never was')
  expect(proxy.takeAll().map((r) => [r.type, r.names])).toEqual([
    ['endpoint', ['c']],
    ['route', ['r']],
  ])
})
