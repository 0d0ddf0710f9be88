import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node'
import { type Clock, systemClock } from '../../base/clock.ts'
import {
  type ApiAccess,
  type ApiAccessSource,
  createPodAccess,
  KubeConfigError,
  RereadFile,
  serviceAccountDirectory,
} from './api-access.ts'
import { ApiError } from './api-client.ts'
import type { FileOrText, KubeConfigContext } from './kube-config.ts'

export interface ApiAccessOptions {
  /** A kubeconfig; nothing else is looked for. */
  readonly kubeconfig?: string | undefined
  /** process.env unless given. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Where kubelet puts the service account; for tests. */
  readonly serviceAccountDirectory?: string
  readonly clock?: Clock
}

/**
 * Finds out how to reach the API server: the kubeconfig that is given, else the service account of the pod,
 * else $KUBECONFIG, else ~/.kube/config.
 * @throws KubeConfigError when there is none, with a sentence that says what to do
 */
export function findApiAccess(options: ApiAccessOptions = {}): ApiAccessSource {
  const { kubeconfig, environment = process.env, clock = systemClock } = options
  if (kubeconfig !== undefined) return new KubeConfigAccess([kubeconfig], clock)
  const directory = options.serviceAccountDirectory ?? serviceAccountDirectory
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment
  if (host && existsSync(join(directory, 'token'))) return createPodAccess(host, port, directory, clock)
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '' && existsSync(path))
  if (listed.length > 0) return new KubeConfigAccess(listed, clock)
  const usual = join(environment['HOME'] ?? homedir(), '.kube', 'config')
  if (existsSync(usual)) return new KubeConfigAccess([usual], clock)
  throw new KubeConfigError(
    'No way to an API server is known: this is no pod, $KUBECONFIG names no file, and there is no ~/.kube/config. Use --kubeconfig.',
  )
}

/** Access as kubeconfig files say. They and the files that they name are read again when they change. */
export class KubeConfigAccess implements ApiAccessSource {
  readonly #clock: Clock
  readonly #configs: readonly RereadFile[]
  readonly #files = new Map<string, RereadFile>()
  #texts: readonly string[] = []
  #context: KubeConfigContext | undefined
  #library: Promise<KubeConfig> | undefined

  /** @param paths in the order in which they count */
  constructor(paths: readonly string[], clock: Clock = systemClock) {
    this.#clock = clock
    this.#configs = paths.map((path) => new RereadFile(path, clock))
  }

  async current(): Promise<ApiAccess> {
    const context = await this.#readContext()
    return context.beyondFiles === undefined ? this.#applyFiles(context) : this.#applyLibrary(context)
  }

  invalidate(): void {
    for (const file of [...this.#configs, ...this.#files.values()]) file.invalidate()
    // It holds on to the credential that a program gave it.
    this.#library = undefined
  }

  async #readContext(): Promise<KubeConfigContext> {
    const texts = await Promise.all(this.#configs.map((file) => file.read()))
    if (this.#context && texts.every((text, index) => text === this.#texts[index])) return this.#context
    // A pod needs no YAML: 9 MB.
    const { parseKubeConfig } = await import('./kube-config.ts')
    try {
      this.#context = parseKubeConfig(texts.map((text, index) => ({ path: this.#configs[index]?.path ?? '', text })))
      this.#texts = texts
      this.#library = undefined
    } catch (error) {
      // A file that somebody is just writing: what it said before counts.
      if (!this.#context) throw new ApiError('network', error instanceof Error ? error.message : String(error))
    }
    return this.#context
  }

  async #applyFiles(context: KubeConfigContext): Promise<ApiAccess> {
    const [ca, cert, key, token] = await Promise.all(
      [context.ca, context.cert, context.key, context.token].map((value) => this.#textOf(value)),
    )
    const { username, password = '', impersonateUser, impersonateGroups } = context
    const authorization =
      token !== undefined
        ? `Bearer ${token.trim()}`
        : username !== undefined
          ? `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
          : undefined
    return {
      server: context.server,
      headers: {
        ...(authorization !== undefined && { authorization }),
        ...(impersonateUser !== undefined && { 'impersonate-user': impersonateUser }),
        ...(impersonateGroups.length > 0 && { 'impersonate-group': impersonateGroups }),
      },
      tls: { ca, cert, key, serverName: context.tlsServerName, insecure: context.insecure },
    }
  }

  async #textOf({ text, file }: FileOrText): Promise<string | undefined> {
    if (file === undefined) return text
    const known = this.#files.get(file) ?? new RereadFile(file, this.#clock)
    this.#files.set(file, known)
    return known.read()
  }

  /** Programs that give credentials, cloud providers and proxies are left to the client library. */
  async #applyLibrary({ server, tlsServerName, insecure, beyondFiles }: KubeConfigContext): Promise<ApiAccess> {
    this.#library ??= this.#loadLibrary()
    const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] & { agent?: ApiAccess['agent'] } = { headers: {} }
    try {
      await (await this.#library).applyToHTTPSOptions(options)
    } catch (error) {
      this.#library = undefined
      // What the program has printed may be a secret.
      const code = (error as NodeJS.ErrnoException).code ?? 'it failed'
      throw new ApiError('network', `the credential of the kubeconfig (${beyondFiles}) cannot be had: ${code}`)
    }
    const { auth } = options
    return {
      server,
      headers: {
        ...(options.headers as Record<string, string>),
        ...(auth && { authorization: `Basic ${Buffer.from(auth).toString('base64')}` }),
      },
      tls: {
        ca: pemOf(options.ca),
        cert: pemOf(options.cert),
        key: pemOf(options.key),
        serverName: tlsServerName,
        insecure,
      },
      ...(beyondFiles === 'proxy-url' && options.agent && { agent: options.agent }),
    }
  }

  async #loadLibrary(): Promise<KubeConfig> {
    const { KubeConfig } = await import('@kubernetes/client-node')
    const [first, ...others] = this.#configs.map(({ path }) => {
      const config = new KubeConfig()
      config.loadFromFile(path)
      return config
    })
    for (const other of others) first?.mergeConfig(other, true)
    return first as KubeConfig
  }
}

function pemOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString('utf8') : undefined
}
