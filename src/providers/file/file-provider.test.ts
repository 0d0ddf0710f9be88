import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { KubernetesObject } from '../../gatewayapi/kinds.ts'
import type { ObjectSink } from '../object-sink.ts'
import { FileProvider, type FileProviderOptions, maxFileSize } from './file-provider.ts'
import { type FileReport, formatProblem } from './report.ts'

let directory: string
let provider: FileProvider | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatewright-files-'))
})
afterEach(() => {
  provider?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Holds what the provider has put in, and counts the batches. */
class MemorySink implements ObjectSink {
  readonly objects = new Map<string, KubernetesObject>()
  batches = 0

  apply(changes: Parameters<ObjectSink['apply']>[0]): void {
    expect(changes.length).toBeGreaterThan(0)
    expect(new Set(changes.map(({ kind, key }) => `${kind} ${key}`)).size).toBe(changes.length)
    this.batches += 1
    for (const { kind, key, object } of changes) {
      if (object === undefined) this.objects.delete(`${kind} ${key}`)
      else this.objects.set(`${kind} ${key}`, object)
    }
  }

  /** Without the Namespaces that come by themselves. */
  get names(): string[] {
    return [...this.objects.keys()].filter((name) => name !== 'Namespace /default').sort()
  }
}

const sink = () => new MemorySink()
const at = (name: string) => join(directory, name)
const write = (name: string, text: string) => writeFileSync(at(name), text)
const service = (name: string, port = 80, more = '') =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n${more}spec:\n  ports:\n    - port: ${port}\n`
const documents = (...list: string[]) => list.join('---\n')

async function load(target: MemorySink, options: Partial<FileProviderOptions> = {}): Promise<FileReport> {
  provider = new FileProvider(target, { paths: [directory], logger: silentLogger, ...options })
  return provider.load()
}

/** Problems with paths below the directory. */
function lines(report: FileReport): string[] {
  return report.problems.map((problem) => formatProblem({ ...problem, file: relative(directory, problem.file) }))
}

describe('reading', () => {
  test('goes through directories, documents, lists and formats', async () => {
    mkdirSync(at('sub/deep'), { recursive: true })
    write('a.yaml', documents('# only a comment\n', service('one'), '', service('two')))
    write(
      'sub/b.yml',
      `apiVersion: v1\nkind: List\nitems:\n  - ${service('three').trimEnd().replaceAll('\n', '\n    ')}\n`,
    )
    write('sub/deep/c.json', JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'four' } }))
    write('d.yaml', `apiVersion: v1\nkind: ServiceList\nitems:\n  - metadata: { name: five }\n`)
    write('e.yaml', '%YAML 1.2\n---\n...\n')
    write('f.txt', 'not read')
    write('.hidden.yaml', service('hidden'))
    write('g.yaml~', service('backup'))
    const target = sink()
    const report = await load(target)
    expect(lines(report)).toEqual([])
    expect(target.names).toEqual(['five', 'four', 'one', 'three', 'two'].map((name) => `Service default/${name}`))
    expect(report).toMatchObject({ files: 5, objects: 6 })
    expect(target.batches).toBe(1)
  })

  test('takes single files of any name, several paths, and standard input', async () => {
    write('one.conf', service('one'))
    write('two.yaml', service('two'))
    const standardInput = (async function* () {
      yield service('three').slice(0, 10)
      yield new TextEncoder().encode(service('three').slice(10))
    })()
    const target = sink()
    await load(target, { paths: [at('one.conf'), '-', at('two.yaml'), '-'], standardInput })
    expect(target.names).toEqual(['Service default/one', 'Service default/three', 'Service default/two'])
  })

  test('takes pipes, once', async () => {
    execFileSync('/usr/bin/env', ['mkfifo', at('pipe')])
    const target = sink()
    const loaded = load(target, { paths: [at('pipe')] })
    await writeFile(at('pipe'), service('one'))
    expect(lines(await loaded)).toEqual([])
    expect(target.names).toEqual(['Service default/one'])
  })

  test('names standard input in problems', async () => {
    const standardInput = (async function* () {
      yield 'kind: Service\n'
    })()
    const report = await load(sink(), { paths: ['-'], standardInput })
    expect(report.problems.map(formatProblem)).toEqual([
      '<stdin>:1:1: error: Service: apiVersion: is required, as text such as "v1"',
    ])
  })

  test('follows links, once, and survives loops', async () => {
    mkdirSync(at('real'))
    write('real/a.yaml', service('one'))
    symlinkSync(at('real'), at('real/loop'))
    symlinkSync(at('real'), at('again'))
    symlinkSync(at('real/a.yaml'), at('z.yaml'))
    symlinkSync(at('nowhere'), at('broken.yaml'))
    symlinkSync('circle.yaml', at('circle.yaml'))
    const target = sink()
    expect(lines(await load(target))).toEqual([
      'broken.yaml: warning: is a link that leads nowhere: there is no such file or directory',
      'circle.yaml: warning: is a link that leads nowhere: its symbolic links lead in a circle',
    ])
    expect(target.names).toEqual(['Service default/one'])
  })

  test('understands anchors, merges and aliases, but no bombs', async () => {
    write(
      'a.yaml',
      `apiVersion: v1\nkind: Service\nmetadata: &m { name: one, labels: { app: web } }\nspec:\n  selector: { <<: { app: web } }\n  ports: [&p { port: 80, name: a }, { <<: *p, name: b, port: 81 }]\n`,
    )
    const nine = (anchor: string) => `[${Array(9).fill(anchor).join(', ')}]`
    const bomb = [
      'a: &a [x]',
      ...['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, index) => `${name}: &${name} ${nine(`*${'abcdefgh'[index]}`)}`),
    ]
    write('b.yaml', bomb.join('\n'))
    const target = sink()
    const report = await load(target)
    expect(target.names).toEqual(['Service default/one'])
    expect(lines(report)).toEqual([
      'b.yaml:1:1: error: aliases cannot be resolved: Excessive alias count indicates a resource exhaustion attack',
    ])
  })

  test('is not confused by names of ordinary properties', async () => {
    write('a.yaml', documents(...['constructor', 'tostring', 'valueof'].map((name) => service(name))))
    write(
      'b.yaml',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: constructor, labels: { constructor: x } }\ndata:\n  __proto__: polluted\n  toString: text\n',
    )
    const target = sink()
    expect(lines(await load(target))).toEqual([])
    expect(target.names).toContain('ConfigMap default/constructor')
    expect(Object.keys((target.objects.get('ConfigMap default/constructor') as { data?: object }).data ?? {})).toEqual([
      '__proto__',
      'toString',
    ])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('completing', () => {
  test('namespaces get their Namespace, with its name as a label', async () => {
    write(
      'a.yaml',
      documents(
        service('one', 80, '  namespace: shop\n'),
        'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: { team: a }\n',
        service('two'),
      ),
    )
    const target = sink()
    await load(target)
    expect(target.objects.get('Namespace /shop')?.metadata.labels).toEqual({
      team: 'a',
      'kubernetes.io/metadata.name': 'shop',
    })
    expect(target.objects.get('Namespace /default')?.metadata.labels).toEqual({
      'kubernetes.io/metadata.name': 'default',
    })
  })

  test('the default namespace can be another one', async () => {
    write('a.yaml', service('one'))
    const target = sink()
    await load(target, { defaultNamespace: 'own' })
    expect(target.names).toEqual(['Namespace /own', 'Service own/one'])
  })

  test('generation counts changes of the spec only', async () => {
    const target = sink()
    const generation = () => target.objects.get('Service default/one')?.metadata.generation
    write('a.yaml', service('one', 80))
    await load(target)
    expect(generation()).toBe(1)
    const reload = async (text: string) => {
      write('a.yaml', text)
      await provider?.load()
      return generation()
    }
    expect(await reload(service('one', 80, '  labels: { a: b }\n'))).toBe(1)
    expect(await reload(service('one', 81))).toBe(2)
    expect(await reload(`# a comment\n${service('one', 81)}`)).toBe(2)
    expect(await reload(service('one', 81, '  generation: 7\n'))).toBe(7)
    expect(await reload(service('one', 82))).toBe(8)
    expect(target.objects.get('Service default/one')?.metadata.creationTimestamp).toBeUndefined()
  })
})

