import { contentVersion } from '../base/hash.ts'
import type { Collection } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { XBackend } from '../gatewayapi/objects/x-backend.ts'
import {
  type BackendKey,
  type BackendNode,
  type BackendProtocol,
  type BackendTarget,
  buildUnresolved,
  type EndpointSource,
} from './backend.ts'
import { type BackendTls, resolveBackendValidation } from './backend-tls-policy.ts'
import type { CaBundleContext } from './ca-bundle.ts'
import { type CertificateContext, type CertificateNode, resolveCertificateReference } from './certificate.ts'
import { isLocalHost } from './local-address.ts'
import type { Problem } from './problem.ts'
import { selectorServiceName, xBackendUidLabel } from './selector-service.ts'
import { resolveSession, type SessionNode } from './session.ts'

export interface XBackendContext extends CaBundleContext, CertificateContext {
  readonly xBackends: Collection<NamespacedName, XBackend>
  readonly services: Collection<NamespacedName, Service>
  /** See BackendContext. */
  readonly allowsLocal: boolean
}

export function isXBackend({ group, kind }: Pick<BackendTarget, 'group' | 'kind'>): boolean {
  return group === experimentalGroup && kind === 'XBackend'
}

/** An XBackend by itself: what its author should change. */
export interface XBackendNode {
  readonly key: NamespacedName
  readonly source: XBackend
  readonly problems: readonly Problem[]
  /** What is used otherwise than it is written. */
  readonly notes: readonly string[]
}

/** What each protocol means in front of HTTP; the others are not HTTP. */
const protocols: Readonly<Record<string, BackendProtocol>> = {
  HTTP: 'http1',
  HTTP11: 'http1',
  MCP: 'http1',
  WSS: 'http1',
  HTTP2: 'h2c',
  H2C: 'h2c',
  GRPC: 'h2c',
  TCP: 'tcp',
}

/** Looks up an XBackend that a backendRef names. */
export function resolveXBackend(key: BackendKey, target: BackendTarget, context: XBackendContext): BackendNode {
  const source = context.reads.get(context.xBackends, namespacedName(target.namespace, target.name))
  if (!source)
    return buildUnresolved(key, target, 'not-found', 'BackendNotFound', `XBackend "${target.name}" not found`)
  const { problems, tls, clientCertificate, session } = examine(source, context)
  const [problem] = problems
  const endpoints = locateEndpoints(source)
  if (problem || !endpoints) {
    const message = `XBackend "${target.name}" cannot be used: ${problem?.message ?? 'it names no host'}`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedValue', message)
  }
  const { protocol } = source.spec
  return {
    key,
    target,
    state: 'resolved',
    protocol: protocols[protocol ?? 'HTTP'] ?? 'http1',
    webSocket: protocol === 'WSS',
    endpoints,
    ...(tls && { tls }),
    ...(clientCertificate && { clientCertificate }),
    ...(session && { session }),
  }
}

function locateEndpoints({ metadata, spec }: XBackend): EndpointSource | undefined {
  const { externalHostname, endpointSelector, port } = spec
  if (externalHostname) return { type: 'dns', endpoints: [{ hostname: externalHostname.hostname, port: port.number }] }
  return endpointSelector && { type: 'endpoint-slices', service: selectorServiceName(metadata.name), portName: '' }
}

/** What is wrong with an XBackend, so that nothing is sent to it, and what of it is not as it is written. */
export function judgeXBackend(source: XBackend, context: Omit<XBackendContext, 'xBackends'>): XBackendNode {
  const { problems, notes } = examine(source, context)
  return { key: namespacedName(source.metadata.namespace, source.metadata.name), source, problems, notes }
}

interface Examined extends Pick<XBackendNode, 'problems' | 'notes'> {
  readonly tls: BackendTls | undefined
  readonly clientCertificate: CertificateNode | undefined
  readonly session: SessionNode | undefined
}

function examine(source: XBackend, context: Omit<XBackendContext, 'xBackends'>): Examined {
  const { metadata, spec } = source
  const { externalHostname, endpointSelector, sessionPersistence } = spec
  const problems: Problem[] = []
  const notes: string[] = []
  const report: Report = (message, path, reason = 'UnsupportedValue') =>
    problems.push({ on: 'Accepted', reason, message, path })
  if (externalHostname && !context.allowsLocal && isLocalHost(externalHostname.hostname)) {
    const message = `host ${externalHostname.hostname} is the machine of the proxy, which is refused: use another one`
    report(message, 'spec.externalHostname.hostname')
  }
  if (endpointSelector && isServiceForeign(source, context)) {
    const name = selectorServiceName(metadata.name)
    const message = `Service "${name}", which would stand for the pods, exists already and belongs to somebody else: delete it, or rename the XBackend`
    report(message, 'spec.endpointSelector')
  }
  const session =
    sessionPersistence &&
    resolveSession(sessionPersistence, ['XBackend', metadata.namespace, metadata.name].join('\n'), (problem) =>
      notes.push(`spec.sessionPersistence.${problem.field}: ${problem.message}`),
    )
  return { problems, notes, session, ...resolveTls(source, context, report) }
}

type Report = (message: string, path: string, reason?: string) => void

/** One of that name that is not ours is never used: its pods are somebody else's. */
function isServiceForeign({ metadata }: XBackend, { reads, services }: Omit<XBackendContext, 'xBackends'>): boolean {
  const service = reads.get(services, namespacedName(metadata.namespace, selectorServiceName(metadata.name)))
  // Objects from files have no uid, and whoever writes them may write this Service too.
  return service !== undefined && service.metadata.labels[xBackendUidLabel] !== metadata.uid
}

function resolveTls(
  { metadata, spec }: XBackend,
  context: Omit<XBackendContext, 'xBackends'>,
  report: Report,
): Pick<Examined, 'tls' | 'clientCertificate'> {
  const { validation, clientCertificateRef } = spec.tls
  const { namespace } = metadata
  if (!validation) return { tls: undefined, clientCertificate: undefined }
  const { tls, problems } = resolveBackendValidation(validation, namespace, 'spec.tls.validation', context)
  // Authorities that are missing beside others are told by what is accepted nevertheless.
  if (!tls) for (const p of problems) report(p.message, p.path ?? 'spec.tls.validation', p.reason)
  if (!clientCertificateRef) return { tls, clientCertificate: undefined }
  const resolved = resolveCertificateReference(clientCertificateRef, { kind: 'XBackend', namespace }, context)
  if ('message' in resolved) {
    report(resolved.message, 'spec.tls.clientCertificateRef', resolved.reason ?? 'InvalidClientCertificateRef')
    return { tls, clientCertificate: undefined }
  }
  const { certificate } = resolved
  // Which certificate is shown is part of how TLS is spoken; what the Secret holds is not.
  return {
    tls: tls && { ...tls, hash: contentVersion(`${tls.hash} ${certificate.key}`) },
    clientCertificate: certificate,
  }
}
