import { type FSWatcher, watch } from 'node:fs'
import type { Logger } from '../../base/logger.ts'
import { describe } from './directory-scan.ts'

/** The kernel's usual share of one user is larger; what is not watched is seen by the slow rescan. */
const maxWatches = 4096

/**
 * Tells that something happened in directories, not what. One watch per directory, because Node's
 * recursive one on Linux loses directories that are replaced, and does not follow links.
 * What cannot be watched (too many, network file systems) is logged once and left to rescans.
 */
export class DirectoryWatch {
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #onEvent: () => void
  readonly #logger: Logger
  #complained = false

  constructor(onEvent: () => void, logger: Logger) {
    this.#onEvent = onEvent
    this.#logger = logger
  }

  /** Watches these directories and no others. @param directories path by identity */
  set(directories: ReadonlyMap<string, string>): void {
    for (const identity of this.#watchers.keys()) if (!directories.has(identity)) this.#stop(identity)
    for (const [identity, path] of directories) {
      if (this.#watchers.has(identity)) continue
      if (this.#watchers.size < maxWatches) this.#start(identity, path)
      else this.#complain(`there are more than ${maxWatches} directories`)
    }
  }

  close(): void {
    for (const identity of [...this.#watchers.keys()]) this.#stop(identity)
  }

  #start(identity: string, path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        // Swap files of editors come and go; "..data" is how Kubernetes swaps the files of a volume.
        const ignored = name !== null && ((name.startsWith('.') && !name.startsWith('..')) || name.endsWith('~'))
        if (!ignored) this.#onEvent()
      })
      watcher.on('error', (error) => {
        this.#stop(identity)
        this.#complain(describe(error))
      })
      this.#watchers.set(identity, watcher)
    } catch (error) {
      this.#complain(describe(error))
    }
  }

  #stop(identity: string): void {
    this.#watchers.get(identity)?.close()
    this.#watchers.delete(identity)
  }

  #complain(reason: string): void {
    if (!this.#complained)
      this.#logger.warn('Some directories cannot be watched; their changes take effect later.', { reason })
    this.#complained = true
  }
}
