import { z } from 'zod'
import { Listeners } from './listener.ts'
import { objectSchema } from './object-meta.ts'
import {
  gatewayGroup,
  LabelSelector,
  LocalObjectReference,
  ObjectReference,
  SecretObjectReference,
} from './reference.ts'
import { annotationRules, labelRules, ObjectName, PortNumber } from './scalar.ts'
import { enumSchema, listSchema, quote, stringMapSchema, textSchema, uniqueListSchema, withRules } from './schema.ts'

const hostnameAddress = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const dnsSubdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

const AddressType = textSchema({
  what: 'an address type',
  fix: 'use IPAddress, Hostname or NamedAddress',
  max: 253,
  // As open as the CRD's: its alternatives are anchored on one side only.
  pattern:
    /^Hostname|IPAddress|NamedAddress|[a-z0-9](?:[-a-z0-9]{0,252}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,252}[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
})

function isRoutability(text: string): boolean {
  if (text === '' || text === 'Cluster') return true
  const slash = text.indexOf('/')
  const domain = text.slice(0, Math.max(slash, 0))
  return slash < text.length - 1 && dnsSubdomain.test(domain) && domain !== 'k8s.io' && !domain.endsWith('.k8s.io')
}

/** An address that the Gateway should have. Without a value, the implementation picks one. */
export const GatewaySpecAddress = withRules(
  z.strictObject({
    type: AddressType.default('IPAddress'),
    value: textSchema({ what: 'an address', fix: 'shorten it', min: 0, max: 253 }).optional(),
    /** From where the address must be reachable (GEP-5093, experimental). */
    routability: textSchema({ what: 'a routability', fix: 'shorten it', min: 0, max: 253 })
      .refine(isRoutability, {
        error: (issue) => `${quote(issue.input)} is not a routability: use "", Cluster, or your own domain and a path`,
      })
      .optional(),
  }),
  ({ type, value }, complain) => {
    if (type === 'Hostname' && value !== undefined && !hostnameAddress.test(value))
      complain(['value'], `${quote(value)} is not a hostname: use a DNS name`)
  },
)
export type GatewaySpecAddress = z.output<typeof GatewaySpecAddress>

const Addresses = withRules(listSchema(GatewaySpecAddress, { max: 16 }), (addresses, complain) => {
  const seen = new Set<string>()
  for (const [index, { type, value }] of addresses.entries()) {
    if (value === undefined || !['IPAddress', 'Hostname'].includes(type)) continue
    if (seen.has(`${type}/${value}`)) complain([index, 'value'], `${quote(value)} is given twice: remove one of them`)
    seen.add(`${type}/${value}`)
  }
})

/** Labels, annotations and parameters of what is created for the Gateway. */
export const GatewayInfrastructure = z.strictObject({
  labels: stringMapSchema({ ...labelRules, maxEntries: 8 }).optional(),
  annotations: stringMapSchema(annotationRules).optional(),
  parametersRef: z.strictObject({ ...LocalObjectReference.shape, name: ObjectName }).optional(),
})
export type GatewayInfrastructure = z.output<typeof GatewayInfrastructure>

/** From which namespaces ListenerSets may attach: none unless told. */
export const AllowedListeners = z.strictObject({
  namespaces: z
    .strictObject({
      from: enumSchema(['All', 'Selector', 'Same', 'None']).default('None'),
      selector: LabelSelector.optional(),
    })
    .default({ from: 'None' }),
})
export type AllowedListeners = z.output<typeof AllowedListeners>

const CACertificateRefs = withRules(listSchema(ObjectReference, { min: 1, max: 16 }), (references, complain) => {
  for (const [index, { group, kind, namespace }] of references.entries())
    if (group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle' && namespace !== undefined)
      complain([index, 'namespace'], 'is not allowed for a ClusterTrustBundle, which has no namespace: remove it')
})

/** Checks of client certificates on one port, or on all HTTPS listeners. */
export const FrontendTLSConfig = z.strictObject({
  validation: z
    .strictObject({
      caCertificateRefs: CACertificateRefs,
      /** AllowInsecureFallback asks for a certificate but accepts none or a wrong one. */
      mode: enumSchema(['AllowValidOnly', 'AllowInsecureFallback']).default('AllowValidOnly'),
    })
    .optional(),
})
export type FrontendTLSConfig = z.output<typeof FrontendTLSConfig>

/** TLS of the whole Gateway: towards clients (frontend) and towards backends. */
export const GatewayTLSConfig = z.strictObject({
  frontend: z
    .strictObject({
      default: FrontendTLSConfig,
      perPort: uniqueListSchema(
        z.strictObject({ port: PortNumber, tls: FrontendTLSConfig }),
        { max: 64 },
        (entry) => entry.port,
        ['port'],
      ).optional(),
    })
    .optional(),
  backend: z
    .strictObject({
      /** The Gateway's own certificate towards backends. */
      clientCertificateRef: SecretObjectReference.optional(),
    })
    .optional(),
})
export type GatewayTLSConfig = z.output<typeof GatewayTLSConfig>

/** A set of listeners that a GatewayClass's controller serves. */
export const Gateway = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1beta1'], kind: 'Gateway' },
  {
    spec: z.strictObject({
      gatewayClassName: ObjectName,
      listeners: Listeners,
      addresses: Addresses.optional(),
      infrastructure: GatewayInfrastructure.optional(),
      allowedListeners: AllowedListeners.optional(),
      tls: GatewayTLSConfig.optional(),
      /** Experimental: routes without parentRefs may attach. */
      defaultScope: enumSchema(['All', 'None']).optional(),
    }),
  },
)
export type Gateway = z.output<typeof Gateway>
export type { Listener } from './listener.ts'
