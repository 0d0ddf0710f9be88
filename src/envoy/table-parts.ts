import { assert } from '../base/assert.ts'
import { contentVersion } from '../base/hash.ts'
import { packBytes, unpackBytes } from '../base/packed-bytes.ts'
import { envoy } from '../gen/envoy.js'
import type { ResourcePart } from '../xds/resource.ts'
import type { EncodedVirtualHost } from './virtual-host.ts'

const { VirtualHost } = envoy.config.route.v3

/** What a virtual host answers that proxies refuse. */
const outOfOrderStatus = 500

/** A virtual host as a part of a table that may be to blame by itself. */
class VirtualHostPart implements ResourcePart {
  readonly virtualHost: EncodedVirtualHost

  constructor(virtualHost: EncodedVirtualHost) {
    this.virtualHost = virtualHost
  }

  get name(): string {
    return this.virtualHost.hostname
  }

  get version(): string {
    return this.virtualHost.version
  }

  get bytes(): Uint8Array {
    return unpackBytes(this.virtualHost.packed)
  }

  get sources(): readonly string[] {
    return this.virtualHost.sources
  }

  get isPlaceholder(): boolean {
    return this.virtualHost.isOutOfOrder === true
  }
}

/** @param virtualHosts in their order in the table */
export function listParts(virtualHosts: readonly EncodedVirtualHost[]): readonly ResourcePart[] {
  return virtualHosts.map((virtualHost) => new VirtualHostPart(virtualHost))
}

/**
 * The same virtual hosts with others in the place of some.
 * @param others by hostname; undefined stands for a virtual host that is out of order
 * @returns `virtualHosts` itself if none of them is replaced
 */
export function replaceVirtualHosts(
  virtualHosts: readonly EncodedVirtualHost[],
  others: ReadonlyMap<string, ResourcePart | undefined>,
): readonly EncodedVirtualHost[] {
  if (!virtualHosts.some(({ hostname }) => others.has(hostname))) return virtualHosts
  return virtualHosts.map((virtualHost) => {
    if (!others.has(virtualHost.hostname)) return virtualHost
    const other = others.get(virtualHost.hostname)
    assert(other === undefined || other instanceof VirtualHostPart, 'the parts of tables are virtual hosts')
    return other?.virtualHost ?? buildOutOfOrderHost(virtualHost)
  })
}

/** Takes the place of a virtual host that proxies refuse, so that its requests go nowhere else. */
function buildOutOfOrderHost(refused: EncodedVirtualHost): EncodedVirtualHost {
  const { hostname } = refused
  const routes = [{ match: { prefix: '/' }, directResponse: { status: outOfOrderStatus } }]
  const bytes = VirtualHost.encode({ name: hostname, domains: [hostname], routes }).finish()
  return { ...refused, packed: packBytes(bytes), version: contentVersion(bytes), awaits: [], isOutOfOrder: true }
}
