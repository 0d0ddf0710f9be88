import { contentVersion } from '../base/hash.ts'
import { keepBytes } from '../base/keep-bytes.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { BackendKey, BackendNode } from '../graph/backend.ts'
import type { EnvoyResource } from '../xds/resource.ts'
import { sameList } from './virtual-host.ts'

/** Equal for everybody who sends or explains it; the bytes are in the version. */
export const sameContent = {
  equals: (a: EnvoyResource, b: EnvoyResource) =>
    a.version === b.version &&
    a.slowToWarm === b.slowToWarm &&
    sameList(a.secrets ?? [], b.secrets ?? []) &&
    sameList(a.sources, b.sources),
}

/** A resource whose version is its content. */
export function buildResource(
  typeUrl: string,
  scope: string,
  name: string,
  bytes: Uint8Array,
  sources: readonly string[],
  more: Partial<EnvoyResource> = {},
): EnvoyResource {
  return { typeUrl, scope, name, version: contentVersion(bytes), bytes: keepBytes(bytes), sources, ...more }
}

/** The objects that a cluster of a backend is made from. */
export function sourcesOfBackend({ key, tlsPolicy }: BackendNode): string[] {
  const own = sourceOfBackend(key)
  return tlsPolicy ? [own, `${gatewayGroup}/BackendTLSPolicy/${tlsPolicy}`] : [own]
}

/** The object that a backend is. */
export function sourceOfBackend(key: BackendKey): string {
  return key.slice(0, key.lastIndexOf('/'))
}
