import { compactList, none } from '../base/compact-list.ts'
import { checkLabelSelector, type LabelSelector } from '../gatewayapi/label-selector.ts'
import { type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { Listener as ListenerSpec } from '../gatewayapi/objects/gateway.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { joinWords } from '../gatewayapi/objects/schema.ts'
import type { BackendReferenceContext, BackendReferrer } from './backend-reference.ts'
import { type CertificateContext, type CertificateNode, resolveCertificateReference } from './certificate.ts'
import type { ClientValidation } from './client-validation.ts'
import { type ListenerFilterNode, resolveListenerFilters } from './listener-filter.ts'
import type { Problem } from './problem.ts'
import { resolveTlsOptions, type TlsVersions } from './tls-option.ts'

/** "namespace/gateway/listener", or "ListenerSet/namespace/set/listener". */
export type ListenerKey = string & { readonly __brand: 'ListenerKey' }

/** The object in which a listener is written: routes name it as their parent. */
export interface ListenerOwner {
  readonly kind: 'Gateway' | 'ListenerSet'
  readonly key: NamespacedName
}

export function listenerKey({ kind, key }: ListenerOwner, name: string): ListenerKey {
  // No namespace has an upper-case name.
  return `${kind === 'Gateway' ? '' : `${kind}/`}${key}/${name}` as ListenerKey
}

/** A kind of route, as in allowedRoutes.kinds and status.supportedKinds. */
export interface RouteKind {
  readonly group: string
  readonly kind: string
}

/** Which namespaces' routes may attach. */
export type AllowedNamespaces =
  | { readonly from: 'All' | 'Same' | 'None' }
  | { readonly from: 'Selector'; readonly selector: LabelSelector }

export interface ListenerNode {
  readonly key: ListenerKey
  /** Whose proxies serve it. */
  readonly gateway: NamespacedName
  readonly owner: ListenerOwner
  /** Position in the owner's list: names the field in messages. */
  readonly index: number
  readonly name: string
  /** The port that users see; the proxy may bind another one (see GatewayBinding). */
  readonly port: number
  readonly protocol: string
  /** Lower case; '' stands for every hostname. */
  readonly hostname: string
  /** Whether TLS ends at the listener, is passed on by its server name, or is no matter of the listener. */
  readonly tls: 'terminate' | 'passthrough' | 'none'
  /** The certificates that Envoy offers, in the order of the references; broken ones are problems instead. */
  readonly certificates: readonly CertificateNode[]
  /** Absent: what proxies offer by default. */
  readonly tlsVersions?: TlsVersions
  /** What every request goes through before its route is chosen. */
  readonly filters: readonly ListenerFilterNode[]
  /** Nobody can be asked who must be: all requests are answered with 500. */
  readonly isClosed: boolean
  /** Absent: clients are not asked for certificates. */
  readonly clientValidation?: ClientValidation
  readonly supportedKinds: readonly RouteKind[]
  readonly allowedNamespaces: AllowedNamespaces
  /**
   * accepted: serves traffic. attachable: routes attach and are counted, but it cannot serve (e.g. no
   * usable certificate, a field that must not be ignored). rejected: nothing attaches (conflict, unsupported protocol).
   */
  readonly verdict: 'accepted' | 'attachable' | 'rejected'
  readonly problems: readonly Problem[]
  /** What has no effect, and harms nothing. */
  readonly notes: readonly string[]
}

/** Which kinds of route each protocol can carry. */
const kindsOfProtocol: ReadonlyMap<string, readonly string[]> = new Map([
  ['HTTP', ['HTTPRoute', 'GRPCRoute']],
  ['HTTPS', ['HTTPRoute', 'GRPCRoute']],
  ['TLS', ['TLSRoute']],
  ['TCP', ['TCPRoute']],
  ['UDP', ['UDPRoute']],
])

export interface ListenerContext extends CertificateContext, BackendReferenceContext {}

/** Judges one listener by itself; `rejectConflicts` then compares it with its neighbours. */
export function resolveListener(
  gateway: NamespacedName,
  owner: ListenerOwner,
  index: number,
  spec: ListenerSpec,
  context: ListenerContext,
): ListenerNode {
  const path = `spec.listeners[${index}]`
  const base = {
    key: listenerKey(owner, spec.name),
    gateway,
    owner,
    index,
    name: spec.name,
    port: spec.port,
    protocol: spec.protocol,
    hostname: (spec.hostname ?? '').toLowerCase(),
    tls: resolveTls(spec),
  }
  const supported = kindsOfProtocol.get(spec.protocol)
  if (!supported) {
    const message = `protocol ${spec.protocol} is not supported: use ${joinWords([...kindsOfProtocol.keys()])}`
    const problem = { on: 'Accepted', reason: 'UnsupportedProtocol', message, path: `${path}.protocol` }
    return {
      ...base,
      certificates: [],
      filters: none,
      isClosed: false,
      supportedKinds: [],
      allowedNamespaces: { from: 'None' },
      verdict: 'rejected',
      problems: [problem],
      notes: none,
    }
  }
  const kinds = resolveKinds(spec, supported, path)
  const namespaces = resolveNamespaces(spec, path)
  const certificates = base.tls === 'terminate' ? resolveCertificates(owner, spec, path, context) : undefined
  const problems: Problem[] = [...kinds.problems, ...namespaces.problems, ...(certificates?.problems ?? [])]
  const options = resolveOptions(spec, base.tls, path)
  problems.push(...options.problems)
  const { filters, isClosed, ...filtered } = resolveListenerFilters(spec, path, referrerOf(owner), context)
  problems.push(...filtered.problems)
  const serves =
    kinds.supportedKinds.length > 0 &&
    (certificates === undefined || certificates.certificates.length > 0) &&
    !problems.some((p) => p.on === 'Accepted')
  return {
    ...base,
    certificates: certificates?.certificates ?? [],
    ...(options.versions && { tlsVersions: options.versions }),
    filters: compactList(filters),
    isClosed,
    supportedKinds: kinds.supportedKinds,
    allowedNamespaces: namespaces.allowedNamespaces,
    verdict: serves ? 'accepted' : 'attachable',
    problems,
    notes: compactList(options.notes),
  }
}

function resolveOptions({ tls: spec }: ListenerSpec, tls: ListenerNode['tls'], path: string) {
  const field = `${path}.tls.options`
  const { versions, problems, notes } = resolveTlsOptions(spec?.options, field)
  if (tls === 'terminate')
    return {
      versions,
      problems: problems.map(({ field, message }) => ({
        on: 'Accepted',
        reason: 'UnsupportedValue',
        message,
        path: field,
      })),
      notes,
    }
  const isSaid = Object.keys(spec?.options ?? {}).length > 0
  const note = `${field}: has no effect on a listener that does not end TLS: remove it`
  return { versions: undefined, problems: [], notes: isSaid ? [note] : [] }
}

function referrerOf({ kind, key }: ListenerOwner): BackendReferrer {
  return { kind, namespace: splitNamespacedName(key).namespace }
}

function resolveTls({ protocol, tls }: ListenerSpec): ListenerNode['tls'] {
  if (protocol === 'HTTPS') return 'terminate'
  if (protocol !== 'TLS') return 'none'
  return tls?.mode === 'Passthrough' ? 'passthrough' : 'terminate'
}

function resolveKinds(spec: ListenerSpec, supported: readonly string[], path: string) {
  const requested = spec.allowedRoutes.kinds ?? []
  if (requested.length === 0)
    return { supportedKinds: supported.map((kind) => ({ group: gatewayGroup, kind })), problems: [] }
  const supportedKinds: RouteKind[] = []
  const problems: Problem[] = []
  for (const [index, { group, kind }] of requested.entries()) {
    if (group === gatewayGroup && supported.includes(kind)) supportedKinds.push({ group, kind })
    else
      problems.push({
        on: 'ResolvedRefs',
        reason: 'InvalidRouteKinds',
        message: `kind ${kind}${group === gatewayGroup ? '' : ` of group "${group}"`} cannot attach to a listener of protocol ${spec.protocol}: use ${joinWords(supported)}`,
        path: `${path}.allowedRoutes.kinds[${index}]`,
      })
  }
  return { supportedKinds, problems }
}

function resolveNamespaces(spec: ListenerSpec, path: string) {
  const { from, selector } = spec.allowedRoutes.namespaces
  if (from !== 'Selector') return { allowedNamespaces: { from }, problems: [] }
  const error = selector ? checkLabelSelector(selector) : 'a selector is required with from: Selector'
  if (!error) return { allowedNamespaces: { from, selector: selector as LabelSelector }, problems: [] }
  // A selector that cannot be read selects nothing; it must not fall back to a wider choice.
  const problem = {
    on: 'Accepted',
    reason: 'UnsupportedValue',
    message: error,
    path: `${path}.allowedRoutes.namespaces.selector`,
  }
  return { allowedNamespaces: { from: 'None' as const }, problems: [problem] }
}

function resolveCertificates(owner: ListenerOwner, spec: ListenerSpec, path: string, context: ListenerContext) {
  const { namespace } = splitNamespacedName(owner.key)
  const certificates: CertificateNode[] = []
  const problems: Problem[] = []
  const report = (reason: string, message: string, field: string) =>
    problems.push({ on: 'ResolvedRefs', reason, message, path: `${path}.${field}` })
  if (spec.tls?.mode === 'Passthrough')
    report(
      'InvalidCertificateRef',
      `a listener of protocol ${spec.protocol} terminates TLS: use mode Terminate`,
      'tls.mode',
    )
  const refs = spec.tls?.certificateRefs ?? []
  if (refs.length === 0)
    report(
      'InvalidCertificateRef',
      'a listener that ends TLS needs a certificate: name a Secret',
      'tls.certificateRefs',
    )
  for (const [index, ref] of refs.entries()) {
    const resolved = resolveCertificateReference(ref, { kind: owner.kind, namespace }, context)
    if ('message' in resolved)
      report(resolved.reason ?? 'InvalidCertificateRef', resolved.message, `tls.certificateRefs[${index}]`)
    else if (spec.tls?.mode !== 'Passthrough') certificates.push(resolved.certificate)
  }
  return { certificates, problems }
}
