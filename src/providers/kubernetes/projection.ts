import type { KindName } from '../../gatewayapi/kinds.ts'
import { serviceNameLabel } from '../../gatewayapi/objects/endpoint-slice.ts'
import { gatewayClassNameLabel } from '../../infrastructure/labels.ts'
import { isObject, type JsonObject } from './json.ts'
import type { RawObject } from './raw-object.ts'

/** What is kept of one kind. */
interface Projection {
  /** Of metadata, beside name, namespace and labels; {@link identity} unless given. */
  readonly metadata?: readonly string[]
  /** Keys of labels; our own unless given. A label that nobody reads is memory, and a change of it is work. */
  readonly labels?: (key: string) => boolean
  /** Everything but metadata and status; as it is unless given. */
  readonly content?: (object: JsonObject) => JsonObject
  /** Of the status; nothing unless given. */
  readonly status?: readonly string[]
  /** Of lists and watches: only what a Gateway of ours can refer to. */
  readonly selector?: Readonly<Record<string, string>>
}

/** What tells versions and ages of an object apart. */
const identity = ['uid', 'generation', 'creationTimestamp', 'deletionTimestamp']

const isOwnLabel = (key: string) => key.startsWith('gatewright.dev/')

/** Whatever decides where traffic goes, and what an address of a Gateway follows from. */
const serviceFields = [
  'type',
  'ports',
  'clusterIP',
  'clusterIPs',
  'externalName',
  'externalIPs',
  'loadBalancerIP',
  'publishNotReadyAddresses',
  'trafficDistribution',
]
const servicePortFields = ['name', 'protocol', 'appProtocol', 'port']
const endpointFields = ['addresses', 'conditions', 'zone']
const authorityKey = 'ca.crt'
const certificateKeys = ['tls.crt', 'tls.key', authorityKey]

/** Kinds that are not here keep all but annotations, foreign labels, managed fields and status. */
const projections: { readonly [K in KindName]?: Projection } = {
  // Selectors of listeners may ask for any.
  Namespace: { metadata: [], labels: () => true, content: () => ({}) },
  Service: {
    metadata: ['deletionTimestamp'],
    labels: (key) => isOwnLabel(key) || key === gatewayClassNameLabel,
    content: ({ spec }) => ({
      spec: mapField(pick(spec, serviceFields), 'ports', (port) => pick(port, servicePortFields)),
    }),
    status: ['loadBalancer'],
  },
  EndpointSlice: {
    metadata: [],
    labels: (key) => key === serviceNameLabel,
    content: (slice) => mapField(slice, 'endpoints', (endpoint) => pick(endpoint, endpointFields)) as JsonObject,
    selector: { labelSelector: serviceNameLabel },
  },
  Secret: {
    metadata: [],
    content: ({ type, data }) => ({ type, data: pick(data, certificateKeys) }),
    selector: { fieldSelector: 'type=kubernetes.io/tls' },
  },
  ConfigMap: {
    metadata: [],
    content: ({ data, binaryData }) => ({
      data: isObject(data) ? projectConfigData(data) : data,
      binaryData: pick(binaryData, [authorityKey]),
    }),
  },
}

/** What lists and watches of a kind are limited to. */
export function selectorOf(kind: KindName): Readonly<Record<string, string>> {
  return projections[kind]?.selector ?? {}
}

/**
 * Leaves out of an object what nothing here reads: managedFields, annotations, resourceVersion, most labels
 * and statuses, and data that no Gateway can refer to. The input is not changed. What is not of the right form is kept as it
 * is, for the schema to complain about.
 */
export function projectObject(kind: KindName, apiVersion: string, object: RawObject): JsonObject {
  const { metadata: fields = identity, content, status } = projections[kind] ?? {}
  const { apiVersion: _apiVersion, kind: _kind, metadata, status: live, ...rest } = object
  const { name, namespace } = metadata
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      ...(pick(metadata, fields) as JsonObject),
      labels: projectLabels(kind, metadata['labels']),
    },
    ...(content ? content(rest) : rest),
    ...(status && { status: pick(live, status) }),
  }
}

/** The labels that are kept; what is no map of them as it is. */
export function projectLabels(kind: KindName, labels: unknown): unknown {
  const isKept = projections[kind]?.labels ?? isOwnLabel
  return isObject(labels) ? pick(labels, Object.keys(labels).filter(isKept)) : labels
}

/** The fields of an object that are named and there; what is no object as it is. */
function pick(value: unknown, names: readonly string[]): unknown {
  if (!isObject(value)) return value
  // Names that come from a user are those of labels, none of which begins with an underscore: "__proto__" is none.
  const picked: Record<string, unknown> = {}
  for (const name of names) if (value[name] !== undefined && Object.hasOwn(value, name)) picked[name] = value[name]
  return picked
}

/** Maps the items of a list in a field, if there is one. */
function mapField(object: unknown, field: string, map: (item: unknown) => unknown): unknown {
  const list = isObject(object) ? object[field] : undefined
  return Array.isArray(list) ? { ...(object as JsonObject), [field]: list.map(map) } : object
}

/** Characters. Parameters are shorter; dashboards and scripts, which ConfigMaps are full of, are not. */
const maxConfigValue = 4096

/** A value that is too long is cut, not left out: whoever looks for wrong keys still finds it, and no sense in it. */
function projectConfigData(data: JsonObject): JsonObject {
  const result: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(data)) {
    const isLong = key !== authorityKey && typeof value === 'string' && value.length > maxConfigValue
    // A mere slice would keep the whole text in memory.
    result[key] = isLong ? Buffer.from(value.slice(0, 64)).toString() : value
  }
  return result
}
