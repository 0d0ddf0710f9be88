/** TCPRoute, UDPRoute and TLSRoute: one rule that says where connections go. */
import { z } from 'zod'
import { objectSchema } from './object-meta.ts'
import { BackendRef, gatewayGroup, ParentReferences } from './reference.ts'
import { Hostname, SectionName } from './scalar.ts'
import { enumSchema, listSchema } from './schema.ts'

/** Where connections or datagrams go, by weight. */
export const StreamRouteRule = z.strictObject({
  name: SectionName.optional(),
  backendRefs: listSchema(BackendRef, { min: 1, max: 16 }),
})
export type StreamRouteRule = z.output<typeof StreamRouteRule>

const streamFields = {
  parentRefs: ParentReferences.optional(),
  /** One; older versions of the API take more, of which the first gets everything. */
  rules: listSchema(StreamRouteRule, { min: 1, max: 16 }),
  /** Experimental. */
  useDefaultGateways: enumSchema(['All', 'None']).optional(),
}

/** Routes connections of TCP listeners. */
export const TCPRoute = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1alpha2'], kind: 'TCPRoute' },
  { spec: z.strictObject(streamFields) },
)
export type TCPRoute = z.output<typeof TCPRoute>

/** Routes datagrams of UDP listeners. */
export const UDPRoute = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1alpha2'], kind: 'UDPRoute' },
  { spec: z.strictObject(streamFields) },
)
export type UDPRoute = z.output<typeof UDPRoute>

/** Routes TLS connections by their server name (SNI), passed on as they are or decrypted. */
export const TLSRoute = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1alpha3', 'v1alpha2'], kind: 'TLSRoute' },
  {
    spec: z.strictObject({
      ...streamFields,
      /** Older versions of the API take none, which means every name. */ hostnames: listSchema(Hostname, {
        min: 1,
        max: 1024,
      }).optional(),
    }),
  },
)
export type TLSRoute = z.output<typeof TLSRoute>
