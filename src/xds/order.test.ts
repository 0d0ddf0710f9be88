import { describe, expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'
import type { EnvoyResource } from './resource.ts'

/** What is sent when: the burst, its few waits, and removals. */

async function connectSettled(bed: XdsBed, variant: 'delta' | 'sotw' = 'delta'): Promise<FakeProxy> {
  const proxy = await bed.connect(variant)
  const names = (type: 'cluster' | 'route') => [...bed.collections[type].entries()].map(([, r]) => r.name)
  proxy.subscribe('cluster')
  proxy.takeAll()
  proxy.subscribe('endpoint', ...names('cluster'))
  proxy.subscribe('listener')
  proxy.subscribe('route', ...names('route'))
  proxy.takeAll()
  return proxy
}

const seen = (responses: readonly SeenResponse[]) =>
  responses.map((r) => `${r.type} ${[...r.names, ...r.removed.map((name) => `-${name}`)].join()}`)

const cluster = (name: string, text = 'v1'): EnvoyResource[] => [
  makeResource('cluster', name, text),
  makeResource('endpoint', name, text),
]

const gone = (...names: string[]) => names.flatMap((n) => [['cluster', n] as const, ['endpoint', n] as const])

describe('waits', () => {
  const slow = makeResource('cluster', 'dns', 'v1', { slowToWarm: true })
  const table = (text: string) => makeResource('route', 'r', text, { awaits: ['dns'] })

  test('a table leaves as soon as the slow cluster that it awaits is accepted', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(slow, table('v2'))
    const [added] = proxy.take()
    expect(added?.names).toEqual(['dns'])
    bed.advance(1_900)
    expect(proxy.take()).toEqual([])
    proxy.ack(added as SeenResponse)
    expect(seen(proxy.take())).toEqual(['route r'])
    expect(bed.core.counters.waitsRunOut).toBe(0)
  })

  test('a table leaves after 2 s in any case, and that is counted', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(slow, table('v2'))
    proxy.take()
    bed.advance(2_000)
    expect(seen(proxy.take())).toEqual(['route r'])
    expect(bed.core.counters.waitsRunOut).toBe(1)
  })

  test('further edits and further slow clusters do not begin the wait anew', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(slow, table('v2'))
    proxy.take()
    bed.advance(1_500)
    bed.put(makeResource('cluster', 'dns2'), makeResource('route', 'r', 'v3', { awaits: ['dns', 'dns2'] }))
    expect(seen(proxy.take())).toEqual(['cluster dns2'])
    bed.advance(500)
    expect(proxy.take().map((r) => r.texts)).toEqual([{ r: 'v3' }])
  })

  test('a slow cluster that only changes is not waited for: it serves in its old form', async () => {
    const bed = new XdsBed()
    bed.put(slow, makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(makeResource('cluster', 'dns', 'v2', { slowToWarm: true }), table('v2'))
    expect(seen(proxy.take())).toEqual(['cluster dns', 'route r'])
  })

  test('an unaccepted cluster holds back neither later clusters nor endpoints', async () => {
    const bed = new XdsBed()
    const proxy = await connectSettled(bed)
    bed.put(slow)
    proxy.take()
    for (const name of ['c1', 'c2', 'c3']) {
      bed.put(...cluster(name))
      expect(seen(proxy.take())).toEqual([`cluster ${name}`, `endpoint ${name}`])
    }
  })
})

