import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type BootstrapOptions, buildBootstrap } from './bootstrap.ts'
import type { EnvoyBinary } from './envoy-binary.ts'
import type { LocalProxy } from './local-proxies.ts'

export interface LocalEnvoyOptions extends BootstrapOptions {
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
  drain: 30_000,
  /** Between two looks at what is in flight. */
  drainPoll: 50,
  /** After /quitquitquit, before SIGKILL. */
  quit: 5000,
  /** For the admin address to be there. */
  start: 10_000,
}

/**
 * Starts Envoy under a shell that ends it when our end of its standard input closes, which the system
 * does for us however we die; so no Envoy is left behind. The shell tells Envoy's process id on
 * descriptor 3 and passes its exit status on.
 */
const wrapper = `
exec 4<&0
"$@" </dev/null 3>&- 4<&- &
envoy=$!
echo "$envoy" >&3
exec 3>&-
( while read -r _ <&4; do :; done; kill -KILL "$envoy" 2>/dev/null ) >/dev/null 2>&1 &
watch=$!
exec 4<&-
wait "$envoy"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
`

/** One stock Envoy as a child process: started again when it dies, drained before it is ended. */
export class LocalEnvoy implements LocalProxy {
  readonly #options: LocalEnvoyOptions
  #directory = ''
  #child: ChildProcess | undefined
  #pid: number | undefined
  #adminUrl: string | undefined
  #stopped = false
  #startedAt = 0
  #backoff = timing.firstBackoff
  #cancelRestart: (() => void) | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(options: LocalEnvoyOptions) {
    this.#options = options
  }

  /** Envoy's admin page; undefined while it is not running. */
  get adminUrl(): string | undefined {
    return this.#adminUrl
  }

  /** Envoy's process id; undefined while it is not running. */
  get pid(): number | undefined {
    return this.#pid
  }

  /** Resolves when the process runs; whether it serves is for the control plane to say. */
  async start(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'gatewright-envoy-'))
    await this.#launch()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRestart?.()
    await this.#drain()
    await this.#quit()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #launch(): Promise<void> {
    const { binary, concurrency, logLevel, strict, clock } = this.#options
    const bootstrap = join(this.#directory, 'bootstrap.json')
    const adminPath = join(this.#directory, 'admin-address')
    await rm(adminPath, { force: true })
    // The directory is ours alone: the bootstrap holds a credential.
    await writeFile(bootstrap, JSON.stringify(buildBootstrap(this.#options)), { mode: 0o600 })
    const args = [
      '--config-path',
      bootstrap,
      '--admin-address-path',
      adminPath,
      '--concurrency',
      String(concurrency),
      '--log-level',
      logLevel,
      '--log-format',
      '%l %n: %v',
      '--drain-time-s',
      '60',
      '--disable-hot-restart',
      strict ? '--reject-unknown-dynamic-fields' : '--ignore-unknown-dynamic-fields',
    ]
    const child = spawn('/bin/sh', ['-c', wrapper, 'envoy', binary.path, ...args], {
      stdio: ['pipe', 'inherit', 'pipe', 'pipe'],
      // Ctrl-C goes to the whole terminal group; Envoy is to be drained first.
      detached: true,
    })
    this.#child = child
    this.#startedAt = clock.now()
    // When the shell has gone, writing to it must not end us.
    child.stdin?.on('error', () => {})
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#relayLog(text))
    const pidPipe = child.stdio[3] as Readable
    pidPipe.setEncoding('utf8').on('data', (text: string) => {
      this.#pid = Number.parseInt(text, 10)
    })
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#handleExit(error.message)
        resolve()
      })
      child.once('exit', (code, signal) => {
        this.#handleExit(signal ?? `status ${code}`)
        resolve()
      })
    })
    await this.#readAdminAddress(adminPath, child)
  }

  #relayLog(text: string): void {
    const { logger, nodeId } = this.#options
    for (const line of text.split('\n')) if (line.trim() !== '') logger.warn('Envoy says', { gateway: nodeId, line })
  }

  async #readAdminAddress(path: string, child: ChildProcess): Promise<void> {
    const deadline = this.#options.clock.now() + timing.start
    while (child.exitCode === null && child.signalCode === null && this.#options.clock.now() < deadline) {
      const address = await readFile(path, 'utf8').catch(() => '')
      if (address !== '') {
        this.#adminUrl = `http://${address}`
        return
      }
      await sleep(10)
    }
  }

  #handleExit(reason: string): void {
    const { logger, clock, nodeId } = this.#options
    this.#child = undefined
    this.#pid = undefined
    this.#adminUrl = undefined
    if (this.#stopped) return
    if (clock.now() - this.#startedAt > timing.healthyAfter) this.#backoff = timing.firstBackoff
    logger.error('Envoy ended and is started again', { gateway: nodeId, reason, afterMilliseconds: this.#backoff })
    this.#cancelRestart = clock.after(this.#backoff, () => {
      this.#launch().catch((error: unknown) =>
        logger.error('Envoy cannot be started', { gateway: nodeId, error: String(error) }),
      )
    })
    this.#backoff = Math.min(this.#backoff * 2, timing.longestBackoff)
  }

  /** Tells clients to go elsewhere and waits until no request is in flight. */
  async #drain(): Promise<void> {
    if (this.#adminUrl === undefined) return
    const { clock } = this.#options
    const deadline = clock.now() + timing.drain
    await this.#admin('POST', '/drain_listeners?graceful&skip_exit')
    while (this.#child && clock.now() < deadline) {
      const text = await this.#admin('GET', '/stats?usedonly&filter=downstream_rq_active')
      if (text === undefined || !/downstream_rq_active: [1-9]/.test(text)) return
      await sleep(timing.drainPoll)
    }
  }

  async #quit(): Promise<void> {
    if (!this.#child) return
    await this.#admin('POST', '/quitquitquit')
    const killed = new AbortController()
    await Promise.race([this.#exited, sleep(timing.quit, undefined, { signal: killed.signal }).catch(() => {})])
    killed.abort()
    // The end of its standard input makes the shell kill Envoy.
    this.#child?.stdin?.destroy()
    await this.#exited
  }

  /** @returns the body, or undefined when Envoy does not answer */
  async #admin(method: 'GET' | 'POST', path: string): Promise<string | undefined> {
    if (this.#adminUrl === undefined) return undefined
    try {
      const response = await fetch(`${this.#adminUrl}${path}`, { method, signal: AbortSignal.timeout(2000) })
      return await response.text()
    } catch {
      return undefined
    }
  }
}
