import { expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'
import { typeUrls } from './resource.ts'

/** Rules D1-D12: the incremental variant only. */

async function connect(bed: XdsBed, nodeId = 'node-1'): Promise<FakeProxy> {
  return bed.connect('delta', { nodeId })
}

const seen = (responses: readonly SeenResponse[]) => responses.map((r) => [r.type, r.names, r.removed])

test('D1: subscriptions are differences', async () => {
  const bed = new XdsBed()
  bed.put(...['r1', 'r2', 'r3'].map((name) => makeResource('route', name)))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1')
  proxy.takeAll()
  proxy.delta('route', { resourceNamesSubscribe: ['r2', 'r3'], resourceNamesUnsubscribe: ['r1'] })
  expect(seen(proxy.takeAll())).toEqual([['route', ['r2', 'r3'], []]])
  bed.put(...['r1', 'r2', 'r3'].map((name) => makeResource('route', name, 'v2')))
  expect(seen(proxy.takeAll())).toEqual([['route', ['r2', 'r3'], []]])
})

test('D1: initial_resource_versions counts in the first request of a type only', async () => {
  const bed = new XdsBed()
  const resource = makeResource('route', 'r')
  bed.put(resource)
  const proxy = await connect(bed)
  proxy.subscribe('route', 'other')
  proxy.takeAll()
  proxy.delta('route', { resourceNamesSubscribe: ['r'], initialResourceVersions: { r: resource.version } })
  expect(seen(proxy.takeAll())).toEqual([['route', ['r'], []]])
})

test('D2: a name that is subscribed again is sent again', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('secret', 's'))
  const proxy = await connect(bed)
  proxy.subscribe('secret', 's')
  proxy.takeAll()
  proxy.subscribe('secret', 's')
  expect(seen(proxy.takeAll())).toEqual([['secret', ['s'], []]])
})

test('D3: unsubscribing from what was never subscribed changes nothing', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.delta('route', { resourceNamesUnsubscribe: ['phantom', 'r'] })
  expect(proxy.take()).toEqual([])
  proxy.delta('route', { resourceNamesSubscribe: ['r'], resourceNamesUnsubscribe: ['phantom'] })
  expect(seen(proxy.take())).toEqual([['route', ['r'], []]])
})

test('D4: what is gone and what never was is told as removed', async () => {
  const bed = new XdsBed({ linger: 0, drainTime: 0 })
  bed.put(makeResource('extension', 'x'))
  const proxy = await connect(bed)
  proxy.subscribe('extension', 'x', 'never-was')
  expect(seen(proxy.takeAll())).toEqual([['extension', ['x'], ['never-was']]])
  bed.change([], [['extension', 'x']])
  bed.advance(1)
  expect(seen(proxy.takeAll())).toEqual([['extension', [], ['x']]])
  bed.put(makeResource('extension', 'x', 'v2'))
  expect(seen(proxy.takeAll())).toEqual([['extension', ['x'], []]])
})

test('D5: unsubscribing alone gets no answer', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r')
  proxy.takeAll()
  proxy.delta('route', { resourceNamesUnsubscribe: ['r'] })
  expect(proxy.take()).toEqual([])
})

test('D5: a name that is unsubscribed behind a wildcard is answered with the resource or its removal', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster', '*', 'c', 'missing')
  expect(seen(proxy.takeAll())).toEqual([['cluster', ['c'], ['missing']]])
  proxy.delta('cluster', { resourceNamesUnsubscribe: ['c', 'missing'] })
  expect(seen(proxy.takeAll())).toEqual([['cluster', ['c'], ['missing']]])
})

test('D6: a stale or unknown nonce does not keep a subscription from counting', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r1'), makeResource('route', 'r2'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'r1')
  const [first] = proxy.takeAll()
  bed.put(makeResource('route', 'r1', 'v2'))
  proxy.take()
  proxy.delta('route', { responseNonce: first?.nonce, resourceNamesSubscribe: ['r2'] })
  expect(seen(proxy.take())).toEqual([['route', ['r2'], []]])
  proxy.delta('route', { responseNonce: 'unknown', resourceNamesSubscribe: ['r3'] })
  expect(seen(proxy.take())).toEqual([['route', [], ['r3']]])
})

