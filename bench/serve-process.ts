import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../src/testing/xds-envoy.ts'

const mainFile = fileURLToPath(new URL('../dist/main.js', import.meta.url))
/** As the image has them. */
export const imageOptions = ['--disable-proto=delete']
/** As the chart sets it. */
export const serveEnvironment = {
  NODE_OPTIONS: '--max-old-space-size-percentage=75 --max-semi-space-size=16',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_MMAP_THRESHOLD_: '16384',
  MALLOC_TOP_PAD_: '4096',
}
/** In which /proc counts the time of processes. */
const ticksPerSecond = 100

export interface ServeOptions {
  readonly kubeconfig: string
  readonly namespace: string
  /** Of the replica; replicas with the same one cannot be told apart. */
  readonly identity?: string
  /** Of Node, beside those of the image; e.g. to look at the heap. */
  readonly execArgv?: readonly string[]
}

/** `gatewright serve` in a process of its own, as the image runs it. */
export class ServeProcess {
  readonly xdsAddress: string
  readonly startedAt = performance.now()
  readonly #adminAddress: string
  readonly #process: ChildProcess
  #log = ''

  private constructor(
    xdsPort: number,
    adminPort: number,
    { kubeconfig, namespace, identity = 'bench', execArgv = [] }: ServeOptions,
  ) {
    this.xdsAddress = `127.0.0.1:${xdsPort}`
    this.#adminAddress = `127.0.0.1:${adminPort}`
    const flags = ['--kubeconfig', kubeconfig, '--namespace', namespace, '--identity', identity]
    const addresses = [`--xds-address=${this.xdsAddress}`, `--admin-address=${this.#adminAddress}`]
    const args = [...imageOptions, ...execArgv, mainFile, 'serve', ...flags, ...addresses]
    const { NODE_COMPILE_CACHE: _cache, ...env } = process.env
    this.#process = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...env, ...serveEnvironment, POD_NAME: identity },
    })
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString()
    })
  }

  static async start(options: ServeOptions): Promise<ServeProcess> {
    const [xdsPort, adminPort] = await Promise.all([findFreePort(), findFreePort()])
    return new ServeProcess(xdsPort, adminPort, options)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Lines that it has written about what went wrong. */
  complaints(): string[] {
    return this.#log.split('\n').filter((line) => /"level":"(error|warn)"/.test(line))
  }

  /** Resolves when it says so. @throws when it ends instead */
  async untilLogged(text: string): Promise<void> {
    while (!this.#log.includes(text)) {
      if (this.#process.exitCode !== null) throw new Error(`the control plane ended:\n${this.#log}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** A request to its health port: how long the answer took, in milliseconds; undefined without one. */
  async probe(path = '/healthz'): Promise<number | undefined> {
    const began = performance.now()
    const answer = await fetch(`http://${this.#adminAddress}${path}`).catch(() => undefined)
    await answer?.text()
    return answer === undefined ? undefined : performance.now() - began
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.#adminAddress}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
  }

  /** Resident memory in bytes: all of it, and without what is only mapped from files (the code of Node.js). */
  memory(): { readonly resident: number; readonly anonymous: number } {
    const text = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024
    return { resident: field('VmRSS'), anonymous: field('RssAnon') }
  }

  /** Seconds of CPU so far, user and system. */
  cpu(): number {
    const text = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await exited
  }
}
