import { afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { httpError, MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { type ApiClient, ApiError, type ApiRequest } from './api-client.ts'
import { LeaderElection } from './leader-election.ts'

const path = '/apis/coordination.k8s.io/v1/namespaces/gatewright-system/leases/gatewright'

async function settle(rounds = 8): Promise<void> {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve))
}

const running: LeaderElection[] = []
afterEach(async () => {
  for (const election of running.splice(0)) await election.stop()
})

function join(api: ApiClient, clock: Clock, identity: string, messages: string[] = []): LeaderElection {
  const log = (message: string) => void messages.push(message)
  const election = new LeaderElection({
    api,
    clock,
    identity,
    namespace: 'gatewright-system',
    name: 'gatewright',
    logger: { ...silentLogger, info: log, warn: log, error: log },
    random: () => 0,
    time: () => new Date('2026-11-21T10:00:00.123Z'),
  })
  running.push(election)
  election.start()
  return election
}

async function advance(clock: FakeClock, milliseconds: number, step = 500): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) {
    clock.advance(Math.min(step, milliseconds - passed))
    await settle()
  }
}

describe('a Lease', () => {
  test('is made by the first, in the form that kubectl shows', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const told: boolean[] = []
    const a = join(api, clock, 'pod-a')
    a.subscribe((isLeader) => told.push(isLeader))
    await settle()
    expect(a.isLeader()).toBe(true)
    expect(told).toEqual([true])
    expect(a.identity).toMatch(/^pod-a_[0-9a-f]{12}$/)
    expect(api.objects.get(path)?.['spec']).toEqual({
      holderIdentity: a.identity,
      leaseDurationSeconds: 15,
      acquireTime: '2026-11-21T10:00:00.123000Z',
      renewTime: '2026-11-21T10:00:00.123000Z',
      leaseTransitions: 0,
    })
    await advance(clock, 60_000)
    expect(a.isLeader()).toBe(true)
    expect(a.counters).toMatchObject({ renewals: 31, failures: 0, terms: 1 })
  })

  test('keeps what others put into it', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    api.put(path, { metadata: { labels: { team: 'x' } }, spec: { strategy: 'OldestEmulationVersion' } })
    const a = join(api, clock, 'pod-a')
    await settle()
    expect(a.isLeader()).toBe(true)
    expect(api.objects.get(path)).toMatchObject({
      metadata: { labels: { team: 'x' } },
      spec: { strategy: 'OldestEmulationVersion' },
    })
  })
})

describe('who leads', () => {
  test('of several exactly one', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const all = ['a', 'b', 'c'].map((name) => join(api, clock, name))
    for (let i = 0; i < 40; i++) {
      await advance(clock, 500)
      expect(all.filter((election) => election.isLeader())).toHaveLength(1)
    }
  })

  test('after a leader that vanished, another one within 20 s, and not before 15 s', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const other = { holderIdentity: 'dead', leaseDurationSeconds: 15, leaseTransitions: 3 }
    api.put(path, { metadata: {}, spec: other })
    const b = join(api, clock, 'b')
    await advance(clock, 14_500)
    expect(b.isLeader()).toBe(false)
    expect(b.holder).toBe('dead')
    await advance(clock, 5_500)
    expect(b.isLeader()).toBe(true)
    expect(api.objects.get(path)).toMatchObject({ spec: { leaseTransitions: 4 } })
  })

  test('after a leader that was ended in order, another one at its next look', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const a = join(api, clock, 'a')
    await settle()
    const b = join(api, clock, 'b')
    await settle()
    const told: boolean[] = []
    a.subscribe((isLeader) => told.push(isLeader))
    await a.stop()
    expect(told).toEqual([false])
    expect(api.objects.get(path)).toMatchObject({ spec: { holderIdentity: '' } })
    await advance(clock, 2_500)
    expect(b.isLeader()).toBe(true)
  })

  test('another duration in the Lease is waited for if it is longer', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    api.put(path, { metadata: {}, spec: { holderIdentity: 'dead', leaseDurationSeconds: 60 } })
    const b = join(api, clock, 'b')
    await advance(clock, 59_000)
    expect(b.isLeader()).toBe(false)
    await advance(clock, 4_000)
    expect(b.isLeader()).toBe(true)
  })

  test('a Lease that is deleted stays with its leader', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const a = join(api, clock, 'a')
    await settle()
    const b = join(api, clock, 'b')
    await settle()
    api.fault = ({ method }) => {
      // The leader cannot be heard for a moment.
      if (method === 'PUT') throw new ApiError('network', 'reset')
    }
    api.remove(path)
    await advance(clock, 4_000)
    expect([a.isLeader(), b.isLeader()]).toEqual([true, false])
    api.fault = () => undefined
    await advance(clock, 4_000)
    expect([a.isLeader(), b.isLeader()]).toEqual([true, false])
    expect(api.objects.get(path)).toMatchObject({ spec: { holderIdentity: a.identity } })
  })

  test('a Lease that somebody else took is not fought for', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const a = join(api, clock, 'a')
    await settle()
    api.put(path, { metadata: {}, spec: { holderIdentity: 'by-hand', leaseDurationSeconds: 15 } })
    await advance(clock, 2_500)
    expect(a.isLeader()).toBe(false)
  })
})

