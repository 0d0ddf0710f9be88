import { X509Certificate } from 'node:crypto'
import type { Collection, Reads } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { clusterTrustBundleGroup } from '../gatewayapi/objects/cluster-trust-bundle.ts'
import type { ConfigMap } from '../gatewayapi/objects/config-map.ts'
import { readCertificates } from './certificate.ts'

/** "ConfigMap/namespace/name" or "ClusterTrustBundle//name": where certificates of authorities come from. */
export type CaBundleKey = string & { readonly __brand: 'CaBundleKey' }

export function caBundleKey(kind: 'ConfigMap' | 'ClusterTrustBundle', object: NamespacedName): CaBundleKey {
  return `${kind}/${object}` as CaBundleKey
}

/** The object that a bundle comes from, as "group/Kind/namespace/name". */
export function sourceOfBundle(key: CaBundleKey): string {
  return `${key.startsWith('ClusterTrustBundle/') ? clusterTrustBundleGroup : ''}/${key}`
}

/** What became of the certificates in an object that may be named as an authority. */
export type CaBundleState =
  /** PEM, normalised. */
  | { readonly state: 'valid'; readonly pem: string }
  /** `message` completes the sentence 'ConfigMap "x" ...'. */
  | { readonly state: 'malformed'; readonly message: string }

/** The key of a ConfigMap under which its certificates stand. */
const bundleField = 'ca.crt'

/** @returns nothing for a ConfigMap that has no certificates */
export function parseConfigMapBundle({ data, binaryData }: ConfigMap): CaBundleState | undefined {
  if (data && Object.hasOwn(data, bundleField)) return parseBundle(data[bundleField] ?? '', `in "${bundleField}"`)
  if (!binaryData || !Object.hasOwn(binaryData, bundleField)) return undefined
  return parseBundle(Buffer.from(binaryData[bundleField] ?? '', 'base64').toString('latin1'), `in "${bundleField}"`)
}

/**
 * Checks what Envoy would refuse, because it would refuse good secrets of the same response along with it.
 * @param where in the object
 */
export function parseBundle(text: string, where: string): CaBundleState {
  const blocks = readCertificates(text)
  if (blocks.length === 0) return { state: 'malformed', message: `has no PEM certificate ${where}` }
  const certificates = new Set<string>()
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.add(new X509Certificate(block).toString())
    } catch {
      const message = `has an unreadable certificate ${where} (block ${index + 1} of ${blocks.length})`
      return { state: 'malformed', message }
    }
  }
  return { state: 'valid', pem: [...certificates].join('') }
}

/** What is named as an authority. */
export interface CaReference {
  readonly group: string
  readonly kind: string
  /** '' for kinds without one. */
  readonly namespace: string
  readonly name: string
}

export interface CaBundleContext {
  readonly reads: Reads
  readonly configMaps: Collection<NamespacedName, ConfigMap>
  readonly caBundles: Collection<CaBundleKey, CaBundleState>
}

export type ResolvedCa =
  | { readonly key: CaBundleKey }
  | { readonly problem: 'unknown-kind' | 'unusable'; readonly message: string }

/** Whether the reference leads to certificates. Says nothing about permission. */
export function resolveCaReference(ref: CaReference, { reads, configMaps, caBundles }: CaBundleContext): ResolvedCa {
  const isConfigMap = ref.group === '' && ref.kind === 'ConfigMap'
  if (!isConfigMap && (ref.group !== clusterTrustBundleGroup || ref.kind !== 'ClusterTrustBundle')) {
    const kind = ref.group === '' ? ref.kind : `${ref.kind} of group ${ref.group}`
    return { problem: 'unknown-kind', message: `a ${kind} holds no authorities: use a ConfigMap` }
  }
  const object = namespacedName(isConfigMap ? ref.namespace : '', ref.name)
  const key = caBundleKey(isConfigMap ? 'ConfigMap' : 'ClusterTrustBundle', object)
  const bundle = reads.get(caBundles, key)
  if (bundle?.state === 'valid') return { key }
  const why = bundle
    ? bundle.message
    : isConfigMap && reads.has(configMaps, object)
      ? `has no "${bundleField}"`
      : 'not found'
  return { problem: 'unusable', message: `${ref.kind} "${ref.name}" ${why}` }
}