describe('one version in flight', () => {
  test('a table has one unanswered version; of what comes meanwhile the latest wins', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(makeResource('route', 'r', 'v2'))
    const [second] = proxy.take()
    for (let i = 3; i < 10; i++) bed.put(makeResource('route', 'r', `v${i}`))
    bed.advance(20_000)
    expect(proxy.take()).toEqual([])
    proxy.ack(second as SeenResponse)
    expect(proxy.take().map((r) => r.texts)).toEqual([{ r: 'v9' }])
  })

  test('endpoint changes are gathered while one is unanswered, for 2 s at most', async () => {
    const bed = new XdsBed()
    bed.put(...cluster('c1'), ...cluster('c2'))
    const proxy = await connectSettled(bed)
    bed.put(makeResource('endpoint', 'c1', 'v2'))
    expect(seen(proxy.take())).toEqual(['endpoint c1'])
    bed.put(makeResource('endpoint', 'c1', 'v3'))
    bed.put(makeResource('endpoint', 'c2', 'v3'))
    expect(proxy.take()).toEqual([])
    bed.advance(2_000)
    expect(seen(proxy.take())).toEqual(['endpoint c1,c2'])
  })

  test('but they go ahead of a table that is sent', async () => {
    const bed = new XdsBed()
    bed.put(...cluster('c'), makeResource('route', 'r'))
    const proxy = await connectSettled(bed)
    bed.put(makeResource('endpoint', 'c', 'v2'))
    proxy.take()
    bed.put(makeResource('endpoint', 'c', 'v3'), makeResource('route', 'r', 'v3'))
    expect(seen(proxy.take())).toEqual(['endpoint c', 'route r'])
  })
})

describe('messages', () => {
  test('resources are spread over messages of limited size, where each fits', async () => {
    const bed = new XdsBed({ maxMessageBytes: 1000 })
    const names = Array.from({ length: 10 }, (_, i) => `c${i}`)
    bed.put(...names.map((name) => makeResource('cluster', name, 'x'.repeat(name === 'c5' ? 2_000 : 200))))
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    const responses = proxy.take()
    expect(responses.flatMap((r) => r.names)).toEqual(names)
    expect(responses.filter((r) => r.names.length > 1).every((r) => r.bytes <= 1100)).toBe(true)
    expect(responses.length).toBeGreaterThan(3)
  })

  test('a listener that takes over an address comes in the message that removes the other one', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('listener', 'old'))
    const proxy = await connectSettled(bed)
    bed.change([makeResource('listener', 'new')], [['listener', 'old']])
    expect(seen(proxy.take())).toEqual(['listener new,-old'])
  })
})

describe.each(['delta', 'sotw'] as const)('removal, %s', (variant) => {
  /** How the variant says that a cluster goes. */
  const saysGone = (responses: readonly SeenResponse[], name: string): boolean =>
    responses.some(
      (r) => r.type === 'cluster' && (variant === 'delta' ? r.removed.includes(name) : !r.names.includes(name)),
    )

  async function start(): Promise<{ bed: XdsBed; proxy: FakeProxy }> {
    const bed = new XdsBed({ linger: 30_000, drainTime: 60_000 })
    bed.put(...cluster('a'), ...cluster('b'), makeResource('route', 'r', 'to a'), makeResource('listener', 'l'))
    return { bed, proxy: await connectSettled(bed, variant) }
  }

  test('a cluster goes 30 s after the table that used it was accepted in its new form', async () => {
    const { bed, proxy } = await start()
    bed.change([makeResource('route', 'r', 'to b')], gone('a'))
    const [table] = proxy.take()
    expect(table?.type).toBe('route')
    bed.advance(100_000)
    expect(proxy.take()).toEqual([])
    proxy.ack(table as SeenResponse)
    bed.advance(29_999)
    expect(proxy.take()).toEqual([])
    bed.advance(1)
    const removal = proxy.takeAll()
    expect(saysGone(removal, 'a')).toBe(true)
    expect(removal.flatMap((r) => (r.type === 'cluster' ? [] : r.names))).toEqual([])
  })

  test('a cluster that comes back during its linger is kept, and its endpoints stay current', async () => {
    const { bed, proxy } = await start()
    bed.change([makeResource('route', 'r', 'to b')], gone('a'))
    proxy.takeAll()
    bed.advance(20_000)
    bed.put(makeResource('cluster', 'a'), makeResource('endpoint', 'a', 'moved'))
    expect(seen(proxy.takeAll())).toEqual(['endpoint a'])
    bed.advance(100_000)
    expect(proxy.takeAll()).toEqual([])
  })

  test('a refused table keeps the clusters of its last good form', async () => {
    const { bed, proxy } = await start()
    bed.change([makeResource('route', 'r', 'bad')], gone('a'))
    const [table] = proxy.take()
    proxy.nack(table as SeenResponse)
    bed.advance(1_000_000)
    expect(saysGone(proxy.takeAll(), 'a')).toBe(false)
    bed.put(makeResource('route', 'r', 'to b'))
    proxy.takeAll()
    bed.advance(30_000)
    expect(saysGone(proxy.takeAll(), 'a')).toBe(true)
  })

  test('after a listener went, its tables and clusters stay for the drain time', async () => {
    const { bed, proxy } = await start()
    bed.change([], [['listener', 'l'], ['route', 'r'], ...gone('a')])
    const removal = proxy.takeAll()
    expect(removal.map((r) => r.type)).toEqual(['listener'])
    // As stock Envoy does, while it removes the listener.
    if (variant === 'delta') proxy.delta('route', { resourceNamesUnsubscribe: ['r'] })
    else proxy.subscribe('route')
    bed.advance(59_999)
    expect(proxy.takeAll()).toEqual([])
    bed.advance(1)
    expect(saysGone(proxy.takeAll(), 'a')).toBe(true)
  })

  test('a proxy that starts during the linger gets the cluster, and loses it afterwards', async () => {
    const { bed } = await start()
    bed.change([makeResource('route', 'r', 'to b')], gone('a'))
    bed.advance(10_000)
    const late = await bed.connect(variant, { nodeId: 'late' })
    late.subscribe('cluster')
    expect(late.takeAll().flatMap((r) => r.names)).toContain('a')
    bed.advance(120_000)
    expect(saysGone(late.takeAll(), 'a')).toBe(true)
  })

  test('an extension of two generations: what is replaced twice within the linger goes once', async () => {
    const { bed, proxy } = await start()
    bed.change([makeResource('route', 'r', 'to b')], gone('a'))
    proxy.takeAll()
    bed.advance(10_000)
    bed.change([...cluster('a', 'v2'), makeResource('route', 'r', 'to a')], [])
    proxy.takeAll()
    bed.change([makeResource('route', 'r', 'to b again')], gone('a'))
    proxy.takeAll()
    bed.advance(29_999)
    expect(saysGone(proxy.takeAll(), 'a')).toBe(false)
    bed.advance(1)
    expect(saysGone(proxy.takeAll(), 'a')).toBe(true)
  })
})

