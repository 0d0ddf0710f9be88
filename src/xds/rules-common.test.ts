import { describe, expect, test } from 'vitest'
import { envoy } from '../gen/discovery.js'
import { type FakeProxy, makeResource, XdsBed } from '../testing/xds-bed.ts'
import { createTokenAuthenticator } from './authenticator.ts'
import { typeUrls } from './resource.ts'
import { encodeDeltaResponse } from './wire.ts'

/** Rules C1-C21 of the protocol, each in both variants where it applies. C18 and C19 are in server.grpc.test.ts. */

const variants = ['delta', 'sotw'] as const

/** A proxy that has asked for everything that is there, and has accepted it. */
async function connectSettled(bed: XdsBed, variant: 'delta' | 'sotw', tables: readonly string[]): Promise<FakeProxy> {
  const proxy = await bed.connect(variant)
  const clusters = [...bed.collections.cluster.entries()].map(([, { name }]) => name)
  proxy.subscribe('cluster')
  proxy.takeAll()
  proxy.subscribe('endpoint', ...clusters)
  proxy.subscribe('listener')
  proxy.subscribe('route', ...tables)
  proxy.takeAll()
  return proxy
}

const types = (responses: readonly { readonly type: string }[]): string[] => responses.map((r) => r.type)

describe.each(variants)('%s', (variant) => {
  test('C1: the node of the first message is the node, whatever later messages say', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', 'foreign', { scope: 'b' }))
    const proxy = await bed.connect(variant, { nodeId: 'first' })
    proxy.subscribe('listener')
    proxy.take()
    if (variant === 'delta') proxy.delta('cluster', { node: { id: 'second', cluster: 'b' } })
    else proxy.sotw('cluster', { node: { id: 'second', cluster: 'b' } })
    expect(proxy.take().flatMap((r) => r.names)).toEqual([])
    bed.advance(1000)
    expect([...bed.streams.entries()].map(([, s]) => [s.nodeId, s.scope])).toEqual([['first', 'a']])
  })

  test('C1: a credential that fixes the node id refuses another one', async () => {
    const authenticator = { authenticate: () => ({ allowed: true, scope: 'a', nodeId: 'the-one' }) as const }
    const bed = new XdsBed({ authenticator })
    bed.put(makeResource('cluster', 'c'))
    const impostor = await bed.connect(variant, { nodeId: 'another' })
    impostor.subscribe('cluster')
    expect(impostor.take()).toEqual([])
    expect(impostor.ended?.code).toBe(7)
    const proxy = await bed.connect(variant, { nodeId: 'the-one' })
    proxy.subscribe('cluster')
    expect(proxy.take().flatMap((r) => r.names)).toEqual(['c'])
  })

  test('C2: every response has a nonce of its own, and a nonce of an earlier stream is nothing', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'), makeResource('listener', 'l'))
    const first = await connectSettled(bed, variant, [])
    const before = new Set<string>()
    bed.put(makeResource('cluster', 'c', 'v2'), makeResource('listener', 'l', 'v2'))
    const responses = first.take()
    for (const { nonce } of responses) before.add(nonce)
    expect(before.size).toBe(responses.length)
    expect(before.has('')).toBe(false)
    first.disconnect()
    const second = await bed.connect(variant)
    second.subscribe('cluster')
    second.take()
    const [old] = responses
    if (variant === 'delta') second.delta('cluster', { responseNonce: old?.nonce })
    else second.sotw('cluster', { responseNonce: old?.nonce })
    expect(second.take()).toEqual([])
    expect(bed.ack('cluster', 'c')).toBeUndefined()
  })

  test('C3: only error_detail makes a NACK', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'))
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster')
    const [response] = proxy.take()
    // An ACK whose version is not the one that was sent.
    if (variant === 'delta') proxy.delta('cluster', { responseNonce: response?.nonce })
    else proxy.sotw('cluster', { responseNonce: response?.nonce, versionInfo: 'something else' })
    bed.settle()
    expect(bed.ack('cluster', 'c')?.ackedVersion).toBe(makeResource('cluster', 'c').version)
  })

  test('C4: an ACK gets no answer, and equal content is not sent again', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'))
    const proxy = await connectSettled(bed, variant, [])
    bed.put(makeResource('cluster', 'c', 'v1', { sources: ['other'] }))
    bed.advance(60_000)
    expect(proxy.take()).toEqual([])
  })

  test('C4: of several changes and requests in one task only the newest is answered', async () => {
    const bed = new XdsBed()
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster')
    for (let i = 0; i < 5; i++) bed.put(makeResource('cluster', 'c', `v${i}`))
    expect(proxy.take().map((r) => r.texts)).toEqual([{ c: 'v4' }])
  })

  test('C5: everything is wanted by `*` and by never having named anything', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2'))
    for (const names of [[], ['*']]) {
      const proxy = await bed.connect(variant)
      proxy.subscribe('cluster', ...names)
      expect(proxy.take().flatMap((r) => r.names)).toEqual(['c1', 'c2'])
    }
  })

  test('C5: after a name was given, wanting nothing is not wanting everything', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c1'), makeResource('cluster', 'c2'))
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster', 'c1')
    const [response] = proxy.take()
    expect(response?.names).toEqual(['c1'])
    if (variant === 'delta') {
      proxy.delta('cluster', { responseNonce: response?.nonce, resourceNamesUnsubscribe: ['c1'] })
      proxy.delta('cluster')
    } else {
      proxy.sotw('cluster', { responseNonce: response?.nonce, resourceNames: [] })
    }
    expect(proxy.take()).toEqual([])
    bed.put(makeResource('cluster', 'c1', 'v2'), makeResource('cluster', 'c3'))
    expect(proxy.take()).toEqual([])
  })

  test('C5: only clusters, listeners and scopes are wanted by silence', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'), makeResource('endpoint', 'c'), makeResource('secret', 's'))
    const proxy = await bed.connect(variant)
    for (const type of ['route', 'endpoint', 'secret'] as const) proxy.subscribe(type)
    expect(proxy.take()).toEqual([])
  })

  test('C6: a requested resource that does not exist is sent when it appears', async () => {
    const bed = new XdsBed()
    const proxy = await bed.connect(variant)
    proxy.subscribe('route', 'later')
    proxy.takeAll()
    bed.put(makeResource('route', 'other'))
    expect(proxy.take()).toEqual([])
    bed.put(makeResource('route', 'later'))
    expect(proxy.take().flatMap((r) => r.names)).toEqual(['later'])
  })

  test('C7: newly requested names are sent even if they were sent unprompted and have not changed', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c0'), makeResource('endpoint', 'c0'))
    const proxy = await connectSettled(bed, variant, [])
    bed.put(makeResource('cluster', 'c1'), makeResource('endpoint', 'c1'))
    expect(types(proxy.takeAll())).toEqual(['cluster', 'endpoint'])
    if (variant === 'delta') proxy.subscribe('endpoint', 'c1')
    else proxy.subscribe('endpoint', 'c0', 'c1')
    expect(proxy.take().map((r) => r.names)).toEqual([['c1']])
  })

  test('C8: no response holds a name twice', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'))
    const proxy = await connectSettled(bed, variant, [])
    // Owed, changed and pushed at once.
    bed.put(makeResource('cluster', 'c', 'v2'), makeResource('endpoint', 'c', 'v2'))
    if (variant === 'delta') proxy.delta('endpoint', { resourceNamesSubscribe: ['c', 'c'] })
    for (const { names } of proxy.take()) expect(new Set(names).size).toBe(names.length)
  })

  test('C9: a request without a type URL ends the stream with INVALID_ARGUMENT', async () => {
    const proxy = await new XdsBed().connect(variant)
    proxy.subscribe('')
    expect(proxy.ended?.code).toBe(3)
  })

  test('C9: bytes that are no request end the stream with INVALID_ARGUMENT', async () => {
    const proxy = await new XdsBed().connect(variant)
    void proxy.session?.receive(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff]))
    expect(proxy.ended?.code).toBe(3)
  })

  test('C10: the endpoints of a changed cluster follow it although they have not changed', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c'), makeResource('endpoint', 'c'))
    const proxy = await connectSettled(bed, variant, [])
    bed.put(makeResource('cluster', 'c', 'v2'))
    const responses = proxy.take()
    expect(responses.map((r) => [r.type, r.texts])).toEqual([
      ['cluster', { c: 'v2' }],
      ['endpoint', { c: 'v1' }],
    ])
  })

  test('C10: the secrets of a changed cluster and of a changed listener follow it', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('secret', 's'), makeResource('secret', 't'), makeResource('endpoint', 'c'))
    bed.put(
      makeResource('cluster', 'c', 'v1', { secrets: ['s'] }),
      makeResource('listener', 'l', 'v1', { secrets: ['t'] }),
    )
    const proxy = await connectSettled(bed, variant, [])
    proxy.subscribe('secret', 's', 't')
    proxy.takeAll()
    bed.put(
      makeResource('cluster', 'c', 'v2', { secrets: ['s'] }),
      makeResource('listener', 'l', 'v2', { secrets: ['t'] }),
    )
    expect(proxy.take().map((r) => [r.type, r.names])).toEqual([
      ['cluster', ['c']],
      ['endpoint', ['c']],
      ['secret', ['s']],
      ['listener', ['l']],
      ['secret', ['t']],
    ])
  })

  test('C11, C12: clusters, endpoints, secrets, extensions, listeners, tables, in this order and in one go', async () => {
    const bed = new XdsBed()
    bed.put(
      makeResource('listener', 'l'),
      makeResource('route', 'r'),
      makeResource('secret', 's'),
      makeResource('extension', 'x'),
    )
    const proxy = await connectSettled(bed, variant, ['r'])
    proxy.subscribe('secret', 's')
    proxy.subscribe('extension', 'x')
    proxy.takeAll()
    bed.put(
      makeResource('route', 'r', 'v2'),
      makeResource('listener', 'l', 'v2'),
      makeResource('extension', 'x', 'v2'),
      makeResource('secret', 's', 'v2'),
      makeResource('endpoint', 'c'),
      makeResource('cluster', 'c', 'v1', { secrets: ['s'] }),
    )
    const order = ['cluster', 'endpoint', 'secret', 'extension', 'listener', 'route']
    expect(types(proxy.take())).toEqual(order)
  })

  test('C13: one slow cluster holds only the tables that await it', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'slow'), makeResource('route', 'quick'))
    const proxy = await connectSettled(bed, variant, ['slow', 'quick'])
    bed.put(
      makeResource('cluster', 'dns', 'v1', { slowToWarm: true }),
      makeResource('route', 'slow', 'v2', { awaits: ['dns'] }),
      makeResource('route', 'quick', 'v2'),
    )
    expect(proxy.take().map((r) => r.names)).toEqual([['dns'], ['quick']])
  })

  test('C14: a restarted server with the same content sends nothing that the proxy has', async () => {
    const resources = [makeResource('cluster', 'c1'), makeResource('cluster', 'c2')]
    const before = new XdsBed()
    before.put(...resources)
    const old = await before.connect(variant)
    old.subscribe('cluster')
    const [response] = old.take()
    const after = new XdsBed()
    after.put(...[...resources].reverse())
    const proxy = await after.connect(variant)
    if (variant === 'delta') proxy.delta('cluster', { initialResourceVersions: { ...response?.versions } })
    else proxy.sotw('cluster', { versionInfo: response?.version ?? '' })
    expect(proxy.take()).toEqual([])
    expect(after.ack('cluster', 'c1')?.ackedVersion).toBe(resources[0]?.version)
  })

  test('C15: nothing is answered before the collections are complete', async () => {
    const bed = new XdsBed({ synced: false })
    bed.put(makeResource('cluster', 'c1'))
    const connecting = bed.connect(variant)
    await new Promise((resolve) => setTimeout(resolve, 10))
    bed.settle()
    expect(bed.core.counters.responses.size).toBe(0)
    bed.put(makeResource('cluster', 'c2'))
    bed.core.markSynced()
    const proxy = await connecting
    proxy.subscribe('cluster')
    expect(proxy.take().flatMap((r) => r.names)).toEqual(['c1', 'c2'])
  })

  test('C16: refused bytes are not sent again, and changed ones are sent at once', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 'r'))
    const proxy = await connectSettled(bed, variant, ['r'])
    bed.put(makeResource('route', 'r', 'bad'))
    const [bad] = proxy.take()
    proxy.nack(bad as never, 'no')
    bed.advance(600_000)
    expect(proxy.take()).toEqual([])
    bed.put(makeResource('route', 'other'))
    expect(proxy.take()).toEqual([])
    bed.put(makeResource('route', 'r', 'good'))
    expect(proxy.take().map((r) => r.texts)).toEqual([{ r: 'good' }])
  })

  test('C17, C20: the bytes of a resource are passed on as they are', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'c', '\u0000not a message \u{1f600}'))
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster')
    expect(proxy.take()[0]?.texts).toEqual({ c: '\u0000not a message \u{1f600}' })
  })

  test('A7: resources of another scope are neither sent nor confirmed nor denied', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('cluster', 'mine'), makeResource('cluster', 'theirs', 'v1', { scope: 'b' }))
    bed.put(makeResource('secret', 'key', 'v1', { scope: 'b' }))
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster')
    proxy.subscribe('secret', 'key')
    proxy.subscribe('cluster', '*', 'theirs')
    expect(proxy.take().flatMap((r) => r.names)).not.toContain('theirs')
    bed.put(makeResource('secret', 'key', 'v2', { scope: 'b' }))
    expect(proxy.take().flatMap((r) => r.names)).toEqual([])
  })

  test('A7: without a known credential nothing is read', async () => {
    const bed = new XdsBed({ authenticator: createTokenAuthenticator(() => new Map([['a', 'right']])) })
    bed.put(makeResource('secret', 'key'))
    const proxy = await bed.connect(variant, { token: 'wrong' })
    expect(proxy.session).toBeUndefined()
    expect(proxy.refused).toBeDefined()
    expect(bed.core.counters.streamsRefused).toBe(1)
  })

  test('A7: a stream ends a minute after its credential has run out, and not before', async () => {
    const expiring = { authenticate: () => ({ allowed: true, scope: 'a', expiresAt: 3_600_000 }) as const }
    const bed = new XdsBed({ authenticator: expiring })
    const proxy = await bed.connect(variant)
    proxy.subscribe('cluster')
    bed.clock.advance(3_659_999)
    expect(proxy.ended).toBeUndefined()
    bed.clock.advance(1)
    expect(proxy.ended).toEqual({ code: 16, details: 'the credential has expired' })
    bed.put(makeResource('secret', 'key'), makeResource('cluster', 'c'))
    expect(proxy.take().flatMap((r) => r.names)).toEqual([])
    expect(bed.core.counters.streams).toBe(0)
  })
})

test('C21: no resource has a time to live', () => {
  const resource = makeResource('cluster', 'c')
  const fields = { typeUrl: typeUrls.cluster, nonce: 'n', resources: [resource], removed: [] }
  const message = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(encodeDeltaResponse(fields).encode())
  expect(message.resources?.[0]).toMatchObject({ name: 'c', version: resource.version })
  expect(message.resources?.[0]?.ttl ?? undefined).toBeUndefined()
})
