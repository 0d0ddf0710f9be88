import type { Collection, Index } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { Gateway } from '../gatewayapi/objects/gateway.ts'
import type { Namespace } from '../gatewayapi/objects/namespace.ts'
import { type CertificateNode, resolveCertificateReference } from './certificate.ts'
import { type ClientValidationContext, validateClients } from './client-validation.ts'
import { type GatewayClassNode, readSettings } from './gateway-class.ts'
import { type ListenerContext, type ListenerNode, resolveListener } from './listener.ts'
import { rejectConflicts, reportOverlaps } from './listener-conflict.ts'
import { admitListenerSets, type DeclaredListenerSet, type ListenerSetNode } from './listener-set.ts'
import type { Problem } from './problem.ts'
import type { ProxyParameters, ProxyProfile } from './proxy-parameters.ts'

/** A Gateway of a class of ours. Its key is also the scope of its proxies' Envoy resources. */
export interface GatewayNode {
  readonly key: NamespacedName
  readonly source: Gateway
  readonly profile: ProxyProfile
  /**
   * How its proxies run; undefined when the parameters of the Gateway or of its class cannot be read. Then
   * what runs stays as it is, because a typing error must not replace it by what the defaults would make.
   */
  readonly parameters: ProxyParameters | undefined
  /** What its proxies show to backends that are spoken to with TLS. */
  readonly clientCertificate?: CertificateNode
  /** Its own. */
  readonly listeners: readonly ListenerNode[]
  /** Those that name it, in the order of their precedence; also such as it does not let in. */
  readonly sets: readonly ListenerSetNode[]
  readonly problems: readonly Problem[]
}

export interface GatewayContext extends ListenerContext, ClientValidationContext {
  readonly classes: Collection<NamespacedName, GatewayClassNode>
  readonly namespaces: Collection<NamespacedName, Namespace>
  /** By the Gateway that they name. */
  readonly listenerSets: Index<NamespacedName, NamespacedName, DeclaredListenerSet>
}

/** Everything that its proxies listen for: its own listeners, then those of ListenerSets. */
export function listListeners({ listeners, sets }: Pick<GatewayNode, 'listeners' | 'sets'>): ListenerNode[] {
  return [...listeners, ...sets.flatMap((set) => set.listeners)]
}

const addressTypes = ['IPAddress', 'Hostname']

/** Judges a Gateway and its listeners. One of a foreign or unknown class yields nothing. */
export function resolveGateway(source: Gateway, context: GatewayContext): GatewayNode | undefined {
  const { reads, classes, configMaps } = context
  const gatewayClass = reads.get(classes, namespacedName('', source.spec.gatewayClassName))
  if (!gatewayClass) return undefined
  const key = namespacedName(source.metadata.namespace, source.metadata.name)
  const problems: Problem[] = []
  const parameters = source.spec.infrastructure?.parametersRef
  let { settings } = gatewayClass
  let isKnown = !gatewayClass.problems.some((p) => p.reason === 'InvalidParameters')
  if (parameters) {
    const read = readSettings(parameters, source.metadata.namespace, 'gateway', reads, configMaps, settings)
    if ('settings' in read) settings = read.settings
    else {
      isKnown = false
      const path = 'spec.infrastructure.parametersRef'
      problems.push({ on: 'Accepted', reason: 'InvalidParameters', message: read.error, path })
    }
  }
  for (const [index, { type }] of (source.spec.addresses ?? []).entries()) {
    if (addressTypes.includes(type)) continue
    const message = `address type ${type} is not supported: use ${addressTypes.join(' or ')}`
    problems.push({ on: 'Accepted', reason: 'UnsupportedAddress', message, path: `spec.addresses[${index}].type` })
  }
  const owner = { kind: 'Gateway', key } as const
  const listeners = source.spec.listeners.map((spec, index) => resolveListener(key, owner, index, spec, context))
  const declared = reads.lookup(context.listenerSets, key)
  const sets = admitListenerSets(source, problems, declared, reads, context.namespaces)
  const validate = (listener: ListenerNode) => validateClients(source, listener, context)
  const clientCertificate = resolveClientCertificate(source, context, problems)
  const { profile } = settings
  return {
    key,
    source,
    profile,
    parameters: isKnown ? settings.parameters : undefined,
    ...(clientCertificate && { clientCertificate }),
    ...mergeListeners(
      listeners.map(validate),
      sets.map((set) => ({ ...set, listeners: set.listeners.map(validate) })),
    ),
    problems,
  }
}

/** Compares all listeners of a Gateway with each other. */
function mergeListeners(
  own: readonly ListenerNode[],
  sets: readonly ListenerSetNode[],
): Pick<GatewayNode, 'listeners' | 'sets'> {
  const judged = reportOverlaps(rejectConflicts([own, ...sets.map((set) => set.listeners)]).flat())
  const listeners = judged.splice(0, own.length)
  return { listeners, sets: sets.map((set) => ({ ...set, listeners: judged.splice(0, set.listeners.length) })) }
}

/** The certificate that its proxies show to backends. */
function resolveClientCertificate({ metadata, spec }: Gateway, context: GatewayContext, problems: Problem[]) {
  const ref = spec.tls?.backend?.clientCertificateRef
  if (!ref) return undefined
  const resolved = resolveCertificateReference(ref, { kind: 'Gateway', namespace: metadata.namespace }, context)
  if ('certificate' in resolved) return resolved.certificate
  const path = 'spec.tls.backend.clientCertificateRef'
  const reason = resolved.reason ?? 'InvalidClientCertificateRef'
  problems.push({ on: 'ResolvedRefs', reason, message: resolved.message, path })
  return undefined
}
