import { Reader } from 'protobufjs/minimal.js'
import { assert } from '../base/assert.ts'
import { enums, type FieldRow, messages } from '../gen/descriptors.js'
import type { EnvoyResource } from '../xds/resource.ts'

/** A value as JSON has it. */
export type Json = null | boolean | number | string | Json[] | { [field: string]: Json }

export interface RenderOptions {
  /** Private keys as they are, instead of "[redacted]": only for feeding Envoy. */
  readonly revealSecrets?: boolean
}

/** What a private key is printed as. */
export const redacted = '[redacted]'

/** Fields that are never printed, whatever message they stand in. */
const secretFields: ReadonlySet<string> = new Set([
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key',
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.pkcs12',
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.password',
  'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys.keys',
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret.secret',
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret.secrets',
])

/**
 * An encoded resource as proto JSON with the field names of the .proto files, decoded from its bytes:
 * what is printed is what is sent.
 */
export function renderResource(
  { typeUrl, bytes }: Pick<EnvoyResource, 'typeUrl' | 'bytes'>,
  options: RenderOptions = {},
): { [field: string]: Json } {
  const json = renderMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1), bytes, options)
  assert(typeof json === 'object' && json !== null && !Array.isArray(json), 'a resource is a message with fields')
  return json
}

/**
 * Any encoded message by its full name, e.g. "envoy.config.route.v3.Route". Messages inside an Any are expanded.
 * @throws an error that names the message or the field that src/gen does not know
 */
export function renderMessage(typeName: string, bytes: Uint8Array, options: RenderOptions = {}): Json {
  return new Renderer(options.revealSecrets ?? false).renderMessage(typeName, bytes)
}

const wrappers = new Set(
  ['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    (name) => `google.protobuf.${name}Value`,
  ),
)

/** Rows of a message by field number; made once for each message that is printed. */
const rowsByNumber = new Map<string, ReadonlyMap<number, FieldRow>>()

function findRow(message: string, number: number): FieldRow {
  let rows = rowsByNumber.get(message)
  if (!rows) {
    const list = messages[message]
    assert(list, `message ${message} is printed, and so has to be among the roots in scripts/codec-roots.ts`)
    rows = new Map(list.map((row) => [row[0], row]))
    rowsByNumber.set(message, rows)
  }
  const row = rows.get(number)
  assert(row, `field ${number} of ${message} is printed, and so has to be known to src/gen`)
  return row
}

/** The value that proto JSON gives to a wrapper, or a scalar that was left out because it is the default. */
const defaults: Readonly<Record<string, Json>> = {
  bool: false,
  string: '',
  bytes: '',
  int64: '0',
  uint64: '0',
}

class Renderer {
  readonly #showSecrets: boolean

  constructor(showSecrets: boolean) {
    this.#showSecrets = showSecrets
  }

  renderMessage(message: string, bytes: Uint8Array): Json {
    const fields = this.#renderFields(message, bytes)
    if (wrappers.has(message)) return fields['value'] ?? defaults[findRow(message, 1)[2]] ?? 0
    if (message === 'google.protobuf.Duration') return renderDuration(fields)
    if (message === 'google.protobuf.Any') return this.#renderAny(bytes)
    if (message === 'google.protobuf.Struct') return fields['fields'] ?? {}
    if (message === 'google.protobuf.ListValue') return fields['values'] ?? []
    // A Value has one field, whose name says of what sort it is.
    if (message === 'google.protobuf.Value') return 'null_value' in fields ? null : (Object.values(fields)[0] ?? null)
    return fields
  }

