import type { Collection, Reads } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { Backend } from '../gatewayapi/objects/backend.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import { type BackendTls, findPolicy, type PoliciesByTarget, type TargetKey } from './backend-tls-policy.ts'
import type { CertificateNode } from './certificate.ts'
import { isLocalHost } from './local-address.ts'
import type { Problem } from './problem.ts'
import type { SessionNode } from './session.ts'

/** API group of the kind Backend. */
export const backendGroup = 'gateway.envoyproxy.io'

/** What a backendRef names, with its defaults filled in. */
export interface BackendTarget {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Port of the Service; 0 where the kind has none of its own (Backend). */
  readonly port: number
  /** A Service may have one port for each; TCP unless given. */
  readonly transport?: 'UDP'
}

/** The canonical text of a target: "group/kind/namespace/name/port", with ".udp" behind a port of UDP. */
export type BackendKey = string & { readonly __brand: 'BackendKey' }

export function backendKey(target: BackendTarget): BackendKey {
  const port = target.transport === 'UDP' ? `${target.port}.udp` : target.port
  return `${target.group}/${target.kind}/${target.namespace}/${target.name}/${port}` as BackendKey
}

const serviceKeys = '/Service/'

/** The reverse of {@link backendKey}. */
export function parseBackendKey(key: BackendKey): BackendTarget {
  const group = key.indexOf('/')
  const kind = key.indexOf('/', group + 1)
  const namespace = key.indexOf('/', kind + 1)
  // A reference may have any name, also one with a slash, which then stands for nothing.
  const name = key.lastIndexOf('/')
  const target = {
    group: key.slice(0, group),
    // Thousands of one string are not kept.
    kind: key.startsWith(serviceKeys) ? 'Service' : key.slice(group + 1, kind),
    namespace: key.slice(kind + 1, namespace),
    name: key.slice(namespace + 1, name),
    port: Number.parseInt(key.slice(name + 1), 10),
  }
  return key.endsWith('.udp') ? { ...target, transport: 'UDP' } : target
}

/** What policies of a backend are about. */
export function targetOfBackend(key: BackendKey): TargetKey {
  return key.slice(0, key.lastIndexOf('/')) as TargetKey
}

/** How Envoy speaks to a backend. From the Service port's appProtocol (GEP-1911) or the kind of route. */
export type BackendProtocol = 'http1' | 'h2c' | 'tcp' | 'udp'

/** One address that a Backend object names. */
export type StaticEndpoint =
  | { readonly type: 'ip'; readonly address: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }

/** Where the endpoints of a backend come from. */
export type EndpointSource =
  | {
      /** EndpointSlices of a Service of the backend's namespace, by the name of its port ('' for an unnamed one). */
      readonly type: 'endpoint-slices'
      readonly service: string
      readonly portName: string
    }
  | { readonly type: 'static'; readonly endpoints: readonly StaticEndpoint[] }
  | { readonly type: 'dns'; readonly endpoints: ReadonlyArray<{ readonly hostname: string; readonly port: number }> }

/**
 * One (object, port) that routes send requests to. A missing or unusable thing is a value too: Envoy
 * answers 500 for its share of the weight. It says nothing about permission, which depends on who asks.
 */
export interface BackendNode {
  readonly key: BackendKey
  readonly target: BackendTarget
  readonly state: 'resolved' | 'not-found' | 'unsupported-kind' | 'unsupported-value'
  /** What HTTPRoutes speak. */
  readonly protocol: BackendProtocol
  /** It is for WebSocket (kubernetes.io/ws), which is begun by HTTP/1.1. */
  readonly webSocket: boolean
  readonly endpoints: EndpointSource
  /** TLS by a BackendTLSPolicy; connections that carry TLS of the client's own do without. */
  readonly tls?: BackendTls
  /** The policy that says so. */
  readonly tlsPolicy?: NamespacedName
  /** What proxies show to it in place of the certificate of their Gateway. */
  readonly clientCertificate?: CertificateNode
  /** Absent: as many retries as routes ask for. */
  readonly retryBudget?: RetryBudget
  /** How clients are kept at one endpoint, where their route says nothing else. */
  readonly session?: SessionNode
  /** Why its BackendTLSPolicy cannot be honoured: then it must not be reached without TLS, which is not at all. */
  readonly tlsProblem?: Problem
  /** Why it is not resolved, without the path of the reference. */
  readonly problem?: Problem
}

/** Retries beyond which none is made. */
export interface RetryBudget {
  /** Of active requests. */
  readonly percent: number
  /** As many are allowed at a time, whatever their share. */
  readonly atLeast: number
}

