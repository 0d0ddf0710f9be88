import { describe, expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'

/** Between the moment at which clusters are known and that at which everything is. */

const cluster = makeResource('cluster', 'c')
const fixed = makeResource('cluster', 'fixed', 'no endpoints yet')
const late = makeResource('endpoint', 'c', 'known now')
const tables = [makeResource('listener', 'l'), makeResource('route', 'r')]

const seen = (responses: readonly SeenResponse[]) =>
  responses.map((r) => `${r.type} ${[...r.names, ...r.removed.map((name) => `-${name}`)].join()}`)

async function startHalf(): Promise<XdsBed> {
  const bed = new XdsBed({ synced: false })
  bed.put(cluster, fixed, makeResource('endpoint', 'c', 'none yet'), ...tables)
  bed.core.markClustersKnown()
  // Callers are admitted by promises.
  await new Promise((resolve) => setImmediate(resolve))
  return bed
}

/** Whoever waited for it comes a moment later. */
async function sync(bed: XdsBed): Promise<void> {
  bed.put(late)
  bed.core.markSynced()
  await new Promise((resolve) => setImmediate(resolve))
}

describe('A proxy that has nothing', () => {
  test('gets its clusters, and the rest when it is known', async () => {
    const bed = await startHalf()
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    const [clusters] = proxy.take()
    expect(clusters?.names).toEqual(['c', 'fixed'])
    proxy.ack(clusters as SeenResponse)
    proxy.subscribe('endpoint', 'c')
    proxy.subscribe('listener')
    bed.advance(60_000)
    expect(proxy.take()).toEqual([])
    await sync(bed)
    const rest = proxy.take()
    expect(seen(rest)).toEqual(['endpoint c', 'listener l'])
    expect(rest[0]?.texts).toEqual({ c: 'known now' })
  })

  test('gets a cluster again that has changed meanwhile, before all else', async () => {
    const bed = await startHalf()
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.subscribe('endpoint', 'c')
    bed.put(makeResource('cluster', 'fixed', 'with endpoints'))
    await sync(bed)
    expect(seen(proxy.take())).toEqual(['cluster fixed', 'endpoint c'])
  })

  test('hears at once that there are no clusters', async () => {
    const bed = new XdsBed({ synced: false })
    bed.core.markClustersKnown()
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    expect(seen(proxy.take())).toEqual(['cluster '])
  })
})

describe('A proxy that has a configuration', () => {
  test('hears nothing before everything is known, and then what is different', async () => {
    const bed = await startHalf()
    const proxy = await bed.connect('delta')
    const versions = { [cluster.name]: cluster.version, old: 'x' }
    proxy.delta('cluster', { initialResourceVersions: versions })
    bed.settle()
    expect(proxy.take()).toEqual([])
    expect([...bed.streams.entries()]).toEqual([])
    await sync(bed)
    proxy.delta('endpoint', { resourceNamesSubscribe: ['c'], initialResourceVersions: { c: late.version } })
    expect(seen(proxy.take())).toEqual(['cluster fixed'])
  })

  test('may say so with its second request, when it has listeners and no clusters', async () => {
    const bed = await startHalf()
    const proxy = await bed.connect('delta')
    proxy.delta('cluster')
    expect(seen(proxy.takeAll())).toEqual(['cluster c,fixed'])
    const [listener, table] = tables
    proxy.delta('listener', { initialResourceVersions: { l: listener?.version ?? '' } })
    bed.settle()
    expect(bed.ack('listener', 'l')).toBeUndefined()
    await sync(bed)
    proxy.delta('route', { resourceNamesSubscribe: ['r'], initialResourceVersions: { r: 'older' } })
    expect(seen(proxy.take())).toEqual(['endpoint c', 'route r'])
    expect(bed.ack('listener', 'l')?.ackedVersion).toBe(listener?.version)
    expect(proxy.session?.inspect().find(({ name }) => name === 'r')?.sent).toBe(table?.version)
  })

  test('may have one also if it does not say so: in state of the world', async () => {
    const bed = await startHalf()
    const proxy = await bed.connect('sotw')
    proxy.subscribe('cluster')
    expect(proxy.take()).toEqual([])
    await sync(bed)
    expect(seen(proxy.take())).toEqual(['cluster c,fixed'])
  })
})

test.each(['delta', 'sotw'] as const)('%s: who goes while it waits is not served', async (variant) => {
  const bed = await startHalf()
  const proxy: FakeProxy = await bed.connect(variant)
  if (variant === 'delta') proxy.delta('cluster', { initialResourceVersions: { c: 'older' } })
  else proxy.sotw('cluster')
  proxy.disconnect()
  await sync(bed)
  expect(proxy.take()).toEqual([])
  expect(bed.core.counters.streams).toBe(0)
})
