import { describe, expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, type TypeName, XdsBed } from '../testing/xds-bed.ts'

/** What happens when a proxy refuses a response. */

const isBad = (response: SeenResponse): boolean => Object.values(response.texts).some((text) => text.startsWith('bad'))

/** Answers as a proxy that loads everything but what begins with `bad`, until nothing more comes. */
function answerAll(proxy: FakeProxy, message = 'refused'): SeenResponse[] {
  const all: SeenResponse[] = []
  for (let some = proxy.take(); some.length > 0; some = proxy.take()) {
    all.push(...some)
    for (const response of some) {
      if (isBad(response)) proxy.nack(response, message)
      else proxy.ack(response)
    }
    if (all.length > 200) throw new Error('there is no end to it')
  }
  return all
}

const texts = (responses: readonly SeenResponse[]) => responses.map((r) => r.texts)

const versionOf = (type: TypeName, name: string, text: string): string => makeResource(type, name, text).version

describe('delta', () => {
  async function connect(bed: XdsBed, nodeId = 'n'): Promise<FakeProxy> {
    const proxy = await bed.connect('delta', { nodeId })
    proxy.subscribe('cluster')
    proxy.subscribe('route', 'r1', 'r2', 'r3')
    answerAll(proxy)
    return proxy
  }

  test('each resource of a refused response is sent alone; the culprit is not sent again', async () => {
    const bed = new XdsBed()
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2', 'bad'), makeResource('cluster', 'c3'))
    expect(texts(answerAll(proxy))).toEqual([
      { c1: 'v1', c2: 'bad', c3: 'v1' },
      { c1: 'v1' },
      { c2: 'bad' },
      { c3: 'v1' },
    ])
    expect(bed.ack('cluster', 'c1')).toEqual({ ackedVersion: versionOf('cluster', 'c1', 'v1') })
    expect(bed.ack('cluster', 'c2')).toEqual({
      rejected: { version: versionOf('cluster', 'c2', 'bad'), message: 'refused' },
    })
    expect(bed.ack('cluster', 'c3')?.ackedVersion).toBeDefined()
  })

  test('siblings that came first in the refused response are not lost, nor are other types', async () => {
    const bed = new XdsBed()
    bed.put(...['r1', 'r2', 'r3'].map((name) => makeResource('route', name)))
    const proxy = await connect(bed)
    bed.put(makeResource('route', 'r1', 'v2'), makeResource('route', 'r2', 'bad'), makeResource('route', 'r3', 'v2'))
    const [refused] = proxy.take()
    bed.put(makeResource('cluster', 'c'))
    expect(texts(proxy.take())).toEqual([{ c: 'v1' }])
    proxy.nack(refused as SeenResponse)
    expect(texts(answerAll(proxy))).toEqual([{ r1: 'v2' }, { r2: 'bad' }, { r3: 'v2' }])
  })

  test('what changed meanwhile goes in its newest form', async () => {
    const bed = new XdsBed()
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2', 'bad'))
    const [refused] = proxy.take()
    bed.put(makeResource('cluster', 'c2', 'cured'))
    answerAll(proxy)
    proxy.nack(refused as SeenResponse)
    expect(texts(answerAll(proxy))).toEqual([{ c1: 'v1' }])
  })

  test('the last good form stays, and a fresh proxy gets it', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', 'good'))
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'c', 'bad'))
    answerAll(proxy)
    expect(bed.ack('cluster', 'c')).toEqual({
      ackedVersion: versionOf('cluster', 'c', 'good'),
      rejected: { version: versionOf('cluster', 'c', 'bad'), message: 'refused' },
    })
    const fresh = await bed.connect('delta', { nodeId: 'fresh' })
    fresh.subscribe('cluster')
    expect(texts(answerAll(fresh))).toEqual([{ c: 'good' }])
  })

  test('without a last good form a fresh proxy gets nothing, and is told so if it asks by name', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', 'bad'))
    await connect(bed)
    const fresh = await bed.connect('delta', { nodeId: 'fresh' })
    fresh.subscribe('cluster')
    expect(answerAll(fresh).flatMap((r) => r.names)).toEqual([])
    const asking = await bed.connect('delta', { nodeId: 'asking' })
    asking.subscribe('cluster', 'c')
    expect(answerAll(asking).map((r) => r.removed)).toEqual([['c']])
  })

  test('a refused version is never the reason to remove what a proxy has', async () => {
    const bed = new XdsBed({ linger: 0, drainTime: 0 })
    bed.put(makeResource('cluster', 'c', 'bad'))
    const proxy = await bed.connect('delta')
    proxy.delta('cluster', { initialResourceVersions: { c: 'good, from before the restart' } })
    expect(answerAll(proxy).map((r) => r.removed)).toEqual([[]])
    bed.advance(1_000_000)
    expect(answerAll(proxy)).toEqual([])
    expect(bed.ack('cluster', 'c')?.ackedVersion).toBe('good, from before the restart')
  })

  test('a refusal is shared: other proxies of the scope do not get the bytes', async () => {
    const bed = new XdsBed()
    const first = await connect(bed, 'first')
    const second = await connect(bed, 'second')
    second.isStopped = true
    bed.put(makeResource('cluster', 'c', 'v1'))
    answerAll(first)
    second.isStopped = false
    second.read(100)
    answerAll(second)
    bed.put(makeResource('cluster', 'c', 'bad'))
    const [refused] = first.take()
    second.take()
    first.nack(refused as SeenResponse)
    bed.settle()
    const third = await bed.connect('delta', { nodeId: 'third' })
    third.subscribe('cluster')
    expect(texts(answerAll(third))).toEqual([{ c: 'v1' }])
  })

  test('what another proxy has accepted is not bad: the refusal is that of one proxy', async () => {
    const bed = new XdsBed()
    const first = await connect(bed, 'first')
    const second = await connect(bed, 'second')
    bed.put(makeResource('cluster', 'c', 'fine'))
    second.takeAll()
    const [response] = first.take()
    first.nack(response as SeenResponse, 'no memory')
    expect(first.take()).toEqual([])
    expect(bed.ack('cluster', 'c')).toEqual({
      ackedVersion: versionOf('cluster', 'c', 'fine'),
      rejected: { version: versionOf('cluster', 'c', 'fine'), message: 'no memory' },
    })
    const third = await bed.connect('delta', { nodeId: 'third' })
    third.subscribe('cluster')
    expect(texts(third.takeAll())).toEqual([{ c: 'fine' }])
  })

  test('an address in use is the trouble of one machine: the next proxy may try', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('listener', 'l', 'bad luck'))
    const proxy = await bed.connect('delta')
    proxy.subscribe('listener')
    answerAll(proxy, "Error adding/updating listener(s) l: cannot bind '0.0.0.0:80': Address already in use")
    expect(bed.ack('listener', 'l')?.rejected?.message).toContain('in use')
    proxy.disconnect()
    const next = await bed.connect('delta')
    next.subscribe('listener')
    expect(texts(next.take())).toEqual([{ l: 'bad luck' }])
  })

  test('the cure is sent at once, and clears the report', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', 'bad'))
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'c', 'cured'))
    expect(texts(answerAll(proxy))).toEqual([{ c: 'cured' }])
    bed.settle()
    expect(bed.ack('cluster', 'c')).toEqual({ ackedVersion: versionOf('cluster', 'c', 'cured') })
  })

  test('going back and forth between bad versions sends none of them twice', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', 'good'))
    const proxy = await connect(bed)
    const sent: string[] = []
    for (const text of ['bad1', 'bad2', 'bad1', 'bad2', 'good', 'bad1', 'good']) {
      bed.put(makeResource('cluster', 'c', text))
      for (const response of answerAll(proxy)) sent.push(...Object.values(response.texts))
    }
    expect(sent).toEqual(['bad1', 'bad2'])
  })

  test('a ghost, applied from a refused response and then unwanted, is removed all the same', async () => {
    const bed = new XdsBed({ linger: 0, drainTime: 0 })
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'ghost'), makeResource('cluster', 'c', 'bad'))
    const [refused] = proxy.take()
    bed.change([], [['cluster', 'ghost']])
    proxy.nack(refused as SeenResponse)
    bed.advance(1)
    expect(answerAll(proxy).flatMap((r) => r.removed)).toEqual(['ghost'])
  })

  test('also on the next stream, where the proxy does not speak of it', async () => {
    const bed = new XdsBed({ linger: 0, drainTime: 0 })
    const proxy = await connect(bed, 'same')
    bed.put(makeResource('cluster', 'ghost'), makeResource('cluster', 'c', 'bad'), makeResource('listener', 'l'))
    proxy.take()
    proxy.disconnect()
    bed.change([], [['cluster', 'ghost']])
    const again = await bed.connect('delta', { nodeId: 'same' })
    again.delta('cluster', { initialResourceVersions: {} })
    answerAll(again)
    bed.advance(1)
    expect(answerAll(again).flatMap((r) => r.removed)).toEqual(['ghost'])
  })

  test('endpoints that were lost in a refused response come again on the next stream, changed or not', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'), makeResource('listener', 'l'))
    const proxy = await connect(bed, 'same')
    proxy.subscribe('endpoint', 'c', 'd')
    proxy.subscribe('listener')
    answerAll(proxy)
    // The changed cluster needs its unchanged endpoints, which go down with the bad ones beside them.
    bed.put(makeResource('cluster', 'c', 'v2'), makeResource('endpoint', 'd', 'bad'))
    const [cluster, endpoints] = proxy.take()
    proxy.ack(cluster as SeenResponse)
    proxy.nack(endpoints as SeenResponse)
    proxy.disconnect()
    const again = await bed.connect('delta', { nodeId: 'same' })
    const held = (type: TypeName, text: string) => ({ c: versionOf(type, 'c', text) })
    again.delta('cluster', { initialResourceVersions: held('cluster', 'v2') })
    const names = { resourceNamesSubscribe: ['c', 'd'], initialResourceVersions: held('endpoint', 'v1') }
    again.delta('endpoint', names)
    expect(answerAll(again).flatMap((r) => (r.type === 'endpoint' ? r.names : []))).toContain('c')
  })

  test('the endpoints of a cluster that was lost in a refused response come again behind it', async () => {
    const bed = new XdsBed()
    const proxy = await connect(bed)
    proxy.subscribe('listener')
    answerAll(proxy)
    bed.put(makeResource('cluster', 'c1'), makeResource('endpoint', 'c1'), makeResource('cluster', 'c2', 'bad'))
    expect(answerAll(proxy).map((r) => [r.type, r.names])).toEqual([
      ['cluster', ['c1', 'c2']],
      ['endpoint', ['c1']],
      ['cluster', ['c1']],
      ['cluster', ['c2']],
      ['endpoint', ['c1']],
    ])
  })
})

