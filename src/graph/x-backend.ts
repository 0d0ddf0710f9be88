import type { Collection } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import type { XBackend } from '../gatewayapi/objects/x-backend.ts'
import {
  type BackendKey,
  type BackendNode,
  type BackendProtocol,
  type BackendTarget,
  buildUnresolved,
  parseBackendKey,
} from './backend.ts'
import { resolveBackendValidation } from './backend-tls-policy.ts'
import type { CaBundleContext } from './ca-bundle.ts'
import { isLocalHost } from './local-address.ts'
import type { Problem } from './problem.ts'

export interface XBackendContext extends CaBundleContext {
  readonly xBackends: Collection<NamespacedName, XBackend>
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
export function resolveXBackend(key: BackendKey, context: XBackendContext): BackendNode {
  const target = parseBackendKey(key)
  const source = context.reads.get(context.xBackends, namespacedName(target.namespace, target.name))
  if (!source)
    return buildUnresolved(key, target, 'not-found', 'BackendNotFound', `XBackend "${target.name}" not found`)
  const [problem] = judgeXBackend(source, context).problems
  const { externalHostname, port, protocol, tls } = source.spec
  if (problem || !externalHostname) {
    const message = `XBackend "${target.name}" cannot be used: ${problem?.message ?? 'it names no host'}`
    return buildUnresolved(key, target, 'unsupported-value', 'UnsupportedValue', message)
  }
  const verified =
    tls.validation && resolveBackendValidation(tls.validation, target.namespace, 'spec.tls.validation', context)
  return {
    key,
    target,
    state: 'resolved',
    protocol: protocols[protocol ?? 'HTTP'] ?? 'http1',
    webSocket: protocol === 'WSS',
    endpoints: { type: 'dns', endpoints: [{ hostname: externalHostname.hostname, port: port.number }] },
    ...(verified?.tls && { tls: verified.tls }),
  }
}

/** What is wrong with an XBackend, so that nothing is sent to it. */
export function judgeXBackend(source: XBackend, context: Omit<XBackendContext, 'xBackends'>): XBackendNode {
  const { type, externalHostname, tls } = source.spec
  const problems: Problem[] = []
  const report = (message: string, path: string, reason = 'UnsupportedValue') =>
    problems.push({ on: 'Accepted', reason, message, path })
  if (type === 'EndpointSelector')
    report('type EndpointSelector is not supported: use a Service with the same selector', 'spec.type')
  if (externalHostname && !context.allowsLocal && isLocalHost(externalHostname.hostname)) {
    const message = `host ${externalHostname.hostname} is the machine of the proxy, which is refused: use another one`
    report(message, 'spec.externalHostname.hostname')
  }
  if (tls.mode === 'ClientAndServer') {
    const message = 'tls.mode ClientAndServer is not supported: use ServerOnly, and spec.tls.backend of the Gateway'
    report(message, 'spec.tls.mode')
  }
  if (tls.validation) {
    const { namespace } = source.metadata
    const verified = resolveBackendValidation(tls.validation, namespace, 'spec.tls.validation', context)
    // Authorities that are missing beside others are told by what is accepted nevertheless.
    if (!verified.tls) for (const p of verified.problems) report(p.message, p.path ?? 'spec.tls.validation', p.reason)
  }
  return { key: namespacedName(source.metadata.namespace, source.metadata.name), source, problems }
}
