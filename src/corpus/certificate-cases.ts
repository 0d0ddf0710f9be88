import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import {
  type BadCase,
  type Expectation,
  manifestOf,
  object,
  refusedByCheck,
  refusedBySchema,
  sharedGateway,
  translated,
} from './bad-case.ts'

interface Pair {
  readonly certificate: string | Uint8Array
  readonly key: string | Uint8Array
  readonly type?: string
  readonly more?: Readonly<Record<string, string>>
}

/** An HTTPS listener of its own on the port of everybody, with a Secret. */
function pairCase(name: string, attacks: string, pair: Pair, expected: Expectation): BadCase {
  const encode = (value: string | Uint8Array) => Buffer.from(value).toString('base64')
  const data = { 'tls.crt': encode(pair.certificate), 'tls.key': encode(pair.key), ...pair.more }
  const secret = object(
    'v1',
    'Secret',
    { name, namespace: sharedGateway.namespace },
    { type: pair.type ?? 'kubernetes.io/tls', data },
  )
  const listener = {
    name,
    port: 8443,
    protocol: 'HTTPS',
    hostname: `${name}.example.com`,
    tls: { certificateRefs: [{ name }] },
  }
  return { name, attacks, ...expected, manifest: manifestOf(secret), listeners: [listener] }
}

const day = 24 * 3600 * 1000
const pairOf = ({ certificate, privateKey }: IssuedCertificate): Pair => ({ certificate, key: privateKey })
const issue = (request: Parameters<typeof issueCertificate>[0] = {}) => pairOf(issueCertificate(request))
const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
const good = issueCertificate({ dnsNames: ['a.example.com'] })
const { certificate, privateKey } = good
const rsa = issueCertificate({ keyType: 'rsa-2048' })
const root = issueCertificate({ commonName: 'root', isAuthority: true })
const expiredRoot = issueCertificate({
  commonName: 'old',
  isAuthority: true,
  notBefore: new Date(Date.now() - 20 * day),
  notAfter: new Date(Date.now() - 10 * day),
})
const oddRoot = issueCertificate({ commonName: 'odd', isAuthority: true, keyType: 'ed25519' })
const secpRoot = issueCertificate({ commonName: 'secp', isAuthority: true, keyType: 'secp256k1' })
const refused = (...told: string[]) => refusedByCheck('ResolvedRefs=False InvalidCertificateRef', ...told)
const served = translated('"Secret/shared/')
const mismatch = 'does not match the private key'
const noKey = 'has no readable, unencrypted PEM private key'
const noCertificate = 'has no PEM certificate'

/** The first block of a P-256 key as `openssl ecparam -genkey` writes it. */
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
const sec1 = good.keys.privateKey.export({ format: 'pem', type: 'sec1' }) as string

function weakRsa(bits: number): Pair {
  // Node makes no certificate for it, so the listener shows a refusal of the key alone.
  const keys = generateKeyPairSync('rsa', { modulusLength: bits })
  return { certificate, key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string }
}

