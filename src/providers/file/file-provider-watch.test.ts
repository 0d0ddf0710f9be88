import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { KubernetesObject } from '../../gatewayapi/kinds.ts'
import type { ObjectSink } from '../object-sink.ts'
import { FileProvider, type FileProviderOptions } from './file-provider.ts'
import type { FileReport } from './report.ts'

let directory: string
let provider: FileProvider | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatewright-watch-'))
})
afterEach(() => {
  provider?.close()
  rmSync(directory, { recursive: true, force: true })
})

class MemorySink implements ObjectSink {
  readonly objects = new Map<string, KubernetesObject>()
  /** Every state of a Service that was ever in force: its port, or "gone". */
  readonly history: string[] = []

  apply(changes: Parameters<ObjectSink['apply']>[0]): void {
    for (const { kind, key, object } of changes) {
      if (object === undefined) this.objects.delete(`${kind} ${key}`)
      else this.objects.set(`${kind} ${key}`, object)
      if (kind === 'Service') this.history.push(`${key.split('/')[1]}:${portOf(object) ?? 'gone'}`)
    }
  }

  port(name: string): number | undefined {
    return portOf(this.objects.get(`Service default/${name}`))
  }
}

function portOf(object: KubernetesObject | undefined): number | undefined {
  return object?.kind === 'Service' ? object.spec.ports[0]?.port : undefined
}

