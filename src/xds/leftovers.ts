/** What a broken stream left unsettled in its proxy. */
export interface Leftover {
  /** By type: names from responses that were refused or not answered, which the proxy may hold without saying so. */
  readonly ghosts: ReadonlyMap<string, ReadonlySet<string>>
  /** Clusters that may still be warming: they need their endpoints once more. */
  readonly warming: ReadonlySet<string>
}

const maximumNodes = 4096

/** Remembered for the proxy's next stream; by scope and node, so a proxy can only mislead about itself. */
export class Leftovers {
  readonly #byNode = new Map<string, Leftover>()

  keep(scope: string, nodeId: string, leftover: Leftover): void {
    const key = `${scope}\n${nodeId}`
    this.#byNode.delete(key)
    if (leftover.ghosts.size === 0 && leftover.warming.size === 0) return
    this.#byNode.set(key, leftover)
    if (this.#byNode.size <= maximumNodes) return
    const oldest = this.#byNode.keys().next().value
    if (oldest !== undefined) this.#byNode.delete(oldest)
  }

  take(scope: string, nodeId: string): Leftover | undefined {
    const key = `${scope}\n${nodeId}`
    const leftover = this.#byNode.get(key)
    this.#byNode.delete(key)
    return leftover
  }
}
