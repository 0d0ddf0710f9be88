import type { KindName } from '../../gatewayapi/kinds.ts'
import { serviceNameLabel } from '../../gatewayapi/objects/endpoint-slice.ts'
import { isObject, type JsonObject } from './json.ts'
import type { RawMetadata, RawObject } from './raw-object.ts'

/** What is kept of one kind beside name, namespace, uid, generation and times. */
interface Projection {
  /** Keys of labels; all unless given. A label that nobody reads is memory, and a change of it is work. */
  readonly labels?: (key: string) => boolean
  /** Everything but metadata and status. */
  readonly content?: (object: JsonObject) => JsonObject
  /** Of the status; nothing unless given. */
  readonly status?: (status: JsonObject) => JsonObject
  /** Of lists and watches: only what a Gateway of ours can refer to. */
  readonly selector?: Readonly<Record<string, string>>
}

const isOwnLabel = (key: string) => key.startsWith('gatewright.dev/')

/** Kinds that are not here are kept as they are, without status. */
const projections: { readonly [K in KindName]?: Projection } = {
  Namespace: { content: () => ({}) },
  Service: { labels: isOwnLabel, status: ({ loadBalancer }) => ({ loadBalancer }) },
  EndpointSlice: {
    labels: (key) => key === serviceNameLabel,
    content: ({ endpoints, ...rest }) => ({
      ...rest,
      endpoints: Array.isArray(endpoints) ? endpoints.map(projectEndpoint) : endpoints,
    }),
    selector: { labelSelector: serviceNameLabel },
  },
  Secret: {
    labels: isOwnLabel,
    content: ({ data, immutable: _immutable, ...rest }) => ({
      ...rest,
      data: mapFields(data, (value, key) => (certificateKeys.has(key) ? value : undefined)),
    }),
    selector: { fieldSelector: 'type=kubernetes.io/tls' },
  },
  ConfigMap: {
    labels: isOwnLabel,
    content: ({ data, binaryData, immutable: _immutable, ...rest }) => ({
      ...rest,
      data: mapFields(data, projectConfigValue),
      binaryData: mapFields(binaryData, (value, key) => (key === authorityKey ? value : undefined)),
    }),
  },
}

const authorityKey = 'ca.crt'
const certificateKeys: ReadonlySet<string> = new Set(['tls.crt', 'tls.key', authorityKey])
/** Characters. Parameters are shorter; dashboards and scripts, which ConfigMaps are full of, are not. */
const maxConfigValue = 4096

/** What lists and watches of a kind are limited to. */
export function selectorOf(kind: KindName): Readonly<Record<string, string>> {
  return projections[kind]?.selector ?? {}
}

/**
 * Leaves out of an object what nothing here reads: managedFields, annotations, resourceVersion, most statuses
 * and data that no Gateway can refer to. The input is not changed.
 */
export function projectObject(kind: KindName, apiVersion: string, object: RawObject): JsonObject {
  const { labels, content, status } = projections[kind] ?? {}
  const { apiVersion: _apiVersion, kind: _kind, metadata, status: live, ...rest } = object
  return {
    apiVersion,
    kind,
    metadata: projectMetadata(metadata, labels),
    ...(content ? content(rest) : rest),
    ...(status && isObject(live) && { status: status(live) }),
  }
}

function projectMetadata(metadata: RawMetadata, isKept: Projection['labels']): JsonObject {
  const { name, namespace, uid, generation, creationTimestamp, deletionTimestamp, labels } = metadata
  return {
    name,
    namespace,
    uid,
    generation,
    creationTimestamp,
    deletionTimestamp,
    labels: isKept ? mapFields(labels, (value, key) => (isKept(key) ? value : undefined)) : labels,
  }
}

/** Of an endpoint whatever decides whether and where traffic goes. */
function projectEndpoint(endpoint: unknown): unknown {
  if (!isObject(endpoint)) return endpoint
  const { addresses, conditions, zone } = endpoint
  return { addresses, conditions: conditions ?? undefined, zone }
}

/** A value that is too long is cut, not left out: whoever looks for wrong keys still finds it, and no sense in it. */
function projectConfigValue(value: unknown, key: string): unknown {
  if (key === authorityKey || typeof value !== 'string' || value.length <= maxConfigValue) return value
  // A slice would keep the whole text in memory.
  return Buffer.from(value.slice(0, 64)).toString()
}

/** @returns the entries for which `map` gives a value; what is no map as it is */
function mapFields(fields: unknown, map: (value: unknown, key: string) => unknown): unknown {
  if (!isObject(fields)) return fields ?? undefined
  const kept = Object.entries(fields).flatMap(([key, value]) => {
    const next = map(value, key)
    return next === undefined ? [] : [[key, next] as const]
  })
  // fromEntries defines the fields, so that a key "__proto__" stays a key.
  return Object.fromEntries(kept)
}
