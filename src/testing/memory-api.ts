import { type ApiClient, ApiError, type ApiRequest } from '../providers/kubernetes/api-client.ts'

interface StoredObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

/** Answers a call instead of the API: a throw is the error, undefined lets the call through. */
export type Fault = (request: ApiRequest) => unknown

/**
 * The API server as a Map, for tests of whoever writes: reads, creates, updates with their conflicts, and the
 * status subresource. Each call takes one task unless a fault delays it. No lists, no watches.
 */
export class MemoryApi implements ApiClient {
  /** By path. */
  readonly objects = new Map<string, StoredObject>()
  readonly calls: ApiRequest[] = []
  /** Asked before each call; an answer that is a promise is waited for, before or after which the call happens. */
  fault: Fault = () => undefined
  /** What the schema makes of a status. */
  admitStatus: (status: Record<string, unknown>) => Record<string, unknown> = (status) => status
  /** Called after each change, as a watch would tell it. */
  onChange: (path: string, object: StoredObject | undefined) => void = () => {}
  #lastVersion = 1000
  #lastUid = 0

  /** Writes as somebody else would, without asking anybody. */
  put(path: string, object: { readonly [field: string]: unknown }): StoredObject {
    const old = this.objects.get(path)
    const stored: StoredObject = {
      ...structuredClone(object),
      metadata: {
        uid: old?.metadata['uid'] ?? `uid-${++this.#lastUid}`,
        generation: 1,
        ...(object['metadata'] as object | undefined),
        name: path.slice(path.lastIndexOf('/') + 1),
        resourceVersion: String(++this.#lastVersion),
      },
    }
    this.objects.set(path, stored)
    this.onChange(path, stored)
    return stored
  }

  remove(path: string): void {
    this.objects.delete(path)
    this.onChange(path, undefined)
  }

  async call(request: ApiRequest): Promise<unknown> {
    this.calls.push(request)
    const answer = this.fault(request)
    const given = answer instanceof Promise ? await abortable(answer, request.signal) : answer
    if (given !== undefined) return given
    await new Promise((resolve) => setImmediate(resolve))
    if (request.signal?.aborted) throw new ApiError('aborted', 'aborted')
    return structuredClone(this.#answer(request))
  }

  list(): Promise<unknown> {
    throw new ApiError('network', 'no lists here')
  }

  watch(): Promise<void> {
    throw new ApiError('network', 'no watches here')
  }

  #answer({ method, path, body }: ApiRequest): unknown {
    const object = body as StoredObject
    if (method === 'POST') {
      const created = `${path}/${object.metadata.name}`
      if (this.objects.has(created)) throw httpError(409, 'AlreadyExists', `"${object.metadata.name}" already exists`)
      return this.put(created, object)
    }
    const isStatus = path.endsWith('/status')
    const place = isStatus ? path.slice(0, -'/status'.length) : path
    const stored = this.objects.get(place)
    if (stored === undefined) throw httpError(404, 'NotFound', `${place} not found`)
    if (method === 'GET') return stored
    if (method === 'DELETE') {
      this.remove(place)
      return stored
    }
    if (method !== 'PUT') throw httpError(405, 'MethodNotAllowed', `${method} is not known here`)
    const { resourceVersion, uid } = object.metadata
    if (resourceVersion !== undefined && resourceVersion !== stored.metadata.resourceVersion)
      throw httpError(409, 'Conflict', 'the object has been modified')
    if (uid !== undefined && uid !== stored.metadata['uid'])
      throw httpError(409, 'Conflict', 'Precondition failed: UID')
    if (!isStatus) return this.put(place, { ...object, metadata: { ...stored.metadata, ...object.metadata } })
    const status = this.admitStatus(structuredClone(object['status']) as Record<string, unknown>)
    // As in the real one, a write that changes nothing is no write.
    if (JSON.stringify(status) === JSON.stringify(stored['status'])) return stored
    return this.put(place, { ...stored, status })
  }
}

/** A call that fails as it would over the network when its signal is raised. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new ApiError('aborted', 'aborted')))
    promise.then(resolve, reject)
  })
}

export function httpError(status: number, reason: string, message: string, retryAfter?: number): ApiError {
  return new ApiError('http', message, { status, reason, retryAfter })
}
