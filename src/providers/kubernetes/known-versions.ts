import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { isOlderVersion } from './resource-version.ts'

/** A version in as little room as can be: there is one for each object, and most are numbers. */
type KeptVersion = string | number

/** Which version of each object is known, so that events that come twice or too late change nothing. */
export class KnownVersions {
  readonly #versions = new Map<NamespacedName, KeptVersion>()
  /** Objects that were deleted lately, with the version of that. */
  #deleted = new Map<NamespacedName, string>()
  #deletedBefore = new Map<NamespacedName, string>()

  get size(): number {
    return this.#versions.size
  }

  /**
   * Notes a version of an object.
   * @param believe takes an older version, too
   * @returns false: it is what we have, or older
   */
  put(key: NamespacedName, version: string, believe: boolean): boolean {
    const live = this.#versions.get(key)
    const known = live === undefined ? this.#findDeletion(key) : String(live)
    if (known === version && live !== undefined) return false
    if (known !== undefined && !believe && isOlderVersion(version, known)) return false
    this.#versions.set(key, keepVersion(version))
    if (live === undefined && known !== undefined) {
      this.#deleted.delete(key)
      this.#deletedBefore.delete(key)
    }
    return true
  }

  #findDeletion(key: NamespacedName): string | undefined {
    // There is mostly none, and this is asked of every object of a load.
    if (this.#deleted.size === 0 && this.#deletedBefore.size === 0) return undefined
    return this.#deleted.get(key) ?? this.#deletedBefore.get(key)
  }

  /**
   * Notes that an object has been deleted.
   * @returns false: it is not there, or a newer one is
   */
  delete(key: NamespacedName, version: string): boolean {
    const known = this.#versions.get(key)
    if (known !== undefined && isOlderVersion(version, String(known))) return false
    this.#deleted.set(key, version)
    return this.#versions.delete(key)
  }

  /** Everything up to now has been told: deletions need not be remembered for much longer. */
  settle(): void {
    if (this.#deleted.size === 0 && this.#deletedBefore.size === 0) return
    this.#deletedBefore = this.#deleted
    this.#deleted = new Map()
  }

  /**
   * These are all objects there are; undefined: those that are known.
   * @returns those that were known and are gone
   */
  retain(present: ReadonlySet<NamespacedName> | undefined): NamespacedName[] {
    const gone = present ? [...this.#versions.keys()].filter((key) => !present.has(key)) : []
    for (const key of gone) this.#versions.delete(key)
    this.#deleted.clear()
    this.#deletedBefore.clear()
    return gone
  }
}

function keepVersion(version: string): KeptVersion {
  const number = Number(version)
  return String(number) === version ? number : version
}
