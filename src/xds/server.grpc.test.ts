import { afterEach, expect, test } from 'vitest'
import { SimulatedProxy } from '../testing/ads-client.ts'
import { makeResource } from '../testing/xds-bed.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import { typeUrls } from './resource.ts'

let bed: XdsServerBed | undefined
afterEach(async () => {
  await bed?.stop()
  bed = undefined
})

test('serves', async () => {
  bed = await XdsServerBed.start()
  bed.put(
    makeResource('cluster', 'c1'),
    makeResource('endpoint', 'c1'),
    makeResource('listener', 'l1'),
    makeResource('route', 'l1'),
  )
  for (const variant of ['delta', 'sotw'] as const) {
    const proxy = new SimulatedProxy(
      {
        variant,
        nodeId: 'n',
        children: (type, name) => [[type === typeUrls.cluster ? typeUrls.endpoint : typeUrls.route, name]],
        nameOf: (_t, v) => v.toString().split('=')[0] as string,
      },
      [typeUrls.cluster, typeUrls.listener],
    )
    proxy.connect(bed.client())
    await expect.poll(() => proxy.held.get(typeUrls.route)?.size).toBe(1)
    expect(proxy.held.get(typeUrls.endpoint)?.size).toBe(1)
    console.log(variant, proxy.held, proxy.responses)
  }
})
