import { Writer } from 'protobufjs/minimal.js'
import { contentVersion } from '../base/hash.ts'
import { keepBytes } from '../base/keep-bytes.ts'
import { unpackBytes } from '../base/packed-bytes.ts'
import type { Reads } from '../collections/collection.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import { type EnvoyResource, type ResourcePart, resourceKey, typeUrls } from '../xds/resource.ts'
import { type BucketCount, bucketHeader, bucketOf, listBuckets } from './bucket-expression.ts'
import { scopeName } from './names.ts'
import { mergeLists, type TableChunk, virtualHostsTag } from './route-configuration.ts'
import type { TableForms } from './table-form.ts'
import { listParts, replaceVirtualHosts } from './table-parts.ts'
import { type EncodedVirtualHost, isWildcard, sameVirtualHost } from './virtual-host.ts'

const { RouteConfiguration, ScopedRouteConfiguration } = envoy.config.route.v3

/** Field 5 of ScopedRouteConfiguration, `route_configuration`, as a tag of wire type 2. */
const routeConfigurationTag = (5 << 3) | 2

/** What a chunk of a table puts into one bucket: at least one virtual host. */
export interface BucketSlice {
  readonly gateway: NamespacedName
  readonly table: string
  readonly count: BucketCount
  readonly bucket: string
  /** In the order of their hostnames. */
  readonly virtualHosts: readonly EncodedVirtualHost[]
}

/**
 * Divides a chunk for each division that its table is served in; nothing for a table that is whole. An
 * edit changes the slice that it touches, or all of them if it is about a wildcard.
 */
export function* divideChunk(
  { gateway, table, virtualHosts }: TableChunk,
  reads: Reads,
  forms: TableForms,
  key: string,
): Iterable<readonly [key: string, slice: BucketSlice]> {
  const form = reads.get(forms, resourceKey(gateway, table))
  if (!form) return
  const { buckets, fading } = form
  for (const count of buckets === 1 ? fading : [buckets, ...fading]) {
    const divided = new Map<string, EncodedVirtualHost[]>()
    for (const virtualHost of virtualHosts) {
      const { hostname } = virtualHost
      for (const bucket of isWildcard(hostname) ? listBuckets(count) : [bucketOf(hostname, count)]) {
        const members = divided.get(bucket)
        if (members) members.push(virtualHost)
        else divided.set(bucket, [virtualHost])
      }
    }
    for (const [bucket, members] of divided)
      yield [`${key}\n${count}\n${bucket}`, { gateway, table, count, bucket, virtualHosts: members }]
  }
}

/** Virtual hosts are compared by identity: one that has not changed is still the same. */
export function sameSlice(a: BucketSlice, b: BucketSlice): boolean {
  const [ours, theirs] = [a.virtualHosts, b.virtualHosts]
  return ours.length === theirs.length && ours.every((v, index) => v === theirs[index])
}

/** Where the slice belongs, as the key of the resource. */
export function scopeKey({ gateway, table, count, bucket }: BucketSlice): string {
  return resourceKey(gateway, scopeName(table, count, bucket))
}

/** One bucket of a table. As with a whole table, what is long is made when somebody asks. */
export class ScopedTable implements EnvoyResource {
  readonly typeUrl = typeUrls.scopedRoute
  readonly scope: string
  readonly name: string
  readonly version: string
  readonly awaits: readonly string[]
  readonly count: BucketCount
  readonly table: string
  readonly #bucket: string
  readonly #slice: BucketSlice
  readonly virtualHosts: readonly EncodedVirtualHost[]
  #bytes: Uint8Array | undefined

  /** @param slices of one bucket, in the order of their chunks, at least one */
  constructor(first: BucketSlice, slices: readonly BucketSlice[]) {
    const { gateway, table, count, bucket } = first
    this.#slice = first
    this.scope = gateway
    this.table = table
    this.count = count
    this.name = scopeName(table, count, bucket)
    this.#bucket = bucket
    this.virtualHosts = slices.flatMap((slice) => slice.virtualHosts)
    const versions = this.virtualHosts.map((v) => v.version)
    const head = this.#encodeTableHead(this.#encodeHead()).finish()
    this.version = contentVersion([contentVersion(head), ...versions].join(' '))
    this.awaits = mergeLists(this.virtualHosts.map((v) => v.awaits))
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#encode()
    return this.#bytes
  }

  get sources(): readonly string[] {
    return mergeLists(this.virtualHosts.map((v) => v.sources))
  }

  parts(): readonly ResourcePart[] {
    return listParts(this.virtualHosts)
  }

  replaceParts(others: ReadonlyMap<string, ResourcePart | undefined>): ScopedTable {
    return new ScopedTable(this.#slice, [
      { ...this.#slice, virtualHosts: replaceVirtualHosts(this.virtualHosts, others) },
    ])
  }

  #encode(): Uint8Array {
    const writer = this.#encodeHead().uint32(routeConfigurationTag).fork()
    this.#encodeTableHead(writer)
    for (const { packed } of this.virtualHosts) writer.uint32(virtualHostsTag).bytes(unpackBytes(packed))
    return keepBytes(writer.ldelim().finish())
  }

  #encodeHead(): Writer {
    const key = { fragments: [{ stringKey: this.#bucket }] }
    return ScopedRouteConfiguration.encode({ name: this.name, key }, Writer.create())
  }

  #encodeTableHead(writer: Writer): Writer {
    const table = {
      name: `${this.table}/${this.count}/${this.#bucket}`,
      ignorePortInHostMatching: true,
      // Whether a cluster exists is the business of its own stream of changes.
      validateClusters: { value: false },
      requestHeadersToRemove: [bucketHeader],
    }
    return RouteConfiguration.encode(table, writer)
  }
}

/** @param slices of one bucket, in the order of their chunks */
export function buildScopedTable(slices: readonly BucketSlice[]): ScopedTable | undefined {
  const [first] = slices
  return first && new ScopedTable(first, slices)
}

export function sameScopedTable(a: ScopedTable, b: ScopedTable): boolean {
  // Of equal versions are as many virtual hosts; most of them are the same.
  const isSame = (v: EncodedVirtualHost, index: number): boolean => {
    const other = b.virtualHosts[index]
    return v === other || (other !== undefined && sameVirtualHost(v, other))
  }
  return a.version === b.version && a.virtualHosts.every(isSame)
}
