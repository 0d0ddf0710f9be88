import type { EnvoyResource } from './resource.ts'

/**
 * Asked once for each version that a proxy refused: what to send instead, under the same name
 * (e.g. a route table whose offending virtual host answers 500). Undefined means the last good
 * bytes, or nothing when there are none. An answer that is refused as well is not asked for again.
 */
export type Fallback = (
  refused: EnvoyResource,
  lastGood: EnvoyResource | undefined,
  message: string,
) => EnvoyResource | undefined

/** How many refused versions of one resource are remembered: enough for an operator who tries things. */
const rememberedVersions = 16

interface Refusal {
  /** Refused version to the proxy's message, oldest first. */
  readonly versions: Map<string, string>
  substitute: EnvoyResource | undefined
}

/** The resources of one type and scope that proxies refused, what they accepted before, and what they get instead. */
export class Quarantine {
  readonly #refusals = new Map<string, Refusal>()
  readonly #good = new Map<string, EnvoyResource>()

  /** Names with at least one remembered refusal. */
  names(): IterableIterator<string> {
    return this.#refusals.keys()
  }

  messageFor(name: string, version: string): string | undefined {
    return this.#refusals.get(name)?.versions.get(version)
  }

  /** What may be sent for `wanted`: itself, the substitute if it was refused, or nothing. */
  admit(wanted: EnvoyResource): EnvoyResource | undefined {
    if (this.#refusals.size === 0) return wanted
    const refusal = this.#refusals.get(wanted.name)
    return refusal?.versions.has(wanted.version) ? refusal.substitute : wanted
  }

  lastGood(name: string): EnvoyResource | undefined {
    return this.#good.get(name)
  }

  /** @returns whether this lifted a refusal, because what one proxy refused another one loads */
  accept(resource: EnvoyResource): boolean {
    this.#good.set(resource.name, resource)
    const refusal = this.#refusals.get(resource.name)
    if (refusal === undefined || !refusal.versions.delete(resource.version)) return false
    if (refusal.versions.size === 0) this.#refusals.delete(resource.name)
    return true
  }

  /** @returns whether anything changed: the first refusal of this version */
  refuse(resource: EnvoyResource, message: string, fallback: Fallback | undefined): boolean {
    const { name, version } = resource
    let refusal = this.#refusals.get(name)
    if (refusal?.versions.has(version)) return false
    if (refusal === undefined) {
      refusal = { versions: new Map(), substitute: undefined }
      this.#refusals.set(name, refusal)
    }
    const wasSubstitute = refusal.substitute?.version === version
    refusal.versions.set(version, message)
    for (const oldest of refusal.versions.keys()) {
      if (refusal.versions.size <= rememberedVersions) break
      refusal.versions.delete(oldest)
    }
    const good = this.#good.get(name)
    const lastGood = good !== undefined && !refusal.versions.has(good.version) ? good : undefined
    const offered = wasSubstitute ? undefined : fallback?.(resource, lastGood, message)
    refusal.substitute = offered !== undefined && !refusal.versions.has(offered.version) ? offered : lastGood
    return true
  }

  /** The resource is no longer wanted by anybody. */
  forget(name: string): void {
    this.#refusals.delete(name)
    this.#good.delete(name)
  }
}
