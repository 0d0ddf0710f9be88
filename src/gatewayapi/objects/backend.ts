import { z } from 'zod'
import { ipVersion } from '../../base/ip-version.ts'
import { objectSchema } from './object-meta.ts'
import { LocalObjectReference, SecretObjectReference } from './reference.ts'
import { PreciseHostname } from './scalar.ts'
import { enumSchema, integerSchema, listSchema, quote, textSchema, withRules } from './schema.ts'

/** API group of Envoy Gateway, whose Backend kind is understood here as it is there. */
export const envoyGatewayGroup = 'gateway.envoyproxy.io'

const BackendPort = integerSchema(1, 65535, 'a port')

/** Exactly one of ip, fqdn and unix. */
export const BackendEndpoint = withRules(
  z.strictObject({
    /** Sent as the host to this endpoint, and used as its SNI. */
    hostname: PreciseHostname.optional(),
    ip: z
      .strictObject({
        address: z.string().refine((text) => ipVersion(text) !== 0, {
          error: (issue) => `${quote(issue.input)} is not an IP address: use fqdn for a name`,
        }),
        port: BackendPort,
      })
      .optional(),
    fqdn: z
      .strictObject({
        hostname: textSchema({
          what: 'a DNS name',
          fix: 'use lowercase letters, digits, "-" and "."',
          max: 253,
          pattern: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\.?$/,
        }),
        port: BackendPort,
      })
      .optional(),
    unix: z.strictObject({ path: textSchema({ what: 'a path', fix: 'shorten it', max: 108 }) }).optional(),
    zone: z.string().optional(),
  }),
  ({ ip, fqdn, unix }, complain) => {
    const given = [ip, fqdn, unix].filter((address) => address !== undefined).length
    if (given === 0) complain([], 'has no address: add one of ip, fqdn or unix')
    if (given > 1) complain([], 'has several addresses: keep one of ip, fqdn and unix')
  },
)
export type BackendEndpoint = z.output<typeof BackendEndpoint>

const tlsVersions = ['Auto', '1.0', '1.1', '1.2', '1.3'] as const

/** TLS towards the endpoints. */
export const BackendTLS = withRules(
  z.strictObject({
    caCertificateRefs: listSchema(LocalObjectReference, { max: 8 }).optional(),
    wellKnownCACertificates: textSchema({ what: 'a set of certificates', fix: 'use System', max: 253 }).optional(),
    insecureSkipVerify: z.boolean().default(false),
    sni: PreciseHostname.optional(),
    autoSNIFromEndpointHostname: z.boolean().optional(),
    clientCertificateRef: SecretObjectReference.optional(),
    minVersion: enumSchema(tlsVersions).optional(),
    maxVersion: enumSchema(tlsVersions).optional(),
    ciphers: z.array(z.string()).optional(),
    ecdhCurves: z.array(z.string()).optional(),
    signatureAlgorithms: z.array(z.string()).optional(),
    alpnProtocols: z.array(z.string()).optional(),
  }),
  (tls, complain) => {
    const ca = (tls.caCertificateRefs ?? []).length > 0
    const wellKnown = tls.wellKnownCACertificates !== undefined
    if (ca && wellKnown)
      complain(['wellKnownCACertificates'], 'is not allowed together with caCertificateRefs: remove one of them')
    if (tls.insecureSkipVerify && (ca || wellKnown))
      complain(['insecureSkipVerify'], 'is not allowed together with authorities to verify by: remove one of them')
    if (tls.sni !== undefined && tls.autoSNIFromEndpointHostname === true)
      complain(['sni'], 'is not allowed together with autoSNIFromEndpointHostname: remove one of them')
    if (tls.minVersion === '1.3' && tls.ciphers !== undefined)
      complain(['ciphers'], 'has no effect with minVersion 1.3: remove it')
    const lowest = { Auto: 0, '1.0': 1, '1.1': 2, '1.2': 3, '1.3': 4 }[tls.minVersion ?? '1.2']
    const highest = { '1.0': 1, '1.1': 2, '1.2': 3, '1.3': 4, Auto: 5 }[tls.maxVersion ?? 'Auto']
    if (lowest > highest) complain(['maxVersion'], `${tls.maxVersion} is less than minVersion: raise it`)
  },
)
export type BackendTLS = z.output<typeof BackendTLS>

/** Envoy Gateway's Backend: endpoints outside of Services. */
export const Backend = objectSchema(
  { group: envoyGatewayGroup, versions: ['v1alpha1'], kind: 'Backend' },
  {
    spec: withRules(
      z.strictObject({
        type: z
          .literal('Endpoints', {
            error: (issue) =>
              issue.input === 'DynamicResolver'
                ? 'DynamicResolver is not supported by this version of Gatewright: list the endpoints'
                : `${quote(issue.input)} is not supported: use Endpoints`,
          })
          .default('Endpoints'),
        endpoints: listSchema(BackendEndpoint, { min: 1, max: 256 }).optional(),
        appProtocols: z
          .array(enumSchema(['gateway.envoyproxy.io/h2c', 'gateway.envoyproxy.io/ws', 'gateway.envoyproxy.io/wss']))
          .optional(),
        /** Gets traffic only when the other backends of the rule cannot take it. */
        fallback: z.boolean().optional(),
        tls: BackendTLS.optional(),
      }),
      ({ endpoints = [], tls }, complain) => {
        const names = endpoints.filter((endpoint) => endpoint.fqdn !== undefined).length
        if (names > 0 && names < endpoints.length)
          complain(['endpoints'], 'mixes fqdn with other addresses: use one Backend for each')
        if (tls?.autoSNIFromEndpointHostname === true)
          for (const [index, endpoint] of endpoints.entries())
            if (endpoint.fqdn === undefined && endpoint.hostname === undefined)
              complain(['endpoints', index, 'hostname'], 'is required with autoSNIFromEndpointHostname: add it')
      },
    ),
  },
)
export type Backend = z.output<typeof Backend>