/** Certificates and keys: Envoy refuses a whole response for one that it cannot load. */
export function buildCertificateCases(): BadCase[] {
  return [
    pairCase('pair-mismatch', 'a key of another certificate', { certificate, key: rsa.privateKey }, refused(mismatch)),
    pairCase(
      'pair-mismatch-same-type',
      'a key of another certificate of the same type',
      { certificate, key: root.privateKey },
      refused(mismatch),
    ),
    pairCase(
      'pair-swapped',
      'the key as certificate and the certificate as key',
      { certificate: privateKey, key: certificate },
      refused(noCertificate),
    ),
    pairCase('pair-empty', 'nothing', { certificate: '', key: '' }, refused(noCertificate)),
    pairCase('pair-no-key', 'no key', { certificate, key: '' }, refused(noKey)),
    pairCase(
      'pair-public-key',
      'a public key as key',
      { certificate, key: createPublicKey(good.keys.privateKey).export({ format: 'pem', type: 'spki' }) as string },
      refused(noKey),
    ),
    pairCase(
      'pair-encrypted',
      'an encrypted key',
      {
        certificate,
        key: good.keys.privateKey.export({
          format: 'pem',
          type: 'pkcs8',
          cipher: 'aes-256-cbc',
          passphrase: 'a',
        }) as string,
      },
      refused(noKey),
    ),
    pairCase(
      'pair-encrypted-old',
      'a key encrypted as OpenSSL did',
      {
        certificate,
        key: good.keys.privateKey.export({
          format: 'pem',
          type: 'sec1',
          cipher: 'aes-128-cbc',
          passphrase: 'a',
        }) as string,
      },
      refused(noKey),
    ),
    pairCase(
      'pair-der',
      'DER instead of PEM',
      { certificate: derOf(certificate), key: derOf(privateKey) },
      refused(noCertificate),
    ),
    pairCase('pair-der-key', 'a key in DER', { certificate, key: derOf(privateKey) }, refused(noKey)),
    pairCase(
      'pair-key-in-chain',
      'the key among the certificates',
      { certificate: `${privateKey}${certificate}`, key: privateKey },
      served,
    ),
    pairCase(
      'pair-two-keys',
      'two keys, the wrong one first',
      { certificate, key: `${root.privateKey}${privateKey}` },
      refused(mismatch),
    ),
    pairCase(
      'pair-parameters',
      'parameters of a curve before the key',
      { certificate, key: `${parameters}${sec1}` },
      served,
    ),
    pairCase('pair-sec1', 'a key in SEC 1', { certificate, key: sec1 }, served),
    pairCase(
      'pair-pkcs1',
      'a key in PKCS #1',
      { certificate: rsa.certificate, key: rsa.keys.privateKey.export({ format: 'pem', type: 'pkcs1' }) as string },
      served,
    ),
    pairCase(
      'pair-carriage-returns',
      'line ends of Windows',
      { certificate: certificate.replaceAll('\n', '\r\n'), key: privateKey.replaceAll('\n', '\r\n') },
      served,
    ),
    pairCase(
      'pair-old-mac',
      'line ends of old Macs',
      { certificate: certificate.replaceAll('\n', '\r'), key: privateKey },
      refused('unreadable certificate'),
    ),
    pairCase(
      'pair-no-line-end',
      'no line end at the end',
      { certificate: certificate.trimEnd(), key: privateKey.trimEnd() },
      served,
    ),
    pairCase(
      'pair-one-line',
      'a certificate on one line',
      {
        certificate: `-----BEGIN CERTIFICATE-----\n${derOf(certificate).toString('base64')}\n-----END CERTIFICATE-----`,
        key: privateKey,
      },
      served,
    ),
    pairCase(
      'pair-words',
      'words around the blocks',
      { certificate: `subject=a\n${certificate}\nBag Attributes\n\u0000\n`, key: `words\n${privateKey}words\n` },
      served,
    ),
    pairCase(
      'pair-mark',
      'a byte order mark',
      { certificate: `\ufeff${certificate}`, key: `\ufeff${privateKey}` },
      served,
    ),
    pairCase(
      'pair-cut',
      'a certificate that is cut off',
      { certificate: certificate.replace(/.{20}\n-----END/s, '\n-----END'), key: privateKey },
      refused('unreadable certificate'),
    ),
    pairCase(
      'pair-cut-second',
      'a chain whose second member is cut off',
      { certificate: `${certificate}${root.certificate.replace(/.{20}\n-----END/s, '\n-----END')}`, key: privateKey },
      refused('block 2 of 2'),
    ),
    pairCase(
      'pair-half-block',
      'a chain whose second member has no end',
      { certificate: `${certificate}${root.certificate.slice(0, 200)}`, key: privateKey },
      served,
    ),
    pairCase(
      'pair-trailing',
      'bytes behind the certificate within its block',
      {
        certificate: `-----BEGIN CERTIFICATE-----\n${Buffer.concat([derOf(certificate), Buffer.from('trailing')]).toString('base64')}\n-----END CERTIFICATE-----\n`,
        key: privateKey,
      },
      refused('unreadable certificate'),
    ),
    pairCase(
      'pair-trusted',
      'a block of OpenSSL\u2019s own',
      {
        certificate: certificate
          .replaceAll('BEGIN CERT', 'BEGIN TRUSTED CERT')
          .replaceAll('END CERT', 'END TRUSTED CERT'),
        key: privateKey,
      },
      refused(noCertificate),
    ),
    pairCase(
      'pair-reversed',
      'a chain that begins with the authority',
      { certificate: `${root.certificate}${issueCertificate({ issuer: root }).certificate}`, key: privateKey },
      refused(mismatch),
    ),
    pairCase(
      'pair-expired',
      'a certificate that has expired',
      issue({ notBefore: new Date(Date.now() - 20 * day), notAfter: new Date(Date.now() - day) }),
      served,
    ),
    pairCase('pair-not-yet', 'a certificate of tomorrow', issue({ notBefore: new Date(Date.now() + day) }), served),
    pairCase('pair-year-9999', 'a certificate for ever', issue({ notAfter: new Date('9999-12-31T23:59:59Z') }), served),
    pairCase(
      'pair-expired-issuer',
      'an authority in the chain that has expired',
      chain(issueCertificate({ issuer: expiredRoot }), expiredRoot),
      served,
    ),
    pairCase(
      'pair-ed25519-issuer',
      'an authority of a type that Envoy does not use',
      chain(issueCertificate({ issuer: oddRoot }), oddRoot),
      served,
    ),
    pairCase(
      'pair-secp256k1-issuer',
      'an authority on a curve that Envoy does not know',
      chain(issueCertificate({ issuer: secpRoot }), secpRoot),
      served,
    ),
    pairCase(
      'pair-long-chain',
      '100 certificates',
      { certificate: certificate + root.certificate.repeat(99), key: privateKey },
      served,
    ),
    pairCase(
      'pair-leaf-twice',
      'the certificate twice',
      { certificate: certificate + certificate, key: privateKey },
      served,
    ),
    pairCase('pair-rsa-512', 'RSA of 512 bits', weakRsa(512), refused('RSA key of 512 bits')),
    pairCase('pair-rsa-1024', 'RSA of 1,024 bits', issue({ keyType: 'rsa-1024' }), refused('RSA key of 1024 bits')),
    pairCase('pair-rsa-2047', 'RSA of 2,047 bits', weakRsa(2047), refused('RSA key of 2047 bits')),
    pairCase(
      'pair-rsa-pss',
      'RSA for PSS alone',
      {
        certificate,
        key: generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey.export({
          format: 'pem',
          type: 'pkcs8',
        }) as string,
      },
      refused('type rsa-pss'),
    ),
    pairCase(
      'pair-dsa',
      'DSA',
      {
        certificate,
        key: generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).privateKey.export({
          format: 'pem',
          type: 'pkcs8',
        }) as string,
      },
      refused('type dsa'),
    ),
    pairCase(
      'pair-secp256k1',
      'a curve that Envoy does not know',
      issue({ keyType: 'secp256k1' }),
      refused('secp256k1'),
    ),
    pairCase('pair-ed25519', 'Ed25519', issue({ keyType: 'ed25519' }), refused('type ed25519')),
    pairCase('pair-p384', 'P-384', issue({ keyType: 'p384' }), served),
    pairCase(
      'pair-explicit-curve',
      'P-256 with its parameters written out',
      {
        certificate,
        key: generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }).privateKey.export({
          format: 'pem',
          type: 'pkcs8',
        }) as string,
      },
      refused(),
    ),
    pairCase(
      'pair-300-names',
      '300 names',
      issue({ dnsNames: Array.from({ length: 300 }, (_, i) => `h${i}.example.com`) }),
      served,
    ),
    pairCase(
      'pair-nul-name',
      'a NUL in a name (CVE-2026-47778)',
      issue({ dnsNames: ['a.example.com\u0000.evil.example.com'] }),
      served,
    ),
    pairCase(
      'pair-odd-names',
      'names that are none',
      issue({ dnsNames: ['', '*', '*.*', 'a b', '"', 'DNS:b', '\u00e9', 'x'.repeat(3000)] }),
      served,
    ),
    pairCase(
      'pair-odd-common-name',
      'line ends and a NUL in the common name',
      issue({ commonName: 'a\r\nb\u0000c' }),
      served,
    ),
    pairCase('pair-empty-authority', 'an empty ca.crt', { ...pairOf(good), more: { 'ca.crt': '' } }, served),
    pairCase(
      'pair-bad-authority',
      'a ca.crt that is none, and that nobody asks for',
      { ...pairOf(good), more: { 'ca.crt': 'AAAA' } },
      served,
    ),
    pairCase(
      'pair-opaque',
      'a Secret of another type',
      { ...pairOf(good), type: 'Opaque' },
      refused('use type kubernetes.io/tls'),
    ),
    pairCase(
      'pair-base64',
      'base64 that is none',
      { ...pairOf(good), more: { 'tls.crt': '!!!!' } },
      refusedBySchema('is not base64'),
    ),
  ]
}

function chain(leaf: IssuedCertificate, authority: IssuedCertificate): Pair {
  return { certificate: leaf.certificate + authority.certificate, key: leaf.privateKey }
}
