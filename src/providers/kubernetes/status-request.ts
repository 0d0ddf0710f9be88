import { type NamespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import { type ApiClient, ApiError, type ApiResource, apiPath, type LiveStatus } from './api-client.ts'
import { asObject, isObject, type JsonObject } from './json.ts'

/** One object of which the status is to be written or read. */
export interface StatusTarget {
  readonly resource: ApiResource
  readonly kind: string
  readonly key: NamespacedName
}

/**
 * What became of a call.
 * ok: `live` is what the API server has now; undefined if its answer did not tell.
 * conflict: the object has changed since. gone: it is not there any more. denied: we lack the right.
 * refused: the server does not take it, and will not the next time. unavailable: the server does not work now.
 * failed: this call did not. aborted: by us.
 */
export type StatusOutcome =
  | { readonly result: 'ok'; readonly live: LiveStatus | undefined; readonly status: JsonObject }
  | { readonly result: 'conflict' }
  | { readonly result: 'aborted' }
  | StatusFailure

/** The outcomes after which there is something to mend. */
export type StatusFailure =
  | { readonly result: 'gone' }
  | { readonly result: 'denied' | 'refused' | 'failed'; readonly message: string }
  | { readonly result: 'unavailable'; readonly message: string; readonly retryAfter: number | undefined }

const callTimeout = 10_000

/**
 * Replaces the status of an object, provided that it is still the object, in the version, that `live` tells of.
 * A PUT, because lists such as status.parents are one value to the API server: a patch of it would not be safer.
 */
export async function putStatus(
  api: ApiClient,
  { resource, kind, key }: StatusTarget,
  live: LiveStatus,
  status: JsonObject,
  signal: AbortSignal,
): Promise<StatusOutcome> {
  const { namespace, name } = splitNamespacedName(key)
  const { resourceVersion, uid } = live
  const body = {
    apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
    kind,
    // The server takes nothing but the status from this, so that the spec need not be sent.
    metadata: { name, ...(namespace !== '' && { namespace }), resourceVersion, uid },
    status,
  }
  const path = apiPath(resource, namespace, name, 'status')
  return perform(() =>
    api.call({ method: 'PUT', path, query: { fieldManager: 'gatewright' }, body, timeout: callTimeout, signal }),
  )
}

/** Reads the status of an object from the API server itself. */
export async function getStatus(api: ApiClient, target: StatusTarget, signal: AbortSignal): Promise<StatusOutcome> {
  const { namespace, name } = splitNamespacedName(target.key)
  const path = apiPath(target.resource, namespace, name)
  return perform(() => api.call({ method: 'GET', path, timeout: callTimeout, signal }))
}

async function perform(call: () => Promise<unknown>): Promise<StatusOutcome> {
  try {
    const answer = asObject(await call())
    return { result: 'ok', live: readLiveStatus(answer), status: asObject(answer['status']) }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return classify(error)
  }
}

function readLiveStatus(object: JsonObject): LiveStatus | undefined {
  const { resourceVersion, uid, generation } = asObject(object['metadata'])
  if (typeof resourceVersion !== 'string' || typeof uid !== 'string') return undefined
  return {
    resourceVersion,
    uid,
    generation: typeof generation === 'number' ? generation : 0,
    status: isObject(object['status']) ? JSON.stringify(object['status']) : '',
  }
}

function classify(error: ApiError): StatusOutcome {
  const { code, status, message, retryAfter } = error
  if (code === 'aborted') return { result: 'aborted' }
  if (code === 'malformed') return { result: 'failed', message }
  if (code !== 'http') return { result: 'unavailable', message, retryAfter }
  if (status === 404 || status === 410) return { result: 'gone' }
  if (status === 409) return { result: 'conflict' }
  // A right that is missing, as opposed to somebody's admission rule, which is about this very object.
  if (status === 403) return { result: /cannot (get|update) resource/.test(message) ? 'denied' : 'refused', message }
  if (status === 401 || status === 429 || status === 502 || status === 503 || status === 504)
    return { result: 'unavailable', message, retryAfter }
  if (status < 500) return { result: 'refused', message }
  return { result: 'failed', message }
}
