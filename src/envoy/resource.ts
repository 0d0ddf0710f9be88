import { none } from '../base/compact-list.ts'
import { contentVersion } from '../base/hash.ts'
import { keepBytes } from '../base/keep-bytes.ts'
import { copyPacked, type PackedBytes, packBytes, unpackBytes } from '../base/packed-bytes.ts'
import type { BackendKey } from '../graph/backend.ts'
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

/** Where a resource stands: in a Gateway, under a name. */
export interface Place {
  readonly scope: string
  readonly name: string
}

/** What clusters and their endpoints tell beside what all resources do. */
type BackendFields = Pick<EnvoyResource, 'slowToWarm' | 'secrets'>

/** Longer bytes are kept as they are. */
const longestPacked = 1024

/**
 * A resource of a backend. There are two for each, so that they are kept as small as can be: bytes and sources are made
 * when somebody asks. To be compared by `sameContent`.
 */
class BackendResource implements EnvoyResource {
  declare readonly slowToWarm?: boolean
  declare readonly secrets?: readonly string[]
  readonly typeUrl: string
  readonly scope: string
  readonly name: string
  readonly version: string
  readonly #bytes: PackedBytes | Uint8Array
  /** Of a backend that alone it is made from, or the sources themselves. */
  readonly #sources: BackendKey | readonly string[]

  constructor(typeUrl: string, { scope, name }: Place, bytes: Uint8Array, sources: BackendKey | readonly string[]) {
    this.typeUrl = typeUrl
    this.scope = scope
    this.name = name
    this.version = contentVersion(bytes)
    this.#bytes = bytes.length > longestPacked ? keepBytes(bytes) : packBytes(bytes)
    this.#sources = sources
  }

  get bytes(): Uint8Array {
    return typeof this.#bytes === 'string' ? unpackBytes(this.#bytes) : this.#bytes
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  copyBytes(into: Buffer, at: number): number {
    if (typeof this.#bytes === 'string') return copyPacked(this.#bytes, into, at)
    into.set(this.#bytes, at)
    return this.#bytes.length
  }

  get sources(): readonly string[] {
    return typeof this.#sources === 'string' ? [sourceOfBackend(this.#sources)] : this.#sources
  }
}

/**
 * A cluster of a backend, or its endpoints. The version is the content.
 * @param others objects that it is made from, beside the backend
 */
export function buildBackendResource(
  typeUrl: string,
  place: Place,
  bytes: Uint8Array,
  {
    backend,
    others = none,
    slowToWarm,
    secrets,
  }: BackendFields & { readonly backend: BackendKey; readonly others?: readonly string[] },
): EnvoyResource {
  const sources = others.length === 0 ? backend : [sourceOfBackend(backend), ...others]
  const resource = new BackendResource(typeUrl, place, bytes, sources)
  // Few have them: the others keep no room for them.
  if (!slowToWarm && !secrets) return resource
  return Object.assign(resource, slowToWarm && { slowToWarm }, secrets && { secrets })
}

/** The object that a backend is. */
export function sourceOfBackend(key: BackendKey): string {
  return key.slice(0, key.lastIndexOf('/'))
}
