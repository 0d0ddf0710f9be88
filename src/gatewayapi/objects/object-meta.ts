/** metadata, apiVersion and kind: what all objects have. Limits are those of the Kubernetes API server. */
import { z } from 'zod'
import { checkQualifiedName, DnsLabel, DnsSubdomain, labelRules } from './scalar.ts'
import { noStrings, type StringMap, stringMapSchema, textSchema } from './schema.ts'

/** An RFC 3339 time as written. Order times with Date.parse, not as text. */
const Time = z.iso.datetime({
  offset: true,
  error: (issue) => `"${String(issue.input)}" is not a time: use RFC 3339, such as 2026-01-31T12:00:00Z`,
})

/** '' counts as absent, as it does for the API server. */
const NamespaceOrNone = textSchema({
  what: 'a namespace',
  fix: 'use lowercase letters, digits and "-", beginning and ending with a letter or digit',
  min: 0,
  max: 63,
  pattern: /^$|^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
})

/** What Gatewright keeps of metadata. */
export interface ObjectMeta {
  readonly name: string
  /** '' for cluster-scoped kinds. */
  readonly namespace: string
  readonly labels: StringMap
  readonly annotations: StringMap
  /** Counts the changes of spec. */
  readonly generation?: number | undefined
  readonly creationTimestamp?: string | undefined
  /** Set while finalizers still hold an object that somebody deleted. */
  readonly deletionTimestamp?: string | undefined
  readonly uid?: string | undefined
  readonly resourceVersion?: string | undefined
}

/** metadata with every standard field accepted. What nobody reads here (managedFields and so on) is dropped. */
export function objectMetaSchema(nameSchema: z.ZodString) {
  return z
    .strictObject({
      name: nameSchema,
      generateName: z.string().optional(),
      namespace: NamespaceOrNone.optional(),
      labels: stringMapSchema(labelRules).optional(),
      annotations: stringMapSchema({ checkKey: (key) => checkQualifiedName(key.toLowerCase()) }).optional(),
      generation: z.int().nonnegative().optional(),
      creationTimestamp: Time.optional(),
      deletionTimestamp: Time.optional(),
      deletionGracePeriodSeconds: z.int().optional(),
      uid: z.string().optional(),
      resourceVersion: z.string().optional(),
      finalizers: z.array(z.string()).optional(),
      ownerReferences: z.array(z.unknown()).optional(),
      managedFields: z.unknown().optional(),
      selfLink: z.string().optional(),
    })
    .transform((meta): ObjectMeta => {
      if (isComplete(meta)) return meta
      const { generateName, deletionGracePeriodSeconds, finalizers, ownerReferences, ...rest } = meta
      const { managedFields, selfLink, ...kept } = rest
      return {
        ...kept,
        namespace: kept.namespace ?? '',
        labels: kept.labels ?? noStrings,
        annotations: kept.annotations ?? noStrings,
      }
    })
}

const keptFields: ReadonlySet<string> = new Set<keyof ObjectMeta>([
  'name',
  'namespace',
  'labels',
  'annotations',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'uid',
  'resourceVersion',
])

/** Whether it has what all have, and nothing else than what is kept, as providers make it that know this. */
function isComplete(meta: { readonly [F in keyof ObjectMeta]?: ObjectMeta[F] | undefined }): meta is ObjectMeta {
  if (meta.namespace === undefined || meta.labels === undefined || meta.annotations === undefined) return false
  for (const field in meta) if (!keptFields.has(field)) return false
  return true
}

const SubdomainMeta = objectMetaSchema(DnsSubdomain)
/** For kinds whose names are DNS labels: Namespace and Service. */
export const LabelNameMeta = objectMetaSchema(DnsLabel)

/** "group/version", or "version" for the core group. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

/**
 * A whole object: the body with apiVersion, kind and metadata around it.
 * `status` is accepted and never read, so that what kubectl exports can be used as it is.
 * @param versions accepted versions of the same shape, newest first: all are read as the newest
 */
export function objectSchema<const V extends string, const K extends string, B extends z.ZodRawShape>(
  { group, versions, kind, metadata = SubdomainMeta }: ObjectHead<V, K>,
  body: B,
) {
  const newest = apiVersionOf(group, versions[0] as string)
  return z.strictObject({
    apiVersion: z.enum(versions.map((version) => apiVersionOf(group, version))).transform(() => newest),
    kind: z.literal(kind),
    metadata,
    ...body,
    status: z.unknown().optional(),
  })
}

export interface ObjectHead<V extends string, K extends string> {
  readonly group: string
  readonly versions: readonly V[]
  readonly kind: K
  readonly metadata?: ReturnType<typeof objectMetaSchema>
}
