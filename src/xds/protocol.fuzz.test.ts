import { expect, test } from 'vitest'
import { makeResource, type TypeName, XdsBed } from '../testing/xds-bed.ts'
import { entriesOf, ModelProxy, refersTo, Violation } from '../testing/xds-model.ts'
import type { EnvoyResource } from './resource.ts'

/** 100,000 for the full run: `XDS_FUZZ_STEPS=100000 npx vitest run --project unit src/xds/protocol.fuzz.test.ts`. */
const totalSteps = Number(process.env['XDS_FUZZ_STEPS'] ?? 6_000)
const firstSeed = Number(process.env['XDS_FUZZ_SEED'] ?? 1)
const stepsPerSeed = 300

const linger = 30_000
const drainTime = 60_000

/** mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Random worlds in which every table uses only clusters that exist. */
class World {
  readonly bed = new XdsBed({ linger, drainTime })
  readonly random: () => number
  readonly trace: string[] = []
  #version = 0

  constructor(random: () => number) {
    this.random = random
    for (let i = 0; i < 5; i++) this.put([makeResource('extension', `x${i}`, 'v0')])
    for (const type of ['cluster', 'endpoint', 'route', 'listener', 'extension', 'secret'] as const) {
      for (const name of ['c0', 't0', 'l0', 'x0', 's0']) this.put([makeResource(type, name, 'foreign', { scope: 'b' })])
    }
    this.put([makeResource('listener', 'l0', 'v0 t0'), makeResource('route', 't0', 'v0 ')])
    this.trace.length = 0
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T
  }

  put(resources: readonly EnvoyResource[], removed: readonly (readonly [TypeName, string])[] = []): void {
    const say = (r: EnvoyResource) => Buffer.from(r.bytes).toString()
    this.trace.push(`put ${resources.map(say).join('; ')} | remove ${removed.map((r) => r.join(' ')).join('; ')}`)
    this.bed.change(resources, removed)
  }

  text(): string {
    return `v${this.#version++}`
  }

  /** One batch. */
  edit(canBeBad: boolean): void {
    const tables = [...entriesOf(this.bed, 'route').keys()]
    const clusters = [...entriesOf(this.bed, 'cluster').keys()]
    const roll = this.random()
    const table = tables.length > 0 ? this.pick(tables) : undefined
    if (roll < 0.4 && table !== undefined) this.#retarget(table, canBeBad && this.random() < 0.15)
    else if (roll < 0.5 && clusters.length > 0) {
      const name = this.pick(clusters)
      this.put([
        makeResource(
          'cluster',
          name,
          canBeBad && this.random() < 0.2 ? `bad${this.text()}` : this.text(),
          this.#more(),
        ),
      ])
    } else if (roll < 0.65 && clusters.length > 0) {
      const name = this.pick(clusters)
      this.put([makeResource('endpoint', name, canBeBad && this.random() < 0.15 ? `bad${this.text()}` : this.text())])
    } else if (roll < 0.7) this.put([makeResource('secret', `s${Math.floor(this.random() * 3)}`, this.text())])
    else if (roll < 0.8) this.#toggleListener()
    else if (roll < 0.9) {
      const name = `x${Math.floor(this.random() * 5)}`
      if (this.random() < 0.3) this.put([], [['extension', name]])
      else
        this.put([makeResource('extension', name, canBeBad && this.random() < 0.2 ? `bad${this.text()}` : this.text())])
    } else if (table !== undefined) this.#retarget(table, false, [])
  }

