import { z } from 'zod'
import { ipVersion } from '../../base/ip-version.ts'
import { objectSchema } from './object-meta.ts'
import { enumSchema, integerSchema, listSchema, quote, withRules } from './schema.ts'
import { TransportProtocol } from './service.ts'

/** The label that names the Service a slice belongs to. */
export const serviceNameLabel = 'kubernetes.io/service-name'

/** One backend of a slice. */
export const Endpoint = z.strictObject({
  /** All of one endpoint; consumers use the first. */
  addresses: listSchema(z.string(), { min: 1, max: 100 }),
  /** What is absent is unknown: ready and serving then count as true, terminating as false. */
  conditions: z
    .strictObject({
      ready: z.boolean().optional(),
      serving: z.boolean().optional(),
      terminating: z.boolean().optional(),
    })
    .default({}),
  hostname: z.string().optional(),
  nodeName: z.string().optional(),
  zone: z.string().optional(),
  hints: z
    .strictObject({
      forZones: z.array(z.strictObject({ name: z.string() })).optional(),
      forNodes: z.array(z.strictObject({ name: z.string() })).optional(),
    })
    .optional(),
  targetRef: z.unknown().optional(),
  deprecatedTopology: z.unknown().optional(),
})
export type Endpoint = z.output<typeof Endpoint>

/** A port of all endpoints of a slice. */
export const EndpointPort = z.strictObject({
  /** That of the Service's port; '' when it has none. */
  name: z.string().default(''),
  protocol: TransportProtocol.default('TCP'),
  /** Absent means every port, which no Service produces. */
  port: integerSchema(1, 65535, 'a port').optional(),
  appProtocol: z.string().optional(),
})
export type EndpointPort = z.output<typeof EndpointPort>

/** Some of the endpoints of a Service. */
export const EndpointSlice = withRules(
  objectSchema(
    { group: 'discovery.k8s.io', versions: ['v1'], kind: 'EndpointSlice' },
    {
      addressType: enumSchema(['IPv4', 'IPv6', 'FQDN']),
      endpoints: listSchema(Endpoint, { max: 1000 }).default([]),
      ports: listSchema(EndpointPort, { max: 100 }).default([]),
    },
  ),
  ({ addressType, endpoints }, complain) => {
    const version = { IPv4: 4, IPv6: 6, FQDN: undefined }[addressType]
    if (version === undefined) return
    for (const [index, { addresses }] of endpoints.entries())
      for (const [position, address] of addresses.entries())
        if (ipVersion(address) !== version)
          complain(['endpoints', index, 'addresses', position], `${quote(address)} is not an ${addressType} address`)
  },
)
export type EndpointSlice = z.output<typeof EndpointSlice>