test('endpoints and secrets are removed after their cluster, and only if they are still asked for', async () => {
  const bed = new XdsBed({ linger: 0, drainTime: 0 })
  bed.put(...cluster('a'), ...cluster('b'))
  const proxy = await connectSettled(bed)
  bed.change([], gone('a', 'b'))
  bed.advance(1)
  const [clusters] = proxy.take()
  expect(seen([clusters as SeenResponse])).toEqual(['cluster -a,-b'])
  // Stock Envoy unsubscribes while it removes the cluster.
  proxy.delta('endpoint', { resourceNamesUnsubscribe: ['a'] })
  proxy.ack(clusters as SeenResponse)
  expect(seen(proxy.takeAll())).toEqual(['endpoint -b'])
})

test('a linger that ends for the view and for the stream at once removes once', async () => {
  const bed = new XdsBed({ linger: 30_000, drainTime: 0 })
  bed.put(...cluster('a'), ...cluster('b'))
  const proxy = await connectSettled(bed, 'sotw')
  bed.change([], gone('a'))
  proxy.takeAll()
  // Both timers fire before anything that was deferred runs.
  bed.clock.advance(30_000)
  expect(seen(proxy.takeAll())).toEqual(['cluster b'])
  bed.advance(100_000)
  expect(proxy.takeAll()).toEqual([])
})

test('nothing is ever added in the message that removes', async () => {
  const bed = new XdsBed({ linger: 1_000, drainTime: 0 })
  bed.put(...cluster('a'), makeResource('route', 'r'))
  const proxy = await connectSettled(bed)
  bed.change([], gone('a'))
  proxy.takeAll()
  bed.clock.advance(1_000)
  bed.put(...cluster('b'), makeResource('route', 'r', 'v2'))
  expect(seen(proxy.takeAll())).toEqual(['cluster b', 'endpoint b', 'route r', 'cluster -a', 'endpoint -a'])
})
