import { hash } from 'node:crypto'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { XBackend } from '../gatewayapi/objects/x-backend.ts'

/**
 * What stands for the pods of an XBackend of type EndpointSelector: a headless Service with its selector, for
 * which Kubernetes keeps EndpointSlices, so that nobody here watches pods.
 */
export interface SelectorService {
  /** The XBackend. */
  readonly xBackend: NamespacedName
  /** Of the XBackend; '' where nobody has given it one. */
  readonly uid: string
  /** Of the Service, in the XBackend's namespace. */
  readonly name: string
  readonly matchLabels: Readonly<Record<string, string>>
  /** Of the pods. */
  readonly port: number
  /** Something of ours leads to it: before that there is no need for a Service. */
  readonly isUsed: boolean
  /** Somebody has deleted the XBackend, and finalizers still hold it. */
  readonly isDeleting: boolean
}

/** On the Service: the uid of its XBackend. */
export const xBackendUidLabel = 'gatewright.dev/xbackend-uid'

const suffix = '-xbackend'
/** Of names of Services. */
const longest = 63
const hashLength = 12

/**
 * The name of the Service of an XBackend: "<name>-xbackend" where that is a name that a Service may have; else as
 * much of it as fits and a hash. No two XBackends come to one name, because a hash has no "x" in it.
 */
export function selectorServiceName(xBackend: string): string {
  const whole = `${xBackend}${suffix}`
  if (whole.length <= longest && /^[a-z][-a-z0-9]*$/.test(whole)) return whole
  const plain = whole.replace(/[^-a-z0-9]/g, '-')
  const begun = /^[a-z]/.test(plain) ? plain : `x-${plain}`
  const kept = begun.slice(0, longest - hashLength - 1).replace(/-+$/, '')
  return `${kept}-${hash('sha256', xBackend, 'hex').slice(0, hashLength)}`
}

/** @param isUsed see {@link SelectorService.isUsed} @returns nothing for an XBackend of another type */
export function deriveSelectorService(
  { metadata, spec }: XBackend,
  xBackend: NamespacedName,
  isUsed: boolean,
): SelectorService | undefined {
  if (spec.endpointSelector === undefined) return undefined
  return {
    xBackend,
    uid: metadata.uid ?? '',
    name: selectorServiceName(metadata.name),
    matchLabels: spec.endpointSelector.matchLabels,
    port: spec.port.number,
    isUsed,
    isDeleting: metadata.deletionTimestamp !== undefined,
  }
}
