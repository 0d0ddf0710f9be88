import { hash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import process from 'node:process'
import { setImmediate as yieldToEvents } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ObjectSink } from '../object-sink.ts'
import { describe, type FoundFile, scanPaths } from './directory-scan.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { ManifestFile } from './manifest-file.ts'
import { type FileRank, ObjectTable } from './object-table.ts'
import { compareProblems, type FileProblem, type FileReport, formatProblem } from './report.ts'

export interface FileProviderOptions {
  /** Files, directories, pipes, or "-" for standard input, in the order in which they count. */
  readonly paths: readonly string[]
  readonly logger: Logger
  /** Of namespaced objects that name no namespace; "default" unless given. */
  readonly defaultNamespace?: string
  /** Called after each look that found something new, also when only problems changed. */
  readonly onReport?: (report: FileReport) => void
  readonly clock?: Clock
  /** What "-" reads; the process's standard input unless given. */
  readonly standardInput?: AsyncIterable<Uint8Array | string>
}

/** In bytes. */
export const maxFileSize = 8 * 1024 * 1024

const timing = {
  /** After the last event: a save is often several. Milliseconds, like all of these. */
  quiet: 20,
  /** After the first event, however many follow. */
  latest: 100,
  /** For what is not seen by watching. */
  rescan: 2000,
  /** A file that is away for less was replaced, not deleted. */
  vanish: 60,
  /** A text that looks cut off waits this long for its rest. */
  settle: 1000,
  /** A file written less than this before it was read may be written again under the same time stamp. */
  racy: 50,
  /** Work between two pauses for other events. */
  turn: 10,
}

const lineEnd = 0x0a

interface KnownFile {
  readonly manifest: ManifestFile
  rank: FileRank
  /** What was read last; undefined: read it again. */
  fingerprint: string | undefined
  inode: string
  digest: string
  /** Of the text that was read last, in bytes. */
  size: number
  /** Whether it ended with a line end. */
  closed: boolean
  /** Since when the file is away. */
  goneAt?: number | undefined
  /** Since when its text, with this fingerprint, waits for its rest. */
  waiting?: { readonly fingerprint: string; readonly since: number } | undefined
}

/**
 * Fills a sink with the objects of files. A file that cannot be read or understood keeps what it had in
 * force, and no problem of one file stops another.
 *
 * The caller calls `load`, or `watch`, which loads first; and `close` at the end.
 */
export class FileProvider {
  readonly #sink: ObjectSink
  readonly #options: FileProviderOptions
  readonly #clock: Clock
  readonly #table = new ObjectTable()
  readonly #files = new Map<string, KnownFile>()
  readonly #watch: DirectoryWatch
  /** Standard input and pipes that have been read. */
  readonly #streams = new Set<string>()
  #report: FileReport = { files: 0, objects: 0, problems: [] }
  #watching = false
  #closed = false
  #running: Promise<void> | undefined
  #again = false
  #firstEvent: number | undefined
  #cancelTimer: () => void = () => {}
  #timerAt = Number.POSITIVE_INFINITY
  #turnEnd = 0

  constructor(sink: ObjectSink, options: FileProviderOptions) {
    this.#sink = sink
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#watch = new DirectoryWatch(() => this.#notice(), options.logger)
  }

  /** What was found at the last look. */
  get report(): FileReport {
    return this.#report
  }

  /** Looks once, and gives what it finds to the sink. Rejects only if the sink throws. */
  async load(): Promise<FileReport> {
    await this.#look()
    return this.#report
  }

  /** Looks, and goes on looking until `close`. Resolves after the first look. */
  async watch(): Promise<FileReport> {
    this.#watching = true
    // The first look tells which directories to watch; what happens until they are watched shows in the second.
    await this.#look()
    await this.#look()
    this.#schedule(this.#again ? 0 : timing.rescan)
    return this.#report
  }

  close(): void {
    this.#closed = true
    this.#watching = false
    this.#cancelTimer()
    this.#watch.close()
  }

