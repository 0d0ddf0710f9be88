/** References between objects, and the selector of labels: shared by Gateways and routes. */
import { z } from 'zod'
import { Group, Kind, NamespaceName, ObjectName, PortNumber, SectionName } from './scalar.ts'
import { type Complain, integerSchema, listSchema, stringMapSchema, withRules } from './schema.ts'

/** API group of the Gateway API. */
export const gatewayGroup = 'gateway.networking.k8s.io'
/** API group of the experimental kinds whose names begin with X. */
export const experimentalGroup = 'gateway.networking.x-k8s.io'

/** Gateway API LocalObjectReference: same namespace, nothing defaulted. */
export const LocalObjectReference = z.strictObject({ group: Group, kind: Kind, name: ObjectName })
export type LocalObjectReference = z.output<typeof LocalObjectReference>

/** Gateway API SecretObjectReference: a core Secret unless told. */
export const SecretObjectReference = z.strictObject({
  group: Group.default(''),
  kind: Kind.default('Secret'),
  name: ObjectName,
  /** The referrer's unless given; another one needs a ReferenceGrant. */
  namespace: NamespaceName.optional(),
})
export type SecretObjectReference = z.output<typeof SecretObjectReference>

/** Gateway API ObjectReference: group and kind are required. */
export const ObjectReference = z.strictObject({
  group: Group,
  kind: Kind,
  name: ObjectName,
  namespace: NamespaceName.optional(),
})
export type ObjectReference = z.output<typeof ObjectReference>

const backendObjectFields = {
  group: Group.default(''),
  kind: Kind.default('Service'),
  name: ObjectName,
  /** The route's unless given; another one needs a ReferenceGrant. */
  namespace: NamespaceName.optional(),
  /** Required for a Service: the Service's port, not the target port. */
  port: PortNumber.optional(),
}

interface BackendObjectFields {
  readonly group: string
  readonly kind: string
  readonly port?: number | undefined
}

/** A Service needs a port, an XBackend has its own. */
export function checkBackendPort(reference: BackendObjectFields, complain: Complain): void {
  if (reference.group === '' && reference.kind === 'Service' && reference.port === undefined)
    complain(['port'], 'is required for a Service: add the number of one of its ports')
  if (reference.group === experimentalGroup && reference.kind === 'XBackend' && reference.port !== undefined)
    complain(['port'], 'is not allowed for an XBackend: remove it')
}

/** Gateway API BackendObjectReference: a core Service unless told. */
export const BackendObjectReference = withRules(z.strictObject(backendObjectFields), checkBackendPort)
export type BackendObjectReference = z.output<typeof BackendObjectReference>

const Weight = integerSchema(0, 1_000_000, 'a weight')

/** Gateway API BackendRef: with its share of the traffic. */
export const BackendRef = withRules(
  z.strictObject({ ...backendObjectFields, weight: Weight.default(1) }),
  checkBackendPort,
)
export type BackendRef = z.output<typeof BackendRef>

/** A BackendRef that carries filters for the requests it gets. */
export function filteredBackendRefSchema<F extends z.ZodType>(filters: F) {
  return withRules(
    z.strictObject({ ...backendObjectFields, weight: Weight.default(1), filters: filters.optional() }),
    // The generic type hides what is known here.
    (reference, complain) => checkBackendPort(reference as BackendObjectFields, complain),
  )
}

/** Gateway API ParentReference: a Gateway unless told. */
export const ParentReference = z.strictObject({
  group: Group.default(gatewayGroup),
  kind: Kind.default('Gateway'),
  namespace: NamespaceName.optional(),
  name: ObjectName,
  /** One listener of the parent; all of them unless given. */
  sectionName: SectionName.optional(),
  /** Only listeners on this port. */
  port: PortNumber.optional(),
})
export type ParentReference = z.output<typeof ParentReference>

/**
 * A route's parentRefs: two references to one parent must each tell which part of it, and not the same.
 * The standard CRDs look at sectionName only and the experimental ones at port too; what either accepts is accepted.
 */
export const ParentReferences = withRules(listSchema(ParentReference, { max: 32 }), (references, complain) => {
  if (references.length < 2) return
  const byParent = new Map<string, number[]>()
  for (const [index, reference] of references.entries()) {
    const { group, kind, namespace = '', name } = reference
    const earlier = byParent.get(`${group}/${kind}/${namespace}/${name}`) ?? []
    const problem = earlier
      .map((other) => compareParents(references[other] as ParentReference, reference, other))
      .find((text) => text)
    if (problem !== undefined) complain([index], problem)
    byParent.set(`${group}/${kind}/${namespace}/${name}`, [...earlier, index])
  }
})

/** What is wrong with a second reference to one parent. */
function compareParents(first: ParentReference, second: ParentReference, position: number): string | undefined {
  const twice = `${first.kind} "${first.name}" is referenced more than once`
  if ((first.sectionName === undefined) !== (second.sectionName === undefined))
    return `${twice}: give sectionName in each reference to it, or in none`
  if (first.sectionName !== second.sectionName) return undefined
  if ((first.port === undefined) !== (second.port === undefined))
    return `${twice}: give port in each reference to it, or in none`
  if (first.port !== second.port) return undefined
  return `repeats item ${position}: give each reference to ${first.kind} "${first.name}" another sectionName or port`
}

/**
 * meta/v1 LabelSelector: all requirements must hold; an empty selector selects everything. As open as the
 * CRDs are: `checkLabelSelector` says what is wrong with one, so that a status can.
 */
export const LabelSelector = z.strictObject({
  matchLabels: stringMapSchema().optional(),
  matchExpressions: z
    .array(z.strictObject({ key: z.string(), operator: z.string(), values: z.array(z.string()).optional() }))
    .optional(),
})
