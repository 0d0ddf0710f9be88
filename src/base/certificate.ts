import {
  createPrivateKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { assert } from './assert.ts'
import {
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeNamedBits,
  encodeObjectIdentifier,
  encodeOctetString,
  encodePem,
  encodeSequence,
  encodeSet,
  encodeTagged,
  encodeTime,
  encodeUtf8String,
} from './der.ts'

/*
 * X.509 certificates of our own (RFC 5280), because Node can read certificates but not make them: ECDSA on P-256
 * with SHA-256, an authority and servers.
 */

/** A certificate with its key, both PEM; the key is PKCS #8. */
export interface CertifiedKey {
  readonly certificate: string
  readonly key: string
}

export interface Validity {
  /** Whole seconds; the rest is cut off. */
  readonly notBefore: Date
  readonly notAfter: Date
}

const identifiers = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const

/** Numbers of the bits in the key usage. */
const usage = { digitalSignature: 0, signCertificates: 5, signRevocations: 6 } as const

/** Makes an authority that signs certificates of servers, and no further authorities. */
export function issueAuthority(commonName: string, validity: Validity): CertifiedKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const name = encodeName(commonName)
  return build(privateKey, {
    issuer: name,
    subject: name,
    validity,
    publicKey,
    signer: privateKey,
    extensions: [
      encodeExtension('basicConstraints', true, encodeSequence(encodeBoolean(true), encodeInteger(Buffer.from([0])))),
      encodeExtension('keyUsage', true, encodeNamedBits(usage.signCertificates, usage.signRevocations)),
      encodeExtension('subjectKeyIdentifier', false, encodeOctetString(keyIdentifier(publicKey))),
    ],
  })
}

/**
 * Makes a certificate for a server with a key of its own.
 * @param dnsNames at least one
 */
export function issueServerCertificate(
  authority: CertifiedKey,
  dnsNames: readonly string[],
  validity: Validity,
): CertifiedKey {
  assert(dnsNames.length > 0, 'a server has a name')
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const issuer = new X509Certificate(authority.certificate)
  const names = dnsNames.map((name) => encodeTagged(2, Buffer.from(name, 'latin1'), false))
  return build(privateKey, {
    issuer: encodeName(commonNameOf(issuer)),
    // A common name is limited to 64 characters, and nobody looks at it where there are alternative names.
    subject: encodeName(dnsNames.find((name) => name.length <= 64) ?? 'server'),
    validity,
    publicKey,
    signer: createPrivateKey(authority.key),
    extensions: [
      encodeExtension('basicConstraints', true, encodeSequence()),
      encodeExtension('keyUsage', true, encodeNamedBits(usage.digitalSignature)),
      encodeExtension(
        'extendedKeyUsage',
        false,
        encodeSequence(encodeObjectIdentifier(identifiers.serverAuthentication)),
      ),
      encodeExtension('subjectAltName', false, encodeSequence(...names)),
      encodeExtension('subjectKeyIdentifier', false, encodeOctetString(keyIdentifier(publicKey))),
      encodeExtension(
        'authorityKeyIdentifier',
        false,
        encodeSequence(encodeTagged(0, keyIdentifier(issuer.publicKey), false)),
      ),
    ],
  })
}

interface CertificateParts {
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly validity: Validity
  readonly publicKey: KeyObject
  readonly signer: KeyObject
  readonly extensions: readonly Buffer[]
}

function build(privateKey: KeyObject, parts: CertificateParts): CertifiedKey {
  const { issuer, subject, validity, publicKey, signer, extensions } = parts
  const algorithm = encodeSequence(encodeObjectIdentifier(identifiers.ecdsaWithSha256))
  const version3 = encodeTagged(0, encodeInteger(Buffer.from([2])), true)
  // Random, positive, and at most 20 bytes: RFC 5280 4.1.2.2.
  const serial = encodeInteger(Buffer.concat([Buffer.from([1]), randomBytes(16)]))
  const toBeSigned = encodeSequence(
    version3,
    serial,
    algorithm,
    issuer,
    encodeSequence(encodeTime(validity.notBefore), encodeTime(validity.notAfter)),
    subject,
    publicKey.export({ format: 'der', type: 'spki' }),
    encodeTagged(3, encodeSequence(...extensions), true),
  )
  const signature = encodeBitString(sign('sha256', toBeSigned, signer))
  return {
    certificate: encodePem('CERTIFICATE', encodeSequence(toBeSigned, algorithm, signature)),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  }
}

function encodeName(commonName: string): Buffer {
  const attribute = encodeSequence(encodeObjectIdentifier(identifiers.commonName), encodeUtf8String(commonName))
  return encodeSequence(encodeSet(attribute))
}

/** Of a certificate that was made here: its subject has nothing else. */
function commonNameOf(certificate: X509Certificate): string {
  const name = /^CN=([^\n]+)$/.exec(certificate.subject)?.[1]
  assert(name !== undefined, 'an authority of ours has a common name and nothing else')
  return name
}

function encodeExtension(name: keyof typeof identifiers, isCritical: boolean, value: Buffer): Buffer {
  return encodeSequence(
    encodeObjectIdentifier(identifiers[name]),
    ...(isCritical ? [encodeBoolean(true)] : []),
    encodeOctetString(value),
  )
}

/** Tells keys apart, so that a chain is found among authorities (RFC 7093 2, method 1: 160 bits of SHA-256). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const der = publicKey.export({ format: 'der', type: 'spki' })
  // The key itself is the last 65 bytes on this curve: an uncompressed point.
  return hash('sha256', der.subarray(-65), 'buffer').subarray(0, 20)
}
