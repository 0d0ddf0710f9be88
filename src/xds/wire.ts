import type { EnvoyResource } from './resource.ts'

/**
 * A response that is made when the transport takes it: until then it is what it speaks of, so that a message that
 * waits costs next to nothing, however many streams wait with it.
 */
export interface WireMessage {
  readonly byteLength: number
  /** The whole message, in memory of its own. */
  encode(): Buffer
}

/** Field numbers of DeltaDiscoveryResponse, DiscoveryResponse, Resource and Any. */
const lengthDelimited = 2
const tag = (field: number): number => (field << 3) | lengthDelimited

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}

/** Of a field with a number below 16. */
function fieldSize(length: number): number {
  return 1 + varintSize(length) + length
}

/** Writes a message of which every length is known before. */
class Pen {
  readonly #buffer: Buffer
  #at = 0

  constructor(byteLength: number) {
    this.#buffer = Buffer.allocUnsafe(byteLength)
  }

  /** The tag of a field, and how long it is. */
  field(number: number, length: number): void {
    const buffer = this.#buffer
    buffer[this.#at++] = tag(number)
    let left = length
    for (; left >= 0x80; left >>>= 7) buffer[this.#at++] = (left & 0x7f) | 0x80
    buffer[this.#at++] = left
  }

  text(number: number, text: string): void {
    this.field(number, Buffer.byteLength(text))
    this.#at += this.#buffer.write(text, this.#at)
  }

  bytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  content(resource: EnvoyResource): void {
    if (resource.copyBytes === undefined) this.bytes(resource.bytes)
    else this.#at += resource.copyBytes(this.#buffer, this.#at)
  }

  finish(): Buffer {
    return this.#buffer
  }
}

/** How a kind of response holds its resources, in field 2. */
interface Form {
  /** Bytes in the field. */
  size(resource: EnvoyResource): number
  write(pen: Pen, resource: EnvoyResource): void
}

function contentSize(resource: EnvoyResource): number {
  return resource.byteLength ?? resource.bytes.length
}

/** `Any{type_url = 1, value = 2}`. */
const asAny: Form = {
  size: (resource) => fieldSize(Buffer.byteLength(resource.typeUrl)) + fieldSize(contentSize(resource)),
  write(pen, resource) {
    pen.text(1, resource.typeUrl)
    pen.field(2, contentSize(resource))
    pen.content(resource)
  },
}

/** `Resource{version = 1, name = 3, resource = 2}`. */
const asResource: Form = {
  size: (resource) =>
    fieldSize(Buffer.byteLength(resource.version)) +
    fieldSize(Buffer.byteLength(resource.name)) +
    fieldSize(asAny.size(resource)),
  write(pen, resource) {
    pen.text(1, resource.version)
    pen.text(3, resource.name)
    pen.field(2, asAny.size(resource))
    asAny.write(pen, resource)
  },
}

/** A field with a text. */
type TextField = readonly [number: number, text: string]

class Response implements WireMessage {
  readonly byteLength: number
  readonly #fields: readonly TextField[]
  readonly #resources: readonly EnvoyResource[]
  readonly #form: Form

  /** @param fields beside the resources */
  constructor(fields: readonly TextField[], resources: readonly EnvoyResource[], form: Form) {
    this.#fields = fields
    this.#resources = resources
    this.#form = form
    let byteLength = 0
    for (const [, text] of fields) byteLength += fieldSize(Buffer.byteLength(text))
    for (const resource of resources) byteLength += fieldSize(form.size(resource))
    this.byteLength = byteLength
  }

  encode(): Buffer {
    const pen = new Pen(this.byteLength)
    for (const [number, text] of this.#fields) pen.text(number, text)
    for (const resource of this.#resources) {
      pen.field(2, this.#form.size(resource))
      this.#form.write(pen, resource)
    }
    return pen.finish()
  }
}

/** What one resource adds to a message, to a few bytes. */
export function wireSize(resource: EnvoyResource): number {
  return contentSize(resource) + resource.typeUrl.length + resource.name.length + resource.version.length + 24
}

export interface DeltaResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly resources: readonly EnvoyResource[]
  readonly removed: readonly string[]
}

/** `DeltaDiscoveryResponse{type_url = 4, nonce = 5, removed_resources = 6, resources = 2}`. */
export function encodeDeltaResponse({ typeUrl, nonce, resources, removed }: DeltaResponse): WireMessage {
  const gone = removed.map((name): TextField => [6, name])
  return new Response([[4, typeUrl], [5, nonce], ...gone], resources, asResource)
}

export interface SotwResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly version: string
  readonly resources: readonly EnvoyResource[]
}

/** `DiscoveryResponse{version_info = 1, type_url = 4, nonce = 5, resources = 2}`. */
export function encodeSotwResponse({ typeUrl, nonce, version, resources }: SotwResponse): WireMessage {
  const fields: readonly TextField[] = [
    [1, version],
    [4, typeUrl],
    [5, nonce],
  ]
  return new Response(fields, resources, asAny)
}
