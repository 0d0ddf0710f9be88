import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** Kinds of key that tests ask for, good ones and such that Envoy refuses. */
export type KeyType = 'rsa-2048' | 'rsa-1024' | 'p256' | 'p384' | 'secp256k1' | 'ed25519'

export interface IssuedCertificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8. */
  readonly privateKey: string
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  readonly commonName: string
}

export interface CertificateRequest {
  readonly commonName?: string
  readonly dnsNames?: readonly string[]
  readonly uris?: readonly string[]
  readonly keyType?: KeyType
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Self-signed unless given. */
  readonly issuer?: IssuedCertificate
  readonly isAuthority?: boolean
}

const day = 24 * 3600 * 1000

/** Makes a key and an X.509 certificate for it; Node can read certificates but not make them. */
export function issueCertificate(request: CertificateRequest = {}): IssuedCertificate {
  const { commonName = 'test', dnsNames = [], uris = [], keyType = 'p256', issuer, isAuthority = false } = request
  const keys = generateKeys(keyType)
  const signer = issuer?.keys.privateKey ?? keys.privateKey
  const notBefore = request.notBefore ?? new Date(Date.now() - day)
  const notAfter = request.notAfter ?? new Date(Date.now() + 30 * day)
  const extensions = [
    ...(isAuthority ? [extension([2, 5, 29, 19], sequence(der(0x01, Buffer.from([0xff]))))] : []),
    ...(dnsNames.length + uris.length > 0
      ? [
          extension(
            [2, 5, 29, 17],
            sequence(
              ...dnsNames.map((n) => der(0x82, Buffer.from(n))),
              ...uris.map((uri) => der(0x86, Buffer.from(uri))),
            ),
          ),
        ]
      : []),
  ]
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ...Buffer.from(String(Date.now()))])),
    algorithm(signer),
    distinguishedName(issuer?.commonName ?? commonName),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(commonName),
    keys.publicKey.export({ format: 'der', type: 'spki' }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  )
  const digest = signer.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign(digest, toBeSigned, signer)]))
  const whole = sequence(toBeSigned, algorithm(signer), signature)
  return {
    certificate: pem('CERTIFICATE', whole),
    privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    keys,
    commonName,
  }
}

function generateKeys(type: KeyType) {
  switch (type) {
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'rsa-1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 })
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    case 'secp256k1':
      return generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    case 'ed25519':
      return generateKeyPairSync('ed25519')
  }
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** One value in DER: tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

function sequence(...items: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(items))
}

function objectIdentifier([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(objectIdentifier(id), der(0x04, value))
}

function algorithm(signer: KeyObject): Buffer {
  if (signer.asymmetricKeyType === 'rsa')
    return sequence(objectIdentifier([1, 2, 840, 113549, 1, 1, 11]), der(0x05, Buffer.alloc(0)))
  if (signer.asymmetricKeyType === 'ed25519') return sequence(objectIdentifier([1, 3, 101, 112]))
  return sequence(objectIdentifier([1, 2, 840, 10045, 4, 3, 2]))
}

/** CN=... */
function distinguishedName(commonName: string): Buffer {
  const attribute = sequence(objectIdentifier([2, 5, 4, 3]), der(0x0c, Buffer.from(commonName)))
  return sequence(der(0x31, attribute))
}

/** GeneralizedTime, which has four digits for the year. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return der(0x18, Buffer.from(`${digits}Z`))
}
