import type { Gateway } from '../gatewayapi/objects/gateway.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { type CaBundleContext, type CaBundleKey, resolveCaReference } from './ca-bundle.ts'
import type { ListenerNode } from './listener.ts'
import type { Problem } from './problem.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'

/** What a listener asks of the certificates of its clients. */
export interface ClientValidation {
  /** valid-only: no connection without a good one. insecure-fallback: it is asked for, and anything will do. */
  readonly mode: 'valid-only' | 'insecure-fallback'
  /** Who may have signed it; never empty, sorted. */
  readonly authorities: readonly CaBundleKey[]
}

export interface ClientValidationContext extends CaBundleContext {
  readonly grants: ReferenceGrantIndex
}

/**
 * Gives the HTTPS listeners of a Gateway, and of its ListenerSets, what spec.tls.frontend says of client
 * certificates. A listener that has no authority left to verify them by does not serve, because it would let
 * everybody in whom the user wants to keep out.
 */
export function validateClients(
  gateway: Gateway,
  listener: ListenerNode,
  context: ClientValidationContext,
): ListenerNode {
  const configured = findConfiguration(gateway, listener)
  if (!configured) return listener
  const { path, validation } = configured
  const { namespace } = gateway.metadata
  const problems: Problem[] = []
  const keys = new Set<CaBundleKey>()
  for (const [index, ref] of validation.caCertificateRefs.entries()) {
    const report = (reason: string, message: string) =>
      problems.push({ on: 'ResolvedRefs', reason, message, path: `${path}.caCertificateRefs[${index}]` })
    const isNamespaced = ref.group === ''
    const target = { ...ref, namespace: isNamespaced ? (ref.namespace ?? namespace) : '' }
    const from = { group: gatewayGroup, kind: 'Gateway', namespace }
    if (isNamespaced && !isReferencePermitted(context.reads, context.grants, from, target)) {
      const fix = `add a ReferenceGrant in namespace ${target.namespace} from Gateway in ${namespace} to ${ref.kind}`
      report(
        'RefNotPermitted',
        `${ref.kind} "${target.namespace}/${ref.name}" may not be referred to from namespace ${namespace}: ${fix}`,
      )
      continue
    }
    const resolved = resolveCaReference(target, context)
    if ('key' in resolved) keys.add(resolved.key)
    else
      report(
        resolved.problem === 'unknown-kind' ? 'InvalidCACertificateKind' : 'InvalidCACertificateRef',
        resolved.message,
      )
  }
  if (keys.size > 0) {
    const mode = validation.mode === 'AllowInsecureFallback' ? 'insecure-fallback' : 'valid-only'
    const clientValidation: ClientValidation = { mode, authorities: [...keys].sort() }
    return { ...listener, clientValidation, problems: [...listener.problems, ...problems] }
  }
  const message = 'no authority is left to verify client certificates by'
  problems.push({ on: 'Accepted', reason: 'NoValidCACertificate', message, path: `${path}.caCertificateRefs` })
  const verdict = listener.verdict === 'accepted' ? 'attachable' : listener.verdict
  return { ...listener, verdict, problems: [...listener.problems, ...problems] }
}

function findConfiguration({ spec }: Gateway, { port, protocol }: ListenerNode) {
  const frontend = spec.tls?.frontend
  if (protocol !== 'HTTPS' || !frontend) return undefined
  const position = (frontend.perPort ?? []).findIndex((p) => p.port === port)
  const ofPort = frontend.perPort?.[position]
  const { validation } = ofPort ? ofPort.tls : frontend.default
  const place = ofPort ? `perPort[${position}].tls` : 'default'
  return validation && { validation, path: `spec.tls.frontend.${place}.validation` }
}

/** Whether a Gateway lets clients in whose certificates are not good. */
export function allowsInsecureFallback({ spec }: Gateway): boolean {
  const frontend = spec.tls?.frontend
  const all = frontend ? [frontend.default, ...(frontend.perPort ?? []).map((p) => p.tls)] : []
  return all.some(({ validation }) => validation?.mode === 'AllowInsecureFallback')
}
