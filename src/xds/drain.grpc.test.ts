import { afterEach, describe, expect, test } from 'vitest'
import { SimulatedProxy } from '../testing/ads-client.ts'
import { makeResource } from '../testing/xds-bed.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import { typeUrls } from './resource.ts'

/** Draining one proxy over real connections, against a client that shares no code with the server. */

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const group = (name: string, text = 'v1') =>
  (['cluster', 'endpoint', 'listener', 'route'] as const).map((type) => makeResource(type, name, text))

describe.each(['delta', 'sotw'] as const)('%s', (variant) => {
  function simulate(nodeId: string): SimulatedProxy {
    const options = {
      variant,
      nodeId,
      // Tables belong to clusters here, so that they outlive the listeners as they do in a draining Envoy.
      children: (type: string, name: string) =>
        type === typeUrls.cluster ? [typeUrls.endpoint, typeUrls.route].map((t) => [t, name] as const) : [],
      nameOf: (_type: string, value: Buffer) => value.toString().split('=')[0] as string,
    }
    return new SimulatedProxy(options, [typeUrls.cluster, typeUrls.listener])
  }

  const texts = (proxy: SimulatedProxy, typeUrl: string) =>
    [...(proxy.held.get(typeUrl)?.values() ?? [])].map(({ value }) => value.toString()).sort()

  test('the listeners of one node go and stay away; its tables and clusters stay current', async () => {
    const bed = await XdsServerBed.start({ linger: 0, drainTime: 0 })
    cleanups.push(() => bed.stop())
    bed.put(...group('a'), ...group('b'))
    const [leaving, staying] = [simulate('leaving'), simulate('staying')]
    for (const proxy of [leaving, staying]) {
      proxy.connect(bed.client())
      for (const type of ['cluster', 'endpoint', 'listener', 'route'] as const) {
        await expect.poll(() => texts(proxy, typeUrls[type])).toEqual(['a=v1', 'b=v1'])
      }
    }

    expect(bed.server.drain('leaving')).toBe(1)
    await expect.poll(() => texts(leaving, typeUrls.listener)).toEqual([])
    bed.put(...group('a', 'v2'), ...group('c'))
    for (const type of ['cluster', 'endpoint', 'route'] as const) {
      await expect.poll(() => texts(leaving, typeUrls[type])).toEqual(['a=v2', 'b=v1', 'c=v1'])
    }
    await expect.poll(() => texts(staying, typeUrls.listener)).toEqual(['a=v2', 'b=v1', 'c=v1'])
    expect(texts(leaving, typeUrls.listener)).toEqual([])
    const states = () => [...bed.server.streams.entries()].map(([, s]) => [s.nodeId, s.isDraining, s.isSettled])
    await expect
      .poll(() => states().sort())
      .toEqual([
        ['leaving', true, true],
        ['staying', false, true],
      ])
  })

  test('a drained proxy that reconnects has its listeners again, and can be drained again', async () => {
    const bed = await XdsServerBed.start()
    cleanups.push(() => bed.stop())
    bed.put(...group('a'))
    const proxy = simulate('n')
    const client = bed.client()
    const stream = proxy.connect(client)
    await expect.poll(() => texts(proxy, typeUrls.listener)).toEqual(['a=v1'])
    bed.server.drain('n')
    await expect.poll(() => texts(proxy, typeUrls.listener)).toEqual([])
    stream.cancel()
    await stream.ended
    await expect.poll(() => bed.server.counters.streams).toBe(0)
    expect(bed.server.drain('n')).toBe(0)
    proxy.connect(client)
    await expect.poll(() => texts(proxy, typeUrls.listener)).toEqual(['a=v1'])
    expect(bed.server.drain('n')).toBe(1)
    await expect.poll(() => texts(proxy, typeUrls.listener)).toEqual([])
  })
})
