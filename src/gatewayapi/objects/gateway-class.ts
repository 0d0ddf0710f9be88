import { z } from 'zod'
import { objectSchema } from './object-meta.ts'
import { gatewayGroup } from './reference.ts'
import { Group, Kind, NamespaceName, ObjectName } from './scalar.ts'
import { textSchema } from './schema.ts'

/** Gateway API GatewayController: "domain/path". */
export const ControllerName = textSchema({
  what: 'a controller name',
  fix: 'use a domain and a path, such as gatewright.dev/gateway-controller',
  max: 253,
  pattern: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
})

/** Cluster-scoped: names the controller that serves the Gateways of this class. */
export const GatewayClass = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1beta1'], kind: 'GatewayClass' },
  {
    spec: z.strictObject({
      controllerName: ControllerName,
      parametersRef: z
        .strictObject({
          group: Group,
          kind: Kind,
          name: ObjectName,
          /** Required when the object is namespaced; there is no default. */
          namespace: NamespaceName.optional(),
        })
        .optional(),
      description: textSchema({ what: 'a description', fix: 'shorten it', min: 0, max: 64 }).optional(),
    }),
  },
)
export type GatewayClass = z.output<typeof GatewayClass>