  #renderFields(message: string, bytes: Uint8Array): { [field: string]: Json } {
    const fields: { [field: string]: Json } = Object.create(null)
    const reader = Reader.create(bytes)
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      const [, name, of, shape] = findRow(message, tag >>> 3)
      const isLengthDelimited = (tag & 7) === 2
      if (shape.startsWith('map')) {
        const entry = this.#renderMapEntry(shape.slice('map '.length), of, reader.bytes())
        fields[name] = { ...(fields[name] as { [key: string]: Json } | undefined), ...entry }
      } else if (shape === 'repeated') {
        const list = (fields[name] as Json[] | undefined) ?? []
        fields[name] = list
        if (isLengthDelimited && isPackable(of)) {
          const end = reader.uint32() + reader.pos
          while (reader.pos < end) list.push(this.#renderValue(of, reader))
        } else list.push(this.#renderValue(of, reader))
      } else {
        const value = this.#renderValue(of, reader)
        fields[name] = !this.#showSecrets && secretFields.has(`${message}.${name}`) ? redacted : value
      }
      if (!this.#showSecrets && secretFields.has(`${message}.${name}`)) fields[name] = redacted
    }
    return { ...fields }
  }

  #renderMapEntry(keyType: string, of: string, bytes: Uint8Array): { [key: string]: Json } {
    const reader = Reader.create(bytes)
    let key: Json = keyType === 'string' ? '' : 0
    let value: Json | undefined
    while (reader.pos < reader.len) {
      const number = reader.uint32() >>> 3
      if (number === 1) key = this.#renderValue(keyType, reader)
      else value = this.#renderValue(of, reader)
    }
    return { [String(key)]: value ?? (of.startsWith('message ') ? {} : (defaults[of] ?? 0)) }
  }

  #renderValue(of: string, reader: Reader): Json {
    if (of.startsWith('message ')) return this.renderMessage(of.slice('message '.length), reader.bytes())
    if (of.startsWith('enum ')) return renderEnum(of.slice('enum '.length), reader.int32())
    switch (of) {
      case 'string':
        return reader.string()
      case 'bool':
        return reader.bool()
      case 'bytes':
        return Buffer.from(reader.bytes()).toString('base64')
      case 'int64':
      case 'uint64':
      case 'sint64':
      case 'fixed64':
      case 'sfixed64':
        return String(reader[of]())
      case 'double':
      case 'float': {
        const number = reader[of]()
        return Number.isFinite(number) ? number : String(number)
      }
      case 'int32':
      case 'uint32':
      case 'sint32':
      case 'fixed32':
      case 'sfixed32':
        return reader[of]()
      default:
        throw new Error(`Bug in Gatewright: protobuf has no scalar "${of}"`)
    }
  }

  #renderAny(bytes: Uint8Array): Json {
    const reader = Reader.create(bytes)
    let typeUrl = ''
    let value: Uint8Array = new Uint8Array()
    while (reader.pos < reader.len) {
      const number = reader.uint32() >>> 3
      if (number === 1) typeUrl = reader.string()
      else value = reader.bytes()
    }
    const message = typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
    const json = this.renderMessage(message, value)
    // Messages whose JSON has a form of its own cannot have a field more.
    const plain = typeof json === 'object' && json !== null && !Array.isArray(json) && !message.startsWith('google.')
    return plain ? { '@type': typeUrl, ...json } : { '@type': typeUrl, value: json }
  }
}

function isPackable(of: string): boolean {
  return of !== 'string' && of !== 'bytes' && !of.startsWith('message ')
}

function renderEnum(name: string, value: number): Json {
  return enums[name]?.[value] ?? value
}

/** google.protobuf.Duration: "5s", "0.250s". */
function renderDuration({ seconds = '0', nanos = 0 }: { [field: string]: Json }): string {
  const negative = String(seconds).startsWith('-') || Number(nanos) < 0
  const whole = String(seconds).replace('-', '')
  const fraction = String(Math.abs(Number(nanos)))
    .padStart(9, '0')
    .replace(/(000){1,2}$/, '')
  const text = Number(nanos) === 0 ? whole : `${whole}.${fraction}`
  return `${negative ? '-' : ''}${text}s`
}
