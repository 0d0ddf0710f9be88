import { execFileSync } from 'node:child_process'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { issueAuthority, issueServerCertificate } from './certificate.ts'
import {
  encodeBitString,
  encodeBoolean,
  encodeDer,
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

const directory = mkdtempSync(join(tmpdir(), 'gatewright-certificate-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })

/** What OpenSSL reads in DER, without positions. */
const parse = (der: Uint8Array) =>
  openssl('asn1parse', '-inform', 'DER', '-in', file('value.der', der))
    .replace(/^ *\d+:d=(\d+) +hl=\d+ +l= *\d+ +/gm, '$1 ')
    .trim()

describe('DER', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

  test('lengths: short, and with as many bytes as are needed', () => {
    const head = (size: number) => hex(encodeDer(0x04, Buffer.alloc(size)).subarray(0, 6))
    expect(head(0)).toBe('0400')
    expect(head(127)).toMatch(/^047f/)
    expect(head(128)).toMatch(/^048180/)
    expect(head(255)).toMatch(/^0481ff/)
    expect(head(256)).toMatch(/^04820100/)
    expect(head(65_536)).toMatch(/^0483010000/)
  })

  test('integers: no leading zeros, and never negative', () => {
    expect(hex(encodeInteger(Buffer.from([])))).toBe('020100')
    expect(hex(encodeInteger(Buffer.from([0, 0])))).toBe('020100')
    expect(hex(encodeInteger(Buffer.from([0x7f])))).toBe('02017f')
    expect(hex(encodeInteger(Buffer.from([0x80])))).toBe('02020080')
    expect(hex(encodeInteger(Buffer.from([0, 0, 0x12])))).toBe('020112')
  })

  test('object identifiers, as the standard has them', () => {
    expect(hex(encodeObjectIdentifier('1.2.840.113549'))).toBe('06062a864886f70d')
    expect(hex(encodeObjectIdentifier('2.5.29.17'))).toBe('0603551d11')
    expect(hex(encodeObjectIdentifier('2.999.3'))).toBe('0603883703')
  })

  test('named bits end with the last one that is set', () => {
    expect(hex(encodeNamedBits(0))).toBe('03020780')
    expect(hex(encodeNamedBits(5, 6))).toBe('03020106')
    expect(hex(encodeNamedBits(7))).toBe('03020001')
    expect(hex(encodeNamedBits(8))).toBe('0303070080')
    expect(hex(encodeNamedBits())).toBe('030100')
  })

  test('times: two digits for the year up to 2049, four from 2050 on', () => {
    expect(encodeTime(new Date('2049-12-31T23:59:59.999Z')).toString('latin1')).toBe('\x17\x0d491231235959Z')
    expect(encodeTime(new Date('2050-01-01T00:00:00Z')).toString('latin1')).toBe('\x18\x0f20500101000000Z')
    expect(encodeTime(new Date('1950-01-01T00:00:00Z')).toString('latin1')).toBe('\x17\x0d500101000000Z')
    expect(() => encodeTime(new Date('1949-12-31T00:00:00Z'))).toThrow()
  })

  test('a set is in the order of its bytes', () => {
    const [a, b] = [encodeInteger(Buffer.from([1])), encodeInteger(Buffer.from([2]))]
    expect(encodeSet(b, a)).toEqual(encodeSet(a, b))
  })

  test('OpenSSL reads what was written', () => {
    const value = encodeSequence(
      encodeBoolean(true),
      encodeInteger(Buffer.from('00ff01', 'hex')),
      encodeUtf8String('Grüße'),
      encodeTagged(0, encodeObjectIdentifier('1.2.840.10045.4.3.2'), true),
      encodeTagged(2, Buffer.from('xds.test'), false),
      encodeOctetString(Buffer.from('abcd', 'hex')),
      encodeBitString(Buffer.from('80', 'hex'), 7),
      encodeTime(new Date('2026-11-21T10:00:00Z')),
    )
    expect(parse(value)).toBe(
      [
        '0 cons: SEQUENCE          ',
        '1 prim: BOOLEAN           :255',
        '1 prim: INTEGER           :FF01',
        '1 prim: UTF8STRING        :Grüße',
        '1 cons: cont [ 0 ]        ',
        '2 prim: OBJECT            :ecdsa-with-SHA256',
        '1 prim: cont [ 2 ]        ',
        '1 prim: OCTET STRING      [HEX DUMP]:ABCD',
        '1 prim: BIT STRING        ',
        '1 prim: UTCTIME           :261121100000Z',
      ].join('\n'),
    )
  })

  test('whatever is nested in whatever size, OpenSSL finds every value', () => {
    interface Tree {
      readonly der: Buffer
      readonly values: number
    }
    const leaf = fc.uint8Array({ maxLength: 300 }).map((bytes): Tree => ({ der: encodeOctetString(bytes), values: 1 }))
    const join = (items: readonly Tree[]): Tree => ({
      der: encodeSequence(...items.map((item) => item.der)),
      values: items.reduce((sum, item) => sum + item.values, 1),
    })
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('tree'), { maxLength: 4 }).map(join)),
    }))
    fc.assert(
      fc.property(fc.array(tree, { minLength: 1, maxLength: 4 }).map(join), ({ der, values }) => {
        // OpenSSL prints text as it is, line breaks too: only lines with a position are values.
        const printed = openssl('asn1parse', '-inform', 'DER', '-in', file('value.der', der))
        expect(printed.match(/^ *\d+:d=\d+ +hl=/gm)).toHaveLength(values)
      }),
      { numRuns: 30 },
    )
  })
})

