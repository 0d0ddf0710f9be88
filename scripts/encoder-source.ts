import protobuf from 'protobufjs'

/**
 * The source of a module that encodes messages and does nothing else. What protobufjs generates also has a constructor,
 * defaults and accessors for each message, and a name of each function that V8 puts together from all the scopes
 * around it: for messages that are only ever plain values on their way out, two thirds of the memory of the codecs.
 * The bytes are the same.
 */
export function writeEncoders(loaded: protobuf.Root): string {
  // Fields that were added to a message do not know yet whether they have presence.
  const root = protobuf.Root.fromJSON(loaded.toJSON()).resolveAll()
  const types: protobuf.Type[] = []
  collectTypes(root, types)
  const names = nameFunctions(types)
  return `import $protobuf from 'protobufjs/minimal.js'
const { Writer, util } = $protobuf
const check = (depth) => { if (depth > util.recursionLimit) throw Error('max depth exceeded') }
class Codec {
  constructor(name, encode) {
    this.name = name
    this.encode = encode
  }
  getTypeUrl(prefix = 'type.googleapis.com') {
    return prefix + '/' + this.name
  }
}
${types.map((type) => writeFunction(type, names)).join('')}
${root.nestedArray.map((child) => `export const ${child.name} = ${writeValue(child, names)}\n`).join('')}`
}

const wireTypes: { readonly [scalar: string]: number | undefined } = protobuf.types.basic
const packable: { readonly [scalar: string]: number | undefined } = protobuf.types.packed

type Names = ReadonlyMap<protobuf.ReflectionObject | null, string>

function collectTypes(ns: protobuf.NamespaceBase, into: protobuf.Type[]): void {
  for (const child of ns.nestedArray) {
    if (child instanceof protobuf.Type) into.push(child)
    if (child instanceof protobuf.Namespace) collectTypes(child, into)
  }
}

/** As much of the end of its full name as no other message has. */
function nameFunctions(types: readonly protobuf.Type[]): Names {
  const names = new Map<protobuf.ReflectionObject, string>()
  const endOf = (type: protobuf.Type, length: number) => type.fullName.split('.').slice(-length).join('_')
  for (const type of types) {
    let length = 1
    while (types.some((other) => other !== type && endOf(other, length) === endOf(type, length))) length++
    names.set(type, `encode_${endOf(type, length)}`)
  }
  return names
}

/** Fields in the order of their numbers, as protobufjs has them. */
function writeFunction(type: protobuf.Type, names: Names): string {
  const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id)
  const lines = fields.map((field) => `  ${writeField(field.resolve(), names)}\n`).join('')
  return `function ${names.get(type)}(m, w = Writer.create(), d = 0) {\n  check(d)\n${lines}  return w\n}\n`
}

function writeField(field: protobuf.Field, names: Names): string {
  // A field that plain objects inherit would be taken for one that is there.
  if (!/^\w+$/.test(field.name) || field.name in Object.prototype) throw new Error(`${field.fullName} has a bad name`)
  const value = `m.${field.name}`
  const type = field.resolvedType instanceof protobuf.Enum ? 'int32' : field.type
  const wireType = wireTypes[type]
  const tag = (wire: number) => ((field.id << 3) | wire) >>> 0
  const message = (one: string, head: string) =>
    `${names.get(field.resolvedType)}(${one}, ${head}.fork(), d + 1).ldelim()`
  if (field instanceof protobuf.MapField) {
    if (field.keyType !== 'string') throw new Error(`${field.fullName}: only texts are supported as keys`)
    const entry = `w.uint32(${tag(2)}).fork().uint32(10).string(k)`
    const rest =
      wireType === undefined
        ? `; ${message(`${value}[k]`, 'w.uint32(18)')}.ldelim()`
        : `.uint32(${16 | wireType}).${type}(${value}[k]).ldelim()`
    return `if (${value} != null) for (const k of Object.keys(${value})) { ${entry}${rest} }`
  }
  if (field.repeated) {
    if (field.packed && packable[type] !== undefined)
      return `if (${value} != null && ${value}.length) w.uint32(${tag(2)}).${type}s(${value})`
    const write = wireType === undefined ? message('v', `w.uint32(${tag(2)})`) : `w.uint32(${tag(wireType)}).${type}(v)`
    return `if (${value} != null) for (const v of ${value}) ${write}`
  }
  if (wireType === undefined) return `if (${value} != null) ${message(value, `w.uint32(${tag(2)})`)}`
  const isThere = field.hasPresence ? '' : ` && ${unlessDefault(field, type, value)}`
  return `if (${value} != null${isThere}) w.uint32(${tag(wireType)}).${type}(${value})`
}

/** A default is not sent where nobody could tell it from nothing. */
function unlessDefault(field: protobuf.Field, type: string, value: string): string {
  if (field.resolvedType instanceof protobuf.Enum) return `${value} !== ${JSON.stringify(field.typeDefault)}`
  switch (type) {
    case 'bool':
      return `${value} !== false`
    case 'string':
      return `${value} !== ''`
    case 'bytes':
      return `${value}.length`
    case 'double':
    case 'float':
      return `!Object.is(${value}, 0)`
    default:
      return `${value} !== 0`
  }
}

/** What a namespace, message or enum is at run time. */
function writeValue(object: protobuf.ReflectionObject, names: Names): string {
  if (object instanceof protobuf.Enum)
    return `{ ${Object.entries(object.values)
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')} }`
  const children = object instanceof protobuf.Namespace ? object.nestedArray : []
  const members = children.map((child) => `${child.name}: ${writeValue(child, names)}`).join(',\n')
  if (!(object instanceof protobuf.Type)) return `{\n${members}\n}`
  const own = `new Codec('${object.fullName.slice(1)}', ${names.get(object)})`
  return members === '' ? own : `Object.assign(${own}, {\n${members}\n})`
}
