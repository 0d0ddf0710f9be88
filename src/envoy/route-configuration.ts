import { hash } from 'node:crypto'
import { Writer } from 'protobufjs/minimal.js'
import { contentVersion } from '../base/hash.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import { type EnvoyResource, typeUrls } from '../xds/resource.ts'
import { type EncodedVirtualHost, sameList } from './virtual-host.ts'

const { RouteConfiguration } = envoy.config.route.v3

/** Field number of RouteConfiguration.virtual_hosts, as a tag of wire type 2. */
const virtualHostsTag = (2 << 3) | 2

/**
 * Where a virtual host's bytes are kept within its table. An edit costs a chunk and the joining of at
 * most 256 buffers, however many virtual hosts there are; equal contents give equal bytes whatever
 * the history.
 */
export function chunkOf(hostname: string): string {
  return hash('sha1', hostname, 'hex').slice(0, 2)
}

/** "gateway\ntable\nchunk". */
export type ChunkKey = string & { readonly __brand: 'ChunkKey' }

export function chunkKey({ gateway, table, hostname }: EncodedVirtualHost): ChunkKey {
  return `${gateway}\n${table}\n${chunkOf(hostname)}` as ChunkKey
}

/** Some virtual hosts of a table, ready to be spliced into it. */
export interface TableChunk {
  readonly gateway: NamespacedName
  readonly table: string
  /** Fields of the RouteConfiguration. */
  readonly bytes: Uint8Array
  readonly version: string
  readonly awaits: readonly string[]
  readonly virtualHosts: readonly EncodedVirtualHost[]
}

/** @param virtualHosts in the order of their hostnames, at least one */
export function buildChunk(virtualHosts: readonly EncodedVirtualHost[]): TableChunk | undefined {
  const first = virtualHosts[0]
  if (first === undefined) return undefined
  const writer = Writer.create()
  for (const { bytes } of virtualHosts) writer.uint32(virtualHostsTag).bytes(bytes)
  const bytes = writer.finish()
  const awaits = [...new Set(virtualHosts.flatMap((v) => v.awaits))].sort()
  return { gateway: first.gateway, table: first.table, bytes, version: contentVersion(bytes), awaits, virtualHosts }
}

export function sameChunk(a: TableChunk, b: TableChunk): boolean {
  return a.version === b.version && a.virtualHosts === b.virtualHosts
}

/** A RouteConfiguration whose list of sources, as long as the table, is made only when somebody asks. */
class RouteTable implements EnvoyResource {
  readonly typeUrl = typeUrls.route
  readonly scope: string
  readonly name: string
  readonly version: string
  readonly bytes: Uint8Array
  readonly awaits: readonly string[]
  readonly #chunks: readonly TableChunk[]

  constructor(name: string, parts: readonly TableChunk[], version: string, bytes: Uint8Array) {
    this.scope = parts[0]?.gateway ?? ''
    this.name = name
    this.version = version
    this.bytes = bytes
    this.awaits = [...new Set(parts.flatMap((c) => c.awaits))].sort()
    this.#chunks = parts
  }

  get sources(): readonly string[] {
    return [...new Set(this.#chunks.flatMap((c) => c.virtualHosts.flatMap((v) => v.sources)))].sort()
  }
}

/**
 * A whole table, joined from its chunks. Its version is made from theirs, so that the bytes of the
 * whole need not be read again.
 */
export function buildRouteConfiguration(parts: readonly TableChunk[]): EnvoyResource | undefined {
  const first = parts[0]
  if (first === undefined) return undefined
  // Hosts match whatever port a client writes, and the backend still sees what was written.
  const head = RouteConfiguration.encode({ name: first.table, ignorePortInHostMatching: true }).finish()
  const bytes = Buffer.concat([head, ...parts.map((c) => c.bytes)])
  const version = contentVersion([contentVersion(head), ...parts.map((c) => c.version)].join(' '))
  return new RouteTable(first.table, parts, version, bytes)
}

/** Equal for everybody who sends or awaits it. */
export function sameResource(a: EnvoyResource, b: EnvoyResource): boolean {
  return (
    a.version === b.version &&
    sameList(a.awaits ?? [], b.awaits ?? []) &&
    sameList(a.secrets ?? [], b.secrets ?? []) &&
    (a.typeUrl === typeUrls.route || sameList(a.sources, b.sources))
  )
}
