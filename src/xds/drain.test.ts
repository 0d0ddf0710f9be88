import { describe, expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'

/** A proxy that is to let go of its clients loses its listeners and nothing else. */

const group = (name: string, text = 'v1') =>
  (['cluster', 'endpoint', 'listener', 'route'] as const).map((type) => makeResource(type, name, text))

const goneGroup = (name: string) =>
  (['cluster', 'endpoint', 'listener', 'route'] as const).map((type) => [type, name] as const)

const seen = (responses: readonly SeenResponse[]) =>
  responses.map((r) => `${r.type} ${[...r.names, ...r.removed.map((name) => `-${name}`)].join()}`)

describe.each(['delta', 'sotw'] as const)('%s', (variant) => {
  /** How the variant says that `a` and `b` are gone. */
  const noListeners = variant === 'delta' ? 'listener -a,-b' : 'listener '

  async function connect(bed: XdsBed, nodeId: string): Promise<FakeProxy> {
    const proxy = await bed.connect(variant, { nodeId })
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.subscribe('endpoint', 'a', 'b')
    proxy.subscribe('listener')
    proxy.subscribe('route', 'a', 'b')
    proxy.takeAll()
    return proxy
  }

  async function start() {
    const bed = new XdsBed({ linger: 30_000, drainTime: 60_000 })
    bed.put(...group('a'), ...group('b'))
    return { bed, leaving: await connect(bed, 'leaving'), staying: await connect(bed, 'staying') }
  }

  test('all listeners of the node go in one response, and those of its neighbour stay', async () => {
    const { bed, leaving, staying } = await start()
    expect(bed.core.drain('leaving')).toBe(1)
    expect(seen(leaving.takeAll())).toEqual([noListeners])
    expect(staying.takeAll()).toEqual([])
    bed.advance(1_000)
    const streams = [...bed.streams.entries()].map(([, s]) => [s.nodeId, s.isDraining, s.isSettled])
    expect(streams.sort()).toEqual([
      ['leaving', true, true],
      ['staying', false, true],
    ])
  })

  test('changed and new listeners are not sent again; tables, clusters and endpoints are', async () => {
    const { bed, leaving, staying } = await start()
    bed.core.drain('leaving')
    leaving.takeAll()
    bed.put(makeResource('listener', 'a', 'v2'), makeResource('listener', 'c'))
    expect(leaving.takeAll()).toEqual([])
    expect(staying.takeAll().flatMap((r) => r.type)).toEqual(['listener'])
    bed.put(makeResource('cluster', 'a', 'v2'), makeResource('endpoint', 'b', 'v2'), makeResource('route', 'a', 'v2'))
    expect(new Set(leaving.takeAll().map((r) => r.type))).toEqual(new Set(['cluster', 'endpoint', 'route']))
    // Not even to a proxy that asks.
    leaving.subscribe('listener', '*')
    expect(leaving.takeAll().flatMap((r) => r.names)).toEqual([])
    expect(bed.core.drain('leaving')).toBe(1)
    expect(leaving.takeAll().flatMap((r) => [...r.names, ...r.removed])).toEqual([])
  })

  test('nothing that old connections may use is removed during the drain time', async () => {
    const { bed, leaving, staying } = await start()
    bed.core.drain('leaving')
    leaving.takeAll()
    bed.change(
      [makeResource('route', 'b', 'without a')],
      [
        ['cluster', 'a'],
        ['endpoint', 'a'],
      ],
    )
    const [table] = leaving.take()
    leaving.ack(table as SeenResponse)
    staying.takeAll()
    bed.advance(59_999)
    expect(leaving.takeAll()).toEqual([])
    // The other one has the ordinary linger of 30 s behind it.
    expect(staying.takeAll().map((r) => r.type)).toContain('cluster')
    bed.advance(1)
    expect(leaving.takeAll().map((r) => r.type)).toContain('cluster')
  })

  test('a listener that is on its way when the node is drained goes as well', async () => {
    const { bed, leaving } = await start()
    bed.put(makeResource('listener', 'c'), makeResource('listener', 'a', 'v2'))
    const [underway] = leaving.take()
    bed.core.drain('leaving')
    const early = leaving.take()
    leaving.ack(underway as SeenResponse)
    const [last] = [...early, ...leaving.takeAll()]
    expect(last?.names).toEqual([])
    expect(new Set(last?.removed)).toEqual(new Set(variant === 'delta' ? ['a', 'b', 'c'] : []))
    for (const response of early) leaving.ack(response)
    expect(leaving.takeAll()).toEqual([])
  })

  test('a refused listener does not come back, however the search for it goes on', async () => {
    const { bed, leaving } = await start()
    bed.put(makeResource('listener', 'a', 'bad'), makeResource('listener', 'b', 'v2'), makeResource('listener', 'c'))
    const [refused] = leaving.take()
    leaving.nack(refused as SeenResponse)
    bed.core.drain('leaving')
    expect(new Set(seen(leaving.takeAll()))).toEqual(new Set([variant === 'delta' ? 'listener -a,-b,-c' : 'listener ']))
    bed.put(makeResource('listener', 'a', 'cured'))
    expect(leaving.takeAll().flatMap((r) => r.names)).toEqual([])
    bed.advance(1_000)
    expect([...bed.streams.entries()].find(([, s]) => s.nodeId === 'leaving')?.[1].isSettled).toBe(true)
  })

  test('a stream that reconnects has listeners again', async () => {
    const { bed, leaving } = await start()
    bed.core.drain('leaving')
    leaving.takeAll()
    leaving.disconnect()
    const again = await bed.connect(variant, { nodeId: 'leaving' })
    again.subscribe('listener')
    expect(seen(again.takeAll())).toEqual(['listener a,b'])
  })

  test('a proxy that asks for listeners after it was drained hears that there are none', async () => {
    const { bed } = await start()
    const late = await bed.connect(variant, { nodeId: 'late' })
    late.subscribe('cluster')
    late.takeAll()
    expect(bed.core.drain('late')).toBe(1)
    if (variant === 'delta') late.delta('listener', { initialResourceVersions: { a: 'old', z: 'old' } })
    else late.sotw('listener', { versionInfo: 'old' })
    const answers = late.takeAll().filter((r) => r.type === 'listener')
    expect(seen(answers)).toEqual([variant === 'delta' ? 'listener -a,-z' : 'listener '])
  })

  test('what everybody loses meanwhile is removed from the drained proxy, too', async () => {
    const { bed, leaving } = await start()
    bed.core.drain('leaving')
    leaving.takeAll()
    bed.change([], goneGroup('a'))
    leaving.takeAll()
    bed.advance(60_000)
    const clusters = leaving.takeAll().filter((r) => r.type === 'cluster')
    expect(seen(clusters)).toEqual([variant === 'delta' ? 'cluster -a' : 'cluster b'])
  })

  test('an unknown node is nobody', async () => {
    const { bed, leaving, staying } = await start()
    expect(bed.core.drain('nobody')).toBe(0)
    expect([...leaving.takeAll(), ...staying.takeAll()]).toEqual([])
  })
})
