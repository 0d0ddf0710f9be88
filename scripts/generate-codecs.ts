/**
 * Generates `src/gen/` from the .proto files of the Envoy API.
 *
 *   envoy.js, .d.ts         encoders of Envoy's resources; static code, nothing is compiled at run time
 *   discovery.js, .d.ts     encoders and decoders of the xDS requests and responses
 *   descriptors.js, .d.ts   one row per field, for printing encoded resources as proto JSON
 *
 * The protos come from the development dependency `@grpc/grpc-js-xds`; everything newer than its
 * API of mid-2024 is declared in `protos/*.proto`: a message of the same name there adds its fields.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { type CodecRoot, discoveryRoots, resourceRoots } from './codec-roots.ts'
import { writeEncoders } from './encoder-source.ts'

const project = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const deps = join(project, 'node_modules/@grpc/grpc-js-xds/deps')
const includes = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((d) => join(deps, d))
const out = join(project, 'src/gen')

/** Loads every proto that the given messages live in, then merges the fields of `protos/`. */
function loadRoot(wanted: readonly CodecRoot[]): protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => {
    if (target.startsWith('/')) return target
    for (const dir of includes) if (existsSync(join(dir, target))) return join(dir, target)
    const bundled = join(project, 'node_modules/protobufjs', target)
    return existsSync(bundled) ? bundled : null
  }
  const files = new Set(wanted.map((r) => r.file))
  // Those of whole messages that are newer come from `protos/`, below.
  root.loadSync([...files].filter((file) => includes.some((dir) => existsSync(join(dir, file)))))
  for (const file of readdirSync(join(project, 'protos'))) {
    if (!file.endsWith('.proto')) continue
    const added = new protobuf.Root()
    protobuf.parse(readFileSync(join(project, 'protos', file), 'utf8'), added, { keepCase: false })
    mergeNamespace(root, added)
  }
  root.resolveAll()
  return root
}

function mergeNamespace(into: protobuf.NamespaceBase, from: protobuf.NamespaceBase): void {
  for (const child of from.nestedArray) {
    const existing = into.get(child.name)
    if (existing instanceof protobuf.Type && child instanceof protobuf.Type) {
      mergeNamespace(existing, child)
      const oneofs = child.oneofsArray.map((o) => ({ name: o.name, fields: o.fieldsArray.map((f) => f.name) }))
      for (const field of child.fieldsArray) {
        if (existing.fields[field.name]) continue
        existing.add(protobuf.Field.fromJSON(field.name, field.toJSON() as protobuf.IField))
      }
      for (const oneof of oneofs) {
        const target = existing.oneofs[oneof.name]
        if (!target) existing.add(new protobuf.OneOf(oneof.name, oneof.fields))
        else for (const f of oneof.fields) if (!target.oneof.includes(f)) target.add(existing.get(f) as protobuf.Field)
      }
    } else if (existing instanceof protobuf.Namespace && child instanceof protobuf.Namespace) {
      mergeNamespace(existing, child)
    } else if (!existing) {
      from.remove(child)
      into.add(child)
    } else {
      throw new Error(`protos/ declares ${child.fullName} as another sort of thing than the Envoy API does`)
    }
  }
}

/** What is reachable from the root messages, without deprecated fields and the pruned ones. */
function reachable(
  root: protobuf.Root,
  wanted: readonly CodecRoot[],
): { types: Set<protobuf.Type>; enums: Set<protobuf.Enum> } {
  const types = new Set<protobuf.Type>()
  const enums = new Set<protobuf.Enum>()
  const queue = wanted.map((r) => root.lookupType(r.message))
  const pruned = new Map(wanted.flatMap((r) => (r.keep ? [[`.${r.message}`, new Set(r.keep)]] : [])))
  for (let type = queue.pop(); type; type = queue.pop()) {
    if (types.has(type)) continue
    types.add(type)
    for (const field of [...type.fieldsArray]) {
      const keep = pruned.get(type.fullName)
      const drop = keep ? !keep.has(snake(field.name)) : field.options?.['deprecated'] === true
      if (drop) {
        type.remove(field)
        continue
      }
      const target = field.resolvedType
      if (target instanceof protobuf.Enum) enums.add(target)
      else if (target instanceof protobuf.Type) queue.push(target)
    }
    for (const oneof of type.oneofsArray) {
      // Removing a field leaves its name in the oneof's list, which the JSON form would still print.
      oneof.oneof = oneof.oneof.filter((name) => type.fields[name])
    }
  }
  return { types, enums }
}