describe('an API server that does not work', () => {
  test('a leader that cannot renew stops after 10 s, tells it once, and leads again when it can', async () => {
    const [api, clock, messages] = [new MemoryApi(), new FakeClock(), [] as string[]]
    const a = join(api, clock, 'a', messages)
    await settle()
    const told: [number, boolean][] = []
    a.subscribe((isLeader) => told.push([clock.now(), isLeader]))
    api.fault = () => {
      throw new ApiError('network', 'connect ECONNREFUSED')
    }
    await advance(clock, 600_000, 1_000)
    expect(told).toEqual([[10_000, false]])
    expect(messages).toEqual([
      'This replica leads now',
      'The lease cannot be read or written now',
      'This replica leads no longer',
    ])
    api.fault = () => undefined
    await advance(clock, 2_500)
    expect(a.isLeader()).toBe(true)
  })

  test('a missing right is told once and waited for', async () => {
    const [api, clock, messages] = [new MemoryApi(), new FakeClock(), [] as string[]]
    api.fault = () => {
      throw httpError(403, 'Forbidden', 'leases is forbidden: User "u" cannot get resource "leases"')
    }
    const a = join(api, clock, 'a', messages)
    await advance(clock, 60_000, 1_000)
    expect(messages).toEqual(['The lease cannot be read or written now'])
    api.fault = () => undefined
    await advance(clock, 2_500)
    expect(a.isLeader()).toBe(true)
  })

  test('a process that stood still is no leader from the moment it runs again', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const a = join(api, clock, 'a')
    await settle()
    // Time passes, but no timer gets to run.
    const late: Clock = { now: () => 60_000, after: () => () => {} }
    expect(a.isLeader()).toBe(true)
    clock.now = late.now
    expect(a.isLeader()).toBe(false)
  })

  test('a process that is ended while it cannot reach the API server ends', async () => {
    const [api, clock] = [new MemoryApi(), new FakeClock()]
    const a = join(api, clock, 'a')
    await settle()
    api.fault = () => {
      throw new ApiError('timeout', 'no answer')
    }
    await a.stop()
    expect(a.isLeader()).toBe(false)
    await advance(clock, 60_000, 5_000)
    expect(clock.pending).toBe(0)
  })
})

/** Small, and the same everywhere. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A machine whose clock runs at its own rate, and which stands still at times. */
class Machine implements Clock, ApiClient {
  readonly #world: FakeClock
  readonly #api: MemoryApi
  readonly #random: () => number
  readonly #rate: number
  readonly #start: number
  pausedUntil = 0
  isCutOff = false
  isGone = false
  /** How often it stood still. */
  pauses = 0

  constructor(world: FakeClock, api: MemoryApi, random: () => number) {
    this.#world = world
    this.#api = api
    this.#random = random
    this.#rate = 0.95 + random() * 0.1
    this.#start = random() * 1e6
  }

  get isPaused(): boolean {
    return this.#world.now() < this.pausedUntil
  }