  #more(): Partial<EnvoyResource> {
    return this.random() < 0.3 ? { secrets: [`s${Math.floor(this.random() * 3)}`] } : {}
  }

  /** Adds what the table needs and removes what no table needs any more, all in one batch. */
  #retarget(table: string, isBad: boolean, to?: readonly string[]): void {
    const all = Array.from({ length: 8 }, (_, i) => `c${i}`)
    const uses = to ?? all.filter(() => this.random() < 0.25)
    const text = `${isBad ? 'bad' : ''}${this.text()} ${uses.join()}`
    const put = [makeResource('route', table, text)]
    const present = entriesOf(this.bed, 'cluster')
    for (const cluster of uses) {
      if (present.has(cluster)) continue
      put.push(
        makeResource('cluster', cluster, this.text(), this.#more()),
        makeResource('endpoint', cluster, this.text()),
      )
    }
    const used = new Set(uses)
    for (const [name, other] of entriesOf(this.bed, 'route'))
      if (name !== table) for (const c of refersTo(other)) used.add(c)
    const unused = [...present.keys()].filter((name) => !used.has(name))
    this.put(
      put,
      unused.flatMap((name) => [['cluster', name] as const, ['endpoint', name] as const]),
    )
  }

  #toggleListener(): void {
    const index = Math.floor(this.random() * 3)
    const listeners = entriesOf(this.bed, 'listener')
    const [listener, table] = [`l${index}`, `t${index}`]
    if (!listeners.has(listener)) {
      this.put([
        makeResource('listener', listener, `${this.text()} ${table}`),
        makeResource('route', table, `${this.text()} `),
      ])
    } else if (this.random() < 0.4) {
      this.put([makeResource('listener', listener, `${this.text()} ${table}`)])
    } else {
      const used = new Set(
        [...entriesOf(this.bed, 'route')].filter(([n]) => n !== table).flatMap(([, t]) => refersTo(t)),
      )
      const unused = [...entriesOf(this.bed, 'cluster').keys()].filter((name) => !used.has(name))
      this.put(
        [],
        [
          ['listener', listener],
          ['route', table],
          ...unused.flatMap(
            (n) =>
              [
                ['cluster', n],
                ['endpoint', n],
              ] as const,
          ),
        ],
      )
    }
  }
}

async function run(seed: number, steps: number, variant: 'delta' | 'sotw', canBeBad: boolean): Promise<number> {
  const random = createRandom(seed)
  const world = new World(random)
  const { bed, trace } = world
  const model = new ModelProxy(bed, {
    variant,
    linger,
    drainTime,
    random,
    refusedAlone: new Set(),
    loadable: new Set(),
  })
  try {
    await model.connect()
    for (let step = 0; step < steps; step++) {
      const roll = random()
      if (roll < 0.3) world.edit(canBeBad)
      else if (roll < 0.5) {
        trace.push('receive')
        model.receive()
      } else if (roll < 0.78) {
        trace.push('process')
        model.receive()
        model.process()
      } else if (roll < 0.85) {
        trace.push('misbehave')
        model.misbehave()
      } else if (roll < 0.87) {
        trace.push('reconnect')
        await model.connect()
      } else if (roll < 0.9) {
        if (model.proxy) model.proxy.isStopped = true
        trace.push('stop')
      } else if (roll < 0.94) {
        trace.push('go on')
        if (model.proxy) {
          model.proxy.isStopped = false
          model.proxy.read(Number.POSITIVE_INFINITY)
        }
      } else {
        const time = [10, 500, 3_000, 31_000][Math.floor(random() * 4)] as number
        trace.push(`advance ${time}`)
        if (model.proxy?.isStopped) {
          model.proxy.isStopped = false
          model.proxy.read(Number.POSITIVE_INFINITY)
        }
        bed.advance(time)
      }
    }
    trace.push('rest')
    for (let i = 0; i < 6; i++) {
      if (model.proxy) {
        model.proxy.isStopped = false
        model.proxy.read(Number.POSITIVE_INFINITY)
      }
      for (let n = 0; n < 2000; n++) {
        model.receive()
        if (model.backlog === 0) break
        model.process()
      }
      bed.advance(61_000)
    }
    // What the model finds while the server writes is thrown into the server, which logs it.
    const errors = bed.logs.filter((l) => l.level === 'error')
    if (errors.length > 0) throw new Violation(`logged: ${JSON.stringify(errors[0])}`)
    model.judgeAtRest()
    return model.responses
  } catch (error) {
    const head = error instanceof Violation ? error.message : String((error as Error).stack)
    const state = JSON.stringify(model.proxy?.session?.describe(), null, 1)
    throw new Error(
      `seed ${seed} (${variant}): ${head}\n${state}\n${trace.slice(process.env['XDS_FUZZ_SEED'] ? 0 : -60).join('\n')}`,
    )
  }
}

for (const variant of ['delta', 'sotw'] as const) {
  for (const canBeBad of [false, true]) {
    test(`${variant}: no rule is broken in ${totalSteps} random steps${canBeBad ? ' with refused resources' : ''}`, async () => {
      let responses = 0
      for (let seed = firstSeed; seed < firstSeed + totalSteps / stepsPerSeed / 4; seed++) {
        responses += await run(seed, stepsPerSeed, variant, canBeBad)
      }
      expect(responses).toBeGreaterThan(0)
    }, 600_000)
  }
}