describe('state of the world', () => {
  async function connect(bed: XdsBed): Promise<FakeProxy> {
    const proxy = await bed.connect('sotw')
    proxy.subscribe('cluster')
    answerAll(proxy)
    return proxy
  }

  test('the culprit in a full set is found by halving, and nothing good is ever left out', async () => {
    const bed = new XdsBed()
    bed.put(...Array.from({ length: 8 }, (_, i) => makeResource('cluster', `old${i}`)))
    const proxy = await connect(bed)
    bed.put(...Array.from({ length: 8 }, (_, i) => makeResource('cluster', `new${i}`, i === 5 ? 'bad' : 'v1')))
    const responses = answerAll(proxy)
    for (const { names } of responses) {
      for (let i = 0; i < 8; i++) expect(names).toContain(`old${i}`)
    }
    expect([...(responses.at(-1)?.names ?? [])].sort()).toEqual([
      ...[0, 1, 2, 3, 4, 6, 7].map((i) => `new${i}`),
      ...Array.from({ length: 8 }, (_, i) => `old${i}`),
    ])
    expect(bed.ack('cluster', 'new5')?.rejected).toBeDefined()
    expect(responses.length).toBeLessThan(10)
  })

  test('the last good form of the culprit stays in the set', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'a', 'good'), makeResource('cluster', 'b', 'good'))
    const proxy = await connect(bed)
    bed.put(makeResource('cluster', 'a', 'bad'), makeResource('cluster', 'b', 'v2'))
    expect(answerAll(proxy).at(-1)?.texts).toEqual({ a: 'good', b: 'v2' })
  })

  test('after a restart, a culprit that the proxy names is left out', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'a', 'bad'), makeResource('cluster', 'b'))
    const proxy = await bed.connect('sotw')
    proxy.sotw('cluster', { versionInfo: 'from before the restart' })
    const responses = answerAll(proxy, 'Error adding/updating cluster(s) a: no')
    expect(texts(responses)).toEqual([{ a: 'bad', b: 'v1' }, { b: 'v1' }])
  })

  test('after a restart, a set with a culprit that nobody names leaves the proxy as it is', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'a', 'bad'), makeResource('cluster', 'b'))
    const proxy = await bed.connect('sotw')
    proxy.sotw('cluster', { versionInfo: 'from before the restart' })
    expect(answerAll(proxy)).toHaveLength(1)
    bed.put(makeResource('cluster', 'a', 'cured'))
    expect(texts(answerAll(proxy))).toEqual([{ a: 'cured', b: 'v1' }])
  })

  test('resources of other types are sent alone', async () => {
    const bed = new XdsBed()
    const proxy = await connect(bed)
    bed.put(makeResource('route', 'r1'), makeResource('route', 'r2', 'bad'))
    proxy.subscribe('route', 'r1', 'r2')
    expect(texts(answerAll(proxy))).toEqual([{ r1: 'v1', r2: 'bad' }, { r1: 'v1' }, { r2: 'bad' }])
  })
})
