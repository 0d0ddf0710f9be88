/** Listeners as Gateways and ListenerSets declare them. */
import { z } from 'zod'
import { ListenerRequestFilter } from './http-filter.ts'
import { gatewayGroup, LabelSelector, SecretObjectReference } from './reference.ts'
import { annotationRules, Group, Hostname, Kind, PortNumber, SectionName } from './scalar.ts'
import { enumSchema, listSchema, stringMapSchema, textSchema, withRules } from './schema.ts'

/** A kind of route. */
export const RouteGroupKind = z.strictObject({ group: Group.default(gatewayGroup), kind: Kind })
export type RouteGroupKind = z.output<typeof RouteGroupKind>

/** From which namespaces routes may attach. */
export const RouteNamespaces = z.strictObject({
  from: enumSchema(['All', 'Selector', 'Same']).default('Same'),
  /** Of namespaces; read only when `from` is Selector. */
  selector: LabelSelector.optional(),
})
export type RouteNamespaces = z.output<typeof RouteNamespaces>

/** Which routes may attach to a listener. */
export const AllowedRoutes = z.strictObject({
  namespaces: RouteNamespaces.default({ from: 'Same' }),
  /** The kinds that fit the protocol unless given. */
  kinds: listSchema(RouteGroupKind, { max: 8 }).optional(),
})
export type AllowedRoutes = z.output<typeof AllowedRoutes>

/** How a listener ends TLS, or passes it on. */
export const ListenerTLSConfig = withRules(
  z.strictObject({
    mode: enumSchema(['Terminate', 'Passthrough']).default('Terminate'),
    certificateRefs: listSchema(SecretObjectReference, { max: 64 }).optional(),
    options: stringMapSchema(annotationRules).optional(),
  }),
  ({ mode, certificateRefs = [], options = {} }, complain) => {
    if (mode === 'Terminate' && certificateRefs.length === 0 && Object.keys(options).length === 0)
      complain(['certificateRefs'], 'is required when mode is Terminate: name a Secret with a certificate')
  },
)
export type ListenerTLSConfig = z.output<typeof ListenerTLSConfig>

/** HTTP, HTTPS, TLS, TCP, UDP, or "domain/protocol" of an implementation. The pattern is as open as the CRD's. */
const Protocol = textSchema({
  what: 'a protocol',
  fix: 'use HTTP, HTTPS, TLS, TCP or UDP',
  max: 255,
  pattern:
    /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9](?:[-a-z0-9]{0,252}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,252}[a-z0-9])?)*\/[A-Za-z0-9]+$/,
})

/** A port, a protocol and, for those that have one, a hostname. */
export const Listener = withRules(
  z.strictObject({
    name: SectionName,
    /** Every host unless given. Not allowed for TCP and UDP. */
    hostname: Hostname.optional(),
    port: PortNumber,
    protocol: Protocol,
    tls: ListenerTLSConfig.optional(),
    allowedRoutes: AllowedRoutes.default({ namespaces: { from: 'Same' } }),
    /** Experimental (1.7). */
    filters: z.strictObject({ requests: listSchema(ListenerRequestFilter, { max: 16 }).optional() }).optional(),
  }),
  ({ protocol, tls, hostname, filters }, complain) => {
    if (tls !== undefined && ['HTTP', 'TCP', 'UDP'].includes(protocol))
      complain(['tls'], `is not allowed for protocol ${protocol}: remove it or use protocol HTTPS or TLS`)
    if (protocol === 'HTTPS' && tls !== undefined && tls.mode !== 'Terminate')
      complain(['tls', 'mode'], `${tls.mode} is not allowed for protocol HTTPS: use Terminate, or protocol TLS`)
    if (protocol === 'TLS' && tls === undefined) complain(['tls'], 'is required for protocol TLS: add it with a mode')
    if (hostname !== undefined && ['TCP', 'UDP'].includes(protocol))
      complain(['hostname'], `is not allowed for protocol ${protocol}: remove it`)
    if (filters !== undefined && !['HTTP', 'HTTPS'].includes(protocol))
      complain(['filters'], `is not allowed for protocol ${protocol}: remove it or use protocol HTTP or HTTPS`)
  },
)
export type Listener = z.output<typeof Listener>

/** 1 to 64 listeners: names are unique, and so are port, protocol and hostname together. */
export const Listeners = withRules(listSchema(Listener, { min: 1, max: 64 }), (listeners, complain) => {
  const names = new Map<string, number>()
  const places = new Map<string, string>()
  for (const [index, { name, port, protocol, hostname }] of listeners.entries()) {
    const earlier = names.get(name)
    if (earlier === undefined) names.set(name, index)
    else complain([index, 'name'], `"${name}" is the name of item ${earlier} already: use another one`)

    const place = JSON.stringify([port, protocol, hostname])
    const rival = places.get(place)
    const host = hostname === undefined ? 'no hostname' : `hostname "${hostname}"`
    if (rival === undefined) places.set(place, name)
    else
      complain(
        [index],
        `has port ${port}, protocol ${protocol} and ${host} like listener "${rival}": change one of them`,
      )
  }
})
export type Listeners = z.output<typeof Listeners>
