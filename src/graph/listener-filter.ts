import type { HTTPExternalAuthFilter } from '../gatewayapi/objects/http-filter.ts'
import type { Listener as ListenerSpec } from '../gatewayapi/objects/listener.ts'
import { type BackendIdentity, type BackendKey, identifyBackend } from './backend.ts'
import {
  type BackendReferenceContext,
  type BackendReferrer,
  keyOfReference,
  resolveBackendReference,
} from './backend-reference.ts'
import type { Problem } from './problem.ts'

/** A filter that every request of a listener goes through before its route is chosen. */
export interface ListenerFilterNode {
  readonly filter: HTTPExternalAuthFilter
  /** Who is asked. */
  readonly backend: BackendIdentity
  readonly slowToWarm: boolean
}

/** What the filters of a listener come to. */
export interface ListenerFilters {
  /** In the order in which they run. */
  readonly filters: readonly ListenerFilterNode[]
  /** One of them cannot be asked, so that no request may pass: all are answered with 500. */
  readonly isClosed: boolean
  readonly problems: readonly Problem[]
}

/** Every backend that filters of listeners name. @param namespace of the Gateway or ListenerSet */
export function filterBackendKeysOf(listeners: readonly ListenerSpec[], namespace: string): BackendKey[] {
  const filters = listeners.flatMap((listener) => listener.filters?.requests ?? [])
  const keys = filters.flatMap((filter) =>
    filter.type === 'ExternalAuth' ? [keyOfReference(filter.externalAuth.backendRef, namespace)] : [],
  )
  return [...new Set(keys)]
}

/** @param path of the listener */
export function resolveListenerFilters(
  { filters }: ListenerSpec,
  path: string,
  referrer: BackendReferrer,
  context: BackendReferenceContext,
): ListenerFilters {
  const nodes: ListenerFilterNode[] = []
  const problems: Problem[] = []
  const requests = filters?.requests ?? []
  let isClosed = false
  for (const [index, request] of requests.entries()) {
    const field = `${path}.filters.requests[${index}]`
    if (request.type === 'ExtensionRef') {
      const { group, kind, name } = request.extensionRef
      const message = `filter ${kind} "${name}" of group "${group}" is not supported: remove it`
      problems.push({ on: 'Accepted', reason: 'UnsupportedValue', message, path: field })
      continue
    }
    const { externalAuth } = request
    const resolved = resolveBackendReference(externalAuth.backendRef, referrer, context)
    const spoken = externalAuth.protocol === 'GRPC' ? 'GRPCRoute' : 'HTTPRoute'
    const identified = 'backend' in resolved ? identifyBackend(resolved.backend, spoken) : resolved
    if ('problem' in identified) {
      isClosed = true
      const message = `${identified.problem.message}; until then all requests are answered with 500`
      problems.push({ ...identified.problem, message, path: `${field}.externalAuth.backendRef` })
    } else if ('backend' in resolved) {
      const slowToWarm = resolved.backend.endpoints.type === 'dns'
      nodes.push({ filter: externalAuth, backend: identified, slowToWarm })
    }
  }
  return { filters: nodes, isClosed, problems }
}
