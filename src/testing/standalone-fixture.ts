import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PrintedCondition } from '../cli/offline.ts'
import type { RunningListener, RunView, Standalone } from '../cli/run.ts'
import { createLogger } from '../log.ts'
import { type StandaloneOptions, startStandalone } from '../standalone.ts'
import { testControllerName } from './builders.ts'
import type { EchoAnswer, EchoBackend } from './echo-backend.ts'

export interface Answer {
  readonly status: number
  /** "OK", "Not Found". */
  readonly statusText: string
  readonly httpVersion: string
  /** By lower-case name; several values joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  /** As they came: lower-case names in their order. */
  readonly headerNames: readonly string[]
  readonly body: string
  /** What an echo backend saw. */
  readonly echo: EchoAnswer
}

export interface RequestOptions {
  /** Host header, as it is; the address and port of the listener unless given. */
  readonly host?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** PEM of the authority that must have signed the listener's certificate. */
  readonly ca?: string
  /** Server name in TLS; the host without its port unless given. */
  readonly serverName?: string
  /** PEM of the client's own certificate, and of its key. */
  readonly cert?: string
  readonly key?: string
}

/** Time for a change to reach Envoy, generous because machines are shared. */
const patience = 15_000

/**
 * Gatewright as a newcomer runs it: a directory of manifests, the standalone control plane, and a stock
 * Envoy for each Gateway, on a loopback address of its own so that tests can use ports 80 and 443.
 */
export class StandaloneFixture {
  readonly directory: string
  readonly #standalone: Standalone
  readonly #fileProblems: string[]
  readonly #log: string[]

  private constructor(directory: string, standalone: Standalone, fileProblems: string[], log: string[]) {
    this.directory = directory
    this.#standalone = standalone
    this.#fileProblems = fileProblems
    this.#log = log
  }

