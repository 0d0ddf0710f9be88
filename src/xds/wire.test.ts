import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyPacked, packBytes } from '../base/packed-bytes.ts'
import { envoy } from '../gen/discovery.js'
import type { EnvoyResource } from './resource.ts'
import { encodeDeltaResponse, encodeSotwResponse } from './wire.ts'

const { DeltaDiscoveryResponse, DiscoveryResponse } = envoy.service.discovery.v3

/** One that keeps its bytes, or one that has to make them. */
const resource = fc
  .record({
    typeUrl: fc.constantFrom('type.googleapis.com/a', 'type.googleapis.com/ä'),
    name: fc.string({ unit: 'binary', maxLength: 300 }),
    version: fc.string({ maxLength: 20 }),
    // Around the lengths at which a varint grows.
    length: fc.constantFrom(0, 1, 90, 127, 128, 300),
    isPacked: fc.boolean(),
  })
  .map(({ length, isPacked, ...fields }): EnvoyResource => {
    const bytes = new Uint8Array(length).map((_, index) => index * 7)
    const packed = packBytes(bytes)
    const rest = { ...fields, scope: 's', bytes, sources: [] }
    return isPacked ? { ...rest, byteLength: length, copyBytes: (into, at) => copyPacked(packed, into, at) } : rest
  })

const texts = fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { maxLength: 5 })
const resources = fc.array(resource, { maxLength: 5 })

const said = ({ typeUrl, bytes }: EnvoyResource) => ({ type_url: typeUrl, value: Buffer.from(bytes) })

test('a delta response says what it was told, in as many bytes as it announced', () => {
  const property = fc.property(resources, texts, (resources, removed) => {
    const message = encodeDeltaResponse({ typeUrl: 't', nonce: 'n', resources, removed })
    const bytes = message.encode()
    expect(bytes.length).toBe(message.byteLength)
    const expected = resources.map((r) => ({ name: r.name, version: r.version, resource: said(r) }))
    const fields = { typeUrl: 't', nonce: 'n', removedResources: removed, resources: expected }
    const theirs = DeltaDiscoveryResponse.encode(fields).finish()
    expect(DeltaDiscoveryResponse.decode(bytes)).toEqual(DeltaDiscoveryResponse.decode(theirs))
  })
  fc.assert(property, { numRuns: 300 })
})

test('so does a response about the state of the world', () => {
  const property = fc.property(resources, (resources) => {
    const message = encodeSotwResponse({ typeUrl: 't', nonce: 'n', version: 'v', resources })
    const bytes = message.encode()
    expect(bytes.length).toBe(message.byteLength)
    const fields = { typeUrl: 't', nonce: 'n', versionInfo: 'v', resources: resources.map(said) }
    const theirs = DiscoveryResponse.encode(fields).finish()
    expect(DiscoveryResponse.decode(bytes)).toEqual(DiscoveryResponse.decode(theirs))
  })
  fc.assert(property, { numRuns: 300 })
})

test('lengths of every size are written right', () => {
  for (const length of [16_383, 16_384, 2_097_151, 2_097_152, 3_000_000]) {
    const big: EnvoyResource = {
      typeUrl: 't',
      scope: 's',
      name: 'n',
      version: 'v',
      bytes: new Uint8Array(length).fill(7),
      sources: [],
    }
    const message = encodeDeltaResponse({ typeUrl: 't', nonce: 'n', resources: [big, big], removed: [] })
    const values = DeltaDiscoveryResponse.decode(message.encode()).resources?.map((r) =>
      said(big).value.equals(Buffer.from(r.resource?.value ?? [])),
    )
    expect(values).toEqual([true, true])
  }
})
