import { type ApiClient, type ApiResource, apiPath } from './api-client.ts'
import { asObject, isObject, type JsonObject } from './json.ts'

const leases: ApiResource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' }

/** A Lease of coordination.k8s.io/v1 as far as an election needs it. */
export interface Lease {
  /** '' when nobody holds it. */
  readonly holder: string
  /** Milliseconds after which a holder that is not heard of has lost it. */
  readonly duration: number
  /** How often it went to somebody else. */
  readonly transitions: number
  /** Differs with each write of anybody. */
  readonly version: string
  /** As it was read; what others put into it is written back. */
  readonly object: JsonObject
}

export interface LeaseClaim {
  readonly holder: string
  readonly duration: number
  /** The time of day, for people who look at the Lease. */
  readonly time: Date
}

/** One Lease of the API server. All calls throw ApiError; a write on an older version is a conflict (409). */
export class LeaseClient {
  readonly #api: ApiClient
  readonly #namespace: string
  readonly #name: string
  readonly #timeout: number

  /** @param timeout of each call, in milliseconds */
  constructor(api: ApiClient, place: { readonly namespace: string; readonly name: string }, timeout: number) {
    this.#api = api
    this.#namespace = place.namespace
    this.#name = place.name
    this.#timeout = timeout
  }

  async read(): Promise<Lease> {
    const path = apiPath(leases, this.#namespace, this.#name)
    return parseLease(await this.#api.call({ method: 'GET', path, timeout: this.#timeout }))
  }

  async create(claim: LeaseClaim): Promise<Lease> {
    const path = apiPath(leases, this.#namespace)
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: this.#name, namespace: this.#namespace },
      spec: encodeSpec(claim, undefined),
    }
    return parseLease(await this.#api.call({ method: 'POST', path, body, timeout: this.#timeout }))
  }

  /** Takes it, keeps it, or with the holder '' gives it back. */
  async update(lease: Lease, claim: LeaseClaim): Promise<Lease> {
    const path = apiPath(leases, this.#namespace, this.#name)
    const body = { ...lease.object, spec: encodeSpec(claim, lease) }
    return parseLease(await this.#api.call({ method: 'PUT', path, body, timeout: this.#timeout }))
  }
}

function encodeSpec({ holder, duration, time }: LeaseClaim, before: Lease | undefined): JsonObject {
  const spec = asObject(before?.object['spec'])
  // metav1.MicroTime
  const now = `${time.toISOString().slice(0, -1)}000Z`
  const isSame = before !== undefined && before.holder === holder
  return {
    ...spec,
    holderIdentity: holder,
    leaseDurationSeconds: Math.max(1, Math.ceil(duration / 1_000)),
    acquireTime: isSame ? (spec['acquireTime'] ?? now) : now,
    renewTime: now,
    leaseTransitions: (before?.transitions ?? 0) + Number(before !== undefined && !isSame && holder !== ''),
  }
}

function parseLease(answer: unknown): Lease {
  const object = asObject(answer)
  const { resourceVersion } = asObject(object['metadata'])
  const spec = isObject(object['spec']) ? object['spec'] : {}
  const { holderIdentity, leaseDurationSeconds, leaseTransitions } = spec
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    duration: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1_000 : 0,
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
    version: String(resourceVersion),
    object,
  }
}
