import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from 'vitest'
import { AdsClient, SimulatedProxy } from '../testing/ads-client.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { makeResource } from '../testing/xds-bed.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import { createCertificateAuthenticator, createTokenAuthenticator } from './authenticator.ts'
import { typeUrls } from './resource.ts'

/** The server over real connections, against a client that shares no code with it. */

const variants = ['delta', 'sotw'] as const
const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(options: Parameters<typeof XdsServerBed.start>[0] = {}): Promise<XdsServerBed> {
  const bed = await XdsServerBed.start(options)
  cleanups.push(() => bed.stop())
  return bed
}

/** Endpoints of clusters and one table per listener, all of the same name. */
function simulate(variant: 'delta' | 'sotw', nodeId = 'n'): SimulatedProxy {
  return new SimulatedProxy(
    {
      variant,
      nodeId,
      children: (type, name) => [[type === typeUrls.cluster ? typeUrls.endpoint : typeUrls.route, name]],
      nameOf: (_type, value) => value.toString().split('=')[0] as string,
    },
    [typeUrls.cluster, typeUrls.listener],
  )
}

const group = (name: string, text = 'v1') =>
  (['cluster', 'endpoint', 'listener', 'route'] as const).map((type) => makeResource(type, name, text))

const request = (typeUrl: string, more: object = {}) => ({ node: { id: 'n' }, type_url: typeUrl, ...more })

