import { z } from 'zod'
import { Listeners } from './listener.ts'
import { objectSchema } from './object-meta.ts'
import { gatewayGroup } from './reference.ts'
import { Group, Kind, NamespaceName, ObjectName } from './scalar.ts'

/** More listeners for a Gateway, managed apart from it; the Gateway's allowedListeners must let it in. */
export const ListenerSet = objectSchema(
  { group: gatewayGroup, versions: ['v1'], kind: 'ListenerSet' },
  {
    spec: z.strictObject({
      parentRef: z.strictObject({
        group: Group.default(gatewayGroup),
        kind: Kind.default('Gateway'),
        name: ObjectName,
        namespace: NamespaceName.optional(),
      }),
      listeners: Listeners,
    }),
  },
)
export type ListenerSet = z.output<typeof ListenerSet>
