import { type CertifiedKey, issueServerCertificate } from '../../base/certificate.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { ObservableValue } from '../../base/observable-value.ts'
import { type ApiClient, ApiError, type ApiResource, apiPath } from './api-client.ts'
import { asObject, type JsonObject } from './json.ts'
import {
  type AuthorityState,
  advanceAuthority,
  backdate,
  bundleOf,
  creationOf,
  encodeAuthority,
  expiryOf,
  parseAuthority,
} from './xds-authority.ts'

export interface XdsCertificateOptions {
  readonly api: ApiClient
  readonly clock: Clock
  readonly logger: Logger
  /** Of the control plane. */
  readonly namespace: string
  /** Of the Secret. Default "gatewright-xds". */
  readonly name?: string
  /** What proxies and other replicas call the server, e.g. `gatewright.gatewright-system.svc`. */
  readonly serverNames: readonly string[]
  /** Milliseconds that an authority is good for. A new one takes over after half of it. Default a year. */
  readonly authorityLife?: number
  /** Milliseconds that a server certificate is good for. A new one takes over after half of it. Default 29 days. */
  readonly certificateLife?: number
  /** Milliseconds between the publication of a new authority and its use. Default an hour. */
  readonly publishDelay?: number
  /** Milliseconds between looks at the Secret. Default a minute. */
  readonly period?: number
  /** Default: the time of day. */
  readonly time?: () => Date
  /** Between 0 and 1; for tests. Default `Math.random`. */
  readonly random?: () => number
}

const secrets: ApiResource = { group: '', version: 'v1', plural: 'secrets' }

/** Not kubernetes.io/tls, which whoever looks for certificates of Gateways would read, us included. */
const secretType = 'gatewright.dev/xds-ca'
const day = 24 * 3_600_000
const callTimeout = 5_000
const [firstRetry, longestRetry] = [500, 5_000]
/** Of one look, when other replicas are faster. */
const maxAttempts = 5

interface StoredSecret {
  readonly object: JsonObject
  readonly state: AuthorityState | 'empty' | 'unreadable'
}

/**
 * The certificate of the xDS server, from an authority of our own that all replicas share in a Secret. The key of
 * a server certificate never leaves the process that uses it.
 *
 * Promises: whoever trusts the bundle of the last hours can verify every replica; what has half of its life left is
 * renewed without anybody being cut off; replicas that begin at the same moment end up with one authority. A
 * Secret that is deleted or damaged is written anew as it was. To distrust an authority at once, empty the Secret.
 * While the API server is away everything stays as it is, and server certificates are still renewed.
 */
export class XdsCertificate {
  /** For metrics: looks at the Secret that failed. */
  readonly counters = { failures: 0 }
  readonly #options: XdsCertificateOptions
  readonly #clock: Clock
  readonly #trustBundle = new ObservableValue('')
  readonly #server = new ObservableValue<CertifiedKey | undefined>(undefined)
  readonly ready: Promise<void>
  #resolveReady: () => void = () => {}
  #state: AuthorityState | undefined
  /** The authority that signed the server certificate. */
  #signer: CertifiedKey | undefined
  #failures = 0
  #cancelLook: (() => void) | undefined
  #isClosed = false