/** What a cluster's identity is made of; a change of any of it is another cluster. */
export interface BackendIdentity {
  /** Of the backend. */
  readonly key: BackendKey
  readonly target: BackendTarget
  readonly protocol: BackendProtocol
  /** Hash of how TLS is spoken to it; absent: it is not. */
  readonly tls?: string
}

/** As HTTPRoutes speak to it. */
export function identityOf({ key, target, protocol, tls }: BackendNode): BackendIdentity {
  return tls ? { key, target, protocol, tls: tls.hash } : { key, target, protocol }
}

/**
 * How routes of a kind speak to a backend: gRPC is HTTP/2, whatever else the backend may speak.
 * @returns what is wrong, without a path, where they cannot
 */
export function identifyBackend(
  backend: BackendNode,
  routeKind: 'HTTPRoute' | 'GRPCRoute',
): BackendIdentity | { readonly problem: Problem } {
  const { target, protocol, webSocket, tlsProblem } = backend
  if (tlsProblem) return { problem: tlsProblem }
  if (protocol === 'tcp' || protocol === 'udp') {
    const message = `${target.kind} "${target.name}" speaks ${protocol.toUpperCase()} and no HTTP: use a route of that kind`
    return { problem: { on: 'ResolvedRefs', reason: 'UnsupportedProtocol', message } }
  }
  if (routeKind === 'HTTPRoute') return identityOf(backend)
  if (!webSocket) return { ...identityOf(backend), protocol: 'h2c' }
  const message = `${target.kind} "${target.name}" is for WebSocket, which is not gRPC: use another port or appProtocol kubernetes.io/h2c`
  return { problem: { on: 'ResolvedRefs', reason: 'UnsupportedProtocol', message } }
}

export interface BackendContext {
  readonly reads: Reads
  readonly services: Collection<NamespacedName, Service>
  readonly backends: Collection<NamespacedName, Backend>
  /** Whether Backends may lead to the machine of the proxy: loopback and link-local addresses, Unix sockets. */
  readonly allowsLocal: boolean
  readonly policies: PoliciesByTarget
  /** Itself, for its policies. */
  readonly about: TargetKey
}

/** Whether {@link resolveBackend} knows such objects. */
export function supportsBackend({ group, kind }: Pick<BackendTarget, 'group' | 'kind'>): boolean {
  return (group === '' && kind === 'Service') || (group === backendGroup && kind === 'Backend')
}

/**
 * Looks up what a backendRef names.
 * @param target that of the key
 */
export function resolveBackend(key: BackendKey, target: BackendTarget, context: BackendContext): BackendNode {
  if (target.group === '' && target.kind === 'Service') return resolveService(key, target, context)
  if (target.group === backendGroup && target.kind === 'Backend') return resolveBackendObject(key, target, context)
  const kind = target.group === '' ? target.kind : `${target.kind} of group ${target.group}`
  return buildUnresolved(
    key,
    target,
    'unsupported-kind',
    'InvalidKind',
    `${kind} is not supported: use a Service or a Backend`,
  )
}

/** A backend that nothing is sent to. */
export function buildUnresolved(
  key: BackendKey,
  target: BackendTarget,
  state: BackendNode['state'],
  reason: string,
  message: string,
): BackendNode {
  const problem = { on: 'ResolvedRefs', reason, message }
  const endpoints: EndpointSource = { type: 'static', endpoints: [] }
  return { key, target, state, protocol: 'http1', webSocket: false, endpoints, problem }
}

/** Application protocols of Services (GEP-1911) and of Backends; others are left to the user. */
function protocolOf(appProtocol: string | undefined): BackendProtocol {
  return appProtocol === 'kubernetes.io/h2c' || appProtocol === `${backendGroup}/h2c` ? 'h2c' : 'http1'
}

const webSocketProtocols = ['kubernetes.io/ws', 'kubernetes.io/wss', `${backendGroup}/ws`, `${backendGroup}/wss`]

/** Sending in the clear what should be encrypted is worse than an error. */
const tlsProtocols = ['kubernetes.io/wss', `${backendGroup}/wss`]

/** What BackendTLSPolicies say of a port of a target. */
function resolveTls(
  target: BackendTarget,
  portName: string,
  { reads, policies, about }: BackendContext,
): Pick<BackendNode, 'tls' | 'tlsPolicy' | 'tlsProblem'> {
  const policy = findPolicy(reads, policies, about, portName)
  if (!policy) return {}
  if (policy.tls) return { tls: policy.tls, tlsPolicy: policy.key }
  const message = `BackendTLSPolicy "${policy.key}" of ${target.kind} "${target.name}" is not valid, and it is not reached without TLS`
  return { tlsProblem: { on: 'ResolvedRefs', reason: 'InvalidBackendTLS', message } }
}