describe.each(variants)('%s', (variant) => {
  test('a proxy gets everything, and every change', async () => {
    const bed = await start({ linger: 0, drainTime: 0 })
    bed.put(...group('a'), ...group('b'))
    const proxy = simulate(variant)
    proxy.connect(bed.client())
    const texts = (typeUrl: string) =>
      [...(proxy.held.get(typeUrl) ?? [])].map(([, { value }]) => value.toString()).sort()
    const all = [typeUrls.cluster, typeUrls.endpoint, typeUrls.listener, typeUrls.route]
    for (const typeUrl of all) await expect.poll(() => texts(typeUrl)).toEqual(['a=v1', 'b=v1'])
    bed.put(...group('b', 'v2'), ...group('c'))
    for (const typeUrl of all) await expect.poll(() => texts(typeUrl)).toEqual(['a=v1', 'b=v2', 'c=v1'])
    bed.change(
      [],
      [
        ['cluster', 'a'],
        ['endpoint', 'a'],
        ['listener', 'a'],
        ['route', 'a'],
      ],
    )
    for (const typeUrl of all) await expect.poll(() => texts(typeUrl)).toEqual(['b=v2', 'c=v1'])
    await expect.poll(() => [...bed.server.acks.entries()].length).toBe(8)
  })

  test('C9: a request without a type URL ends the stream with INVALID_ARGUMENT', async () => {
    const stream = (await start()).client().open(variant)
    stream.send({ node: { id: 'n' } })
    expect((await stream.ended).code).toBe(grpc.status.INVALID_ARGUMENT)
  })

  test('C15: nothing is said before the collections are complete', async () => {
    const bed = await start({ synced: false })
    bed.put(...group('a'))
    const stream = bed.client().open(variant)
    stream.send(request(typeUrls.cluster))
    expect(await stream.isQuiet(200)).toBe(true)
    bed.server.markSynced()
    expect((await stream.next(typeUrls.cluster)).resources).toHaveLength(1)
  })

  test('whoever has a configuration is heard when everything is known, with all that it has said', async () => {
    const bed = await start({ synced: false })
    const content = group('a')
    bed.put(...content)
    bed.server.markClustersKnown()
    const stream = bed.client().open(variant)
    const of = (type: string) => content.find((resource) => resource.typeUrl === type)
    for (const type of [typeUrls.cluster, typeUrls.listener])
      stream.send(
        request(
          type,
          variant === 'delta' ? { initial_resource_versions: { a: of(type)?.version } } : { version_info: 'x' },
        ),
      )
    const named = { resource_names_subscribe: ['a'], resource_names: ['a'] }
    stream.send(request(typeUrls.route, named))
    expect(await stream.isQuiet(200)).toBe(true)
    expect([...bed.server.streams.entries()]).toEqual([])
    bed.server.markSynced()
    expect((await stream.next(typeUrls.route)).resources).toHaveLength(1)
  })

  test('C18: the first request may name 100,000 resources, which is more than 4 MiB', async () => {
    const bed = await start()
    const stream = bed.client().open(variant)
    const names = Array.from({ length: 100_000 }, (_, i) => `namespace-of-some-length/service-number-${i}/http/8080`)
    if (variant === 'sotw') stream.send(request(typeUrls.endpoint, { resource_names: names }))
    else {
      const initial = Object.fromEntries(names.map((name) => [name, 'abcdefghijk']))
      stream.send(request(typeUrls.endpoint, { resource_names_subscribe: names, initial_resource_versions: initial }))
      stream.send(request(typeUrls.cluster))
    }
    // Most of the time goes into making the request.
    await stream.next(undefined, 25_000)
    expect(stream.status).toBeUndefined()
  })

  test('a half-closed stream ends in order', async () => {
    const bed = await start()
    const stream = bed.client().open(variant)
    stream.send(request(typeUrls.cluster))
    await stream.next()
    stream.end()
    expect((await stream.ended).code).toBe(grpc.status.OK)
    await expect.poll(() => bed.server.counters.streams).toBe(0)
  })

  test('a reader that stops is cut off', async () => {
    const bed = await start({ stallLimit: 1_000 })
    const client = bed.client({ channelOptions: { 'grpc-node.flow_control_window': 65_535 } })
    const stream = client.open(variant)
    stream.send(request(typeUrls.cluster))
    await stream.next()
    stream.stopReading()
    // The client library itself reads some messages ahead, so it takes a few until nothing moves.
    for (let i = 0; bed.server.counters.streamsCut === 0; i++) {
      bed.put(makeResource('cluster', `c${i % 5}`, `${i} ${'x'.repeat(400_000)}`))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    stream.resumeReading()
    expect((await stream.ended).code).toBe(grpc.status.CANCELLED)
    expect(bed.server.counters.streams).toBe(0)
  })
})

describe('who may ask', () => {
  test('A7: no token, a wrong one, two, or one in another spelling: not a byte', async () => {
    const bed = await start()
    bed.put(makeResource('secret', 'key'), makeResource('cluster', 'c'))
    const { port } = new URL(`http://${bed.address}`)
    for (const token of [undefined, 'wrong', 'token-', 'token-a ', 'TOKEN-A']) {
      for (const variant of variants) {
        const client = new AdsClient(`127.0.0.1:${port}`, token === undefined ? {} : { token })
        cleanups.push(() => client.close())
        const stream = client.open(variant)
        stream.send(request(typeUrls.secret, { resource_names: ['key'] }))
        expect((await stream.ended).code).toBe(grpc.status.UNAUTHENTICATED)
        expect(stream.responses).toEqual([])
      }
    }
  })

  test('A7: a right token sees its own scope only, whatever node, cluster or metadata it claims', async () => {
    const bed = await start()
    bed.put(makeResource('cluster', 'mine'), makeResource('cluster', 'theirs', 'v1', { scope: 'b' }))
    bed.put(makeResource('secret', 'theirs', 'key', { scope: 'b' }))
    for (const variant of variants) {
      const stream = bed.client().open(variant)
      const node = { id: 'b', cluster: 'b', metadata: { fields: { scope: { string_value: 'b' } } } }
      stream.send({ node, type_url: typeUrls.cluster })
      const first = await stream.next()
      expect(first.resources).toHaveLength(1)
      stream.send({ node: { id: 'other', cluster: 'b' }, type_url: typeUrls.secret, resource_names: ['theirs'] })
      stream.send({ node, type_url: typeUrls.secret, resource_names_subscribe: ['theirs'] })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(JSON.stringify(stream.responses.map((r) => r.resources))).not.toContain('key')
      expect(stream.responses.flatMap((r) => r.resources)).toEqual([])
    }
  })

  test('an authenticator that fails is no reason to let anybody in', async () => {
    const authenticator = {
      authenticate: () => {
        throw new Error('no connection to the API server')
      },
    }
    const stream = (await start({ authenticator })).client().open('delta')
    stream.send(request(typeUrls.cluster))
    const { code, details } = await stream.ended
    expect(code).toBe(grpc.status.UNAVAILABLE)
    expect(details).not.toContain('API server')
  })

  test('C19: there is nothing but the two aggregated streams', async () => {
    const bed = await start()
    const client = new grpc.Client(bed.address, grpc.credentials.createInsecure())
    cleanups.push(() => client.close())
    const metadata = new grpc.Metadata()
    metadata.set('authorization', 'Bearer token-a')
    const identity = (bytes: Buffer) => bytes
    const methods = [
      '/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters',
      '/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters',
      '/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters',
      '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets',
      '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
      '/envoy.service.listener.v3.ListenerDiscoveryService/FetchListeners',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/FetchAggregatedResources',
    ]
    for (const method of methods) {
      const code = await new Promise<number | undefined>((resolve) => {
        client.makeUnaryRequest(method, identity, identity, Buffer.alloc(0), metadata, (error) => resolve(error?.code))
      })
      expect([method, code]).toEqual([method, grpc.status.UNIMPLEMENTED])
    }
  })

  test('a proxy that cannot be served is told why', async () => {
    const admitNode = ({ version }: { readonly version?: readonly number[] }) =>
      version?.[1] === 30 ? 'Envoy 1.30 is too old' : undefined
    const bed = await start({ admitNode })
    const stream = bed.client().open('delta')
    const version = { version: { major_number: 1, minor_number: 30, patch: 2 } }
    stream.send({
      node: { id: 'n', user_agent_name: 'envoy', user_agent_build_version: version },
      type_url: typeUrls.cluster,
    })
    expect(await stream.ended).toMatchObject({
      code: grpc.status.FAILED_PRECONDITION,
      details: 'Envoy 1.30 is too old',
    })
  })

  test('mutual TLS: the certificate that the server verified decides the scope', async () => {
    const ca = issueCertificate({ commonName: 'ca', isAuthority: true })
    const server = issueCertificate({ dnsNames: ['localhost'], issuer: ca })
    const proxy = (name: string, issuer = ca) => issueCertificate({ commonName: name, dnsNames: [name], issuer })
    const authenticator = createCertificateAuthenticator((name) => /^DNS:(\w+)\.proxies\.test$/.exec(name)?.[1])
    const tls = { certificate: server.certificate, key: server.privateKey, clientCa: ca.certificate }
    const bed = await start({ authenticator, tls })
    bed.put(makeResource('cluster', 'of-a'), makeResource('cluster', 'of-b', 'v1', { scope: 'b' }))
    const connect = (pair: ReturnType<typeof proxy> | undefined) => {
      const credentials = grpc.credentials.createSsl(
        Buffer.from(ca.certificate),
        pair ? Buffer.from(pair.privateKey) : null,
        pair ? Buffer.from(pair.certificate) : null,
      )
      const channelOptions = { 'grpc.ssl_target_name_override': 'localhost' }
      const stream = bed.client({ credentials, channelOptions }).open('delta')
      stream.send(request(typeUrls.cluster))
      return stream
    }
    for (const scope of ['a', 'b']) {
      const [resource] = (await connect(proxy(`${scope}.proxies.test`)).next()).resources
      expect(resource).toMatchObject({ name: `of-${scope}` })
    }
    expect((await connect(proxy('a.proxies.test.evil')).ended).code).toBe(grpc.status.UNAUTHENTICATED)
    const foreignCa = issueCertificate({ commonName: 'ca', isAuthority: true })
    expect((await connect(proxy('a.proxies.test', foreignCa)).ended).code).toBe(grpc.status.UNAVAILABLE)
    expect((await connect(undefined).ended).code).toBe(grpc.status.UNAVAILABLE)
    const plain = bed.client().open('delta')
    plain.send(request(typeUrls.cluster))
    expect((await plain.ended).code).toBe(grpc.status.UNAVAILABLE)
  })
})

describe('transport', () => {
  test('a unix socket, also over what a killed process left behind', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gatewright-uds-'))
    cleanups.push(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'xds.sock')
    await writeFile(path, '')
    const bed = await start({ address: `unix:${path}` })
    bed.put(makeResource('cluster', 'c'))
    const stream = bed.client().open('delta')
    stream.send(request(typeUrls.cluster))
    expect((await stream.next()).resources).toHaveLength(1)
  })

  test('an address that is in use is an error of listen', async () => {
    const bed = await start()
    await expect(XdsServerBed.start({ address: bed.address })).rejects.toThrow()
  })

  test('A22: garbage instead of gRPC ends that connection and nothing else', async () => {
    const { connect } = await import('node:net')
    const bed = await start()
    bed.put(makeResource('cluster', 'c'))
    const port = Number(bed.address.split(':')[1])
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    const garbage = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from(preface), Buffer.alloc(10_000, 0xff)]
    garbage.push(Buffer.concat([Buffer.from(preface), Buffer.alloc(1_000, 0x7f)]))
    for (const bytes of garbage) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(bytes)
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.destroy()
    }
    const stream = bed.client().open('delta')
    stream.send(request(typeUrls.cluster))
    expect((await stream.next()).resources).toHaveLength(1)
  })

  test('malformed requests end their stream with INVALID_ARGUMENT', async () => {
    const bed = await start()
    const client = new grpc.Client(bed.address, grpc.credentials.createInsecure())
    cleanups.push(() => client.close())
    const metadata = new grpc.Metadata()
    metadata.set('authorization', 'Bearer token-a')
    const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
    const call = client.makeBidiStreamRequest(
      path,
      (b: Buffer) => b,
      (b: Buffer) => b,
      metadata,
    )
    call.on('error', () => {})
    call.on('data', () => {})
    call.write(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]))
    const status = await new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve))
    expect(status.code).toBe(grpc.status.INVALID_ARGUMENT)
  })

  test('a server that ends lets its proxies come back to the next one', async () => {
    const first = await XdsServerBed.start()
    first.put(...group('a'))
    const proxy = simulate('delta')
    const client = first.client()
    const stream = proxy.connect(client)
    await expect.poll(() => proxy.held.get(typeUrls.route)?.size).toBe(1)
    await first.stop()
    await stream.ended
    const second = await start({ authenticator: createTokenAuthenticator(() => new Map([['a', 'token-a']])) })
    second.put(...group('a'))
    const before = proxy.resources
    proxy.connect(second.client())
    await expect.poll(() => [...second.server.acks.entries()].length).toBe(4)
    expect(proxy.resources - before).toBe(0)
  })
})