describe('certificates', () => {
  const day = 24 * 3_600_000
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) }
  const authority = issueAuthority('Gatewright xDS CA', validity)
  const names = ['gatewright.gatewright-system.svc', 'gatewright.gatewright-system.svc.cluster.local']
  const server = issueServerCertificate(authority, names, validity)

  test('OpenSSL verifies the chain, with its strictest rules, for the name and the purpose', () => {
    const ca = file('ca.pem', authority.certificate)
    const leaf = file('leaf.pem', server.certificate)
    const strict = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca]
    for (const name of names) expect(openssl(...strict, '-verify_hostname', name, leaf)).toContain('OK')
    expect(() => openssl(...strict, '-verify_hostname', 'other.svc', leaf)).toThrow()
    expect(() => openssl('verify', '-purpose', 'sslclient', '-CAfile', ca, leaf)).toThrow()
    const other = issueAuthority('Gatewright xDS CA', validity)
    expect(() => openssl('verify', '-CAfile', file('other.pem', other.certificate), leaf)).toThrow()
  })

  test('OpenSSL reads in them what was meant', () => {
    const text = openssl('x509', '-noout', '-text', '-in', file('leaf.pem', server.certificate))
    expect(text).toContain('Version: 3')
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256')
    expect(text).toContain('ASN1 OID: prime256v1')
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/)
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/)
    expect(text).toMatch(/Extended Key Usage:\s+TLS Web Server Authentication\n/)
    expect(text).toContain(`DNS:${names[0]}, DNS:${names[1]}`)
    const ca = openssl('x509', '-noout', '-text', '-in', file('ca.pem', authority.certificate))
    expect(ca).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    expect(ca).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/)
    const identifier = /Subject Key Identifier:\s+([0-9A-F:]+)/.exec(ca)?.[1]
    expect(/Authority Key Identifier:\s+([0-9A-F:]+)/.exec(text)?.[1]).toBe(identifier)
  })

  test('Node reads them, and the keys are theirs', () => {
    const [ca, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(server.certificate)]
    expect([ca.ca, leaf.ca]).toEqual([true, false])
    expect(leaf.checkIssued(ca)).toBe(true)
    expect(leaf.verify(ca.publicKey)).toBe(true)
    expect(leaf.checkPrivateKey(createPrivateKey(server.key))).toBe(true)
    expect(ca.checkPrivateKey(createPrivateKey(authority.key))).toBe(true)
    expect(leaf.checkHost(names[1] as string)).toBe(names[1])
    expect(new Date(leaf.validTo).getTime()).toBe(Math.floor(validity.notAfter.getTime() / 1_000) * 1_000)
    expect(leaf.serialNumber).toMatch(/^01[0-9A-F]{32}$/)
  })

  test('names of any length', () => {
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.svc.cluster.local`
    const leaf = issueServerCertificate(authority, [long], validity)
    expect(new X509Certificate(leaf.certificate).checkHost(long)).toBe(long)
    const path = file('long.pem', leaf.certificate)
    expect(openssl('verify', '-x509_strict', '-CAfile', file('ca.pem', authority.certificate), path)).toContain('OK')
  })

  test('a PEM text is what OpenSSL would write', () => {
    const der = randomBytes(100)
    expect(encodePem('X', der)).toMatch(/^-----BEGIN X-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END X-----\n$/)
    const path = file('leaf.pem', server.certificate)
    expect(openssl('x509', '-in', path)).toBe(server.certificate)
  })
})