describe('problems', () => {
  test('name file, line, column, object and field', async () => {
    write('a.yaml', documents(service('one'), `${service('two', 70000)}rulez: 1\n`, 'kind: Service\n', 'just text\n'))
    expect(lines(await load(sink()))).toEqual([
      'a.yaml:15:7: error: Service default/two: spec.ports[0].port: 70000 is not a port: use 1 to 65535',
      'a.yaml:16:1: error: Service default/two: unknown field "rulez": remove it',
      'a.yaml:18:1: error: Service: apiVersion: is required, as text such as "v1"',
      'a.yaml:20:1: error: "just text" is not an object: write fields such as apiVersion, kind and metadata',
    ])
  })

  test('point to the place of a field that is missing', async () => {
    write(
      'a.yaml',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: gw }\nspec:\n  listeners:\n    - name: http\n      port: 80\n',
    )
    expect(lines(await load(sink()))).toEqual([
      'a.yaml:4:1: error: Gateway default/gw: spec.gatewayClassName: is required: add it',
      'a.yaml:6:7: error: Gateway default/gw: spec.listeners[0].protocol: is required: add it',
    ])
  })

  test('tell of kinds and versions that are left aside, and stop nothing', async () => {
    write(
      'a.yaml',
      documents(
        'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\n',
        'apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: { name: r }\n',
        service('one'),
      ),
    )
    const target = sink()
    const report = await load(target)
    expect(lines(report)[0]).toMatch(
      /^a.yaml:2:1: warning: Pod p: Pod of v1 is left aside, because Gatewright does not read it: it reads Backend /,
    )
    expect(lines(report)[1]).toBe(
      'a.yaml:5:1: warning: HTTPRoute default/r: HTTPRoute of gateway.networking.k8s.io/v1alpha2 is left aside: use version v1 or v1beta1',
    )
    expect(target.names).toEqual(['Service default/one'])
  })

  test.each<[string, string]>([
    ['a: b: c\n', 'a.yaml:1:4: error: not valid YAML: Nested mappings are not allowed'],
    ['a:\n\tb: 1\n', 'a.yaml:2:1: error: not valid YAML: tabs are not allowed as indentation: use spaces'],
    ['a: 1\na: 2\n', 'a.yaml:2:1: error: not valid YAML: the same field is given twice: remove one of them'],
    ['a: [1\n', 'a.yaml:2:1: error: not valid YAML: Flow sequence'],
    [`${'['.repeat(20_000)}\n`, 'error: not valid YAML: is nested too deeply'],
    ['a: *b\n', 'a.yaml:1:1: error: aliases cannot be resolved: Unresolved alias'],
  ])('name the line of what is no YAML (%#)', async (text, message) => {
    write('a.yaml', text)
    write('b.yaml', service('one'))
    const target = sink()
    expect(lines(await load(target))[0]).toContain(message)
    expect(target.names).toEqual(['Service default/one'])
  })

  test('never show a Secret', async () => {
    write('a.yaml', 'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData:\n  a: 12345678\n')
    write('b.yaml', 'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData:\n  a: "hush-hush\n')
    const text = lines(await load(sink())).join('\n')
    expect(text).toContain('a.yaml:5:3')
    expect(text).not.toContain('12345678')
    expect(text).not.toContain('hush')
  })

  test('tell of files that cannot be read', async () => {
    write('big.yaml', ' '.repeat(maxFileSize + 1))
    writeFileSync(at('latin1.yaml'), Buffer.from('name: \xe4\n', 'latin1'))
    execFileSync('/usr/bin/env', ['mkfifo', at('pipe.yaml')])
    const report = await load(sink(), { paths: [directory, at('missing')] })
    expect(lines(report)).toEqual([
      'big.yaml: error: has 8388609 bytes: split it into files of at most 8388608',
      'latin1.yaml: error: is not UTF-8 text: save it with that encoding',
      'missing: error: there is no such file or directory: give the path of a file or a directory',
    ])
  })

  test('tell of files without permission', async () => {
    write('a.yaml', service('one'))
    chmodSync(at('a.yaml'), 0)
    // Root may read everything, so it becomes nobody for a moment.
    chmodSync(at('.'), 0o755)
    const root = process.getuid?.() === 0
    if (root) process.seteuid?.(65534)
    try {
      expect(lines(await load(sink()))).toEqual(['a.yaml: error: cannot be read: permission denied'])
    } finally {
      if (root) process.seteuid?.(0)
    }
  })
})