function resolveService(key: BackendKey, target: BackendTarget, context: BackendContext): BackendNode {
  const { reads, services } = context
  const service = reads.get(services, namespacedName(target.namespace, target.name))
  if (!service)
    return buildUnresolved(key, target, 'not-found', 'BackendNotFound', `Service "${target.name}" not found`)
  // An ExternalName Service would let a tenant point the proxy at anything, its own admin port included.
  if (service.spec.type === 'ExternalName') {
    const message = `Service "${target.name}" is of type ExternalName, which is refused: use a Backend with an fqdn`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedValue', message)
  }
  const port = (service.spec.ports ?? []).find(
    (p) => p.port === target.port && (p.protocol ?? 'TCP') === (target.transport ?? 'TCP'),
  )
  if (!port) {
    const message = `Service "${target.name}" has no ${target.transport ? `${target.transport} ` : ''}port ${target.port}`
    return buildUnresolved(key, target, 'not-found', 'BackendNotFound', message)
  }
  const tls = resolveTls(target, port.name ?? '', context)
  if (port.appProtocol !== undefined && tlsProtocols.includes(port.appProtocol) && !tls.tls && !tls.tlsProblem) {
    const message = `Service "${target.name}" has appProtocol ${port.appProtocol}, and nothing says whom to trust: add a BackendTLSPolicy`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedProtocol', message)
  }
  const endpoints: EndpointSource = {
    type: 'endpoint-slices',
    service: service.metadata.name,
    portName: port.name ?? '',
  }
  const webSocket = port.appProtocol !== undefined && webSocketProtocols.includes(port.appProtocol)
  // The same texts, in strings that are kept anyway.
  const kept = { ...target, namespace: service.metadata.namespace, name: service.metadata.name }
  return { key, target: kept, state: 'resolved', protocol: protocolOf(port.appProtocol), webSocket, endpoints, ...tls }
}

function resolveBackendObject(key: BackendKey, target: BackendTarget, context: BackendContext): BackendNode {
  const backend = context.reads.get(context.backends, namespacedName(target.namespace, target.name))
  if (!backend)
    return buildUnresolved(key, target, 'not-found', 'BackendNotFound', `Backend "${target.name}" not found`)
  const tls = resolveTls(target, '', context)
  const asksForTls = (backend.spec.appProtocols ?? []).some((p) => tlsProtocols.includes(p))
  if (backend.spec.tls || (asksForTls && !tls.tls && !tls.tlsProblem)) {
    const message = `Backend "${target.name}" asks for TLS, and nothing says whom to trust: add a BackendTLSPolicy${backend.spec.tls ? ' instead of spec.tls' : ''}`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedProtocol', message)
  }
  const protocol = (backend.spec.appProtocols ?? []).map(protocolOf).find((p) => p !== 'http1') ?? 'http1'
  const fixed: StaticEndpoint[] = []
  const names: { hostname: string; port: number }[] = []
  for (const endpoint of backend.spec.endpoints ?? []) {
    if (endpoint.ip) fixed.push({ type: 'ip', address: endpoint.ip.address, port: endpoint.ip.port })
    else if (endpoint.unix) fixed.push({ type: 'unix', path: endpoint.unix.path })
    else if (endpoint.fqdn) names.push({ hostname: endpoint.fqdn.hostname, port: endpoint.fqdn.port })
  }
  const own = context.allowsLocal ? undefined : findLocal(fixed, names)
  if (own !== undefined) {
    const message = `Backend "${target.name}" leads to ${own} on the machine of the proxy, which is refused: use another address`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedValue', message)
  }
  if (names.length > 0 && fixed.length > 0) {
    const message = `Backend "${target.name}" mixes names with addresses: make two Backends of it`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedValue', message)
  }
  const endpoints: EndpointSource =
    names.length > 0 ? { type: 'dns', endpoints: names } : { type: 'static', endpoints: fixed }
  const webSocket = (backend.spec.appProtocols ?? []).some((p) => webSocketProtocols.includes(p))
  return { key, target, state: 'resolved', protocol, webSocket, endpoints, ...tls }
}

/** The first endpoint that is on the proxy's own machine, as it is written. */
function findLocal(fixed: readonly StaticEndpoint[], names: readonly { hostname: string }[]): string | undefined {
  for (const endpoint of fixed) {
    if (endpoint.type === 'unix') return endpoint.path
    if (isLocalHost(endpoint.address)) return endpoint.address
  }
  return names.find(({ hostname }) => isLocalHost(hostname))?.hostname
}
