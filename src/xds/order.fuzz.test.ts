import { describe, expect, test } from 'vitest'
import { createRandom } from '../testing/seeded-random.ts'
import { type FakeProxy, makeResource, type SeenResponse, type TypeName, XdsBed } from '../testing/xds-bed.ts'
import type { EnvoyResource } from './resource.ts'

/** The order of what one change leads to, whatever changes at once. */

const changes = 1_000
const names = 6

/** Secrets have two places: those of clusters go before listeners, those of listeners behind them. */
const places: Readonly<Record<string, readonly number[]>> = {
  cluster: [0],
  endpoint: [1],
  secret: [2, 5],
  extension: [3],
  listener: [4],
  scopedRoute: [6],
  route: [7],
}
const types = Object.keys(places) as TypeName[]

interface World {
  readonly bed: XdsBed
  readonly random: () => number
  turn: number
}

const pick = ({ random }: World, count: number): number => Math.floor(random() * count)

function makeRandom(world: World, type: TypeName): EnvoyResource {
  const usesSecret = (type === 'cluster' || type === 'listener') && world.random() < 0.5
  const secrets = usesSecret ? { secrets: [`${pick(world, names)}`] } : {}
  return makeResource(type, `${pick(world, names)}`, `v${world.turn}`, secrets)
}

/** One batch: several resources of several types come, change and go. */
function change(world: World): void {
  world.turn++
  const put = new Map<string, EnvoyResource>()
  const remove = new Map<string, readonly [TypeName, string]>()
  for (let i = 0; i <= pick(world, 8); i++) {
    const type = types[pick(world, types.length)] as TypeName
    const resource = makeRandom(world, type)
    const key = `${type} ${resource.name}`
    if (world.random() < 0.7) put.set(key, resource)
    else if (!put.has(key)) remove.set(key, [type, resource.name])
    // What comes back in the same batch has not gone.
    if (put.has(key)) remove.delete(key)
  }
  world.bed.change([...put.values()], [...remove.values()])
}

function subscribeAll(proxy: FakeProxy): void {
  const all = Array.from({ length: names }, (_, i) => `${i}`)
  for (const type of ['cluster', 'endpoint', 'listener', 'route', 'secret', 'extension', 'scopedRoute'] as const) {
    if (type === 'cluster' || type === 'listener') proxy.subscribe(type)
    else if (type === 'scopedRoute') proxy.subscribe(type, '*')
    else proxy.subscribe(type, ...all)
    proxy.takeAll()
  }
}

function checkResponse({ type, names: added, removed }: SeenResponse): void {
  const all = [...added, ...removed]
  expect(new Set(all).size, `duplicate names in ${type} ${all.join()}`).toBe(all.length)
  // Listeners that go free their address for those that come.
  if (type !== 'listener') expect(added.length === 0 || removed.length === 0, `${type} adds and removes`).toBe(true)
}

/** What is referred to goes first, and what only removes goes last. */
function checkBurst(responses: readonly SeenResponse[]): void {
  const told = responses.map((r) => `${r.type} +${r.names.join()} -${r.removed.join()}`).join('\n')
  let place = 0
  let isRemoving = false
  for (const response of responses) {
    checkResponse(response)
    const isRemoval = response.type !== 'listener' && response.removed.length > 0
    if (isRemoval) isRemoving = true
    if (isRemoving) {
      expect(isRemoval, `something is added behind a removal:\n${told}`).toBe(true)
      continue
    }
    const next = places[response.type]?.find((p) => p >= place)
    expect(next, `${response.type} comes too late:\n${told}`).toBeDefined()
    place = next as number
  }
}

describe.each(['delta', 'sotw'] as const)('%s', (variant) => {
  test(`clusters, endpoints, listeners, tables, and removals last, in ${changes} random changes`, async () => {
    const world: World = { bed: new XdsBed({ linger: 1_000, drainTime: 1_000 }), random: createRandom(7), turn: 0 }
    for (const type of types) world.bed.put(makeResource(type, '0'))
    const proxy = await world.bed.connect(variant)
    subscribeAll(proxy)
    const seen = new Map<string, number>()
    for (let i = 0; i < changes; i++) {
      change(world)
      // Now and then the proxy answers nothing before the next change.
      if (world.random() < 0.2) continue
      if (world.random() < 0.2) world.bed.clock.advance(700)
      for (let burst = proxy.take(); burst.length > 0; burst = proxy.take()) {
        checkBurst(burst)
        for (const response of burst) {
          seen.set(response.type, (seen.get(response.type) ?? 0) + 1)
          if (response.removed.length > 0) seen.set('removals', (seen.get('removals') ?? 0) + 1)
          proxy.ack(response)
        }
      }
    }
    // Enough of everything happened for this to mean something.
    for (const type of types) expect(seen.get(type), type).toBeGreaterThan(50)
    if (variant === 'delta') expect(seen.get('removals')).toBeGreaterThan(50)
    expect(world.bed.logs.filter((l) => l.level === 'error')).toEqual([])
  })
})
