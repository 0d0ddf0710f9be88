/** Versions of the API server are decimal numbers, and comparable so since Kubernetes 1.35; others may be anything. */
function isComparable(version: string): boolean {
  return /^[1-9][0-9]*$/.test(version)
}

/**
 * Whether a version is older than another one of the same resource.
 * @returns false when the two cannot be compared: then what comes later counts
 */
export function isOlderVersion(version: string, than: string): boolean {
  if (!isComparable(version) || !isComparable(than)) return false
  return version.length === than.length ? version < than : version.length < than.length
}

/**
 * How far a watch has come, and where to begin again after it broke.
 *
 * By contract an event says that everything before it has been told. Proxies that reorder events break it:
 * when the connection then breaks as well, an event that was overtaken is lost for good. So a watch that did
 * not end in good order is resumed a few events back; what comes twice is known by its version.
 */
export class WatchPosition {
  /** The newest version that was heard of. */
  newest: string
  #trail: string[] = []

  constructor(version: string) {
    this.newest = version
  }

  /** Where the watch begins again. */
  get resumeAt(): string {
    return this.#trail[0] ?? this.newest
  }

  /** An event came. */
  advance(version: string): void {
    const before = this.newest
    if (!isOlderVersion(version, before)) this.newest = version
    if (!isComparable(version)) return
    this.#trail.push(before)
    if (this.#trail.length > overlap) this.#trail.shift()
  }

  /** The server says that everything up to here has been told. */
  confirm(version = this.newest): void {
    if (!isOlderVersion(version, this.newest)) this.newest = version
    this.#trail = []
  }
}

/** Events that may have been overtaken. */
const overlap = 8
