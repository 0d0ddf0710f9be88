import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { redactSecrets } from './redact.ts'

const pem = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n'

describe('Redaction', () => {
  test('keeps what is no secret as it is', () => {
    const value = { metadata: { name: 'a' }, spec: { ports: [80, 443], on: true, none: null } }
    expect(redactSecrets(value)).toEqual(value)
  })

  test('tells of a Secret and a ConfigMap only which keys there are', () => {
    const secret = { metadata: { name: 'a' }, data: { 'tls.key': 'aGVsbG8=' }, binaryData: { b: 'eA==' } }
    expect(redactSecrets(secret)).toEqual({
      metadata: { name: 'a' },
      data: { 'tls.key': '[redacted]' },
      binaryData: { b: '[redacted]' },
    })
  })

  test.each([0, 1, 2])('finds a private key in base64 that begins %i bytes into a group', (offset) => {
    const text = Buffer.from(`${'x'.repeat(offset)}${pem}`).toString('base64')
    expect(redactSecrets({ deep: [{ text }] })).toEqual({ deep: [{ text: '[redacted]' }] })
  })

  test('finds a private key in any string, and in any field that is named so', () => {
    expect(redactSecrets({ a: `before ${pem}`, privateKey: 'raw', token: 'raw' })).toEqual({
      a: '[redacted]',
      privateKey: '[redacted]',
      token: '[redacted]',
    })
  })

  test('tells bytes by their number', () => {
    expect(redactSecrets({ bytes: new Uint8Array(5), buffer: Buffer.from('secret') })).toEqual({
      bytes: '[5 bytes]',
      buffer: '[6 bytes]',
    })
  })

  test('looks into maps and sets, and has an end in a cycle', () => {
    expect(redactSecrets(new Map([['k', new Set([pem, 'b'])]]))).toEqual({ k: ['[redacted]', 'b'] })
    const cycle: Record<string, unknown> = {}
    cycle['again'] = cycle
    expect(JSON.stringify(redactSecrets(cycle))).toContain('[too deep]')
  })

  test('is not confused by keys that objects have by nature', () => {
    const hostile = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": "c", "hasOwnProperty": 2}') as object
    expect(JSON.parse(JSON.stringify(redactSecrets(hostile)))).toEqual(
      JSON.parse('{"__proto__": {"polluted": 1}, "constructor": "c", "hasOwnProperty": 2}'),
    )
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
