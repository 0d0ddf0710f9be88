import { expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { FakeApi } from '../../testing/fake-api.ts'
import { FakeApiClient } from '../../testing/fake-api-client.ts'
import type { Fault, WatchFault } from '../../testing/fake-api-faults.ts'
import { keyOf } from '../../testing/fake-api-store.ts'
import { pass, settle } from '../../testing/fake-api-time.ts'
import { createRandom } from '../../testing/seeded-random.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { Reflector } from './reflector.ts'
import type { ReflectorOptions } from './reflector-options.ts'

/** How many changes of objects. They come in storms of faults, each with a calm after it. */
const events = Number(process.env['REFLECTOR_FUZZ_EVENTS'] ?? 2000)
const seed = Number(process.env['REFLECTOR_FUZZ_SEED'] ?? 1)

const watchFaults: readonly WatchFault[] = ['end', 'reset', 'silence', 'cut', 'expire', 'error']
const requestFaults: readonly Fault[] = [
  'reset',
  'silence',
  'cut',
  { delay: 500 },
  { status: 410, reason: 'Expired' },
  { status: 429, retryAfter: 1 },
  { status: 500 },
  { status: 503, retryAfter: 2 },
  { status: 504, reason: 'Timeout' },
  { status: 401 },
  { status: 403 },
  { status: 404 },
]

interface Variant extends Pick<ReflectorOptions, 'beginsWithList' | 'pageSize'> {
  readonly watchList?: boolean
}

interface Result {
  /** Key -> version, as the reflector's sink has it. */
  readonly copy: ReadonlyMap<string, string>
  readonly server: ReadonlyMap<string, string>
  /** Milliseconds from a change, or from the last fault after it, until the sink had it: the worst of all. */
  readonly longestBlind: number
  readonly relists: number
  readonly faults: number
}

/** Random changes under random faults, and then a while without. */
async function run({ watchList = true, ...options }: Variant, random: () => number): Promise<Result> {
  const clock = new FakeClock()
  const api = new FakeApi({ clock, watchList, bookmarkInterval: 5000 })
  const copy = new Map<string, string>()
  /** Changes that the sink has not heard of: since when, and the last one; '' is a deletion. */
  const unheard = new Map<string, { readonly since: number; version: string }>()
  let longestBlind = 0
  let lastFault = 0
  const hear = (key: NamespacedName, version: string) => {
    const change = unheard.get(key)
    if (change === undefined || (change.version !== version && Number(version) < Number(change.version))) return
    longestBlind = Math.max(longestBlind, clock.now() - Math.max(change.since, lastFault))
    unheard.delete(key)
  }
  const reflector = new Reflector({
    client: new FakeApiClient(api, clock),
    clock,
    logger: silentLogger,
    kind: 'Service',
    resource: { group: '', version: 'v1', plural: 'services' },
    ...options,
    random,
    sink: {
      put(key, { metadata }) {
        copy.set(key, metadata.resourceVersion)
        hear(key, metadata.resourceVersion)
      },
      delete(key) {
        copy.delete(key)
        hear(key, '')
      },
      onState() {},
    },
  })
  reflector.start()

  const choose = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const change = (i: number) => {
    const name = `s${Math.floor(random() * 40)}`
    const key = `shop/${name}`
    const since = unheard.get(key)?.since ?? clock.now()
    if (random() < 0.7) {
      const metadata = { namespace: 'shop', name }
      const { resourceVersion = '' } = api.put({ apiVersion: 'v1', kind: 'Service', metadata, spec: { i } }).metadata
      if (copy.get(key) !== resourceVersion) unheard.set(key, { since, version: resourceVersion })
    } else if (api.delete('Service', 'shop', name)) {
      if (copy.has(key)) unheard.set(key, { since, version: '' })
      else unheard.delete(key)
    }
  }
  const disturb = () => {
    const kind = random()
    if (kind < 0.45) api.breakWatches(choose(watchFaults))
    else if (kind < 0.7) {
      api.faults.once({ resource: 'services' }, choose(requestFaults))
      if (random() < 0.5) api.breakWatches('reset')
    } else if (kind < 0.75) api.compact()
    else if (kind < 0.85) api.faults.lag = random() < 0.5 ? 0 : random() * 3000
    else if (kind < 0.92) api.faults.duplicate = !api.faults.duplicate
    else api.faults.reorder = !api.faults.reorder
    faults++
    lastFault = clock.now()
  }
  let faults = 0
  for (let i = 0; i < events; i++) {
    change(i)
    const isStorm = i % 50 < 25
    if (isStorm && random() < 0.3) disturb()
    if (!isStorm && api.faults.clear()) lastFault = clock.now()
    if (random() < 0.3) await settle()
    else await pass(clock, random() * (isStorm ? 500 : 4000), 100)
  }
  api.faults.clear()
  await pass(clock, 40_000, 100)
  expect(unheard).toEqual(new Map())
  const { relists } = reflector.counters
  const server = new Map(api.list('Service').map((object) => [keyOf(object), object.metadata.resourceVersion ?? '']))
  expect(reflector.state).toBe('synced')
  await reflector.stop()
  expect(clock.pending).toBe(0)
  return { copy, server, longestBlind, relists, faults }
}

const variants: readonly (readonly [string, Variant])[] = [
  ['WatchList', {}],
  ['lists', { beginsWithList: true }],
  ['lists in pages, because there is no WatchList', { watchList: false, pageSize: 7 }],
]

test.each(variants)(
  'After random changes and faults, with %s, the copy equals the server',
  async (_title, variant) => {
    const result = await run(variant, createRandom(seed))
    expect(result.faults).toBeGreaterThan(events / 10)
    expect(new Map([...result.copy].sort())).toEqual(new Map([...result.server].sort()))
    expect(result.relists).toBeLessThan(result.faults)
    expect(result.longestBlind, 'milliseconds blind').toBeLessThanOrEqual(35_000)
  },
  300_000,
)