describe('duplicates', () => {
  test('the first place counts, the other one is told of, and takes over', async () => {
    write('a.yaml', service('one', 1))
    write('b.yaml', documents(service('one', 2), service('one', 3)))
    const target = sink()
    const port = () =>
      (target.objects.get('Service default/one') as { spec?: { ports?: { port: number }[] } }).spec?.ports?.[0]?.port
    expect(lines(await load(target))).toEqual([
      `b.yaml:1:1: error: Service default/one: is declared at ${at('a.yaml')}:1:1 already, and that one counts: remove one of them`,
      `b.yaml:9:1: error: Service default/one: is declared at ${at('a.yaml')}:1:1 already, and that one counts: remove one of them`,
    ])
    expect(port()).toBe(1)
    unlinkSync(at('a.yaml'))
    await provider?.load()
    expect(port()).toBe(2)
    expect(target.objects.get('Service default/one')?.metadata.generation).toBe(2)
    expect(provider?.report.problems).toHaveLength(1)
  })

  test('the earlier argument goes before the earlier path', async () => {
    write('a.yaml', service('one', 1))
    write('b.yaml', service('one', 2))
    const target = sink()
    await load(target, { paths: [at('b.yaml'), at('a.yaml')] })
    expect(target.objects.get('Service default/one')).toMatchObject({ spec: { ports: [{ port: 2 }] } })
  })
})