  pause(milliseconds: number): void {
    this.pauses++
    this.pausedUntil = Math.max(this.pausedUntil, this.#world.now() + milliseconds)
  }

  now(): number {
    return this.#start + this.#world.now() * this.#rate
  }

  after(milliseconds: number, run: () => void): () => void {
    let cancel = this.#world.after(milliseconds / this.#rate, () => fire())
    const fire = (): void => {
      if (this.isGone) return
      if (this.isPaused) cancel = this.#world.after(this.pausedUntil - this.#world.now(), fire)
      else run()
    }
    return () => cancel()
  }

  list(): Promise<unknown> {
    return this.#api.list()
  }

  watch(): Promise<void> {
    throw new Error('no watches here')
  }

  /** Takes its time on both ways; may get lost on either; the server may act long after we gave up. */
  async call(request: ApiRequest): Promise<unknown> {
    const wait = (milliseconds: number) => new Promise<void>((resolve) => this.#world.after(milliseconds, resolve))
    const delay = () => {
      const luck = this.#random()
      return luck < 0.85 ? luck * 100 : luck < 0.97 ? luck * 3_000 : this.#random() * 20_000
    }
    const answer = (async () => {
      await wait(delay())
      if (this.isCutOff || this.#random() < 0.03) throw new ApiError('network', 'lost on the way there')
      const result = await this.#api.call(request)
      await wait(delay())
      if (this.isCutOff || this.#random() < 0.03) throw new ApiError('network', 'lost on the way back')
      return result
    })()
    answer.catch(() => {})
    const timeout = wait(request.timeout ?? 30_000).then(() => {
      throw new ApiError('timeout', 'no answer')
    })
    timeout.catch(() => {})
    try {
      return await Promise.race([answer, timeout])
    } finally {
      while (this.isPaused) await wait(this.pausedUntil - this.#world.now())
    }
  }
}

describe('whatever happens', () => {
  test('there are never two leaders, and soon one when things are well', async () => {
    let pauses = 0
    let terms = 0
    for (let seed = 1; seed <= 8; seed++) {
      const random = createRandom(seed)
      const world = new FakeClock()
      const api = new MemoryApi()
      const members: { machine: Machine; election: LeaderElection }[] = []
      const add = () => {
        const machine = new Machine(world, api, random)
        const election = new LeaderElection({
          api: machine,
          clock: machine,
          identity: 'same',
          namespace: 'gatewright-system',
          name: 'gatewright',
          logger: silentLogger,
          random,
        })
        election.start()
        members.push({ machine, election })
      }
      for (let i = 0; i < 3; i++) add()
      /** Those who would write now if they had something to write. */
      const leaders = () => members.filter(({ machine, election }) => !machine.isPaused && election.isLeader())
      const live = async (milliseconds: number) => {
        for (let passed = 0; passed < milliseconds; passed += 50) {
          world.advance(50)
          await settle(3)
          if (leaders().length > 1) throw new Error(`two leaders with seed ${seed} at ${world.now()} ms`)
        }
      }
      while (world.now() < 800_000) {
        for (const { machine } of members) {
          if (random() < 0.4) machine.pause(random() < 0.7 ? random() * 2_000 : random() * 40_000)
          machine.isCutOff = random() < 0.15
        }
        if (random() < 0.1) {
          const [member] = members.splice(Math.floor(random() * members.length), 1)
          terms += member?.election.counters.terms ?? 0
          pauses += member?.machine.pauses ?? 0
          // Ended in order, or killed.
          if (random() < 0.5) void member?.election.stop()
          else if (member) {
            member.machine.isGone = true
            member.machine.pause(Number.POSITIVE_INFINITY)
          }
          add()
        }
        await live(2_500)
      }
      for (const { machine } of members) machine.isCutOff = false
      // Answers still get lost, but not for long.
      let most = 0
      for (let waited = 0; leaders().length === 0; waited += 500) {
        await live(500)
        most = waited
      }
      expect(most).toBeLessThan(120_000)
      for (const { machine, election } of members) {
        terms += election.counters.terms
        pauses += machine.pauses
        machine.isGone = true
        machine.pausedUntil = Number.POSITIVE_INFINITY
      }
    }
    expect(pauses).toBeGreaterThan(2_000)
    expect(terms).toBeGreaterThan(50)
  }, 120_000)
})
