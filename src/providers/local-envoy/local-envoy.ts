import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type BootstrapOptions, buildBootstrap } from './bootstrap.ts'
import { EnvoyAdmin } from './envoy-admin.ts'
import type { EnvoyBinary } from './envoy-binary.ts'
import { EnvoyChild } from './envoy-child.ts'
import { envoyLogFormat, relayEnvoyLine } from './envoy-log.ts'
import type { LocalProxy } from './local-proxies.ts'
import { probeBind } from './port-binding.ts'

export interface LocalEnvoyOptions extends Omit<BootstrapOptions, 'adminPort'> {
  readonly binary: EnvoyBinary
  readonly concurrency: number
  readonly logLevel: string
  /** Envoy refuses fields that it does not know, instead of ignoring them. */
  readonly strict: boolean
  readonly logger: Logger
  readonly clock: Clock
}

/** Milliseconds. */
const timing = {
  firstBackoff: 100,
  longestBackoff: 5000,
  /** A life of this length resets the backoff. */
  healthyAfter: 10_000,
  /** How long requests in flight may take when the process is to end. */
  drain: 25_000,
  /** Between two looks at what is in flight. */
  drainPoll: 50,
  /** After SIGTERM, before SIGKILL. */
  quit: 5000,
  /** For the admin address to be there. */
  start: 10_000,
}

/** Looks without a request in flight before Envoy is ended: one may be between two of its connections. */
const quietLooks = 2

/**
 * One stock Envoy as a child process: started again when it dies, drained before it is ended, and never
 * left behind. The caller stops it before this process ends; if it cannot, the child ends all the same.
 */
export class LocalEnvoy implements LocalProxy {
  readonly #options: LocalEnvoyOptions
  #directory = ''
  #child: EnvoyChild | undefined
  #admin: EnvoyAdmin | undefined
  /** Kept over restarts, so that an open page goes on working. */
  #adminPort = 0
  #stopped = false
  #startedAt = 0
  #backoff = timing.firstBackoff
  #lastLine = ''
  #cancelRestart: (() => void) | undefined
  #launching: Promise<void> = Promise.resolve()

  constructor(options: LocalEnvoyOptions) {
    this.#options = options
  }

  /** Envoy's admin page; undefined while it is not running. */
  get adminUrl(): string | undefined {
    return this.#admin?.url
  }

  /** Envoy's process id; undefined while it is not running. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Resolves when the process runs; whether it serves is for the control plane to say. A process that dies
   * at once is started again like any other.
   * @throws if there is no room for its files
   */
  async start(): Promise<void> {
    // Only this user can enter it.
    this.#directory = await mkdtemp(join(tmpdir(), 'gatewright-envoy-'))
    this.#launching = this.#launch()
    await this.#launching
  }

  /** Lets requests in flight finish, for a bounded time, then ends the process. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRestart?.()
    await this.#launching.catch(() => {})
    await this.#drain()
    await this.#quit()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #launch(): Promise<void> {
    const { binary, clock, logger, nodeId } = this.#options
    const bootstrap = join(this.#directory, 'bootstrap.json')
    const adminFile = join(this.#directory, 'admin-address')
    const adminPort = (await probeBind('127.0.0.1', this.#adminPort)) === 'free' ? this.#adminPort : 0
    await rm(adminFile, { force: true })
    // It holds a credential.
    await writeFile(bootstrap, JSON.stringify(buildBootstrap({ ...this.#options, adminPort })), { mode: 0o600 })
    if (this.#stopped) return
    this.#startedAt = clock.now()
    this.#lastLine = ''
    const child = new EnvoyChild({
      binary: binary.path,
      args: ['--config-path', bootstrap, '--admin-address-path', adminFile, ...this.#arguments()],
      directory: this.#directory,
      onLine: (line) => {
        if (line.trim() !== '') this.#lastLine = line
        relayEnvoyLine(line, logger, { gateway: nodeId })
      },
      onExit: (reason) => this.#handleExit(reason),
    })
    this.#child = child
    await this.#readAdminAddress(adminFile, child)
  }

  #arguments(): string[] {
    const { concurrency, logLevel, strict } = this.#options
    return [
      ...['--concurrency', String(concurrency), '--log-level', logLevel, '--log-format', envoyLogFormat],
      // With the default of 600 s, tables and clusters of a changed listener would be kept for 10 minutes.
      ...['--drain-time-s', '60'],
      // Shares memory and a socket by base id; without it, Envoys beside each other have nothing in common.
      '--disable-hot-restart',
      '--skip-deprecated-logs',
      // Looking for unknown fields costs a third of each table update.
      strict ? '--reject-unknown-dynamic-fields' : '--ignore-unknown-dynamic-fields',
    ]
  }

  async #readAdminAddress(path: string, child: EnvoyChild): Promise<void> {
    const { clock } = this.#options
    const deadline = clock.now() + timing.start
    while (child.alive && clock.now() < deadline) {
      const port = /^127\.0\.0\.1:(\d+)$/.exec(await readFile(path, 'utf8').catch(() => ''))?.[1]
      if (port !== undefined && child.alive) {
        this.#adminPort = Number(port)
        this.#admin = new EnvoyAdmin(`http://127.0.0.1:${port}`)
        return
      }
      await sleep(10)
    }
  }

  #handleExit(reason: string): void {
    const { logger, clock, nodeId } = this.#options
    this.#child = undefined
    this.#admin = undefined
    if (this.#stopped) return
    if (clock.now() - this.#startedAt > timing.healthyAfter) this.#backoff = timing.firstBackoff
    const fields = { gateway: nodeId, reason, lastLine: this.#lastLine }
    logger.error('Envoy ended and is started again', { ...fields, afterMilliseconds: this.#backoff })
    this.#restartLater()
  }

  #restartLater(): void {
    const { logger, clock, nodeId } = this.#options
    this.#cancelRestart = clock.after(this.#backoff, () => {
      this.#launching = this.#launch().catch((error: unknown) => {
        logger.error('Envoy cannot be started; trying again', { gateway: nodeId, error: String(error) })
        if (!this.#stopped) this.#restartLater()
      })
    })
    this.#backoff = Math.min(this.#backoff * 2, timing.longestBackoff)
  }

  async #drain(): Promise<void> {
    const { clock, logger, nodeId } = this.#options
    const deadline = clock.now() + timing.drain
    await this.#admin?.beginDrain()
    let quiet = 0
    let inFlight = 0
    while (this.#admin && quiet < quietLooks) {
      // An Envoy that is busy may miss one answer; one that has died is noticed by its exit.
      inFlight = (await this.#admin.countInFlight()) ?? 1
      quiet = inFlight === 0 ? quiet + 1 : 0
      if (clock.now() > deadline) {
        logger.warn('requests did not finish and are cut off', { gateway: nodeId, inFlight })
        return
      }
      await sleep(timing.drainPoll)
    }
  }

  async #quit(): Promise<void> {
    const child = this.#child
    if (!child) return
    child.kill('SIGTERM')
    const gone = new AbortController()
    const giveUp = sleep(timing.quit, undefined, { signal: gone.signal }).then(
      () => child.kill('SIGKILL'),
      () => {},
    )
    await child.exited
    gone.abort()
    await giveUp
  }
}
