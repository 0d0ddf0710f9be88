import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../base/clock.ts'
import { type ControlPlane, createServingControlPlane } from '../control-plane.ts'
import { defaultTablePolicy, type TablePolicy } from '../envoy/table-form.ts'
import type { KindName } from '../gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { createLogger } from '../log.ts'
import { createSink } from '../object-sink.ts'
import { findEnvoy } from '../providers/local-envoy/envoy-binary.ts'
import { LocalEnvoy } from '../providers/local-envoy/local-envoy.ts'
import { createTokenAuthenticator } from '../xds/authenticator.ts'
import type { XdsServer } from '../xds/server-options.ts'
import { applyObjects, gatewayClassYaml, parseObjects, testControllerName } from './builders.ts'
import type { EchoAnswer } from './echo-backend.ts'

/** The one Gateway that is served: "web" in namespace "default". */
export const servedGateway: NamespacedName = namespacedName('default', 'web')

/** What its proxies show. */
export const testToken = 'token-of-web'

/** Time for a change to reach Envoy, generous because machines are shared. */
const patience = 15_000

export interface ServingOptions {
  /** Unix socket of the xDS server. */
  readonly socket: string
  /** Where the Gateway listens, on its own ports. */
  readonly listenAddress: string
  readonly tables?: TablePolicy['tables']
  readonly onLog?: (line: string) => void
}

export type ServingControlPlane = ControlPlane & { readonly xds: XdsServer }

/** A control plane that serves what the test puts into its sources; it answers after `xds.markSynced`. */
export async function startServingControlPlane(options: ServingOptions): Promise<ServingControlPlane> {
  const { socket, listenAddress, tables = 'auto', onLog = () => {} } = options
  const controlPlane = createServingControlPlane({
    controllerNames: [testControllerName],
    logger: createLogger('info', 'text', onLog),
    clock: systemClock,
    authenticator: createTokenAuthenticator(() => new Map([[servedGateway, testToken]])),
    tablePolicy: { ...defaultTablePolicy, tables },
  })
  const { scheduler, sources, xds } = controlPlane
  scheduler.batch(() => {
    sources.bindings.set(servedGateway, { listenAddress, ports: {}, addresses: [], portProblems: {} })
  })
  await xds.listen(`unix:${socket}`)
  return controlPlane
}

export interface FixtureOptions {
  /** Worker threads of Envoy; 1 unless given: what one answer shows then holds for all that follow. */
  readonly concurrency?: number
  readonly tables?: TablePolicy['tables']
  /** Whether Envoy refuses fields that it does not know: true unless given. As proxies are started, it does not look. */
  readonly strict?: boolean
  /** More to put into the sources before the first Envoy is answered. */
  readonly beforeSync?: (controlPlane: ServingControlPlane) => void
}

/** A stock Envoy with the real bootstrap, which outlives any control plane behind its socket. */
export class ServedEnvoy {
  readonly directory: string
  readonly socket: string
  readonly address: string
  readonly log: string[]
  readonly #envoy: LocalEnvoy
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  private constructor(directory: string, address: string, envoy: LocalEnvoy, log: string[]) {
    this.directory = directory
    this.socket = join(directory, 'xds.sock')
    this.address = address
    this.#envoy = envoy
    this.log = log
  }

  static async start({ concurrency = 1, strict = true }: FixtureOptions = {}): Promise<ServedEnvoy> {
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-serving-'))
    // Everything in 127.0.0.0/8 is local on Linux; elsewhere only one address is.
    const own = `127.${randomInt(64, 128)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
    const log: string[] = []
    const envoy = new LocalEnvoy({
      binary: await findEnvoy(undefined),
      nodeId: servedGateway,
      xds: { unixPath: join(directory, 'xds.sock'), token: testToken },
      concurrency,
      logLevel: 'warning',
      strict,
      logger: createLogger('info', 'text', (line) => void log.push(line)),
      clock: systemClock,
    })
    await envoy.start()
    return new ServedEnvoy(directory, process.platform === 'linux' ? own : '127.0.0.1', envoy, log)
  }

  /** @throws while it does not run */
  get pid(): number {
    const { pid } = this.#envoy
    if (pid === undefined) throw new Error('Envoy does not run')
    return pid
  }

  url(port = 8080, scheme = 'http'): string {
    return `${scheme}://${this.address}:${port}`
  }

  async admin(path: string): Promise<string> {
    return (await fetch(`${this.#envoy.adminUrl}${path}`)).text()
  }