  #notice(): void {
    const now = this.#clock.now()
    this.#firstEvent ??= now
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#schedule(Math.max(0, Math.min(timing.quiet, this.#firstEvent + timing.latest - now)))
  }

  /** Looks again after so many milliseconds, or earlier where that is planned already. */
  #schedule(delay: number): void {
    if (!this.#watching || this.#closed) return
    const at = this.#clock.now() + delay
    if (at >= this.#timerAt) return
    this.#cancelTimer()
    this.#timerAt = at
    this.#cancelTimer = this.#clock.after(delay, () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#firstEvent = undefined
      if (this.#running) {
        this.#again = true
        return
      }
      this.#look()
        .catch((error: unknown) => this.#options.logger.error('The files could not be looked at.', { error }))
        .finally(() => this.#schedule(this.#again ? 0 : timing.rescan))
    })
  }

  /** One look at a time: each begins with what the last one left. */
  async #look(): Promise<void> {
    while (this.#running) await this.#running.catch(() => {})
    this.#again = false
    this.#running = this.#rescan().finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  async #rescan(): Promise<void> {
    const { paths } = this.#options
    const found = await scanPaths(paths.map((path) => (path === '-' ? '/dev/null' : path)))
    // A pipe that has been read may be gone.
    const problems: FileProblem[] = found.problems.filter((problem) => !this.#streams.has(problem.file))
    const standardInput = paths.indexOf('-')
    for (const { path, argument } of found.streams) {
      if (paths[argument] !== '-') await this.#readStream(path, argument)
      else if (argument === standardInput) await this.#readStream('-', argument)
    }
    if (this.#watching && !this.#closed) this.#watch.set(found.directories)

    const present = new Set(found.files.map((file) => file.path))
    this.#turnEnd = this.#clock.now() + timing.turn
    for (const file of found.files) {
      await this.#readFile(file)
      await this.#pause()
    }
    for (const [path, known] of this.#files)
      if (!present.has(path) && !this.#streams.has(path)) this.#loseFile(path, known)
    if (this.#closed) return

    const changes = this.#table.settle()
    if (changes.length > 0) this.#sink.apply(changes)
    for (const { manifest } of this.#files.values()) problems.push(...manifest.problems)
    problems.push(...this.#table.listDuplicates())
    this.#publish(problems.sort(compareProblems), changes.length > 0)
  }

  /** Lets other events in when this turn has taken long enough. */
  #pause(): Promise<void> | undefined {
    if (this.#clock.now() < this.#turnEnd) return undefined
    return yieldToEvents().then(() => {
      this.#turnEnd = this.#clock.now() + timing.turn
    })
  }

  async #readFile({ path, argument, fingerprint, inode, size, changed }: FoundFile): Promise<void> {
    const known = this.#files.get(path) ?? this.#meetFile(path, argument)
    if (known.goneAt !== undefined || known.rank.argument !== argument) {
      known.goneAt = undefined
      known.rank = { argument, path }
      this.#table.setClaims(known.rank, known.manifest.claims)
    }
    if (known.fingerprint === fingerprint) return
    if (size > maxFileSize) {
      known.fingerprint = fingerprint
      known.digest = ''
      known.manifest.reject(`has ${size} bytes: split it into files of at most ${maxFileSize}`)
      return
    }
    let bytes: Uint8Array
    try {
      bytes = readFileSync(path)
    } catch (error) {
      known.digest = ''
      known.manifest.reject(`cannot be read: ${describe(error)}`)
      return
    }
    const digest = hash('sha1', bytes, 'base64')
    if (this.#isHalfWritten(known, bytes, inode, fingerprint)) return
    known.waiting = undefined
    // With a time stamp this fresh, a later write may leave no other trace.
    known.fingerprint = Math.abs(Date.now() - changed) < timing.racy ? undefined : fingerprint
    known.inode = inode
    if (digest === known.digest) return
    known.digest = digest
    await this.#take(known, bytes)
  }

  /**
   * Whether a file seems to be half-written: shorter than before, in the same place, and cut off by the
   * look of it. It then keeps what it had until no more has come for a while.
   */
  #isHalfWritten(known: KnownFile, bytes: Uint8Array, inode: string, fingerprint: string): boolean {
    if (!this.#watching || known.manifest.claims.length === 0) return false
    if (known.inode !== inode || bytes.length >= known.size) return false
    const open = bytes.length === 0 || (known.closed && bytes.at(-1) !== lineEnd)
    if (!open && !known.manifest.looksCutOff(new TextDecoder().decode(bytes))) return false
    const now = this.#clock.now()
    if (known.waiting?.fingerprint !== fingerprint) known.waiting = { fingerprint, since: now }
    const rest = known.waiting.since + timing.settle - now
    if (rest <= 0) return false
    this.#schedule(rest)
    return true
  }

  /** Replacing a file by way of another name takes a moment; what is away for longer is deleted. */
  #loseFile(path: string, known: KnownFile): void {
    const now = this.#clock.now()
    known.goneAt ??= now
    const rest = known.goneAt + timing.vanish - now
    if (rest > 0 && this.#watching) {
      this.#table.setClaims(known.rank, known.manifest.claims, true)
      this.#schedule(rest)
      return
    }
    this.#table.setClaims(known.rank, [])
    this.#files.delete(path)
  }

  async #readStream(path: string, argument: number): Promise<void> {
    const name = path === '-' ? '<stdin>' : path
    if (this.#streams.has(name)) return
    this.#streams.add(name)
    const known = this.#meetFile(name, argument)
    const stream = path === '-' ? (this.#options.standardInput ?? process.stdin) : createReadStream(path)
    const chunks: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of stream) {
        const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : (chunk as Uint8Array)
        size += bytes.length
        if (size > maxFileSize) return known.manifest.reject(`has more than ${maxFileSize} bytes: split it`)
        chunks.push(bytes)
      }
      await this.#take(known, Buffer.concat(chunks))
    } catch (error) {
      known.manifest.reject(`cannot be read: ${describe(error)}`)
    }
  }

  #meetFile(path: string, argument: number): KnownFile {
    const known: KnownFile = {
      manifest: new ManifestFile(path, this.#options.defaultNamespace ?? 'default'),
      rank: { argument, path },
      fingerprint: undefined,
      inode: '',
      digest: '',
      size: 0,
      closed: false,
    }
    this.#files.set(path, known)
    return known
  }

  async #take(known: KnownFile, bytes: Uint8Array): Promise<void> {
    known.size = bytes.length
    known.closed = bytes.at(-1) === lineEnd
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      known.manifest.reject('is not UTF-8 text: save it with that encoding')
      return
    }
    await known.manifest.update(text, () => this.#pause())
    this.#table.setClaims(known.rank, known.manifest.claims)
  }

  #publish(problems: readonly FileProblem[], changed: boolean): void {
    const { logger, onReport } = this.#options
    const report = { files: this.#files.size, objects: this.#table.size, problems }
    const before = this.#report
    if (!changed && isDeepStrictEqual(before, report)) return
    this.#report = report
    const known = new Set(before.problems.map(formatProblem))
    for (const problem of problems) {
      const text = formatProblem(problem)
      if (!known.has(text)) logger.warn(text)
    }
    onReport?.(report)
  }
}
