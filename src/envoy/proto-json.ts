import protobuf from 'protobufjs/minimal.js'
import { enums, type FieldRow, messages } from '../gen/descriptors.js'
import type { EnvoyResource } from '../xds/resource.ts'
import { wellKnownTypes } from './well-known-json.ts'

type Reader = protobuf.Reader
type Json = Record<string, unknown>

export interface RenderOptions {
  /** Private keys and passwords as they are; for Envoy itself, never for people. */
  readonly revealSecrets?: boolean
}

export const redacted = '[redacted]'

/**
 * Decodes one message into canonical proto JSON with the field names of the .proto files, in the order of
 * their declaration: what `envoy -c` reads and what Envoy's config dump prints.
 * @throws an error that names the field when the bytes hold what src/gen/descriptors.js does not know
 */
export function renderMessage(typeName: string, bytes: Uint8Array, options: RenderOptions = {}): unknown {
  const wellKnown = wellKnownTypes[typeName]
  const json = decodeMessage(typeName, bytes, options)
  return wellKnown ? wellKnown(json) : json
}

/** A resource with its secrets redacted, unless asked otherwise. */
export function renderResource(
  resource: Pick<EnvoyResource, 'typeUrl' | 'bytes'>,
  options: RenderOptions = {},
): unknown {
  return renderMessage(typeNameOf(resource.typeUrl), resource.bytes, options)
}

function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}

/** The fields that the API marks as sensitive, as far as this control plane sends them. */
const sensitiveFields = new Set([
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key',
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.password',
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate.pkcs12',
  'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys.keys',
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret.secret',
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret.secrets',
])

interface MessageShape {
  readonly byNumber: ReadonlyMap<number, FieldRow>
  /** Field names as declared: the order of keys must not depend on how an encoder sorts. */
  readonly order: readonly string[]
}

const shapes = new Map<string, MessageShape>()

function shapeOf(typeName: string): MessageShape {
  const known = shapes.get(typeName)
  if (known) return known
  const rows = messages[typeName]
  if (!rows) throw new Error(`${typeName} is not among the generated descriptors: add its file to protos/ and regenerate`)
  const shape = { byNumber: new Map(rows.map((row) => [row[0], row])), order: rows.map((row) => row[1]) }
  shapes.set(typeName, shape)
  return shape
}

function decodeMessage(typeName: string, bytes: Uint8Array, options: RenderOptions): Json {
  if (typeName === 'google.protobuf.Any') return decodeAny(bytes, options)
  const { byNumber, order } = shapeOf(typeName)
  const reader = protobuf.Reader.create(bytes)
  const found: Json = {}
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const row = byNumber.get(tag >>> 3)
    if (!row) throw new Error(`${typeName} has no field ${tag >>> 3} in the generated descriptors`)
    decodeField(found, typeName, row, tag & 7, reader, options)
  }
  const sorted: Json = {}
  for (const name of order) if (name in found) sorted[name] = found[name]
  return sorted
}

function decodeField(
  found: Json,
  typeName: string,
  [, name, of, shape]: FieldRow,
  wireType: number,
  reader: Reader,
  options: RenderOptions,
): void {
  if (shape.startsWith('map')) {
    found[name] ??= {}
    const [key, value] = decodeEntry(shape.slice('map '.length), of, reader.bytes(), options)
    const hidden = !options.revealSecrets && sensitiveFields.has(`${typeName}.${name}`)
    Object.defineProperty(found[name], key, {
      value: hidden ? redact(value) : value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
    return
  }
  if (shape === 'repeated' && wireType === 2 && !isLengthDelimited(of)) {
    const packed = protobuf.Reader.create(reader.bytes())
    found[name] ??= []
    while (packed.pos < packed.len) (found[name] as unknown[]).push(decodeValue(of, packed, options))
    return
  }
  const plain = decodeValue(of, reader, options)
  const value = !options.revealSecrets && sensitiveFields.has(`${typeName}.${name}`) ? redact(plain) : plain
  if (shape !== 'repeated') found[name] = value
  else if (found[name] === undefined) found[name] = [value]
  else (found[name] as unknown[]).push(value)
}

function isLengthDelimited(of: string): boolean {
  return of === 'string' || of === 'bytes' || of.startsWith('message ')
}

function decodeEntry(keyType: string, of: string, bytes: Uint8Array, options: RenderOptions): [string, unknown] {
  const reader = protobuf.Reader.create(bytes)
  let key: unknown = keyType === 'string' ? '' : 0
  let value: unknown
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 1) key = decodeScalar(keyType, reader)
    else value = decodeValue(of, reader, options)
  }
  return [String(key), value ?? emptyValue(of, options)]
}

/** An entry's value may be left out when it is the default of its type. */
function emptyValue(of: string, options: RenderOptions): unknown {
  if (of.startsWith('message ')) return renderMessage(of.slice('message '.length), new Uint8Array(), options)
  if (of.startsWith('enum ')) return enumName(of.slice('enum '.length), 0)
  return of === 'string' || of === 'bytes' ? '' : of === 'bool' ? false : 0
}

function decodeValue(of: string, reader: Reader, options: RenderOptions): unknown {
  if (of.startsWith('message ')) return renderMessage(of.slice('message '.length), reader.bytes(), options)
  if (of.startsWith('enum ')) return enumName(of.slice('enum '.length), reader.int32())
  return decodeScalar(of, reader)
}

function enumName(name: string, value: number): string | number {
  return enums[name]?.[value] ?? value
}

function decodeScalar(type: string, reader: Reader): unknown {
  switch (type) {
    case 'string':
      return reader.string()
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64')
    case 'bool':
      return reader.bool()
    case 'double':
      return finiteOrName(reader.double())
    case 'float':
      return finiteOrName(reader.float())
    case 'int32':
    case 'uint32':
    case 'sint32':
    case 'fixed32':
    case 'sfixed32':
      return reader[type]()
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return wholeNumber(String(reader[type]()))
    default:
      throw new Error(`Bug in Gatewright: no scalar type is called ${type}`)
  }
}

/** JSON has no word for these; proto JSON writes them as texts. */
function finiteOrName(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

/** Envoy takes 64-bit numbers as numbers and as texts; a text only where a number would be rounded. */
function wholeNumber(text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

function decodeAny(bytes: Uint8Array, options: RenderOptions): Json {
  const reader = protobuf.Reader.create(bytes)
  let typeUrl = ''
  let value: Uint8Array = new Uint8Array()
  while (reader.pos < reader.len) {
    const field = reader.uint32() >>> 3
    if (field === 1) typeUrl = reader.string()
    else if (field === 2) value = reader.bytes()
    else throw new Error(`google.protobuf.Any has no field ${field}`)
  }
  if (typeUrl === '') return {}
  const typeName = typeNameOf(typeUrl)
  const json = renderMessage(typeName, value, options)
  // What has a JSON form of its own may not be an object; the mapping then puts it into "value".
  if (typeName in wellKnownTypes) return { '@type': typeUrl, value: json }
  return { '@type': typeUrl, ...(json as Json) }
}

/** Keeps which kind of source a secret has; file names are no secrets. */
function redact(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return redacted
  const hidden: Json = {}
  for (const [name, part] of Object.entries(value)) hidden[name] = name.startsWith('inline_') ? redacted : part
  return hidden
}
