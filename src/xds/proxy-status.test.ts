import { expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'
import { makeTable } from '../testing/xds-table.ts'
import { listProxyStatuses } from './proxy-status.ts'

const date = Date.parse('2026-05-01T12:00:00Z')

async function start() {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c'), makeResource('listener', 'l'), makeTable('t', { a: 'v1', b: 'v1' }))
  const proxy = await bed.connect('delta', { nodeId: 'shop/edge-1' })
  const status = () => {
    bed.advance(1_000)
    return listProxyStatuses(bed.streams, { monotonic: bed.clock.now(), date })
  }
  const waits = () => status()[0]?.types.flatMap(({ type, waitsFor }) => waitsFor.map((reason) => `${type}: ${reason}`))
  return { bed, proxy, status, waits }
}

function subscribe(proxy: FakeProxy): void {
  proxy.subscribe('route', 't')
  proxy.subscribe('listener')
  proxy.subscribe('cluster')
}

test('a settled proxy waits for nothing', async () => {
  const { bed, proxy, status } = await start()
  bed.advance(5_000)
  subscribe(proxy)
  proxy.takeAll()
  bed.advance(59_000)
  const [told] = status()
  expect(told).toMatchObject({
    scope: 'a',
    node: 'shop/edge-1',
    connectedSince: '2026-05-01T11:59:00.000Z',
    settled: true,
    draining: false,
    variant: 'delta',
  })
  expect(told?.types.map((t) => [t.type, t.resources, t.sent, t.acked, t.nacked, t.waitsFor])).toEqual([
    ['Cluster', 1, 1, 1, 0, []],
    ['Listener', 1, 1, 1, 0, []],
    ['RouteConfiguration', 1, 1, 1, 0, []],
  ])
})

test('answers and changes that are waited for are told by type', async () => {
  const { bed, proxy, waits } = await start()
  subscribe(proxy)
  proxy.takeAll()
  bed.put(makeResource('cluster', 'c', 'v2'), makeTable('t', { a: 'v2', b: 'v1' }))
  proxy.take()
  bed.put(makeTable('t', { a: 'v3', b: 'v1' }))
  proxy.take()
  expect(waits()).toEqual([
    'Cluster: the answer to 1 response (a cluster may be warming)',
    'RouteConfiguration: the answer to 1 response',
    'RouteConfiguration: 1 change to be sent after that answer',
  ])
})

test('a table with a part that is out of order is told, although the proxy has all that it gets', async () => {
  const { bed, proxy, status, waits } = await start()
  subscribe(proxy)
  proxy.takeAll()
  bed.put(makeTable('t', { a: 'bad', b: 'v1' }))
  const [table] = proxy.take()
  proxy.nack(table as SeenResponse, 'missing )')
  proxy.takeAll()
  expect(waits()).toEqual(['RouteConfiguration: a form that proxies load, of 1 resource'])
  expect(status()[0]).toMatchObject({ settled: true })
  expect(status()[0]?.types[2]).toMatchObject({ refused: 1, nacked: 1, lastRefusal: 'missing )' })
})

test('proxies are in the order of their names', async () => {
  const { bed, proxy, status } = await start()
  subscribe(proxy)
  const other = await bed.connect('sotw', { nodeId: 'shop/edge-0', token: 'token-a' })
  other.subscribe('cluster')
  expect(status().map((p) => p.node)).toEqual(['shop/edge-0', 'shop/edge-1'])
})
