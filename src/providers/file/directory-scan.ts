import { type Dirent, lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as yieldToEvents } from 'node:timers/promises'
import { compareStrings } from '../../base/compare.ts'
import type { FileProblem } from './report.ts'

/** A file to read. */
export interface FoundFile {
  /** As reached from the argument; also what people see. */
  readonly path: string
  /** Position of the argument that led to it. */
  readonly argument: number
  /** Changes with every write that the file system can tell apart. */
  readonly fingerprint: string
  /** Of the file itself: the same after a write in place, another one after a rename over it. */
  readonly inode: string
  /** In bytes. */
  readonly size: number
  /** When it was last written or renamed, by the system's clock: milliseconds since 1970. */
  readonly changed: number
}

export interface FoundFiles {
  readonly files: readonly FoundFile[]
  /** Pipes and terminals: they can be read once. */
  readonly streams: readonly { readonly path: string; readonly argument: number }[]
  /** Directories where changes would be seen: path by identity, since a path may become another directory. */
  readonly directories: ReadonlyMap<string, string>
  readonly problems: readonly FileProblem[]
}

/** What is read in directories; files that are named one by one may be called anything. */
const manifestName = /\.(?:yaml|yml|json)$/i
/** Entries between two pauses: system calls of about a millisecond. */
const entriesPerTurn = 256

/**
 * Looks for files below the given paths: recursively, through symbolic links, each file and directory
 * once. Hidden files (also Kubernetes' "..data") and backups ("name~") are passed over.
 * Blocks for a millisecond at a time.
 */
export async function scanPaths(paths: readonly string[]): Promise<FoundFiles> {
  const scan = new Scan()
  for (const [argument, path] of paths.entries()) await scan.addArgument(path, argument)
  return scan
}

class Scan implements FoundFiles {
  readonly files: FoundFile[] = []
  readonly streams: { path: string; argument: number }[] = []
  readonly directories = new Map<string, string>()
  readonly problems: FileProblem[] = []
  readonly #visited = new Set<string>()
  #entries = 0

  async addArgument(path: string, argument: number): Promise<void> {
    const stats = this.#stat(path)
    if (isLink(path)) this.#observe(dirname(path))
    if (typeof stats === 'string') {
      this.#complain(path, 'error', `${stats}: give the path of a file or a directory`)
      this.#observe(nearestDirectory(path))
    } else if (stats.isDirectory()) await this.#addDirectory(path, stats, argument)
    else if (stats.isFile()) {
      this.#observe(dirname(path))
      if (isLink(path)) this.#observe(dirname(realpathSync(path)))
      this.#addFile(path, stats, argument)
    } else if (stats.isFIFO() || stats.isCharacterDevice()) this.streams.push({ path, argument })
    else this.#complain(path, 'error', 'is neither a file nor a directory')
  }

  async #addDirectory(path: string, stats: Stats, argument: number): Promise<void> {
    const identity = identityOf(stats)
    // A symbolic link may lead back up.
    if (this.#visited.has(identity)) return
    this.#visited.add(identity)
    this.directories.set(identity, path)
    let entries: Dirent[]
    try {
      entries = readdirSync(path, { withFileTypes: true })
    } catch (error) {
      this.#complain(path, 'error', `cannot be read: ${describe(error)}`)
      return
    }
    for (const entry of entries.sort((a, b) => compareStrings(a.name, b.name))) {
      const { name } = entry
      if (name.startsWith('.') || name.endsWith('~')) continue
      if (++this.#entries % entriesPerTurn === 0) await yieldToEvents()
      const child = join(path, name)
      const found = this.#stat(child)
      if (typeof found === 'string') {
        // What is not a link was deleted while we looked.
        if (entry.isSymbolicLink() && manifestName.test(name))
          this.#complain(child, 'warning', `is a link that leads nowhere: ${found}`)
      } else if (found.isDirectory()) await this.#addDirectory(child, found, argument)
      else if (found.isFile() && manifestName.test(name)) {
        // A write to the link's target shows in the target's directory only.
        if (entry.isSymbolicLink()) this.#observe(dirname(realpathSync(child)))
        this.#addFile(child, found, argument)
      }
    }
  }

  #addFile(path: string, stats: Stats, argument: number): void {
    const inode = identityOf(stats)
    if (this.#visited.has(inode)) return
    this.#visited.add(inode)
    const { size, mtimeMs, ctimeMs } = stats
    const fingerprint = `${inode} ${size} ${mtimeMs} ${ctimeMs}`
    this.files.push({ path, argument, fingerprint, inode, size, changed: ctimeMs })
  }

  /** Where an argument stands, so that its coming and its replacement are seen. */
  #observe(directory: string): void {
    const stats = this.#stat(directory)
    if (typeof stats !== 'string') this.directories.set(identityOf(stats), directory)
  }

  #stat(path: string): Stats | string {
    try {
      return statSync(path)
    } catch (error) {
      return describe(error)
    }
  }

  #complain(file: string, severity: FileProblem['severity'], message: string): void {
    this.problems.push({ file, line: 0, column: 0, severity, message })
  }
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function nearestDirectory(path: string): string {
  for (let at = dirname(path); ; at = dirname(at))
    if (statSync(at, { throwIfNoEntry: false })?.isDirectory() || at === dirname(at)) return at
}

const words = new Map([
  ['ENOENT', 'there is no such file or directory'],
  ['EACCES', 'permission denied'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['ELOOP', 'its symbolic links lead in a circle'],
])

/** An error of the file system in words. */
export function describe(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return words.get(String(code)) ?? (error instanceof Error ? error.message : String(error))
}
