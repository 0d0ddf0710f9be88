import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import {
  buildCredentialDocument,
  buildPodBootstrap,
  buildTrustDocument,
  podPaths,
} from '../infrastructure/bootstrap.ts'
import { renderDeployment } from '../infrastructure/deployment.ts'
import type { InfrastructureOptions } from '../infrastructure/infrastructure-options.ts'
import type { ProxyFleet } from '../infrastructure/proxy-fleet.ts'
import { PodVolume } from './pod-volume.ts'
import { findEnvoy, findFreePort } from './xds-envoy.ts'

export const testOptions: InfrastructureOptions = {
  envoyImage: 'envoyproxy/envoy:distroless-v1.40.0',
  xdsAddress: 'gatewright.gatewright-system.svc:18000',
  tokenAudience: 'gatewright-xds',
  listenAddress: '0.0.0.0',
}

export const testFleet: ProxyFleet = {
  key: 'shop/edge' as NamespacedName,
  uid: '5f1c3f0e-0000-4000-8000-000000000001',
  isDeleting: false,
  className: 'gatewright',
  ports: [80],
  listens: [{ port: 80, transport: 'TCP', protocol: 'http' }],
  addresses: [],
  labels: {},
  annotations: {},
  parameters: {},
  isHeld: false,
}

export interface PodEnvoyOptions {
  readonly xdsPort: number
  /** A name in the server's certificate. */
  readonly serverName: string
  readonly trustBundle: string
  readonly token: string
  readonly podName?: string
  readonly fleet?: ProxyFleet
  /** After the arguments of the Deployment; the last of two equal ones counts. */
  readonly args?: readonly string[]
  readonly maxHeapBytes?: number
  /** How long it waits for a connection to the control plane, e.g. "60s"; as its bootstrap says unless given. */
  readonly connectTimeout?: string
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: readonly [{ connect_timeout: string }] }
}

/** A stock Envoy with the command line and the files that it has in a pod. */
export class PodEnvoy {
  readonly adminPort: number
  readonly readinessPort: number
  readonly #directory: string
  readonly #configuration: PodVolume
  readonly #token: PodVolume
  readonly #files: Record<string, string>
  #process: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  log = ''

  private constructor(directory: string, ports: { admin: number; readiness: number }, options: PodEnvoyOptions) {
    this.#directory = directory
    this.adminPort = ports.admin
    this.readinessPort = ports.readiness
    this.#configuration = new PodVolume(join(directory, 'configuration'))
    this.#token = new PodVolume(join(directory, 'token'))
    const bootstrap = buildPodBootstrap({
      xds: { host: 'localhost', port: options.xdsPort, serverName: options.serverName },
      listenAddress: '0.0.0.0',
      maxHeapBytes: options.maxHeapBytes ?? 1024 ** 3,
      paths: {
        configuration: this.#configuration.directory,
        trust: join(this.#configuration.directory, 'xds-trust.json'),
        credential: join(this.#configuration.directory, 'xds-credential.json'),
      },
      ports,
    }) as Bootstrap
    if (options.connectTimeout !== undefined)
      bootstrap.static_resources.clusters[0].connect_timeout = options.connectTimeout
    this.#files = {
      'bootstrap.json': JSON.stringify(bootstrap),
      'xds-trust.json': JSON.stringify(buildTrustDocument(options.trustBundle)),
      'xds-credential.json': JSON.stringify(buildCredentialDocument(join(this.#token.directory, 'token'))),
    }
  }

  /** The process runs when this resolves; whether it is ready is another matter. */
  static async start(options: PodEnvoyOptions): Promise<PodEnvoy> {
    const envoy = await PodEnvoy.prepare(options)
    envoy.#launch(envoy.#arguments(options))
    return envoy
  }

  /** @returns what `envoy --mode validate` says, and its exit status */
  static async validate(options: PodEnvoyOptions): Promise<{ readonly status: number | null; readonly log: string }> {
    const envoy = await PodEnvoy.prepare(options)
    envoy.#launch([...envoy.#arguments(options), '--mode', 'validate'])
    await envoy.#exited
    const status = envoy.#process?.exitCode ?? null
    await envoy.stop()
    return { status, log: envoy.log }
  }

  private static async prepare(options: PodEnvoyOptions): Promise<PodEnvoy> {
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-pod-'))
    const envoy = new PodEnvoy(directory, { admin: await findFreePort(), readiness: await findFreePort() }, options)
    await envoy.#configuration.write(envoy.#files)
    await envoy.rotateToken(options.token)
    return envoy
  }

  /** As kubelet does at four fifths of the token's life. */
  async rotateToken(token: string): Promise<void> {
    await this.#token.write({ token })
  }

  /** As kubelet does within a minute or so of a change of the ConfigMap. */
  async rotateTrust(trustBundle: string): Promise<void> {
    this.#files['xds-trust.json'] = JSON.stringify(buildTrustDocument(trustBundle))
    await this.#configuration.write(this.#files)
  }

  async admin(path: string, method = 'GET'): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}${path}`, { method })).text()
  }

  /** As kubelet's probe sees it; 0 when nobody answers in time. */
  async probe(): Promise<number> {
    try {
      const url = `http://127.0.0.1:${this.readinessPort}/ready`
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
      await response.body?.cancel()
      return response.status
    } catch {
      return 0
    }
  }

  /** @throws with Envoy's log, when it takes more than `patience` milliseconds */
  async ready(patience = 20_000): Promise<void> {
    for (const start = performance.now(); performance.now() - start < patience; await sleep(20))
      if ((await this.probe()) === 200) return
    throw new Error(`Envoy is not ready:\n${this.log.slice(-4000)}`)
  }

  /** Whether the process is gone within a limit. */
  async ends(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal)
    await this.#exited
  }

  async stop(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL')
    await this.#exited
    await rm(this.#directory, { recursive: true, force: true })
  }

  #arguments({ fleet = testFleet, podName = 'edge-1', args = [] }: PodEnvoyOptions): string[] {
    const deployment = renderDeployment({ fleet, options: testOptions, trustBundle: '' }) as unknown as {
      spec: { template: { spec: { containers: [{ args: string[] }] } } }
    }
    const declared = deployment.spec.template.spec.containers[0].args
    const [namespace = ''] = fleet.key.split('/')
    const merged = declared.map((argument) =>
      argument
        .replace(podPaths.bootstrap, join(this.#configuration.directory, 'bootstrap.json'))
        .replace('$(POD_NAMESPACE)', namespace)
        .replace('$(POD_NAME)', podName),
    )
    for (let i = 0; i < args.length; i += 2) {
      const at = merged.indexOf(args[i] as string)
      if (at < 0) merged.push(...args.slice(i, i + 2))
      else merged[at + 1] = args[i + 1] as string
    }
    return merged
  }

  #launch(args: readonly string[]): void {
    const child = spawn(findEnvoy(), args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const collect = (data: Buffer): void => {
      this.log += data.toString()
    }
    child.stderr.on('data', collect)
    child.stdout.on('data', collect)
    this.#process = child
    this.#exited = new Promise((resolve) => child.once('close', () => resolve()))
  }
}
