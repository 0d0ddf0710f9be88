import { expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import { Scheduler } from '../../collections/scheduler.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { httpError, MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { ApiError, apiPath } from './api-client.ts'
import { LiveStatuses } from './live-statuses.ts'
import type { StatusKind } from './status-kind.ts'
import { routeShape } from './status-shape.ts'
import { StatusWriter } from './status-writer.ts'

const steps = Number(process.env['STATUS_FUZZ_STEPS'] ?? 1_500)
const [ours, theirs] = ['gatewright.dev/gateway-controller', 'example.com/controller']
const resource = { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'httproutes' }
const names = Array.from({ length: 12 }, (_, i) => `r${i}`)
const keyOf = (name: string) => `shop/${name}` as NamespacedName
const pathOf = (name: string) => apiPath(resource, 'shop', name)

function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

interface Entry {
  readonly controllerName: string
  readonly conditions: readonly { readonly message: string }[]
}

/** What a route says of itself, the message alone, by controller. */
function messagesOf(status: unknown): Record<string, string | undefined> {
  const parents = (status as { parents?: readonly Entry[] } | undefined)?.parents ?? []
  return Object.fromEntries(parents.map((parent) => [parent.controllerName, parent.conditions[0]?.message]))
}

/** A replica: what it knows is late, its writes may fail, and it leads at times. */
class Replica {
  readonly live = new LiveStatuses()
  readonly writer: StatusWriter
  /** Objects of which the watch has not told yet. */
  readonly unseen = new Set<string>()

  constructor(api: MemoryApi, clock: FakeClock, desired: StatusKind['desired'], random: () => number) {
    this.writer = new StatusWriter({
      api: {
        list: () => Promise.reject(new ApiError('network', 'none')),
        watch: () => Promise.reject(new ApiError('network', 'none')),
        call: async (request) => {
          const luck = random()
          if (luck < 0.03) throw new ApiError('network', 'lost on the way there')
          if (luck < 0.05) throw httpError(500, 'InternalError', 'webhook')
          if (luck < 0.06) throw httpError(429, 'TooManyRequests', 'slow', 300)
          if (luck < 0.3) await new Promise<void>((resolve) => clock.after(random() * 2_000, resolve))
          const answer = await api.call(request)
          if (luck > 0.97) throw new ApiError('timeout', 'lost on the way back')
          if (luck > 0.8) await new Promise<void>((resolve) => clock.after(random() * 2_000, resolve))
          return answer
        },
      },
      live: this.live,
      kinds: [{ kind: 'HTTPRoute', shape: routeShape, desired, isPaced: false }],
      resourceOf: () => resource,
      controllerName: ours,
      logger: silentLogger,
      clock,
      random,
      time: () => new Date(Date.UTC(2026, 0, 1) + clock.now()),
    })
  }

  /** The watch tells what there is now of an object. */
  see(api: MemoryApi, name: string): void {
    this.unseen.delete(name)
    const object = api.objects.get(pathOf(name))
    const { resourceVersion, uid } = (object?.metadata ?? {}) as { resourceVersion: string; uid: string }
    const status = object?.['status'] === undefined ? '' : JSON.stringify(object['status'])
    const live = object && { resourceVersion, uid, generation: 1, status }
    this.live.applyStatus([{ kind: 'HTTPRoute', key: keyOf(name), live }])
  }
}

test('F22, F23: whoever else writes and whatever fails, statuses end as they should, and then nobody writes', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = createRandom(seed)
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
    const [api, clock, scheduler] = [new MemoryApi(), new FakeClock(), new Scheduler({ rethrow: true })]
    const desired = scheduler.source<NamespacedName, object>('HTTPRouteStatus')
    const replicas = [0, 1].map(() => new Replica(api, clock, desired, random))
    api.onChange = (path) => {
      for (const replica of replicas) replica.unseen.add(path.slice(path.lastIndexOf('/') + 1))
    }
    const wanted = new Map<string, string>()
    const foreign = new Map<string, string>()
    const settle = async () => {
      for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    const exists = (name: string) => api.objects.has(pathOf(name))
    let leader: Replica | undefined
    const lead = (next: Replica | undefined) => {
      leader = next
      for (const { writer } of replicas) writer.deactivate()
      leader?.writer.activate()
    }
    let text = 0
    const actions: readonly (readonly [weight: number, act: () => void])[] = [
      [
        30,
        () => {
          const name = pick(names)
          wanted.set(name, `m${++text}`)
          const condition = { type: 'Accepted', status: pick(['True', 'False']), reason: 'A', message: `m${text}` }
          const parents = [{ parentRef: { name: 'gw' }, controllerName: ours, conditions: [condition] }]
          scheduler.batch(() => desired.set(keyOf(name), { parents }))
        },
      ],
      [
        8,
        () => {
          const name = pick(names)
          wanted.delete(name)
          scheduler.batch(() => desired.delete(keyOf(name)))
        },
      ],
      [
        25,
        () => {
          // Somebody else, as carefully as we are: their entry changes, all others stay.
          const name = pick(names.filter(exists))
          if (name === undefined) return
          const object = api.objects.get(pathOf(name))
          const parents = ((object?.['status'] as { parents?: Entry[] })?.parents ?? []).filter(
            (parent) => parent.controllerName !== theirs,
          )
          foreign.set(name, `f${++text}`)
          parents.push({ controllerName: theirs, conditions: [{ message: `f${text}` }] })
          api.put(pathOf(name), { ...object, status: { parents } })
        },
      ],
      [
        3,
        () => {
          const name = pick(names)
          foreign.delete(name)
          api.remove(pathOf(name))
        },
      ],
      [
        8,
        () => {
          const name = pick(names)
          if (!exists(name)) api.put(pathOf(name), { kind: 'HTTPRoute', metadata: { uid: `uid-${++text}` } })
        },
      ],
      [
        40,
        () => {
          const replica = pick(replicas)
          for (const name of [...replica.unseen]) if (random() < 0.5) replica.see(api, name)
        },
      ],
      [2, () => lead(pick([replicas[0], replicas[1], undefined]))],
      [20, () => clock.advance(random() * 1_500)],
    ]
    const total = actions.reduce((sum, [weight]) => sum + weight, 0)
    for (let step = 0; step < steps; step++) {
      let left = random() * total
      const chosen = actions.find(([weight]) => {
        left -= weight
        return left < 0
      })
      chosen?.[1]()
      if (random() < 0.4) await settle()
      for (const name of names) {
        if (!exists(name)) continue
        // At no moment has anything of others been lost.
        expect(messagesOf(api.objects.get(pathOf(name))?.['status'])[theirs]).toBe(foreign.get(name))
      }
    }
    // Whoever leads goes on: a new leader looks at everything, which would make good what was forgotten.
    if (leader === undefined) lead(pick(replicas))
    for (let i = 0; i < 120; i++) {
      for (const replica of replicas) for (const name of [...replica.unseen]) replica.see(api, name)
      clock.advance(500)
      await settle()
    }
    for (const name of names.filter(exists)) {
      const messages = messagesOf(api.objects.get(pathOf(name))?.['status'])
      expect([seed, name, messages[ours], messages[theirs]]).toEqual([seed, name, wanted.get(name), foreign.get(name)])
    }
    const calls = api.calls.length
    for (let i = 0; i < 1_200; i++) clock.advance(500)
    await settle()
    expect(api.calls.length).toBe(calls)
    for (const { writer } of replicas) expect(writer.state.waiting).toBe(0)
  }
}, 60_000)
