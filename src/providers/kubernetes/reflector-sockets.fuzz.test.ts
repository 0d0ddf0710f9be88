import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Fault, WatchFault } from '../../testing/fake-api-faults.ts'
import { FakeApiServer, scaleClock } from '../../testing/fake-api-server.ts'
import { keyOf } from '../../testing/fake-api-store.ts'
import { createRandom } from '../../testing/seeded-random.ts'
import { HttpApiClient } from './http-api-client.ts'
import { Reflector } from './reflector.ts'

/** A second of servers and clients takes 20 ms. */
const timeScale = 0.02

const watchFaults: readonly WatchFault[] = ['end', 'reset', 'silence', 'cut', 'expire', 'error']
const requestFaults: readonly Fault[] = [
  'reset',
  'silence',
  'cut',
  { delay: 2000 },
  { status: 410, reason: 'Expired' },
  { status: 429, retryAfter: 1 },
  { status: 500 },
]

test.each([
  ['HTTP/1.1', 'WatchList', 'http', true, {}],
  ['HTTP/1.1', 'lists', 'http', true, { beginsWithList: true }],
  ['HTTP/1.1', 'lists in pages', 'http', false, { pageSize: 7 }],
  ['HTTP/2', 'WatchList', 'https', true, {}],
  ['HTTP/2', 'lists', 'https', true, { beginsWithList: true }],
  ['HTTP/2', 'lists in pages', 'https', false, { pageSize: 7 }],
] as const)(
  'Over real connections that break, %s with %s, the copy equals the server, and no connection is left',
  async (_title, _way, protocol, watchList, options) => {
    const server = await FakeApiServer.start({ timeScale, watchList, protocol })
    const clock = scaleClock(systemClock, timeScale)
    const random = createRandom(7)
    const client = new HttpApiClient({
      clock,
      access: { current: async () => server.access, invalidate() {} },
    })
    const copy = new Map<string, string>()
    const reflector = new Reflector({
      client,
      clock,
      logger: silentLogger,
      kind: 'Service',
      resource: { group: '', version: 'v1', plural: 'services' },
      ...options,
      sink: {
        put: (key, { metadata }) => void copy.set(key, metadata.resourceVersion),
        delete: (key) => void copy.delete(key),
        onState() {},
      },
    })
    reflector.start()
    const choose = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
    for (let i = 0; i < 300; i++) {
      const name = `s${Math.floor(random() * 40)}`
      const text = 'x'.repeat(random() < 0.05 ? 100_000 : 10)
      if (random() < 0.7)
        server.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name }, spec: { i, text } })
      else server.delete('Service', 'shop', name)
      if (random() < 0.1) server.breakWatches(choose(watchFaults))
      if (random() < 0.1) server.faults.once({ resource: 'services' }, choose(requestFaults))
      if (random() < 0.02) server.compact()
      if (random() < 0.3) await sleep(random() * 10)
    }
    server.faults.clear()
    const contents = () =>
      new Map(server.list('Service').map((object) => [keyOf(object), object.metadata.resourceVersion ?? '']))
    const sorted = (map: ReadonlyMap<string, string>) => [...map].sort()
    // The last fault may be a watch that is half open.
    await expect.poll(() => sorted(copy), { timeout: 20_000 }).toEqual(sorted(contents()))
    await reflector.stop()
    client.close()
    await expect.poll(() => server.connections).toBe(0)
    await server.close()
  },
  60_000,
)