  constructor(options: XdsCertificateOptions) {
    this.#options = options
    this.#clock = options.clock
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve
    })
  }

  /** What proxies have to trust: PEM certificates; '' until `ready`. */
  get trustBundle(): Pick<ObservableValue<string>, 'current' | 'subscribe'> {
    return this.#trustBundle
  }

  /** For the xDS server, once `ready`. */
  get tls(): {
    current(): CertifiedKey
    subscribe(listener: () => void): () => void
  } {
    const server = this.#server
    return {
      current() {
        const pair = server.current()
        if (pair === undefined) throw new Error('Bug in Gatewright: the certificate is used before it is ready')
        return pair
      },
      subscribe: (listener) => server.subscribe(listener),
    }
  }

  /** For metrics: milliseconds since 1970, undefined until `ready`. */
  get expiry(): { readonly certificate: number; readonly authority: number } | undefined {
    const [server, state] = [this.#server.current(), this.#state]
    if (server === undefined || state === undefined) return undefined
    return { certificate: expiryOf(server.certificate), authority: expiryOf(state.current.certificate) }
  }

  /** Begins to look, and never stops because of an error. */
  start(): void {
    const { period = 60_000, random = Math.random } = this.#options
    const look = this.#look().catch((error: unknown) => {
      this.#options.logger.error('The certificate of the xDS server could not be renewed', { error: describe(error) })
      return false
    })
    void look.then((isWell) => {
      if (!isWell) this.counters.failures++
      if (this.#isClosed) return
      const retry = Math.min(longestRetry, firstRetry * 2 ** this.#failures)
      const pause = isWell ? period * (0.9 + 0.2 * random()) : retry * (0.5 + random() / 2)
      if (!isWell) this.#failures = Math.min(this.#failures + 1, 10)
      this.#cancelLook = this.#clock.after(pause, () => this.start())
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancelLook?.()
  }

  async #look(): Promise<boolean> {
    const { logger, namespace, name = 'gatewright-xds' } = this.#options
    try {
      await this.#synchronize()
      if (this.#failures > 0) logger.info('The authority of the xDS server can be read again')
      this.#failures = 0
      return true
    } catch (error) {
      const told = error instanceof ApiError || error instanceof ForeignSecretError ? error.message : describe(error)
      if (this.#failures === 0)
        logger.error('The authority of the xDS server cannot be read or written', {
          secret: `${namespace}/${name}`,
          error: told,
        })
      // What is in memory is as good as it was.
      if (this.#state !== undefined) this.#renew(this.#state)
      return false
    } finally {
      if (this.#server.current() !== undefined) this.#resolveReady()
    }
  }

  async #synchronize(): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const stored = await this.#read()
      const wanted = this.#decide(stored)
      if (wanted !== stored?.state && !(await this.#write(stored, wanted))) continue
      this.#state = wanted
      this.#trustBundle.set(bundleOf(wanted))
      this.#renew(wanted)
      return
    }
    throw new Error('other replicas write the Secret all the time')
  }

  #decide(stored: StoredSecret | undefined): AuthorityState {
    const { logger, authorityLife: life = 365 * day, publishDelay = 3_600_000 } = this.#options
    let state: AuthorityState | undefined
    if (stored !== undefined && typeof stored.state === 'object') state = stored.state
    else if (stored?.state !== 'empty') {
      state = this.#state
      if (stored !== undefined) logger.error('The Secret of the xDS authority is damaged: it is written anew')
      else if (state !== undefined) logger.warn('The Secret of the xDS authority was deleted: it is written anew')
    }
    return advanceAuthority(state, this.#now(), { life, publishDelay })
  }

  /** @returns undefined if there is none */
  async #read(): Promise<StoredSecret | undefined> {
    const { api, namespace, name = 'gatewright-xds' } = this.#options
    const path = apiPath(secrets, namespace, name)
    let object: JsonObject
    try {
      object = asObject(await api.call({ method: 'GET', path, timeout: callTimeout }))
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
    if (object['type'] !== secretType) throw new ForeignSecretError(String(object['type']))
    return { object, state: parseAuthority(object['data']) }
  }

  /** @returns false if another replica was faster */
  async #write(stored: StoredSecret | undefined, state: AuthorityState): Promise<boolean> {
    const { api, namespace, name = 'gatewright-xds' } = this.#options
    const metadata = { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'gatewright' } }
    const empty = { apiVersion: 'v1', kind: 'Secret', type: secretType, metadata }
    const body = { ...(stored?.object ?? empty), data: encodeAuthority(state) }
    try {
      if (stored === undefined)
        await api.call({ method: 'POST', path: apiPath(secrets, namespace), body, timeout: callTimeout })
      else await api.call({ method: 'PUT', path: apiPath(secrets, namespace, name), body, timeout: callTimeout })
      return true
    } catch (error) {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return false
      throw error
    }
  }

  /** A new server certificate if the authority is another one, or half of the life of the old one is over. */
  #renew({ current }: AuthorityState): void {
    const { serverNames, certificateLife = 29 * day, logger } = this.#options
    const now = this.#now().getTime()
    const old = this.#server.current()
    if (old !== undefined && this.#signer?.certificate === current.certificate) {
      const created = creationOf(old.certificate)
      if (now < created + (expiryOf(old.certificate) - created) / 2) return
    }
    const notAfter = new Date(Math.min(now + certificateLife, expiryOf(current.certificate)))
    this.#signer = current
    const validity = { notBefore: new Date(now - backdate), notAfter }
    this.#server.set(issueServerCertificate(current, serverNames, validity))
    logger.info('The xDS server has a new certificate', { expires: notAfter.toISOString(), names: serverNames })
  }

  #now(): Date {
    return (this.#options.time ?? (() => new Date()))()
  }
}

/** Somebody else's Secret has our name: it is not ours to write. */
class ForeignSecretError extends Error {
  constructor(type: string) {
    super(`the Secret exists with type "${type}" instead of "${secretType}": delete it, or give another name`)
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