describe('the last good version', () => {
  const reload = async (name: string, text: string) => {
    write(name, text)
    return lines((await provider?.load()) as FileReport)
  }

  test('of a whole file stays while it is no YAML', async () => {
    const target = sink()
    write('a.yaml', documents(service('one'), service('two')))
    await load(target)
    expect(await reload('a.yaml', documents(service('one', 81), 'a: [\n'))).toHaveLength(1)
    expect(target.names).toEqual(['Service default/one', 'Service default/two'])
    expect(target.objects.get('Service default/one')).toMatchObject({ spec: { ports: [{ port: 80 }] } })
    expect(await reload('a.yaml', service('one', 81))).toEqual([])
    expect(target.names).toEqual(['Service default/one'])
  })

  test('of an object stays while it is refused, and the rest of the file takes effect', async () => {
    const target = sink()
    write('a.yaml', documents(service('one'), service('two')))
    await load(target)
    expect(await reload('a.yaml', documents(service('one', 70000), service('two', 81)))).toHaveLength(1)
    expect(target.objects.get('Service default/one')).toMatchObject({ spec: { ports: [{ port: 80 }] } })
    expect(target.objects.get('Service default/two')).toMatchObject({ spec: { ports: [{ port: 81 }] } })
  })

  test('of an object stays when even its name cannot be read', async () => {
    const target = sink()
    write('a.yaml', documents(service('one'), service('two')))
    await load(target)
    await reload('a.yaml', documents(service('one').replace('name: one', 'name: [1]'), service('two')))
    expect(target.names).toEqual(['Service default/one', 'Service default/two'])
    await reload('a.yaml', documents(service('two')))
    expect(target.names).toEqual(['Service default/two'])
  })

  test('goes with the file', async () => {
    const target = sink()
    write('a.yaml', service('one'))
    await load(target)
    await reload('a.yaml', 'a: [\n')
    unlinkSync(at('a.yaml'))
    await provider?.load()
    expect(target.objects.size).toBe(0)
    expect(provider?.report).toEqual({ files: 0, objects: 0, problems: [] })
  })

  test('is nothing for a file that starts out broken: its good documents are read', async () => {
    const target = sink()
    write('a.yaml', documents(service('one'), 'a: [\n'))
    expect(lines(await load(target))).toHaveLength(1)
    expect(target.names).toEqual(['Service default/one'])
  })
})

test('only what changed is given on, in one batch', async () => {
  const target = sink()
  write('a.yaml', documents(service('one'), service('two')))
  write('b.yaml', service('three'))
  await load(target)
  const before = new Map(target.objects)
  await provider?.load()
  write('b.yaml', `${service('three')}# more\n`)
  await provider?.load()
  expect(target.batches).toBe(1)
  write('c.yaml', service('four'))
  renameSync(at('b.yaml'), at('d.yaml'))
  write('a.yaml', documents(service('one'), service('two', 81)))
  await provider?.load()
  expect(target.batches).toBe(2)
  expect(target.objects.get('Service default/one')).toBe(before.get('Service default/one'))
  expect(target.objects.get('Service default/three')).toBe(before.get('Service default/three'))
  expect(target.names).toHaveLength(4)
})
