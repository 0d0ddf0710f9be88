import { readFile } from 'node:fs/promises'
import type { Agent } from 'node:http'
import { type Clock, systemClock } from '../../base/clock.ts'
import { ApiError } from './api-client.ts'

/** How to reach the API server, and as whom. */
export interface ApiAccess {
  /** Scheme, host and port, perhaps a path; no slash at its end. */
  readonly server: string
  /** Authorization and impersonation; secret. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly tls: ApiTls
  /** Connections go through it instead; for clusters behind a proxy. */
  readonly agent?: Agent
}

/** PEM texts and settings of the connection. */
export interface ApiTls {
  /** The system's authorities unless given. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Expected in the server's certificate instead of the host. */
  readonly serverName?: string | undefined
  /** The server's certificate is not checked. */
  readonly insecure?: boolean | undefined
}

/** Where access comes from; credentials change while we run. */
export interface ApiAccessSource {
  /**
   * What the next call uses.
   * @throws ApiError network when a credential cannot be had
   */
  current(): Promise<ApiAccess>
  /** The server has refused the credential: the next one is read anew. */
  invalidate(): void
}

/** A kubeconfig that cannot be used, or none at all. The message names file and field, never a credential. */
export class KubeConfigError extends Error {
  override readonly name = 'KubeConfigError'
}

/** Milliseconds for which a file is taken as it was read. Kubelet renews tokens long before they end. */
const fileAge = 10_000

/** A file that others rewrite. While it cannot be read, what it said last counts. */
export class RereadFile {
  readonly path: string
  readonly #clock: Clock
  #text: string | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
  }

  /** @throws ApiError network when it was never readable */
  async read(): Promise<string> {
    if (this.#text !== undefined && this.#clock.now() - this.#readAt < fileAge) return this.#text
    try {
      this.#text = await readFile(this.path, 'utf8')
      this.#readAt = this.#clock.now()
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (this.#text === undefined) throw new ApiError('network', `${this.path} cannot be read: ${code}`)
    }
    return this.#text
  }

  invalidate(): void {
    this.#readAt = Number.NEGATIVE_INFINITY
  }
}

/** Where kubelet puts the service account of a pod. */
export const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Access with the service account of the pod that we run in. It reads three files and two variables,
 * so that a pod pays for no client library (docs/adr/0009-no-client-library-in-the-pod.md).
 * @param host as in KUBERNETES_SERVICE_HOST: a name or an address
 */
export function createPodAccess(
  host: string,
  port: string,
  directory = serviceAccountDirectory,
  clock = systemClock,
): ApiAccessSource {
  const token = new RereadFile(`${directory}/token`, clock)
  const ca = new RereadFile(`${directory}/ca.crt`, clock)
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    async current() {
      const authorization = `Bearer ${(await token.read()).trim()}`
      return { server, headers: { authorization }, tls: { ca: await ca.read() } }
    },
    invalidate() {
      token.invalidate()
      ca.invalidate()
    },
  }
}