test('D7: a request without a nonce answers nothing', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c'))
  const proxy = await connect(bed)
  proxy.subscribe('cluster')
  proxy.take()
  proxy.delta('cluster', {})
  bed.settle()
  expect(bed.ack('cluster', 'c')).toBeUndefined()
})

test('D8: unsubscribing from the wildcard keeps what is named', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2'))
  for (const start of [[], ['*']]) {
    const proxy = await connect(bed, start.join())
    proxy.delta('cluster', { resourceNamesSubscribe: start })
    proxy.takeAll()
    proxy.delta('cluster', { resourceNamesSubscribe: ['c1'] })
    proxy.takeAll()
    bed.put(makeResource('cluster', 'c2', `${start.length}-still`))
    expect(seen(proxy.takeAll())).toEqual([['cluster', ['c2'], []]])
    proxy.delta('cluster', { resourceNamesUnsubscribe: ['*'] })
    bed.put(makeResource('cluster', 'c1', `${start.length}`), makeResource('cluster', 'c2', `${start.length}`))
    expect(seen(proxy.takeAll())).toEqual([['cluster', ['c1'], []]])
    proxy.disconnect()
  }
})

test('D8: a collection of xdstp names is a wildcard of its own', async () => {
  const bed = new XdsBed()
  const scope = (listener: string, bucket: number) =>
    `xdstp:///envoy.config.route.v3.ScopedRouteConfiguration/${listener}/${bucket}`
  bed.put(makeResource('scopedRoute', scope('http-80', 0)), makeResource('scopedRoute', scope('http-81', 0)))
  const proxy = await connect(bed)
  proxy.subscribe('scopedRoute', 'xdstp:///envoy.config.route.v3.ScopedRouteConfiguration/http-80/*')
  expect(seen(proxy.takeAll())).toEqual([['scopedRoute', [scope('http-80', 0)], []]])
  bed.put(makeResource('scopedRoute', scope('http-80', 1)), makeResource('scopedRoute', scope('http-81', 1)))
  expect(seen(proxy.takeAll())).toEqual([['scopedRoute', [scope('http-80', 1)], []]])
  bed.change([], [['scopedRoute', scope('http-80', 0)]])
  bed.advance(60_001)
  expect(seen(proxy.takeAll())).toEqual([['scopedRoute', [], [scope('http-80', 0)]]])
})

test('D9: on reconnection only differences are sent, and what is gone is removed', async () => {
  const bed = new XdsBed({ linger: 1_000 })
  const same = makeResource('cluster', 'same')
  bed.put(same, makeResource('cluster', 'changed', 'v2'), makeResource('cluster', 'new'))
  const proxy = await connect(bed)
  proxy.delta('cluster', { initialResourceVersions: { same: same.version, changed: 'old', gone: 'old' } })
  expect(seen(proxy.takeAll())).toEqual([['cluster', ['changed', 'new'], []]])
  bed.advance(1_001)
  expect(seen(proxy.takeAll())).toEqual([['cluster', [], ['gone']]])
})

test('D9: named resources, too', async () => {
  const bed = new XdsBed()
  const same = makeResource('route', 'same')
  bed.put(same, makeResource('route', 'changed', 'v2'))
  const proxy = await connect(bed)
  proxy.delta('route', {
    resourceNamesSubscribe: ['same', 'changed'],
    initialResourceVersions: { same: same.version, changed: 'old' },
  })
  expect(seen(proxy.takeAll())).toEqual([['route', ['changed'], []]])
  expect(bed.ack('route', 'same')?.ackedVersion).toBe(same.version)
})

test('D10: a resource is found by its name only, and carries no aliases', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('route', 'r'))
  const proxy = await connect(bed)
  proxy.subscribe('route', 'R', 'r/', ' r')
  expect(seen(proxy.take())).toEqual([['route', [], ['R', 'r/', ' r']]])
})

