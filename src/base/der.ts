import { assert } from './assert.ts'

/**
 * Values of ASN.1 in DER, the encoding of X.509 (ITU-T X.690): a tag, the length of the content, the content.
 * Only what certificates need.
 */

const maxLength = 0xffff_ffff

/** @param tag one byte; tags above 30 are not needed */
export function encodeDer(tag: number, content: Uint8Array): Buffer {
  const size = content.length
  assert(size <= maxLength, 'a DER value has less than 4 GiB')
  if (size < 0x80) return Buffer.concat([Buffer.from([tag, size]), content])
  const length: number[] = []
  for (let left = size; left > 0; left = Math.floor(left / 256)) length.unshift(left % 256)
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length, ...length]), content])
}

export function encodeSequence(...items: readonly Uint8Array[]): Buffer {
  return encodeDer(0x30, Buffer.concat(items))
}

/** DER wants the items of a SET OF in the order of their bytes. */
export function encodeSet(...items: readonly Uint8Array[]): Buffer {
  return encodeDer(0x31, Buffer.concat([...items].sort(Buffer.compare)))
}

/** @param value not negative, the most significant byte first */
export function encodeInteger(value: Uint8Array): Buffer {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  const bytes = value.subarray(start)
  if (bytes.length === 0) return encodeDer(0x02, Buffer.from([0]))
  // A first bit that is set would make it negative.
  const isNegative = (bytes[0] as number) >= 0x80
  return encodeDer(0x02, isNegative ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

/** @param text e.g. "2.5.29.17" */
export function encodeObjectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes: number[] = []
  for (const part of [first * 40 + second, ...rest]) {
    assert(Number.isSafeInteger(part) && part >= 0, 'an object identifier is made of numbers')
    const groups = [part % 128]
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80)
    bytes.push(...groups)
  }
  return encodeDer(0x06, Buffer.from(bytes))
}

export function encodeBoolean(value: boolean): Buffer {
  return encodeDer(0x01, Buffer.from([value ? 0xff : 0]))
}

export function encodeOctetString(content: Uint8Array): Buffer {
  return encodeDer(0x04, content)
}

/** @param unusedBits at the end of the last byte */
export function encodeBitString(content: Uint8Array, unusedBits = 0): Buffer {
  return encodeDer(0x03, Buffer.concat([Buffer.from([unusedBits]), content]))
}

/** A BIT STRING of named bits, which DER cuts after the last one that is set. */
export function encodeNamedBits(...bits: readonly number[]): Buffer {
  const last = Math.max(-1, ...bits)
  const bytes = Buffer.alloc(Math.ceil((last + 1) / 8))
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (0x80 >> (bit & 7))
  return encodeBitString(bytes, (8 - ((last + 1) % 8)) % 8)
}

export function encodeUtf8String(text: string): Buffer {
  return encodeDer(0x0c, Buffer.from(text))
}

/** A context-specific tag: [number], around a value or instead of its tag. */
export function encodeTagged(number: number, content: Uint8Array, isConstructed: boolean): Buffer {
  return encodeDer(0x80 | (isConstructed ? 0x20 : 0) | number, content)
}

/** Seconds count. RFC 5280 4.1.2.5 wants two digits for years before 2050 and four from then on. */
export function encodeTime(time: Date): Buffer {
  const year = time.getUTCFullYear()
  assert(year >= 1950 && year <= 9999, 'a certificate lives between 1950 and 9999')
  const digits = time.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return year < 2050 ? encodeDer(0x17, Buffer.from(`${digits.slice(2)}Z`)) : encodeDer(0x18, Buffer.from(`${digits}Z`))
}

/** The text form of RFC 7468. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)
  return `-----BEGIN ${label}-----\n${(lines ?? []).join('\n')}\n-----END ${label}-----\n`
}
