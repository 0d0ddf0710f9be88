import { z } from 'zod'
import { BackendTLSPolicyValidation } from './backend-tls-policy.ts'
import { objectSchema } from './object-meta.ts'
import { experimentalGroup, SecretObjectReference } from './reference.ts'
import { labelRules, PortNumber, PreciseHostname } from './scalar.ts'
import { enumSchema, stringMapSchema, withRules } from './schema.ts'
import { SessionPersistence } from './session-persistence.ts'

/** TLS towards the backend. */
export const XBackendTLS = withRules(
  z.strictObject({
    mode: enumSchema(['None', 'ServerOnly', 'ClientAndServer']),
    clientCertificateRef: SecretObjectReference.optional(),
    validation: BackendTLSPolicyValidation.optional(),
  }),
  ({ mode, clientCertificateRef, validation }, complain) => {
    if (mode === 'ClientAndServer' && clientCertificateRef === undefined)
      complain(['clientCertificateRef'], 'is required when mode is ClientAndServer: name a Secret')
    if (mode !== 'ClientAndServer' && clientCertificateRef !== undefined)
      complain(['clientCertificateRef'], `is not allowed when mode is ${mode}: remove it`)
    if (mode !== 'None' && validation === undefined)
      complain(['validation'], `is required when mode is ${mode}: say whom to trust`)
    if (mode === 'None' && validation !== undefined)
      complain(['validation'], 'is not allowed when mode is None: remove it')
  },
)
export type XBackendTLS = z.output<typeof XBackendTLS>

/** Until 1.6 the number was called `port`, and had a name beside it. */
const BackendPort = withRules(
  z.strictObject({ number: PortNumber.optional(), port: PortNumber.optional(), name: z.string().optional() }),
  ({ number, port }, complain) => {
    if (number === undefined && port === undefined) complain(['number'], 'is required: add the number of the port')
    if (number !== undefined && port !== undefined) complain(['port'], 'is of older releases: use number')
  },
).transform(({ number, port }): { readonly number: number } => ({ number: number ?? port ?? 0 }))

/** Where traffic may go that is no Service: a host outside, or pods by their labels (experimental). */
export const XBackend = objectSchema(
  { group: experimentalGroup, versions: ['v1alpha1'], kind: 'XBackend' },
  {
    spec: withRules(
      z.strictObject({
        type: enumSchema(['ExternalHostname', 'EndpointSelector']),
        port: BackendPort,
        externalHostname: z.strictObject({ hostname: PreciseHostname }).optional(),
        endpointSelector: z
          .strictObject({ matchLabels: stringMapSchema({ ...labelRules, maxEntries: 64 }) })
          .optional(),
        /** Of EndpointSelector only. */
        sessionPersistence: SessionPersistence.optional(),
        protocol: enumSchema(['TCP', 'HTTP', 'HTTP2', 'HTTP11', 'H2C', 'MCP', 'GRPC', 'WSS']).optional(),
        tls: XBackendTLS.default({ mode: 'None' }),
      }),
      ({ type, externalHostname, endpointSelector, sessionPersistence, protocol, tls }, complain) => {
        for (const [own, field, value] of [
          ['ExternalHostname', 'externalHostname', externalHostname],
          ['EndpointSelector', 'endpointSelector', endpointSelector],
        ] as const) {
          if (type === own && value === undefined) complain([field], `is required when type is ${own}: add it`)
          if (type !== own && value !== undefined) complain([field], `is not allowed when type is ${type}: remove it`)
        }
        if (externalHostname?.hostname.endsWith('.cluster.local'))
          complain(
            ['externalHostname', 'hostname'],
            'is a name of the cluster: use a Service, or type EndpointSelector',
          )
        if (endpointSelector !== undefined && Object.keys(endpointSelector.matchLabels).length === 0)
          complain(['endpointSelector', 'matchLabels'], 'must have at least one label: all pods would be meant')
        if (sessionPersistence !== undefined && type !== 'EndpointSelector')
          complain(['sessionPersistence'], `is not allowed when type is ${type}: remove it`)
        if (protocol === 'H2C' && tls.mode !== 'None')
          complain(['tls', 'mode'], `${tls.mode} is not allowed with protocol H2C: use protocol HTTP2`)
        if (protocol === 'HTTP2' && tls.mode === 'None')
          complain(['protocol'], 'HTTP2 needs tls: use H2C for HTTP/2 without it')
        if (protocol === 'WSS' && tls.mode === 'None') complain(['protocol'], 'WSS needs tls: add it')
      },
    ),
  },
)
export type XBackend = z.output<typeof XBackend>
