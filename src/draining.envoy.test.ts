import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { DrainingBed } from './testing/draining-bed.ts'
import { Load, type LoadResult } from './testing/load.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Clients of both protocols: busy ones, ones that come anew each time, ones whose requests take two seconds. */
async function loseNothingWhile(bed: DrainingBed, run: () => Promise<unknown>): Promise<readonly LoadResult[]> {
  const start = (path: string, keepAliveClients: number, newConnectionClients: number) =>
    new Load({
      url: `${bed.url}${path}`,
      host: 'x',
      keepAliveClients,
      newConnectionClients,
      protocols: ['http1', 'http2'],
    })
  const loads = [start('/?delay=20', 20, 8), start('/?delay=2000', 10, 0)]
  await Promise.all(loads.map((load) => load.running))
  await run()
  await sleep(500)
  return Promise.all(loads.map((load) => load.stop()))
}

async function startBed(): Promise<DrainingBed> {
  const bed = await DrainingBed.start()
  cleanups.push(() => bed.stop())
  return bed
}

test('a pod that terminates as in a cluster loses no request', async () => {
  const bed = await startBed()
  const busy = await bed.countConnections('old')
  expect(busy).toBe(0)
  let left = -1
  const results = await loseNothingWhile(bed, async () => {
    expect(await bed.countConnections('old')).toBeGreaterThan(10)
    const ended = bed.terminate({ withdrawn: 500, drained: 1500, held: 6000 })
    await sleep(5500)
    left = await bed.countConnections('old')
    await ended
  })
  expect(left).toBe(0)
  for (const { failed, failures, requests } of results) {
    expect(failures).toEqual([])
    expect(failed).toBe(0)
    expect(requests).toBeGreaterThan(0)
  }
})

test('without its listeners being taken away it would', async () => {
  const bed = await startBed()
  const results = await loseNothingWhile(bed, () => bed.terminate({ withdrawn: 500, held: 3000 }))
  expect(results.reduce((sum, { failed }) => sum + failed, 0)).toBeGreaterThan(0)
})
