import { expect, test } from 'vitest'
import { makeResource, type TypeName, XdsBed } from '../testing/xds-bed.ts'
import { ModelProxy } from '../testing/xds-model.ts'
import { entriesOf, refersTo, textOf } from '../testing/xds-model-text.ts'
import { makeTable, parseTable } from '../testing/xds-table.ts'
import { Violation } from '../testing/xds-violation.ts'
import type { EnvoyResource } from './resource.ts'

/** Of each test. A long run: `XDS_FUZZ_STEPS=1000000 npx vitest run --project unit src/xds/protocol`. */
const totalSteps = Number(process.env['XDS_FUZZ_STEPS'] ?? 50_000)
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
    this.put([makeResource('listener', 'l0', 'v0 t0'), makeTable('t0', { a: 'v0', b: 'v0' })])
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
    const put = [this.#table(table, uses, isBad)]
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

  /** Its clusters spread over its parts; a part may stay as it is, or be the one that is refused. */
  #table(name: string, uses: readonly string[], isBad: boolean): EnvoyResource {
    const before = parseTable(textOf(this.bed, 'route', name) ?? '')
    const parts: Record<string, string> = {}
    const bad = isBad ? this.pick(['a', 'b', 'c']) : undefined
    for (const [i, part] of ['a', 'b', 'c'].entries()) {
      const clusters = uses.filter((_, use) => use % 3 === i)
      const old = before[part]
      const isSame = old !== undefined && refersTo(`:${old}`).join() === clusters.join()
      if (part !== bad && isSame && this.random() < 0.5) parts[part] = old
      else parts[part] = [`${part === bad ? 'bad' : ''}${this.text()}`, ...clusters].join('>')
    }
    return makeTable(name, parts)
  }

  #toggleListener(): void {
    const index = Math.floor(this.random() * 3)
    const listeners = entriesOf(this.bed, 'listener')
    const [listener, table] = [`l${index}`, `t${index}`]
    if (!listeners.has(listener)) {
      this.put([
        makeResource('listener', listener, `${this.text()} ${table}`),
        makeTable(table, { a: this.text(), b: this.text() }),
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

/** One world and its proxies, one or two. */
async function run(seed: number, steps: number, variant: 'delta' | 'sotw', canBeBad: boolean): Promise<number> {
  const random = createRandom(seed)
  const world = new World(random)
  const { bed, trace } = world
  const shared = { refusedAlone: new Set<string>(), loadable: new Set<string>() }
  const models = Array.from({ length: seed % 3 === 0 ? 2 : 1 }, (_, i) => {
    return new ModelProxy(bed, { variant, linger, drainTime, random, nodeId: `model-${i}`, ...shared })
  })
  try {
    for (const model of models) await model.connect()
    for (let step = 0; step < steps; step++) await takeStep(world, models, canBeBad)
    trace.push('rest')
    for (let i = 0; i < 6; i++) {
      for (let n = 0; n < 2000; n++) {
        for (const model of models) {
          model.readOn()
          model.receive()
          model.process()
        }
        if (models.every((model) => model.backlog === 0)) break
      }
      bed.advance(61_000)
    }
    // What the model finds while the server writes is thrown into the server, which logs it.
    const errors = bed.logs.filter((l) => l.level === 'error')
    if (errors.length > 0) throw new Violation(`logged: ${JSON.stringify(errors[0])}`)
    for (const model of models) model.judgeAtRest()
    return models.reduce((sum, model) => sum + model.responses, 0)
  } catch (error) {
    const head = error instanceof Violation ? error.message : String((error as Error).stack)
    const states = models.map((model) => JSON.stringify(model.proxy?.session?.describe(), null, 1)).join('\n')
    const shown = process.env['XDS_FUZZ_SEED'] ? trace : trace.slice(-60)
    throw new Error(`seed ${seed} (${variant}): ${head}\n${states}\n${shown.join('\n')}`)
  }
}

async function takeStep(world: World, models: readonly ModelProxy[], canBeBad: boolean): Promise<void> {
  const { random, trace, bed } = world
  const index = Math.floor(random() * models.length)
  const model = models[index] as ModelProxy
  const say = (what: string): number => trace.push(models.length > 1 ? `${what} ${index}` : what)
  const roll = random()
  if (roll < 0.3) world.edit(canBeBad)
  else if (roll < 0.5) {
    say('receive')
    model.receive()
  } else if (roll < 0.78) {
    say('process')
    model.receive()
    model.process()
  } else if (roll < 0.85) {
    say('misbehave')
    model.misbehave()
  } else if (roll < 0.87) {
    say('reconnect')
    await model.connect()
  } else if (roll < 0.875) {
    say('drain')
    model.drain()
  } else if (roll < 0.9) {
    say('stop')
    model.stopReading()
  } else if (roll < 0.94) {
    say('go on')
    model.readOn()
  } else {
    const time = world.pick([10, 500, 3_000, 31_000])
    trace.push(`advance ${time}`)
    // Nobody is cut off: that is another test.
    for (const each of models) each.readOn()
    bed.advance(time)
  }
}

for (const variant of ['delta', 'sotw'] as const) {
  for (const canBeBad of [false, true]) {
    test(`${variant}: no rule is broken in ${totalSteps} random steps${canBeBad ? ' with refused resources' : ''}`, async () => {
      let responses = 0
      for (let seed = firstSeed; seed < firstSeed + totalSteps / stepsPerSeed; seed++) {
        responses += await run(seed, stepsPerSeed, variant, canBeBad)
      }
      expect(responses).toBeGreaterThan(0)
    }, 600_000)
  }
}
