import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../base/logger.ts'
import { createOfflineControlPlane } from '../control-plane.ts'
import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import { findEnvoy } from '../providers/local-envoy/envoy-binary.ts'
import type { EnvoyResource } from '../xds/resource.ts'
import { applyObjects, parseObjects, testControllerName } from './builders.ts'
import type { EchoAnswer } from './echo-backend.ts'
import { buildStaticBootstrap } from './static-bootstrap.ts'

export interface StaticAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly location: string | undefined
  readonly body: string
  /** What the echo backend saw. */
  readonly echo: EchoAnswer
}

export interface StaticRequest {
  readonly host?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
}

/** The resources that objects lead to, with every port of every Gateway bound to a free port of 127.0.0.1. */
function translateObjects(objects: readonly KubernetesObject[]): EnvoyResource[] {
  const controlPlane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  const { scheduler, sources, fleets, resources } = controlPlane
  const ports = new Proxy<Record<string, number>>({}, { get: () => 0 })
  fleets.subscribe((changes) => {
    scheduler.batch(() => {
      for (const { key } of changes)
        sources.bindings.set(key, { listenAddress: '127.0.0.1', ports, addresses: [], portProblems: {} })
    })
  })
  applyObjects(controlPlane, objects)
  return Object.values(resources).flatMap((collection) => [...collection.entries()].map(([, resource]) => resource))
}

export function translateManifests(yaml: string): EnvoyResource[] {
  return translateObjects(parseObjects(yaml))
}

/** A stock Envoy that serves one Gateway from a static configuration, where unknown fields are errors. */
export class StaticEnvoy {
  readonly #process: ChildProcess
  readonly #directory: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 20 })
  /** Real ports by the name of the Envoy listener, e.g. "port-80". */
  readonly #ports = new Map<string, number>()

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process
    this.#directory = directory
  }

  /**
   * @param manifests YAML, or objects
   * @throws an error with Envoy's log when it refuses the configuration
   */
  static start(manifests: string | readonly KubernetesObject[]): Promise<StaticEnvoy> {
    const objects = typeof manifests === 'string' ? parseObjects(manifests) : manifests
    return StaticEnvoy.startWith(buildStaticBootstrap(translateObjects(objects)))
  }

  /**
   * @param bootstrap as `buildStaticBootstrap` makes it
   * @throws an error with Envoy's log when it refuses the configuration
   */
  static async startWith(bootstrap: unknown): Promise<StaticEnvoy> {
    const directory = mkdtempSync(join(tmpdir(), 'gatewright-static-'))
    const file = join(directory, 'bootstrap.json')
    writeFileSync(file, JSON.stringify(bootstrap))
    const { path } = await findEnvoy(undefined)
    const adminFile = join(directory, 'admin')
    const args = ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--disable-hot-restart', '-l', 'error']
    const child = spawn(path, [...args, '--admin-address-path', adminFile], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString()
    })
    const envoy = new StaticEnvoy(child, directory)
    for (let tries = 0; tries < 400 && child.exitCode === null; tries++) {
      if (await envoy.#readPorts(adminFile)) return envoy
      await sleep(25)
    }
    await envoy.stop()
    throw new Error(`Envoy did not start:\n${log}`)
  }

  async #readPorts(adminFile: string): Promise<boolean> {
    try {
      const admin = `http://${readFileSync(adminFile, 'utf8')}`
      if ((await fetch(`${admin}/ready`)).status !== 200) return false
      const text = await (await fetch(`${admin}/listeners`)).text()
      for (const line of text.trim().split('\n')) {
        const [, name = '', port] = /^(.*)::.*:(\d+)$/.exec(line) ?? []
        this.#ports.set(name, Number(port))
      }
      return true
    } catch {
      return false
    }
  }

  /** "ip:port" of a listener. @param port as the Gateway's listener has it */
  address(port: number): string {
    return `127.0.0.1:${this.#ports.get(`port-${port}`)}`
  }

  /** @param port as the Gateway's listener has it */
  send(
    port: number,
    path: string,
    { host = 'localhost', method = 'GET', headers = {}, body }: StaticRequest = {},
  ): Promise<StaticAnswer> {
    const options = {
      port: this.#ports.get(`port-${port}`),
      host: '127.0.0.1',
      path,
      method,
      headers: {
        ...headers,
        host,
        ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      } as Record<string, string>,
      agent: this.#agent,
    }
    return new Promise((resolve, reject) => {
      const outgoing = request(options, (response) => {
        let received = ''
        response.on('data', (data: Buffer) => {
          received += data.toString()
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            location: response.headers.location,
            body: received,
            get echo() {
              return JSON.parse(received) as EchoAnswer
            },
          }),
        )
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = new Promise((resolve) => this.#process.once('exit', resolve))
      this.#process.kill('SIGKILL')
      await gone
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
