import { hash } from 'node:crypto'
import { Writer } from 'protobufjs/minimal.js'
import { contentVersion } from '../base/hash.ts'
import { keepBytes } from '../base/keep-bytes.ts'
import { unpackBytes } from '../base/packed-bytes.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import { type EnvoyResource, type ResourcePart, typeUrls } from '../xds/resource.ts'
import type { TableSize } from './table-form.ts'
import { listParts, replaceVirtualHosts } from './table-parts.ts'
import { type EncodedVirtualHost, isWildcard, sameList } from './virtual-host.ts'

const { RouteConfiguration } = envoy.config.route.v3

/** Field 2 of RouteConfiguration, `virtual_hosts`, as a tag of wire type 2. */
export const virtualHostsTag = (2 << 3) | 2

/**
 * Where a virtual host's bytes are kept within its table: one of 256 places. An edit costs a chunk and
 * the joining of at most 256 buffers, however many virtual hosts there are; equal contents give equal
 * bytes whatever the history.
 */
function chunkOf(hostname: string): string {
  return hash('sha1', hostname, 'hex').slice(0, 2)
}

/** "gateway\ntable\nchunk". */
export type ChunkKey = string & { readonly __brand: 'ChunkKey' }

export function chunkKey({ gateway, table, hostname }: EncodedVirtualHost): ChunkKey {
  return `${gateway}\n${table}\n${chunkOf(hostname)}` as ChunkKey
}

/** Some virtual hosts of a table, ready to be spliced into it. Only a table that is whole asks for the bytes. */
export class TableChunk {
  readonly gateway: NamespacedName
  readonly table: string
  readonly version: string
  /** Of the sources of its virtual hosts. */
  readonly sourcesVersion: string
  /** Sorted. */
  readonly awaits: readonly string[]
  readonly virtualHosts: readonly EncodedVirtualHost[]
  /** How many of them are for wildcards. */
  readonly wildcards: number
  #bytes: Uint8Array | undefined

  constructor(first: EncodedVirtualHost, virtualHosts: readonly EncodedVirtualHost[]) {
    this.gateway = first.gateway
    this.table = first.table
    this.version = contentVersion(virtualHosts.map((v) => v.version).join(' '))
    this.sourcesVersion = contentVersion(virtualHosts.map((v) => v.sources.join('\n')).join('\n\n'))
    this.awaits = mergeLists(virtualHosts.map((v) => v.awaits))
    this.virtualHosts = virtualHosts
    this.wildcards = virtualHosts.filter((v) => isWildcard(v.hostname)).length
  }

  /** Fields of the RouteConfiguration. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#encode()
    return this.#bytes
  }

  #encode(): Uint8Array {
    const writer = Writer.create()
    for (const { packed } of this.virtualHosts) writer.uint32(virtualHostsTag).bytes(unpackBytes(packed))
    return keepBytes(writer.finish())
  }
}

/** @param virtualHosts in the order of their hostnames, at least one */
export function buildChunk(virtualHosts: readonly EncodedVirtualHost[]): TableChunk | undefined {
  const first = virtualHosts[0]
  return first && new TableChunk(first, virtualHosts)
}

export function sameChunk(a: TableChunk, b: TableChunk): boolean {
  return a.version === b.version && a.sourcesVersion === b.sourcesVersion && sameList(a.awaits, b.awaits)
}

/** A RouteConfiguration that makes what is as long as the table only when somebody asks, and keeps it. */
export class RouteTable implements EnvoyResource {
  readonly typeUrl = typeUrls.route
  readonly scope: string
  readonly name: string
  readonly version: string
  readonly awaits: readonly string[]
  /** Stands for `sources` where tables are compared. */
  readonly sourcesVersion: string
  readonly #head: Uint8Array
  readonly #chunks: readonly TableChunk[]
  #bytes: Uint8Array | undefined

  /** @param chunks in the order of their places, at least one */
  constructor(gateway: NamespacedName, name: string, chunks: readonly TableChunk[]) {
    this.scope = gateway
    this.name = name
    // Hosts match whatever port a client writes, and the backend still sees what was written.
    this.#head = RouteConfiguration.encode({ name, ignorePortInHostMatching: true }).finish()
    this.#chunks = chunks
    this.version = contentVersion([contentVersion(this.#head), ...chunks.map((c) => c.version)].join(' '))
    this.sourcesVersion = contentVersion(chunks.map((c) => c.sourcesVersion).join(' '))
    this.awaits = mergeLists(chunks.map((c) => c.awaits))
  }

  /** Joined from those of the chunks; the bytes of virtual hosts are never encoded again. */
  get bytes(): Uint8Array {
    this.#bytes ??= Buffer.concat([this.#head, ...this.#chunks.map((c) => c.bytes)])
    return this.#bytes
  }

  get size(): TableSize {
    let virtualHosts = 0
    let wildcards = 0
    for (const chunk of this.#chunks) {
      virtualHosts += chunk.virtualHosts.length
      wildcards += chunk.wildcards
    }
    return { virtualHosts, wildcards }
  }

  get sources(): readonly string[] {
    return mergeLists(this.#chunks.flatMap((c) => c.virtualHosts.map((v) => v.sources)))
  }

  parts(): readonly ResourcePart[] {
    return listParts(this.#chunks.flatMap((c) => c.virtualHosts))
  }

  replaceParts(others: ReadonlyMap<string, ResourcePart | undefined>): RouteTable {
    const chunks = this.#chunks.map((chunk) => {
      const virtualHosts = replaceVirtualHosts(chunk.virtualHosts, others)
      return virtualHosts === chunk.virtualHosts ? chunk : (buildChunk(virtualHosts) ?? chunk)
    })
    return new RouteTable(this.scope as NamespacedName, this.name, chunks)
  }
}

/** @param chunks of one table, in the order of their places */
export function buildRouteConfiguration(chunks: readonly TableChunk[]): RouteTable | undefined {
  const [first] = chunks
  return first && new RouteTable(first.gateway, first.table, chunks)
}

export function sameTable(a: RouteTable, b: RouteTable): boolean {
  return a.version === b.version && a.sourcesVersion === b.sourcesVersion && sameList(a.awaits, b.awaits)
}

/** Every member once, sorted. */
export function mergeLists(lists: readonly (readonly string[])[]): string[] {
  const members = new Set<string>()
  for (const list of lists) for (const member of list) members.add(member)
  return [...members].sort()
}