function prune(ns: protobuf.NamespaceBase, keep: Set<protobuf.ReflectionObject>): boolean {
  for (const child of [...ns.nestedArray]) {
    if (child instanceof protobuf.Enum) {
      if (!keep.has(child)) ns.remove(child)
    } else if (child instanceof protobuf.Type) {
      const nested = prune(child, keep)
      if (!keep.has(child)) {
        if (nested) {
          for (const f of [...child.fieldsArray]) child.remove(f)
          for (const o of [...child.oneofsArray]) child.remove(o)
        } else ns.remove(child)
      }
    } else if (child instanceof protobuf.Namespace) {
      if (!prune(child, keep)) ns.remove(child)
    } else ns.remove(child)
  }
  return ns.nestedArray.length > 0
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
const qualified = (o: protobuf.ReflectionObject): string => o.fullName.slice(1)

function generateJs(root: protobuf.Root, file: string, name: string): void {
  const json = join(out, 'pruned.json')
  writeFileSync(json, JSON.stringify(root.toJSON()))
  const pbjs = join(project, 'node_modules/protobufjs-cli/bin/pbjs')
  execFileSync(
    process.execPath,
    [
      pbjs,
      '-t',
      'static-module',
      '-w',
      'es6',
      '--no-comments',
      '--no-create',
      '--no-verify',
      '--no-convert',
      '--no-delimited',
      '--no-service',
      '--force-number',
      '--dependency',
      'protobufjs/minimal.js',
      '-o',
      file,
      json,
      // A root of its own: what two modules share under one name, the second one replaces.
      '--root',
      name,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  execFileSync('rm', ['-f', json])
}

const scalars: Record<string, string> = {
  double: 'number',
  float: 'number',
  int32: 'number',
  uint32: 'number',
  sint32: 'number',
  fixed32: 'number',
  sfixed32: 'number',
  int64: 'number',
  uint64: 'number',
  sint64: 'number',
  fixed64: 'number',
  sfixed64: 'number',
  bool: 'boolean',
  string: 'string',
  bytes: 'Uint8Array',
}

function fieldType(field: protobuf.Field): string {
  const target = field.resolvedType
  const one = target ? qualified(target) : (scalars[field.type] as string)
  if (field instanceof protobuf.MapField) return `{ [key: string]: ${one} }`
  return field.repeated ? `readonly ${one}[]` : one
}

/** Types of a namespace; `values` also declares what exists at run time. Below a message only types may stand. */
function generateTypes(ns: protobuf.NamespaceBase, codec: string, values: boolean, indent = ''): string {
  let text = ''
  const pad = `${indent}  `
  for (const child of ns.nestedArray) {
    if (child instanceof protobuf.Enum) {
      text += `${indent}type ${child.name} = ${[...new Set(Object.values(child.values))].join(' | ')}\n`
      if (values) text += `${indent}const ${child.name}: ${enumValues(child)}\n`
    } else if (child instanceof protobuf.Type) {
      text += `${indent}interface ${child.name} {\n`
      for (const field of child.fieldsArray) text += `${pad}${field.name}?: ${fieldType(field)} | undefined\n`
      text += `${indent}}\n`
      if (values) text += `${indent}const ${child.name}: ${codecValue(child, codec)}\n`
      if (child.nestedArray.length > 0)
        text += `${indent}namespace ${child.name} {\n${generateTypes(child, codec, false, pad)}${indent}}\n`
    } else if (child instanceof protobuf.Namespace) {
      text += `${indent}${indent === '' ? 'export declare ' : ''}namespace ${child.name} {\n${generateTypes(child, codec, true, pad)}${indent}}\n`
    }
  }
  return text
}

function enumValues(e: protobuf.Enum): string {
  return `{ ${Object.entries(e.values)
    .map(([name, value]) => `readonly ${name}: ${value}`)
    .join('; ')} }`
}

/** A codec with its nested codecs and enums as properties. */
function codecValue(type: protobuf.Type, codec: string): string {
  const nested = type.nestedArray.flatMap((child) => {
    if (child instanceof protobuf.Enum) return [`readonly ${child.name}: ${enumValues(child)}`]
    return child instanceof protobuf.Type ? [`readonly ${child.name}: ${codecValue(child, codec)}`] : []
  })
  const own = `${codec}<${qualified(type)}>`
  return nested.length === 0 ? own : `${own} & { ${nested.join('; ')} }`
}

const header = '// Generated by scripts/generate-codecs.ts; do not edit.\n'
const codecTypes = `${header}import type { Writer } from 'protobufjs/minimal.js'
export interface Codec<T> {
  encode(message: T, writer?: Writer): Writer
  getTypeUrl(prefix?: string): string
}
export interface DecodingCodec<T> extends Codec<T> {
  decode(bytes: Uint8Array, length?: number): T
}
`

/** Rows of [number, proto name, kind, type or scalar name]; see `gen/descriptors.d.ts`. */
function generateDescriptors(types: Set<protobuf.Type>, enums: Set<protobuf.Enum>): void {
  const messages: Record<string, unknown[]> = {}
  for (const type of [...types].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))) {
    messages[qualified(type)] = type.fieldsArray.map((field) => {
      field.resolve()
      const target = field.resolvedType
      const of = target
        ? target instanceof protobuf.Enum
          ? `enum ${qualified(target)}`
          : `message ${qualified(target)}`
        : field.type
      const shape = field instanceof protobuf.MapField ? `map ${field.keyType}` : field.repeated ? 'repeated' : ''
      return [field.id, snake(field.name), of, shape]
    })
  }
  const named = Object.fromEntries([...enums].map((e) => [qualified(e), e.valuesById]))
  writeFileSync(
    join(out, 'descriptors.js'),
    `${header}export const messages = ${JSON.stringify(messages)}\nexport const enums = ${JSON.stringify(named)}\n`,
  )
  writeFileSync(
    join(out, 'descriptors.d.ts'),
    `${header}/** number, proto name, scalar | "message <name>" | "enum <name>", "" | "repeated" | "map <key scalar>" */
export type FieldRow = readonly [number: number, name: string, of: string, shape: string]
export declare const messages: { readonly [message: string]: readonly FieldRow[] }
export declare const enums: { readonly [name: string]: { readonly [value: number]: string } }
`,
  )
}

interface Loaded {
  readonly root: protobuf.Root
  readonly types: Set<protobuf.Type>
  readonly enums: Set<protobuf.Enum>
}

function load(wanted: readonly CodecRoot[]): Loaded {
  const root = loadRoot(wanted)
  const { types, enums } = reachable(root, wanted)
  prune(root, new Set([...types, ...enums]))
  return { root, types, enums }
}

function generateCodecs(name: string, { root, types, enums }: Loaded, decoded: boolean): void {
  const file = join(out, `${name}.js`)
  if (decoded) generateJs(root, file, name)
  else writeFileSync(file, `${header}${writeEncoders(root)}`)
  writeFileSync(join(out, `${name}.d.ts`), codecTypes + generateTypes(root, decoded ? 'DecodingCodec' : 'Codec', true))
  console.log(
    `src/gen/${name}.js: ${types.size} messages, ${enums.size} enums, ${Math.round(statSync(file).size / 1024)} KiB`,
  )
}

mkdirSync(out, { recursive: true })
const resources = load(resourceRoots)
generateDescriptors(resources.types, resources.enums)
generateCodecs('envoy', resources, false)
generateCodecs('discovery', load(discoveryRoots), true)
