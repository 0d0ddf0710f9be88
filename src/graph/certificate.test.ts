import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { parseCertificate } from './certificate.ts'

const key = 'shop/tls' as NamespacedName
const parse = (certificate: string, privateKey: string) =>
  parseCertificate(key, Buffer.from(certificate), Buffer.from(privateKey))

let good: IssuedCertificate
let authority: IssuedCertificate
beforeAll(() => {
  authority = issueCertificate({ commonName: 'Shop Test CA', isAuthority: true })
  good = issueCertificate({
    commonName: 'shop',
    dnsNames: ['Shop.Example.com', '*.shop.example.com'],
    issuer: authority,
  })
})

function expectValid(certificate: string, privateKey: string) {
  const state = parse(certificate, privateKey)
  expect(state).toMatchObject({ state: 'valid' })
  if (state.state !== 'valid') throw new Error(state.message)
  return state.certificate
}

describe('a certificate is usable', () => {
  test('with its DNS names in lower case', () => {
    expect(expectValid(good.certificate, good.privateKey).dnsNames).toEqual(['shop.example.com', '*.shop.example.com'])
  })

  test('without alternative names', () => {
    const { certificate, privateKey } = issueCertificate()
    expect(expectValid(certificate, privateKey).dnsNames).toEqual([])
  })

  test('as a chain, in the order in which it is written', () => {
    const { chain } = expectValid(good.certificate + authority.certificate, good.privateKey)
    const subjects = chain
      .match(/-----BEGIN[\s\S]+?END CERTIFICATE-----/g)
      ?.map((pem) => new X509Certificate(pem).subject)
    expect(subjects).toEqual(['CN=shop', 'CN=Shop Test CA'])
  })

  test.each(['rsa-2048', 'p256', 'p384'] as const)('with a key of type %s', (keyType) => {
    const { certificate, privateKey } = issueCertificate({ keyType })
    expectValid(certificate, privateKey)
  })

  test('after it has expired, because clients are the ones to judge that', () => {
    const { certificate, privateKey } = issueCertificate({
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2020-02-01'),
    })
    expectValid(certificate, privateKey)
  })

  test('in the same bytes whatever stands around the blocks and however lines end', () => {
    const plain = expectValid(good.certificate, good.privateKey)
    const noisy = `Bag Attributes\r\n${good.certificate.replaceAll('\n', '\r\n')}\r\ntrailing words`
    expect(expectValid(noisy, good.privateKey.replaceAll('\n', '\r\n'))).toEqual(plain)
  })
})

describe('a certificate is malformed', () => {
  const messageOf = (certificate: string, privateKey: string) => {
    const state = parse(certificate, privateKey)
    return state.state === 'malformed' ? state.message : `valid: ${state.certificate.dnsNames}`
  }

  test('when there is none', () => {
    expect(messageOf('', good.privateKey)).toBe('has no PEM certificate in "tls.crt"')
    expect(messageOf('not a certificate', good.privateKey)).toBe('has no PEM certificate in "tls.crt"')
  })

  test('when a block of the chain cannot be read, and the block is named', () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    expect(messageOf(good.certificate + broken, good.privateKey)).toBe(
      'has an unreadable certificate in "tls.crt" (block 2 of 2)',
    )
  })

  test('when the key is missing, encrypted or not PEM', () => {
    const encrypted = good.keys.privateKey.export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'guess',
    }) as string
    for (const privateKey of ['', 'nonsense', encrypted])
      expect(messageOf(good.certificate, privateKey)).toBe('has no readable, unencrypted PEM private key in "tls.key"')
  })

  test('when the key belongs to another certificate', () => {
    expect(messageOf(good.certificate, authority.privateKey)).toContain('does not match the private key')
    expect(messageOf(authority.certificate + good.certificate, good.privateKey)).toContain('does not match')
  })

  test.each([
    ['rsa-1024', 'an RSA key of 1024 bits'],
    ['secp256k1', 'an ECDSA key on secp256k1'],
    ['ed25519', 'a private key of type ed25519'],
  ] as const)('with a key of type %s, which Envoy refuses', (keyType, words) => {
    const { certificate, privateKey } = issueCertificate({ keyType })
    expect(messageOf(certificate, privateKey)).toContain(words)
  })

  test('and says so without quoting the key', () => {
    const secret = good.privateKey.split('\n')[1] as string
    for (const state of [parse('', good.privateKey), parse(authority.certificate, good.privateKey)])
      expect(JSON.stringify(state)).not.toContain(secret)
  })
})