test('D11: a refused removal of secrets is noise', async () => {
  const bed = new XdsBed({ linger: 0, drainTime: 0 })
  bed.put(makeResource('secret', 's'))
  const proxy = await connect(bed)
  proxy.subscribe('secret', 's')
  proxy.takeAll()
  bed.change([], [['secret', 's']])
  bed.advance(1)
  const [removal] = proxy.take()
  expect(removal?.removed).toEqual(['s'])
  proxy.nack(removal as SeenResponse, 'Missing SDS resources for s in onConfigUpdate()')
  expect(proxy.take()).toEqual([])
  expect(bed.ack('secret', 's')).toBeUndefined()
  bed.put(makeResource('secret', 's'))
  expect(seen(proxy.takeAll())).toEqual([['secret', ['s'], []]])
})

test('D12: endpoints may be asked for before clusters', async () => {
  const bed = new XdsBed()
  bed.put(makeResource('cluster', 'c', 'v2'), makeResource('endpoint', 'c'))
  const proxy = await connect(bed)
  const { version } = makeResource('endpoint', 'c')
  proxy.delta('endpoint', { resourceNamesSubscribe: ['c'], initialResourceVersions: { c: version } })
  expect(proxy.take()).toEqual([])
  proxy.delta('cluster', { initialResourceVersions: { c: 'old' } })
  expect(seen(proxy.takeAll())).toEqual([
    ['cluster', ['c'], []],
    ['endpoint', ['c'], []],
  ])
})

test('D12: a proxy that does not ask for clusters within 30 s is reported', async () => {
  const bed = new XdsBed()
  const silent = await connect(bed, 'silent')
  silent.subscribe('endpoint', 'c')
  const usual = await connect(bed, 'usual')
  usual.subscribe('cluster')
  bed.advance(30_001)
  expect(bed.core.counters.missingClusterSubscriptions).toBe(1)
  expect(bed.logs.filter((l) => l.message.includes('not asked for clusters')).map((l) => l.fields?.['node'])).toEqual([
    'silent',
  ])
})

test('a type that nobody serves is answered as not existing', async () => {
  const bed = new XdsBed()
  const proxy = await connect(bed)
  proxy.delta('type.googleapis.com/foo.Bar', { resourceNamesSubscribe: ['x'] })
  expect(seen(proxy.takeAll())).toEqual([['type.googleapis.com/foo.Bar', [], ['x']]])
  proxy.delta('type.googleapis.com/foo.Everything')
  expect(seen(proxy.takeAll())).toEqual([['type.googleapis.com/foo.Everything', [], []]])
})

test('a stream with an endless number of types is ended', async () => {
  const proxy = await connect(new XdsBed())
  for (let i = 0; i < 100 && proxy.ended === undefined; i++) proxy.subscribe(`type.googleapis.com/t${i}`)
  expect(proxy.ended?.code).toBe(3)
})

test('acceptances that nobody asks about are not published, their refusals are', async () => {
  const bed = new XdsBed({
    publishes: (key, { rejected }) => rejected !== undefined || !key.startsWith(typeUrls.cluster),
  })
  bed.put(makeResource('cluster', 'c'), makeResource('listener', 'l'))
  const proxy = await bed.connect('delta')
  for (const type of ['cluster', 'listener'] as const) {
    proxy.subscribe(type)
    for (const response of proxy.take()) proxy.ack(response)
  }
  bed.settle()
  expect(bed.ack('listener', 'l')?.ackedVersion).toBe(makeResource('listener', 'l').version)
  expect(bed.ack('cluster', 'c')).toBeUndefined()
  bed.put(makeResource('cluster', 'c', 'bad'))
  for (const response of proxy.take()) proxy.nack(response, 'no')
  for (const response of proxy.take()) proxy.nack(response, 'no')
  bed.settle()
  expect(bed.ack('cluster', 'c')?.rejected?.message).toBe('no')
  bed.put(makeResource('cluster', 'c', 'good'))
  for (const response of proxy.take()) proxy.ack(response)
  bed.settle()
  expect(bed.ack('cluster', 'c')).toBeUndefined()
})
