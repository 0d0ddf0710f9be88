import { asWanted, type Culprit, contentOf, Isolation, parseStandInVersion, type StandIn } from './isolation.ts'
import type { EnvoyResource } from './resource.ts'

/** How many refused versions of one resource are remembered: enough for an operator who tries things. */
const rememberedVersions = 64

/**
 * The resources of one type and scope that proxies refused, what they accepted before, and what they get
 * instead: what has parts, without those that are to blame; all else in its last good form, or not at all.
 */
export class Quarantine {
  /** By name: content version of what was refused to the proxy's message, oldest first. */
  readonly #refusals = new Map<string, Map<string, string>>()
  readonly #isolations = new Map<string, Isolation>()
  readonly #good = new Map<string, EnvoyResource>()

  /** Names with at least one remembered refusal. */
  names(): IterableIterator<string> {
    return this.#refusals.keys()
  }

  /** Why `wanted` is not sent as it is, if it is not. */
  messageFor(wanted: EnvoyResource): string | undefined {
    const message = this.#refusals.get(wanted.name)?.get(wanted.version)
    return message ?? this.#isolations.get(wanted.name)?.culprits(wanted)?.[0]?.message
  }

  /** Which parts of a refused resource are to blame, as far as it is known; undefined: nobody knows. */
  culprits(wanted: EnvoyResource): readonly Culprit[] | undefined {
    return this.#isolations.get(wanted.name)?.culprits(wanted)
  }

  /** What may be sent for `wanted`: itself, what stands in for it if it was refused, or nothing. */
  admit(wanted: EnvoyResource): EnvoyResource | undefined {
    return this.standIn(wanted)?.resource
  }

  /** The same, and how good it is. */
  standIn(wanted: EnvoyResource): StandIn | undefined {
    const versions = this.#refusals.size === 0 ? undefined : this.#refusals.get(wanted.name)
    if (versions === undefined) return asWanted(wanted)
    const isolation = this.#isolations.get(wanted.name)
    const standIn = isolation === undefined ? asWanted(wanted) : isolation.standIn(wanted)
    if (standIn !== undefined && !versions.has(contentOf(standIn.resource.version))) return standIn
    const good = this.#lastAdmissible(wanted.name)
    return good && asWanted(good)
  }

  lastGood(name: string): EnvoyResource | undefined {
    return this.#good.get(name)
  }

  /** @returns whether something else may be sent now: a refusal is lifted, or a search goes on */
  accept(resource: EnvoyResource, wanted: EnvoyResource): boolean {
    const { name, version } = resource
    this.#good.set(name, resource)
    const versions = this.#refusals.get(name)
    if (versions === undefined) return false
    const goesOn = this.#isolations.get(name)?.accept(resource, wanted) === true
    // What one proxy refused another one loads.
    const isLifted = versions.delete(contentOf(version))
    return goesOn || isLifted
  }

  /**
   * A proxy came back with this version of something that stood in for what an earlier control plane wanted:
   * its culprits are not tried again. @returns whether anything changed
   */
  presume(version: string, wanted: EnvoyResource): boolean {
    const told = parseStandInVersion(version)
    const isLoadable = this.#good.get(wanted.name)?.version === wanted.version
    if (told === undefined || isLoadable || wanted.replaceParts === undefined) return false
    if (!this.#refusals.has(wanted.name)) this.#refusals.set(wanted.name, new Map())
    return this.#isolation(wanted).presume(told.marks, wanted)
  }

  /** A proxy keeps what it holds instead of what stands in for `wanted`. @returns whether more is to be told now */
  holdBack(wanted: EnvoyResource): boolean {
    return this.#isolations.get(wanted.name)?.holdBack() === true
  }

  /** @returns whether anything changed: the first refusal of this version */
  refuse(resource: EnvoyResource, wanted: EnvoyResource, message: string): boolean {
    const { name } = resource
    const version = contentOf(resource.version)
    let versions = this.#refusals.get(name)
    if (versions?.has(version)) return false
    if (versions === undefined) {
      versions = new Map()
      this.#refusals.set(name, versions)
    }
    // What is known to load stays so: then it is the proxy, not the bytes.
    if (contentOf(this.#good.get(name)?.version ?? '') !== version) versions.set(version, message)
    for (const oldest of versions.keys()) {
      if (versions.size <= rememberedVersions) break
      versions.delete(oldest)
    }
    this.#isolate(resource, wanted, message)
    return true
  }

  /** The resource is no longer wanted by anybody. */
  forget(name: string): void {
    this.#refusals.delete(name)
    this.#isolations.delete(name)
    this.#good.delete(name)
  }

  #isolate(resource: EnvoyResource, wanted: EnvoyResource, message: string): void {
    if (wanted.replaceParts !== undefined) this.#isolation(wanted).refuse(resource, wanted, message)
  }

  #isolation(wanted: EnvoyResource): Isolation {
    const { name } = wanted
    let isolation = this.#isolations.get(name)
    if (isolation === undefined) {
      isolation = new Isolation(wanted, {
        messageFor: (version) => this.#refusals.get(name)?.get(contentOf(version)),
        lastGood: () => this.#lastAdmissible(name),
      })
      this.#isolations.set(name, isolation)
    }
    return isolation
  }

  #lastAdmissible(name: string): EnvoyResource | undefined {
    const good = this.#good.get(name)
    return good !== undefined && this.#refusals.get(name)?.has(contentOf(good.version)) !== true ? good : undefined
  }
}
