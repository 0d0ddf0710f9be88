import protobuf from 'protobufjs/minimal.js'
import { type PackedBytes, packBytes, unpackBytes } from '../base/packed-bytes.ts'
import type { EnvoyResource } from './resource.ts'

/**
 * A response as the pieces that make it up. The pieces are shared among streams and copied into one
 * buffer only when the transport takes the message, so that a message that waits costs next to nothing.
 */
export interface WireMessage {
  readonly parts: readonly Uint8Array[]
  readonly byteLength: number
}

/** Field numbers of DeltaDiscoveryResponse, DiscoveryResponse, Resource and Any. */
const lengthDelimited = 2
const tag = (field: number): number => (field << 3) | lengthDelimited

/** @param size of the resource's own bytes, which may have to be made */
type MakeHead = (resource: EnvoyResource, size: number) => Uint8Array

/**
 * The heads of resources that were sent lately. Making one takes about a microsecond, so that they are remembered for
 * as long as many streams are sent the same, and not for as long as there is the resource. Packed, because what an
 * encoder hands out holds 64 KiB of scratch memory.
 */
class Heads {
  readonly #make: MakeHead
  #made = 0
  #heads = new WeakMap<EnvoyResource, PackedBytes>()

  constructor(make: MakeHead) {
    this.#make = make
  }

  get(resource: EnvoyResource, size: number): Uint8Array {
    const known = this.#heads.get(resource)
    if (known !== undefined) return unpackBytes(known)
    const head = this.#make(resource, size)
    if (++this.#made > rememberedHeads) {
      this.#heads = new WeakMap()
      this.#made = 1
    }
    this.#heads.set(resource, packBytes(head))
    return head
  }
}

const rememberedHeads = 1024
const deltaHeads = new Heads(makeDeltaHead)
const sotwHeads = new Heads(makeSotwHead)

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}

/** `Any{type_url, value}` up to its value, which follows as the resource's own bytes. */
function writeAnyHead(writer: protobuf.Writer, { typeUrl }: EnvoyResource, size: number): void {
  writer.uint32(tag(1)).string(typeUrl).uint32(tag(2)).uint32(size)
}

/** Bytes of a field with a number below 16. */
function textSize(text: string): number {
  const size = Buffer.byteLength(text)
  return 1 + varintSize(size) + size
}

function anySize({ typeUrl }: EnvoyResource, size: number): number {
  return textSize(typeUrl) + 1 + varintSize(size) + size
}

/** `resources` (2) of DeltaDiscoveryResponse: Resource{version = 1, name = 3, resource = 2}, up to the value. */
function makeDeltaHead(resource: EnvoyResource, size: number): Uint8Array {
  const { version, name } = resource
  const any = anySize(resource, size)
  const whole = textSize(version) + textSize(name) + 1 + varintSize(any) + any
  const writer = protobuf.Writer.create().uint32(tag(2)).uint32(whole)
  writer.uint32(tag(1)).string(version).uint32(tag(3)).string(name).uint32(tag(2)).uint32(any)
  writeAnyHead(writer, resource, size)
  return writer.finish()
}

/** `resources` (2) of DiscoveryResponse: Any, without the value at its end. */
function makeSotwHead(resource: EnvoyResource, size: number): Uint8Array {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(2)).uint32(anySize(resource, size))
  writeAnyHead(writer, resource, size)
  return writer.finish()
}

function join(front: Uint8Array, resources: readonly EnvoyResource[], heads: Heads): WireMessage {
  const parts: Uint8Array[] = [front]
  let byteLength = front.length
  for (const resource of resources) {
    const { bytes } = resource
    const start = heads.get(resource, bytes.length)
    parts.push(start, bytes)
    byteLength += start.length + bytes.length
  }
  return { parts, byteLength }
}

/** What one resource adds to a message, to a few bytes. */
export function wireSize(resource: EnvoyResource): number {
  return resource.bytes.length + resource.typeUrl.length + resource.name.length + resource.version.length + 24
}

export interface DeltaResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly resources: readonly EnvoyResource[]
  readonly removed: readonly string[]
}

/** `DeltaDiscoveryResponse{type_url = 4, nonce = 5, removed_resources = 6, resources = 2}`. */
export function encodeDeltaResponse(response: DeltaResponse): WireMessage {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(4)).string(response.typeUrl).uint32(tag(5)).string(response.nonce)
  for (const name of response.removed) writer.uint32(tag(6)).string(name)
  return join(writer.finish(), response.resources, deltaHeads)
}

export interface SotwResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly version: string
  readonly resources: readonly EnvoyResource[]
}

/** `DiscoveryResponse{version_info = 1, type_url = 4, nonce = 5, resources = 2}`. */
export function encodeSotwResponse(response: SotwResponse): WireMessage {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(1)).string(response.version).uint32(tag(4)).string(response.typeUrl)
  writer.uint32(tag(5)).string(response.nonce)
  return join(writer.finish(), response.resources, sotwHeads)
}

/** The one copy that a message costs. */
export function flattenMessage(message: WireMessage): Buffer {
  return Buffer.concat(message.parts, message.byteLength)
}
