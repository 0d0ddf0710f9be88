import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Collection, Reads } from '../collections/collection.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { experimentalGroup, gatewayGroup, type SecretObjectReference } from '../gatewayapi/objects/reference.ts'
import { isReferencePermitted, type ReferenceGrantIndex } from './reference-grant.ts'

/** A certificate chain with its private key, from a Secret of type kubernetes.io/tls. */
export interface CertificateNode {
  /** The Secret. */
  readonly key: NamespacedName
  /** PEM, leaf first. */
  readonly chain: string
  /** PEM. A secret: never in a log, a status or a dump. */
  readonly privateKey: string
  /** Subject alternative names of type DNS, lower case. */
  readonly dnsNames: readonly string[]
}

/** What became of a Secret that a listener may name. */
export type CertificateState =
  | { readonly state: 'valid'; readonly certificate: CertificateNode }
  /** `message` completes the sentence 'Secret "x" ...' and quotes nothing of its content. */
  | { readonly state: 'malformed'; readonly message: string }

const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** The PEM blocks of certificates in a text, unread. */
export function readCertificates(text: string): readonly string[] {
  return text.match(certificateBlock) ?? []
}

/**
 * Checks what Envoy would refuse, because a refused secret would take the good ones of the same
 * response along: readable PEM, a key that belongs to the leaf, RSA of at least 2048 bits, ECDSA on P-256,
 * P-384 or P-521. The PEM is normalised (LF, nothing around the blocks).
 */
export function parseCertificate(
  key: NamespacedName,
  chainPem: Uint8Array,
  privateKeyPem: Uint8Array,
): CertificateState {
  const malformed = (message: string): CertificateState => ({ state: 'malformed', message })
  const blocks = readCertificates(Buffer.from(chainPem).toString('latin1'))
  if (blocks.length === 0) return malformed('has no PEM certificate in "tls.crt"')
  const certificates: X509Certificate[] = []
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.push(new X509Certificate(block))
    } catch {
      return malformed(`has an unreadable certificate in "tls.crt" (block ${index + 1} of ${blocks.length})`)
    }
  }
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(Buffer.from(privateKeyPem))
  } catch {
    return malformed('has no readable, unencrypted PEM private key in "tls.key"')
  }
  const weakness = checkKeyStrength(privateKey)
  if (weakness) return malformed(weakness)
  const [leaf] = certificates as [X509Certificate, ...X509Certificate[]]
  if (!leaf.checkPrivateKey(privateKey))
    return malformed('has a certificate in "tls.crt" that does not match the private key in "tls.key"')
  return {
    state: 'valid',
    certificate: {
      key,
      chain: certificates.map((c) => c.toString()).join(''),
      privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
      dnsNames: parseDnsNames(leaf.subjectAltName),
    },
  }
}

function checkKeyStrength(key: KeyObject): string | undefined {
  const type = key.asymmetricKeyType
  const details = key.asymmetricKeyDetails
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0
    return bits < 2048 ? `has an RSA key of ${bits} bits: Envoy asks for at least 2048` : undefined
  }
  if (type === 'ec') {
    const curve = details?.namedCurve ?? 'an unnamed curve'
    return ['prime256v1', 'secp384r1', 'secp521r1'].includes(curve)
      ? undefined
      : `has an ECDSA key on ${curve}: Envoy accepts P-256, P-384 and P-521`
  }
  return `has a private key of type ${type}: Envoy accepts RSA and ECDSA`
}

/** From Node's text form, e.g. 'DNS:example.com, DNS:"odd, name", IP Address:10.0.0.1'. */
function parseDnsNames(subjectAltName: string | undefined): string[] {
  const names = (subjectAltName ?? '').match(/DNS:("(?:[^"\\]|\\.)*"|[^,]*)/g) ?? []
  return names
    .map((n) => n.slice('DNS:'.length))
    .filter((n) => !n.startsWith('"'))
    .map((n) => n.toLowerCase())
}

/** Who refers to a certificate. */
export interface CertificateReferrer {
  readonly kind: 'Gateway' | 'ListenerSet' | 'XBackend'
  readonly namespace: string
}

export interface CertificateContext {
  readonly reads: Reads
  readonly grants: ReferenceGrantIndex
  readonly certificates: Collection<NamespacedName, CertificateState>
}

/**
 * Resolves a reference to a certificate, of the referrer's own namespace or of one with a ReferenceGrant.
 * @returns the certificate, or what is wrong; `reason` only where it is the lack of a grant
 */
export function resolveCertificateReference(
  ref: SecretObjectReference,
  { kind, namespace }: CertificateReferrer,
  { reads, grants, certificates }: CertificateContext,
):
  | { readonly certificate: CertificateNode }
  | { readonly reason: 'RefNotPermitted' | undefined; readonly message: string } {
  const fail = (message: string) => ({ reason: undefined, message })
  const target = { group: ref.group, kind: ref.kind, namespace: ref.namespace ?? namespace, name: ref.name }
  if (ref.group !== '' || ref.kind !== 'Secret')
    return fail(`certificates come from Secrets: a ${ref.kind} is not supported`)
  const group = kind === 'XBackend' ? experimentalGroup : gatewayGroup
  const name = `Secret "${target.namespace === namespace ? '' : `${target.namespace}/`}${ref.name}"`
  if (!isReferencePermitted(reads, grants, { group, kind, namespace }, target)) {
    const fix = `add a ReferenceGrant in namespace ${target.namespace} from ${kind} in ${namespace} to Secret`
    return { reason: 'RefNotPermitted', message: `${name} may not be referred to from namespace ${namespace}: ${fix}` }
  }
  const state = reads.get(certificates, namespacedName(target.namespace, ref.name))
  if (!state) return fail(`${name} not found`)
  return state.state === 'malformed' ? fail(`${name} ${state.message}`) : { certificate: state.certificate }
}
