import { z } from 'zod'
import { LabelNameMeta, objectSchema } from './object-meta.ts'
import { PortNumber } from './scalar.ts'
import { enumSchema, stringMapSchema, withRules } from './schema.ts'

/** Protocols of Service and EndpointSlice ports. */
export const TransportProtocol = enumSchema(['TCP', 'UDP', 'SCTP'])

/** A port of a Service. */
export const ServicePort = z.strictObject({
  /** Required when there are several. EndpointSlices repeat it. */
  name: z.string().optional(),
  protocol: TransportProtocol.default('TCP'),
  /** What the backend speaks, such as kubernetes.io/h2c. */
  appProtocol: z.string().optional(),
  port: PortNumber,
  targetPort: z.union([PortNumber, z.string()], { error: () => 'must be a port number or the name of one' }).optional(),
  nodePort: z.int().optional(),
})
export type ServicePort = z.output<typeof ServicePort>

const ServicePorts = withRules(z.array(ServicePort), (ports, complain) => {
  if (ports.length < 2) return
  const names = new Set<string>()
  const numbers = new Set<string>()
  for (const [index, { name = '', port, protocol }] of ports.entries()) {
    if (name === '') complain([index, 'name'], 'is required when a Service has several ports: add one')
    else if (names.has(name)) complain([index, 'name'], `"${name}" is used twice: use another one`)
    if (numbers.has(`${port}/${protocol}`))
      complain([index, 'port'], `${port}/${protocol} is given twice: remove one of them`)
    names.add(name)
    numbers.add(`${port}/${protocol}`)
  }
})

const ServiceStatus = z.object({
  loadBalancer: z
    .object({
      ingress: z.array(z.object({ ip: z.string().optional(), hostname: z.string().optional() })).optional(),
    })
    .optional(),
})

/** The fields of a Service that decide where traffic goes are typed; the others are accepted as they are. */
export const Service = objectSchema(
  { group: '', versions: ['v1'], kind: 'Service', metadata: LabelNameMeta },
  {
    spec: z
      .strictObject({
        type: enumSchema(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
        ports: ServicePorts.default([]),
        selector: stringMapSchema().optional(),
        /** "None" for a headless Service; absent until the API server has assigned one. */
        clusterIP: z.string().optional(),
        clusterIPs: z.array(z.string()).optional(),
        /** The DNS name of a Service of type ExternalName. */
        externalName: z.string().optional(),
        publishNotReadyAddresses: z.boolean().optional(),
        trafficDistribution: z.string().optional(),
        ipFamilies: z.array(z.string()).optional(),
        ipFamilyPolicy: z.string().optional(),
        externalIPs: z.array(z.string()).optional(),
        sessionAffinity: z.unknown().optional(),
        sessionAffinityConfig: z.unknown().optional(),
        loadBalancerIP: z.unknown().optional(),
        loadBalancerSourceRanges: z.unknown().optional(),
        loadBalancerClass: z.unknown().optional(),
        allocateLoadBalancerNodePorts: z.unknown().optional(),
        externalTrafficPolicy: z.unknown().optional(),
        internalTrafficPolicy: z.unknown().optional(),
        healthCheckNodePort: z.unknown().optional(),
      })
      .prefault({}),
  },
).extend({
  /** Of the Service of a Gateway, the addresses that a load balancer has assigned. */
  status: ServiceStatus.optional().catch(undefined),
})
export type Service = z.output<typeof Service>
