/** One call of the Kubernetes API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Begins with a slash; every part is escaped already (see {@link apiPath}). */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** What the answer is to be; `application/json` unless given. Metadata alone: see {@link onlyMetadata}. */
  readonly accept?: string
  /** Of the body; `application/json` unless given. Patches: `application/apply-patch+yaml`, `application/merge-patch+json`. */
  readonly contentType?: string
  /** Milliseconds for the whole call. Default 30 s. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** One list: its items are told one by one, while the answer comes. */
export interface ApiListRequest {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** As in {@link ApiRequest}. */
  readonly accept?: string
  /** The list ends with a `timeout` ApiError when nothing at all has come for so many milliseconds. */
  readonly inactivityLimit: number
  /** What is answered is left where it is until then, within the same limit; at once unless given. */
  readonly readsAfter?: Promise<void>
  readonly signal: AbortSignal
  /**
   * Called in order with the text of each item, which is good until it returns. A throw ends the list with that error.
   * @returns whether it is JSON; a list of which that is not so is malformed
   */
  readonly onItem: (item: Buffer) => boolean
}

/** One watch: the answer of the API server is a stream of JSON texts, one a line. */
export interface ApiWatchRequest {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** As in {@link ApiRequest}. */
  readonly accept?: string
  /** The watch ends with an `inactive` ApiError when nothing at all has come for so many milliseconds. */
  readonly inactivityLimit: number
  readonly signal: AbortSignal
  /** Called once, when the server has agreed to the watch; before the first line. */
  readonly onOpen?: () => void
  /** Called in order, once for each line. A throw ends the watch with that error. */
  readonly onLine: (line: Buffer) => void
}

/** An `accept` that makes the API server send objects without spec and status. */
export const onlyMetadata = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
export const onlyMetadataList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

/**
 * The Kubernetes API over the network.
 * Promises: the credential is read anew when it changes on disk; one slow answer delays no other call;
 * nothing is tried again here, because only the caller knows whether that is right.
 * The caller must be ready for any ApiError at any call.
 */
export interface ApiClient {
  /**
   * @returns the parsed JSON of a 2xx answer; undefined for an empty one
   * @throws ApiError
   */
  call(request: ApiRequest): Promise<unknown>
  /**
   * @returns the parsed JSON of the list, with `items` as an empty array; what was told before an error stands
   * @throws ApiError
   */
  list(request: ApiListRequest): Promise<unknown>
  /**
   * Resolves when the server ends the watch in good order (as it does every few minutes).
   * @throws ApiError
   */
  watch(request: ApiWatchRequest): Promise<void>
}

/**
 * A call that did not succeed.
 * http: the server answered with a status from 400 on; `status`, `reason` and `message` are its own.
 * network: no connection, or it broke. timeout, inactive: the limit of the request passed.
 * aborted: the signal of the request was raised. malformed: the answer is not what the API promises.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: 'http' | 'network' | 'timeout' | 'inactive' | 'aborted' | 'malformed'
  /** 0 unless `code` is http. */
  readonly status: number
  /** The reason of the Kubernetes Status object, e.g. "Conflict", "Expired". */
  readonly reason: string
  /** Milliseconds that the server asked to wait (Retry-After). */
  readonly retryAfter: number | undefined
  /** What is wrong with which field, as far as the server told. */
  readonly causes: readonly ApiErrorCause[]

  constructor(
    code: ApiError['code'],
    message: string,
    {
      status = 0,
      reason = '',
      retryAfter,
      causes = [],
    }: {
      status?: number
      reason?: string
      retryAfter?: number | undefined
      causes?: readonly ApiErrorCause[]
    } = {},
  ) {
    super(message)
    this.code = code
    this.status = status
    this.reason = reason
    this.retryAfter = retryAfter
    this.causes = causes
  }
}

/** One of the causes in the details of a Kubernetes Status object. */
export interface ApiErrorCause {
  /** e.g. "FieldManagerConflict", "FieldValueInvalid". */
  readonly reason: string
  readonly message: string
  /** e.g. `.spec.ports[port=80,protocol="TCP"].name`. */
  readonly field: string
}

/** Where a kind is served. */
export interface ApiResource {
  readonly group: string
  readonly version: string
  /** Lower case, e.g. "httproutes". */
  readonly plural: string
}

/**
 * The path of a collection, an object, or a subresource of it.
 * @param namespace '' for objects of the cluster, and for a list over all namespaces
 */
export function apiPath(resource: ApiResource, namespace = '', name?: string, subresource?: string): string {
  const { group, version, plural } = resource
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  const parts = [
    ...(namespace === '' ? [] : ['namespaces', namespace]),
    plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ]
  return `${root}/${parts.map(encodeURIComponent).join('/')}`
}

/**
 * What the API server has as the status of one object, for whoever writes it. It never enters the sources, so
 * that our own writes, echoed by the watch, derive nothing.
 */
export interface LiveStatus {
  readonly resourceVersion: string
  readonly generation: number
  readonly uid: string
  /** The JSON text of `status`, '' when there is none: a text costs a quarter of the memory of objects. */
  readonly status: string
}