  /**
   * Starts with these manifests, by file name without ".yaml", and waits until all listeners that can
   * serve are programmed.
   */
  static async start(
    manifests: Readonly<Record<string, string | Uint8Array>>,
    more: Partial<StandaloneOptions> = {},
  ): Promise<StandaloneFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'gatewright-journey-'))
    mkdirSync(join(directory, 'manifests'))
    for (const [name, yaml] of Object.entries(manifests))
      writeFileSync(join(directory, 'manifests', `${name}.yaml`), yaml)
    const fileProblems: string[] = []
    const log: string[] = []
    // Everything in 127.0.0.0/8 is local on Linux; elsewhere only one address is.
    const own = `127.${randomInt(64, 128)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
    const standalone = await startStandalone({
      files: [join(directory, 'manifests')],
      listenAddress: process.platform === 'linux' ? own : '127.0.0.1',
      envoy: undefined,
      envoyLogLevel: 'warn',
      concurrency: 1,
      strict: true,
      tables: 'auto',
      controllerNames: [testControllerName],
      logger: createLogger('info', 'text', (line) => void log.push(line)),
      onFileProblem: (text) => void fileProblems.push(text),
      ...more,
    })
    const fixture = new StandaloneFixture(directory, standalone, fileProblems, log)
    try {
      await fixture.programmed()
    } catch (error) {
      await fixture.stop()
      throw error
    }
    return fixture
  }

  /** Writes a file as editors do, in one step. It takes effect soon: use {@link eventually}. */
  apply(name: string, yaml: string | Uint8Array): void {
    const waiting = join(this.directory, `${name}.new`)
    writeFileSync(waiting, yaml)
    renameSync(waiting, join(this.directory, 'manifests', `${name}.yaml`))
  }

  remove(name: string): void {
    rmSync(join(this.directory, 'manifests', `${name}.yaml`))
  }

  view(): RunView {
    return this.#standalone.view()
  }

  /** What was said about files so far. */
  get fileProblems(): readonly string[] {
    return this.#fileProblems
  }

  /** Everything that was logged, Envoy's own lines included. */
  get log(): string {
    return this.#log.join('')
  }

  /** @param name "namespace/gateway/listener", or "namespace/gateway/set/listener" */
  listener(name: string): RunningListener {
    const [namespace, gateway, ...rest] = name.split('/')
    const own = rest.join('/')
    const found = this.view()
      .gateways.find((g) => g.namespace === namespace && g.name === gateway)
      ?.listeners.find((l) => l.name === own)
    if (!found) throw new Error(`there is no listener ${name}`)
    return found
  }

  /** Where a listener is reached, without the last slash. */
  url(name: string): string {
    const { url, note } = this.listener(name)
    if (url === undefined) throw new Error(`listener ${name} cannot be reached: ${note}`)
    return url.replace(/\/$/, '')
  }

  /** The conditions of an object of ours; those of a listener or a parent have `about` set. */
  conditions(kind: string, namespace: string, name: string): (PrintedCondition & { readonly about: string })[] {
    const status = this.view().statuses.find((s) => s.kind === kind && s.namespace === namespace && s.name === name)
    return (status?.conditions ?? []).map(({ about, condition }) => ({ ...condition, about }))
  }

  /** Waits until no listener is on its way any more. */
  async programmed(): Promise<void> {
    await this.eventually(() => {
      const listeners = this.view().gateways.flatMap((g) => g.listeners)
      if (listeners.length === 0) throw new Error('there is no Gateway of ours')
      const waiting = listeners.filter((l) => l.pending)
      if (waiting.length > 0) throw new Error(waiting.map((l) => `listener ${l.name}: ${l.note}`).join('\n'))
    })
  }

  /** One request to a path of a listener. Nothing is sent but what is given, Host and connection handling. */
  async get(listener: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return send(new URL(this.url(listener)), path, options)
  }

  /** Repeats until it does not throw, then gives its result. */
  async eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
    const deadline = performance.now() + patience
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        if (performance.now() > deadline) {
          const end = this.#log.slice(-20).join('')
          throw new Error(`not within ${patience} ms: ${String(error)}\n${this.#fileProblems.join('\n')}\n${end}`, {
            cause: error,
          })
        }
        await sleep(20)
      }
    }
  }

  async stop(): Promise<void> {
    await this.#standalone.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function send(base: URL, path: string, options: RequestOptions): Promise<Answer> {
  const { host = base.host, method = 'GET', headers = {}, body, ca, cert, key } = options
  const serverName = options.serverName ?? host.replace(/:\d+$/, '')
  // As curl does: one connection that could be kept. "Connection: close" would change the answer's headers.
  const agent = base.protocol === 'https:' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const common = {
    host: base.hostname,
    port: base.port === '' ? (base.protocol === 'https:' ? 443 : 80) : Number(base.port),
    method,
    path,
    setHost: false,
    agent,
    headers: {
      host,
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    },
    timeout: 10_000,
  }
  return new Promise<Answer>((resolve, reject) => {
    const request =
      base.protocol === 'https:'
        ? requestHttps({
            ...common,
            servername: serverName,
            ...(ca === undefined ? {} : { ca }),
            ...(cert && key && { cert, key }),
          })
        : requestHttp(common)
    request.once('response', (response) => void read(response).then(resolve, reject))
    request.once('error', reject)
    request.once('timeout', () => request.destroy(new Error('no answer within 10 s')))
    request.end(body)
  }).finally(() => agent.destroy())
}

async function read(response: IncomingMessage): Promise<Answer> {
  let body = ''
  response.setEncoding('utf8')
  for await (const chunk of response) body += String(chunk)
  const headers: Record<string, string> = {}
  const headerNames: string[] = []
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = (response.rawHeaders[i] ?? '').toLowerCase()
    const value = response.rawHeaders[i + 1] ?? ''
    headerNames.push(name)
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    httpVersion: response.httpVersion,
    headers,
    headerNames,
    body,
    get echo(): EchoAnswer {
      return JSON.parse(body) as EchoAnswer
    },
  }
}

/** A Service with one EndpointSlice that leads to a backend of the test. */
export function backendYaml(
  backend: EchoBackend,
  { service, namespace = 'default', port = 3000 }: { service: string; namespace?: string; port?: number },
): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${service}, namespace: ${namespace}, labels: {app: ${service}, service: ${service}}}
spec:
  selector: {app: ${service}}
  ports: [{name: http, port: ${port}, targetPort: ${port}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-a, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
endpoints: [{addresses: [${backend.address}], conditions: {ready: true}}]
ports: [{name: http, port: ${backend.port}}]
---
`
}

/** How often each word came, in the order in which they came first. */
export function count(words: Iterable<string>): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

/** Runs `attempt` as often as told, some at a time. */
export async function repeat<T>(times: number, attempt: (index: number) => Promise<T>, atOnce = 8): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    while (next < times) results.push(await attempt(next++))
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, worker))
  return results
}