const at = (name: string) => join(directory, name)
const write = (name: string, text: string) => writeFileSync(at(name), text)
const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n    - port: ${port}\n`
const documents = (...list: string[]) => list.join('---\n')

async function watch(options: Partial<FileProviderOptions> = {}): Promise<MemorySink> {
  const sink = new MemorySink()
  provider = new FileProvider(sink, { paths: [directory], logger: silentLogger, ...options })
  await provider.watch()
  return sink
}

/** Waits for a change to take effect. @returns how long that took, in milliseconds */
async function eventually(check: () => boolean, limit = 1000): Promise<number> {
  const start = performance.now()
  while (!check()) {
    if (performance.now() - start > limit) throw new Error(`did not happen within ${limit} ms`)
    await sleep(2)
  }
  return performance.now() - start
}

describe('a change takes effect soon', () => {
  test('when a file is written, added, or deleted', async () => {
    write('a.yaml', service('one'))
    const sink = await watch()
    write('a.yaml', service('one', 81))
    await eventually(() => sink.port('one') === 81)
    write('b.yaml', service('two'))
    await eventually(() => sink.port('two') === 80)
    unlinkSync(at('a.yaml'))
    await eventually(() => sink.port('one') === undefined)
  })

  test('when directories come, move and go', async () => {
    const sink = await watch()
    mkdirSync(at('conf.d/deep'), { recursive: true })
    write('conf.d/deep/a.yaml', service('one'))
    await eventually(() => sink.port('one') === 80)
    write('conf.d/deep/a.yaml', service('one', 81))
    await eventually(() => sink.port('one') === 81)
    renameSync(at('conf.d'), at('other'))
    await sleep(150)
    expect(sink.port('one')).toBe(81)
    write('other/deep/a.yaml', service('one', 82))
    await eventually(() => sink.port('one') === 82)
    rmSync(at('other'), { recursive: true })
    await eventually(() => sink.port('one') === undefined)
    expect(sink.history).toEqual(['one:80', 'one:81', 'one:82', 'one:gone'])
  })

  test('when the path comes into being later', async () => {
    const sink = await watch({ paths: [at('later/a.yaml')] })
    mkdirSync(at('later'))
    await sleep(60)
    write('later/a.yaml', service('one'))
    await eventually(() => sink.port('one') === 80)
    expect(provider?.report.problems).toEqual([])
  })

  test('every 50 ms', { retry: 2 }, async () => {
    write('a.yaml', service('one', 1000))
    const sink = await watch()
    const delays: number[] = []
    for (let port = 1001; port <= 1030; port++) {
      const next = sleep(50)
      write('a.yaml', service('one', port))
      delays.push(await eventually(() => sink.port('one') === port))
      await next
    }
    expect(sink.history).toHaveLength(31)
    expect(delays.sort((a, b) => a - b)[15]).toBeLessThan(50)
  })

  test('when two writes of one size follow at once', async () => {
    const sink = await watch()
    for (let port = 1001; port <= 1020; port++) {
      write('a.yaml', service('one', port))
      await sleep(20 + (port % 5))
      write('a.yaml', service('one', port + 1000))
      await eventually(() => sink.port('one') === port + 1000)
    }
  })
})

describe('nothing is lost', () => {
  test('when an editor saves by way of another name', async () => {
    write('a.yaml', service('one'))
    const sink = await watch()
    for (let port = 81; port < 86; port++) {
      // vim: the old file becomes the backup, then the new one is written.
      renameSync(at('a.yaml'), at('a.yaml~'))
      await sleep(30)
      write('a.yaml', service('one', port))
      await eventually(() => sink.port('one') === port)
      // Others: a new file is moved over the old one.
      write('.a.yaml.swp', service('one', port + 10))
      renameSync(at('.a.yaml.swp'), at('a.yaml'))
      await eventually(() => sink.port('one') === port + 10)
    }
    expect(sink.history).not.toContain('one:gone')
  })

  test('when a file is written in two halves', async () => {
    const text = documents(service('one', 81), service('two', 81), service('three', 81))
    write('a.yaml', documents(service('one'), service('two'), service('three')))
    const sink = await watch()
    for (const cut of [0, 10, 60, 81, 100, 150, 200]) {
      write('a.yaml', text.slice(0, cut))
      await sleep(150)
      appendFileSync(at('a.yaml'), text.slice(cut))
      await eventually(() => sink.port('three') === 81)
      write('a.yaml', documents(service('one'), service('two'), service('three')))
      await eventually(() => sink.port('three') === 80)
    }
    expect(sink.history.filter((state) => state.endsWith(':gone'))).toEqual([])
  })

  test('but an emptied file is emptied in the end', async () => {
    write('a.yaml', service('one'))
    const sink = await watch()
    write('a.yaml', '')
    await sleep(300)
    expect(sink.port('one')).toBe(80)
    await eventually(() => sink.port('one') === undefined, 2000)
  })

  test('when Kubernetes swaps the directory of a mounted ConfigMap', async () => {
    mkdirSync(at('..1'))
    write('..1/a.yaml', service('one'))
    symlinkSync('..1', at('..data'))
    symlinkSync('..data/a.yaml', at('a.yaml'))
    const sink = await watch()
    expect([...sink.objects.keys()]).toHaveLength(2)
    for (let version = 2; version < 8; version++) {
      mkdirSync(at(`..${version}`))
      write(`..${version}/a.yaml`, service('one', 80 + version))
      symlinkSync(`..${version}`, at('..data_tmp'))
      renameSync(at('..data_tmp'), at('..data'))
      rmSync(at(`..${version - 1}`), { recursive: true })
      await eventually(() => sink.port('one') === 80 + version)
    }
    expect(sink.history).not.toContain('one:gone')
  })

  test('when a link is turned to another file or directory', async () => {
    mkdirSync(at('v1'))
    mkdirSync(at('v2'))
    write('v1/a.yaml', service('one', 1))
    write('v2/a.yaml', service('one', 2))
    symlinkSync('v1', at('current'))
    const sink = await watch({ paths: [at('current')] })
    symlinkSync('v2', at('next'))
    renameSync(at('next'), at('current'))
    await eventually(() => sink.port('one') === 2)
    write('v2/a.yaml', service('one', 3))
    await eventually(() => sink.port('one') === 3)
    expect(sink.history).toEqual(['one:1', 'one:2', 'one:3'])
  })

  test('when an object moves to another file', async () => {
    write('a.yaml', service('one'))
    const reports: FileReport[] = []
    const sink = await watch({ onReport: (report) => reports.push(report) })
    renameSync(at('a.yaml'), at('b.yaml'))
    await eventually(() => provider?.report.files === 1 && reports.length > 0)
    await sleep(150)
    expect(sink.history).toEqual(['one:80'])
    expect(reports.flatMap((report) => report.problems)).toEqual([])
  })
})

test('each new report is handed on, and closing ends that', async () => {
  const reports: FileReport[] = []
  await watch({ onReport: (report) => reports.push(report) })
  write('a.yaml', 'a: [\n')
  await eventually(() => reports.length === 1)
  write('a.yaml', service('one'))
  await eventually(() => reports.length === 2)
  expect(reports.map((report) => [report.objects, report.problems.length])).toEqual([
    [0, 1],
    [2, 0],
  ])
  provider?.close()
  write('a.yaml', service('one', 81))
  await sleep(150)
  expect(reports).toHaveLength(2)
})

test('many files are looked at without long pauses', { retry: 2 }, async () => {
  mkdirSync(at('many'))
  for (let index = 0; index < 1500; index++) write(`many/${index}.yaml`, service(`s${index}`))
  const sink = await watch()
  expect(sink.objects.size).toBe(1501)
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  write('many/7.yaml', service('s7', 81))
  await eventually(() => sink.port('s7') === 81)
  clearInterval(timer)
  expect(longest).toBeLessThan(50)
})

test('after any edits, the state is that of reading everything anew', async () => {
  const name = fc.constantFrom('a.yaml', 'b.yaml', 'c.json', 'sub/a.yaml', 'sub/d.yml')
  const object = fc.record({
    service: fc.constantFrom('one', 'two', 'three', 'four'),
    port: fc.integer({ min: 1, max: 9 }),
  })
  const edit = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ type: fc.constant('write' as const), name, objects: fc.array(object, { maxLength: 4 }) }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), name }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('move' as const), name, to: name }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('break' as const), name }) },
  )
  const withoutGeneration = (sink: MemorySink) =>
    [...sink.objects]
      .map(([id, { metadata, ...rest }]) => [id, { ...metadata, generation: 0 }, rest] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  const load = async (target: MemorySink) => {
    const fresh = new FileProvider(target, { paths: [directory], logger: silentLogger })
    await fresh.load()
    return fresh
  }

  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(edit, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), async (rounds) => {
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(at('sub'), { recursive: true })
      const present = new Set<string>()
      const incremental = new MemorySink()
      const kept = await load(incremental)
      const broken = new Set<string>()
      for (const edits of [...rounds, []]) {
        // At the end nothing is broken any more: what a broken file keeps is not to be read anywhere.
        if (edits.length === 0) for (const file of broken) write(file, service('four'))
        for (const change of edits) {
          if (change.type === 'write') {
            const list = change.objects.map(({ service: id, port }) => service(id, port))
            write(change.name, list.length === 0 ? '# nothing\n' : documents(...list))
            present.add(change.name)
            broken.delete(change.name)
          } else if (change.type === 'break') {
            write(change.name, `${service('one')}---\na: [\n`)
            present.add(change.name)
            broken.add(change.name)
          } else if (present.has(change.name)) {
            if (change.type === 'delete') unlinkSync(at(change.name))
            else renameSync(at(change.name), at(change.to))
            if (change.type === 'move') present.add(change.to)
            const wasBroken = broken.delete(change.name)
            if (change.type === 'move') wasBroken ? broken.add(change.to) : broken.delete(change.to)
            if (change.type === 'delete' || change.to !== change.name) present.delete(change.name)
          }
        }
        await kept.load()
      }
      const scratch = new MemorySink()
      const fresh = await load(scratch)
      expect(withoutGeneration(incremental)).toEqual(withoutGeneration(scratch))
      expect(kept.report).toEqual(fresh.report)
    }),
    { numRuns: 60 },
  )
})
