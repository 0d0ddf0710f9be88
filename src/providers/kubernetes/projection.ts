import { type KindDefinition, type KindName, kinds } from '../../gatewayapi/kinds.ts'
import { serviceNameLabel } from '../../gatewayapi/objects/endpoint-slice.ts'
import { noStrings } from '../../gatewayapi/objects/schema.ts'
import { gatewayClassNameLabel } from '../../infrastructure/labels.ts'
import { FieldPlan, ItemPlan, keepOnly, type Plan, projectValue } from './field-plan.ts'
import { isObject, type JsonObject } from './json.ts'
import type { RawMetadata, RawObject } from './raw-object.ts'

/** What is kept of one kind. */
interface Projection {
  /** Of metadata, beside name, namespace and labels; {@link identity} unless given. */
  readonly metadata?: readonly string[]
  /** Our own unless given. A label that nobody reads is memory, and a change of it is work. */
  readonly labels?: Plan
  /** Everything but metadata and status; all of it unless given. */
  readonly content?: FieldPlan
  /** Nothing unless given. */
  readonly status?: Plan
  /** Of lists and watches: only what a Gateway of ours can refer to. */
  readonly selector?: Readonly<Record<string, string>>
}

/** What tells versions and ages of an object apart; in the order of the schema. */
const identity = ['generation', 'creationTimestamp', 'deletionTimestamp', 'uid']

const ownPrefix = 'gatewright.dev/'
const ownLabels = new FieldPlan({}, 'drop', ownPrefix)

/** Whatever decides where traffic goes, and what an address of a Gateway follows from. */
const serviceFields = {
  type: 'keep',
  ports: new ItemPlan(keepOnly(['name', 'protocol', 'appProtocol', 'port'])),
  clusterIP: 'keep',
  clusterIPs: 'keep',
  externalName: 'keep',
  externalIPs: 'keep',
  loadBalancerIP: 'keep',
  publishNotReadyAddresses: 'keep',
  trafficDistribution: 'keep',
} as const
const endpoints = new ItemPlan(keepOnly(['addresses', 'conditions', 'zone']))
const authorityKey = 'ca.crt'
const certificateKeys = ['tls.crt', 'tls.key', authorityKey]

/** Kinds that are not here keep all but annotations, foreign labels, managed fields and status. */
const projections: { readonly [K in KindName]?: Projection } = {
  // Selectors of listeners may ask for any.
  Namespace: { metadata: [], labels: 'keep', content: keepOnly([]) },
  Service: {
    metadata: ['deletionTimestamp'],
    labels: new FieldPlan({ [gatewayClassNameLabel]: 'keep' }, 'drop', ownPrefix),
    content: new FieldPlan({ spec: new FieldPlan(serviceFields, 'drop') }, 'drop'),
    status: keepOnly(['loadBalancer']),
  },
  EndpointSlice: {
    metadata: [],
    labels: keepOnly([serviceNameLabel]),
    content: new FieldPlan({ endpoints }, 'keep'),
    selector: { labelSelector: serviceNameLabel },
  },
  Secret: {
    metadata: [],
    content: new FieldPlan({ type: 'keep', data: keepOnly(certificateKeys) }, 'drop'),
    selector: { fieldSelector: 'type=kubernetes.io/tls' },
  },
  ConfigMap: {
    metadata: [],
    content: new FieldPlan({ data: 'keep', binaryData: keepOnly([authorityKey]) }, 'drop'),
  },
}

/** What lists and watches of a kind are limited to. */
export function selectorOf(kind: KindName): Readonly<Record<string, string>> {
  return projections[kind]?.selector ?? {}
}

/** Whether generation tells of every change of what is not metadata, as that of all custom objects does. */
export function hasGeneration(kind: KindName): boolean {
  const { group }: KindDefinition = kinds[kind]
  return group.includes('.') && group !== 'discovery.k8s.io'
}

/** What is read of an object of a kind at all, be it kept or not. Statuses that we write are compared as texts. */
export function planOf(kind: KindName): Plan {
  const { metadata = identity, labels = ownLabels, content, status = 'drop' } = projections[kind] ?? {}
  const read = ['name', 'namespace', 'resourceVersion', ...metadata].map((name) => [name, 'keep' as const])
  return new FieldPlan(
    {
      ...Object.fromEntries((content?.named ?? []).map(({ name, plan }) => [name, plan])),
      apiVersion: 'keep',
      kind: 'keep',
      metadata: new FieldPlan({ ...Object.fromEntries(read), labels }, 'drop'),
      status: hasGeneration(kind) ? 'apart' : status,
    },
    content?.others ?? 'keep',
  )
}

const everything = new FieldPlan({}, 'keep')

/**
 * Leaves out of an object what nothing here reads: managedFields, annotations, resourceVersion, most labels
 * and statuses, and data that no Gateway can refer to. The input is not changed. What is not of the right form is kept as it
 * is, for the schema to complain about.
 */
export function projectObject(kind: KindName, apiVersion: string, object: RawObject): JsonObject {
  const { metadata: fields = identity, content = everything, status } = projections[kind] ?? {}
  const { metadata } = object
  const projected: Record<string, unknown> = { apiVersion, kind, metadata: projectMetadata(kind, fields, metadata) }
  for (const name in object) {
    if (name === 'apiVersion' || name === 'kind' || name === 'metadata' || name === 'status') continue
    const plan = content.of(name)
    // The prototype is none of the fields of any kind.
    if (plan === 'drop' || name === '__proto__') continue
    const value = object[name]
    projected[name] = name === 'data' && kind === 'ConfigMap' ? projectConfigData(value) : projectValue(value, plan)
  }
  if (status && object.status !== undefined) projected['status'] = projectValue(object.status, status)
  return projected
}

function projectMetadata(kind: KindName, fields: readonly string[], metadata: RawMetadata): JsonObject {
  const { name, namespace } = metadata
  const labels = projectLabels(kind, metadata['labels'])
  const projected: Record<string, unknown> = { name, namespace, labels, annotations: noStrings }
  for (const field of fields) {
    const value = metadata[field]
    if (value !== undefined) projected[field] = value
  }
  return projected
}

/** The labels that are kept; what is no map of them as it is. */
export function projectLabels(kind: KindName, labels: unknown): unknown {
  if (!isObject(labels)) return labels ?? noStrings
  const kept = projectValue(labels, projections[kind]?.labels ?? ownLabels)
  for (const _name in kept as JsonObject) return kept
  return noStrings
}

/** Characters. Parameters are shorter; dashboards and scripts, which ConfigMaps are full of, are not. */
const maxConfigValue = 4096

/** A value that is too long is cut, not left out: whoever looks for wrong keys still finds it, and no sense in it. */
function projectConfigData(data: unknown): unknown {
  if (!isObject(data)) return data
  const result: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(data)) {
    const isLong = key !== authorityKey && typeof value === 'string' && value.length > maxConfigValue
    // A mere slice would keep the whole text in memory.
    result[key] = isLong ? Buffer.from(value.slice(0, 64)).toString() : value
  }
  return result
}
