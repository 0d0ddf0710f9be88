import { z } from 'zod'
import { objectSchema } from './object-meta.ts'
import { gatewayGroup } from './reference.ts'
import { Group, Kind, NamespaceName, ObjectName } from './scalar.ts'
import { listSchema } from './schema.ts'

/** Who may refer: objects of one kind in one namespace. */
export const ReferenceGrantFrom = z.strictObject({ group: Group, kind: Kind, namespace: NamespaceName })
export type ReferenceGrantFrom = z.output<typeof ReferenceGrantFrom>

/** What may be referred to in the grant's namespace: all objects of a kind, or one. */
export const ReferenceGrantTo = z.strictObject({ group: Group, kind: Kind, name: ObjectName.optional() })
export type ReferenceGrantTo = z.output<typeof ReferenceGrantTo>

/** Lets others refer into its own namespace: every `from` may refer to every `to`. */
export const ReferenceGrant = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1beta1'], kind: 'ReferenceGrant' },
  {
    spec: z.strictObject({
      from: listSchema(ReferenceGrantFrom, { min: 1, max: 16 }),
      to: listSchema(ReferenceGrantTo, { min: 1, max: 16 }),
    }),
  },
)
export type ReferenceGrant = z.output<typeof ReferenceGrant>