  /** The counters and gauges whose names match. */
  async stats(filter: string): Promise<Record<string, number>> {
    const lines = (await this.admin(`/stats?filter=${encodeURIComponent(filter)}`)).split('\n')
    const pairs = lines.map((line) => line.split(': ') as [string, string]).filter(([, value]) => value !== undefined)
    return Object.fromEntries(pairs.map(([name, value]) => [name, Number(value)]))
  }

  /** One request over a connection that is kept: "apple", "apple:mark", or a status; see `AllowedOutcomes`. */
  ask(path: string, host: string, port = 8080): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, headers: { host }, timeout: 10_000 }
      const request = get(`${this.url(port)}${path}`, options, (response) => {
        let body = ''
        response.on('data', (data: Buffer) => {
          body += data.toString()
        })
        response.on('end', () => {
          if (response.statusCode !== 200) return resolve(String(response.statusCode))
          const { service, headers } = JSON.parse(body) as EchoAnswer
          const mark = headers['X-Mark']?.[0]
          resolve(mark === undefined ? service : `${service}:${mark}`)
        })
        response.on('error', reject)
      })
      request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
      request.on('error', reject)
    })
  }

  /** Asks until the answer is one of these, and gives it. */
  async askUntil(path: string, host: string, expected: readonly string[], port = 8080): Promise<string> {
    const deadline = performance.now() + patience
    for (;;) {
      const outcome = await this.ask(path, host, port).catch(String)
      if (expected.includes(outcome)) return outcome
      if (performance.now() > deadline) {
        const log = this.log.slice(-20).join('')
        throw new Error(`${host}${path} is answered by ${outcome}, not by ${expected.join(' or ')}\n${log}`)
      }
      await sleep(2)
    }
  }

  /** SIGKILL; another one takes its place. */
  async restart(): Promise<void> {
    const { pid } = this
    process.kill(pid, 'SIGKILL')
    const deadline = performance.now() + patience
    while (this.#envoy.pid === pid || this.#envoy.adminUrl === undefined) {
      if (performance.now() > deadline) throw new Error('Envoy was not started again')
      await sleep(10)
    }
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    await this.#envoy.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

/**
 * Control plane and Envoy without files between: what is applied is on its way when `apply` returns, so
 * that changes may follow each other as fast as a cluster's do.
 */
export class ServingFixture {
  readonly envoy: ServedEnvoy
  readonly controlPlane: ServingControlPlane

  private constructor(envoy: ServedEnvoy, controlPlane: ServingControlPlane) {
    this.envoy = envoy
    this.controlPlane = controlPlane
  }

  /** @param yaml everything but the GatewayClass */
  static async start(yaml: string, options: FixtureOptions = {}): Promise<ServingFixture> {
    return ServingFixture.#serve(await ServedEnvoy.start(options), yaml, options)
  }

  static async #serve(envoy: ServedEnvoy, yaml: string, options: FixtureOptions): Promise<ServingFixture> {
    const { tables = 'auto', beforeSync = () => {} } = options
    const onLog = (line: string): void => void envoy.log.push(line)
    const controlPlane = await startServingControlPlane({
      socket: envoy.socket,
      listenAddress: envoy.address,
      tables,
      onLog,
    })
    const fixture = new ServingFixture(envoy, controlPlane)
    fixture.apply(gatewayClassYaml + yaml)
    beforeSync(controlPlane)
    controlPlane.xds.markSynced()
    return fixture
  }

  /** Ends the control plane; another one, which knows nothing of it, serves the same Envoy. */
  async replaceControlPlane(yaml: string, beforeSync: (next: ServingControlPlane) => void): Promise<ServingFixture> {
    await this.controlPlane.xds.close()
    return ServingFixture.#serve(this.envoy, yaml, { beforeSync })
  }

  /** One batch: sets these objects, and removes others, by "namespace/name" or by a name in namespace default. */
  apply(yaml: string, ...removed: readonly (readonly [KindName, string])[]): void {
    const { scheduler } = this.controlPlane
    const objects = parseObjects(yaml)
    scheduler.batch(() => {
      applyObjects(this.controlPlane, objects)
      const keyOf = (name: string) => (name.includes('/') ? (name as NamespacedName) : namespacedName('default', name))
      const gone = removed.map(([kind, name]) => ({ kind, key: keyOf(name), object: undefined }))
      createSink(this.controlPlane).apply(gone)
    })
  }

  async stop(): Promise<void> {
    await this.envoy.stop()
    await this.controlPlane.xds.close()
  }
}
