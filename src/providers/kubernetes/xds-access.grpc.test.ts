import { connect } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { AdsClientStream } from '../../testing/ads-client.ts'
import { FakeTokenIssuer } from '../../testing/fake-token-issuer.ts'
import { MemoryApi } from '../../testing/memory-api.ts'
import { makeResource } from '../../testing/xds-bed.ts'
import { XdsServerBed } from '../../testing/xds-server.ts'
import { ackKey } from '../../xds/acks.ts'
import { typeUrls } from '../../xds/resource.ts'
import { ApiError } from './api-client.ts'
import { createReplicaCheck, createTokenReviewAuthenticator } from './token-review-authenticator.ts'
import { TokenReviewer } from './token-reviewer.ts'
import { XdsCertificate } from './xds-certificate.ts'

/*
 * A7 and G12: who gets what from the xDS server as it runs in a cluster, over TLS with our own authority, known by
 * TokenReviews. Two Gateways, shop/gw and blog/gw; everything of the latter has a mark.
 */

const mark = 'FOREIGN'
const variants = ['delta', 'sotw'] as const
type Variant = (typeof variants)[number]
const serverName = 'gatewright.gatewright-system.svc'
const self = { namespace: 'gatewright-system', serviceAccount: 'gatewright' }
const gateways = new Set(['shop/gw', 'blog/gw', 'shop/gw-2'])

const api = new MemoryApi()
const issuer = new FakeTokenIssuer()
let bed: XdsServerBed
let certificate: XdsCertificate
let isAway = false

beforeAll(async () => {
  api.fault = (request) => {
    if (isAway) throw new ApiError('network', 'connect ECONNREFUSED')
    return issuer.answer(request)
  }
  const common = { api, clock: systemClock, logger: silentLogger }
  certificate = new XdsCertificate({ ...common, namespace: self.namespace, serverNames: [serverName] })
  certificate.start()
  await certificate.ready
  const reviewer = new TokenReviewer({ ...common, audience: 'gatewright-xds' })
  bed = await XdsServerBed.start({
    authenticator: createTokenReviewAuthenticator({
      reviewer,
      scopeOf: (namespace, account) => {
        const key = `${namespace}/${account}`
        return gateways.has(key) ? (key as NamespacedName) : undefined
      },
    }),
    isReplica: createReplicaCheck(reviewer, self),
    tls: certificate.tls,
  })
  for (const [scope, text] of [
    ['shop/gw', 'own'],
    ['blog/gw', mark],
  ] as const) {
    const name = (type: string) => `${text}-${type}`
    bed.put(
      ...(['cluster', 'endpoint', 'secret', 'listener', 'route'] as const).map((type) =>
        makeResource(type, name(type), text, { scope }),
      ),
    )
  }
})
afterAll(async () => {
  await bed.stop()
  certificate.close()
})
beforeEach(() => {
  isAway = false
})

const credentials = () => grpc.credentials.createSsl(Buffer.from(certificate.trustBundle.current()))
const channelOptions = { 'grpc.ssl_target_name_override': serverName }

function open(variant: Variant, token?: string): AdsClientStream {
  const client = bed.client({ credentials: credentials(), channelOptions, token: token as string })
  return client.open(variant)
}

const ownNode = { id: 'shop/gw-1', cluster: 'shop/gw' }

/** Asks for everything there is, by wildcard and by name, again and again with this node. */
function askForAll(stream: AdsClientStream, ...nodes: readonly object[]): void {
  for (const node of nodes) {
    for (const [type, type_url] of Object.entries(typeUrls)) {
      const names = [`${mark}-${type}`, `own-${type}`, `xdstp://blog/${mark}-${type}`, `blog/gw\n${mark}-${type}`]
      stream.send({ node, type_url })
      stream.send({ node, type_url, resource_names_subscribe: names, resource_names: names })
      stream.send({ node, type_url, resource_names_subscribe: ['*'], resource_names: ['*', ...names] })
    }
  }
}

/** The names and bytes of all resources that came. */
function received(stream: AdsClientStream): string {
  return stream.responses
    .flatMap(({ resources }) => resources)
    .map((resource) =>
      'resource' in resource ? `${resource.name} ${resource.resource.value.toString()}` : resource.value.toString(),
    )
    .join('\n')
}

async function waitFor(stream: AdsClientStream): Promise<void> {
  await expect
    .poll(() => received(stream).includes('own') || stream.status !== undefined, { timeout: 5_000 })
    .toBe(true)
  // What must not come has had time to.
  await new Promise((resolve) => setTimeout(resolve, 50))
}

describe.each(variants)('%s', (variant) => {
  test('the proxy of a Gateway gets what is of its Gateway', async () => {
    const stream = open(variant, issuer.issue())
    askForAll(stream, ownNode)
    await waitFor(stream)
    expect(received(stream)).toContain('own-cluster')
    expect(received(stream)).not.toContain(mark)
    expect(stream.status).toBeUndefined()
    const other = open(variant, issuer.issue({ namespace: 'blog', pod: 'gw-7' }))
    askForAll(other, { id: 'blog/gw-7' })
    await expect.poll(() => received(other)).toContain(`${mark}-secret`)
    expect(received(other)).not.toContain('own')
  })

  const refusals: readonly (readonly [string, () => string | undefined])[] = [
    ['no credential', () => undefined],
    ['something that is no token', () => 'let-me-in'],
    ['a token that nobody issued', () => new FakeTokenIssuer().issue()],
    ['the token of a service account of no Gateway', () => issuer.issue({ serviceAccount: 'default' })],
    ['the token of another namespace', () => issuer.issue({ namespace: 'evil' })],
    [
      'the token of another service account that claims to be the right one',
      () => issuer.issue({ namespace: 'evil', claims: { sub: 'system:serviceaccount:shop:gw' } }),
    ],
    ['an expired token', () => issuer.issue({ lifetime: -1 })],
    ['an expired token that claims to be good', () => issuer.issue({ lifetime: -1, claims: { exp: 4_000_000_000 } })],
    ['a token for another audience', () => issuer.issue({ audience: 'vault' })],
    [
      'a token for another audience that claims to be for ours',
      () => issuer.issue({ audience: 'vault', claims: { aud: ['gatewright-xds'] } }),
    ],
    ['a token that is bound to no pod', () => issuer.issue({ pod: null })],
    [
      'the token of a pod that is gone',
      () => {
        const token = issuer.issue()
        issuer.revoke(token)
        return token
      },
    ],
    ['the token of a replica', () => issuer.issue({ ...self, pod: 'gatewright-0' })],
  ]
  test.each(refusals)('%s: not a byte', async (_, tokenOf) => {
    const stream = open(variant, tokenOf())
    askForAll(stream, ownNode)
    expect(await stream.ended).toMatchObject({ code: grpc.status.UNAUTHENTICATED, details: 'not allowed' })
    expect(stream.responses).toEqual([])
  })

  test('an API server that is away: who is not known is told to try again, and gets not a byte', async () => {
    const known = issuer.issue()
    const first = open(variant, known)
    askForAll(first, ownNode)
    await waitFor(first)
    isAway = true
    const stranger = open(variant, issuer.issue())
    askForAll(stranger, ownNode)
    expect((await stranger.ended).code).toBe(grpc.status.UNAVAILABLE)
    expect(stranger.responses).toEqual([])
    const again = open(variant, known)
    askForAll(again, ownNode)
    await waitFor(again)
    expect(received(again)).toContain('own')
    expect(received(again)).not.toContain(mark)
  })

  test.each([
    ['of another Gateway', { id: 'blog/gw-7', cluster: 'blog/gw' }],
    ['of another pod of the same Gateway', { id: 'shop/gw-2' }],
    ['without its namespace', { id: 'gw-1' }],
    ['that is empty', { id: '' }],
    ['that is missing', undefined],
  ])('the right token with a node %s: not a byte', async (_, node) => {
    const stream = open(variant, issuer.issue())
    askForAll(stream, node as object)
    expect((await stream.ended).code).toBe(grpc.status.PERMISSION_DENIED)
    expect(stream.responses).toEqual([])
  })

  test.each([
    ['cluster', { ...ownNode, cluster: 'blog/gw' }],
    ['metadata', { ...ownNode, metadata: { fields: { scope: { string_value: 'blog/gw' } } } }],
    ['locality', { ...ownNode, locality: { region: 'blog', zone: 'blog/gw' } }],
  ])('the right token with the %s of another Gateway: what is its own and nothing else', async (_, node) => {
    const stream = open(variant, issuer.issue())
    askForAll(stream, node)
    await waitFor(stream)
    expect(received(stream)).toContain('own')
    expect(received(stream)).not.toContain(mark)
  })

  test.each([
    ['id', { id: 'blog/gw-7', cluster: 'shop/gw' }],
    ['cluster', { id: 'shop/gw-1', cluster: 'blog/gw' }],
    ['everything', { id: 'blog/gw-7', cluster: 'blog/gw', metadata: { fields: {} } }],
  ])('a node whose %s changes after the first message: what is its own and nothing else', async (_, node) => {
    const stream = open(variant, issuer.issue())
    askForAll(stream, ownNode, node)
    await waitFor(stream)
    expect(received(stream)).toContain('own')
    expect(received(stream)).not.toContain(mark)
    bed.put(makeResource('secret', `${mark}-secret`, `${mark} ${Math.random()}`, { scope: 'blog/gw' }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(received(stream)).not.toContain(mark)
  })

  test.each(['type.googleapis.com/envoy.admin.v3.ConfigDump', 'secrets', '*', '__proto__', ''])(
    'the type "%s": nothing',
    async (type_url) => {
      const stream = open(variant, issuer.issue())
      stream.send({ node: ownNode, type_url, resource_names_subscribe: ['*'], resource_names: [`${mark}-secret`] })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(stream.responses.flatMap(({ resources }) => resources)).toEqual([])
    },
  )
})

describe('other doors', () => {
  const methods = [
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/FetchAggregatedResources',
    '/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters',
    '/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters',
    '/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters',
    '/envoy.service.endpoint.v3.EndpointDiscoveryService/FetchEndpoints',
    '/envoy.service.listener.v3.ListenerDiscoveryService/FetchListeners',
    '/envoy.service.route.v3.RouteDiscoveryService/FetchRoutes',
    '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets',
    '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
    '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
    '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus',
    '/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    '/grpc.channelz.v1.Channelz/GetServers',
    '/grpc.health.v1.Health/Check',
  ]

  /** What a method answers, with everything that it sends. */
  async function call(path: string, token: string | undefined) {
    const client = new grpc.Client(bed.address, credentials(), channelOptions)
    const metadata = new grpc.Metadata()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    const identity = (bytes: Buffer) => bytes
    const stream = client.makeBidiStreamRequest(path, identity, identity, metadata)
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    stream.on('error', () => {})
    stream.end(Buffer.alloc(0))
    const { code } = await new Promise<grpc.StatusObject>((resolve) => stream.on('status', resolve))
    client.close()
    return { code, bytes }
  }

  test.each(methods)('%s is not there, with a token or without', async (path) => {
    for (const token of [undefined, issuer.issue()])
      expect(await call(path, token)).toEqual({ code: grpc.status.UNIMPLEMENTED, bytes: 0 })
  })

  test('what proxies accept is told to replicas alone', async () => {
    const path = '/gatewright.peers.v1.Peers/WatchAcks'
    bed.scheduler.batch(() =>
      bed.server.acks.set(ackKey(typeUrls.route, 'blog/gw', `${mark}-route`), { ackedVersion: mark }),
    )
    const foreign = [undefined, issuer.issue(), issuer.issue({ ...self, serviceAccount: 'default' })]
    foreign.push(issuer.issue({ claims: { sub: `system:serviceaccount:${self.namespace}:${self.serviceAccount}` } }))
    for (const token of foreign) {
      const { code, bytes } = await call(path, token)
      expect([grpc.status.UNAUTHENTICATED, grpc.status.PERMISSION_DENIED]).toContain(code)
      expect(bytes).toBe(0)
    }
    const client = new grpc.Client(bed.address, credentials(), channelOptions)
    const metadata = new grpc.Metadata()
    metadata.set('authorization', `Bearer ${issuer.issue({ ...self, pod: 'gatewright-1' })}`)
    const identity = (bytes: Buffer) => bytes
    const stream = client.makeServerStreamRequest(path, identity, identity, Buffer.alloc(0), metadata)
    stream.on('error', () => {})
    const first = await new Promise<Buffer>((resolve) => stream.on('data', resolve))
    expect(first.toString()).toContain(mark)
    stream.cancel()
    client.close()
  })

  test('plaintext to the TLS port: nothing but the end', async () => {
    for (const variant of variants) {
      const stream = bed.client({ token: issuer.issue() }).open(variant)
      askForAll(stream, ownNode)
      expect((await stream.ended).code).toBe(grpc.status.UNAVAILABLE)
      expect(stream.responses).toEqual([])
    }
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    for (const text of [preface, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n']) {
      const socket = connect(Number(bed.address.split(':')[1]), '127.0.0.1')
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.on('error', () => {})
      socket.write(text)
      await new Promise((resolve) => socket.once('close', resolve))
      // At most an alert of TLS.
      expect(Buffer.concat(chunks).length).toBeLessThanOrEqual(7)
    }
  })

  test('a server that is not ours is not trusted with a token', async () => {
    const other = new XdsCertificate({
      api: new MemoryApi(),
      clock: systemClock,
      logger: silentLogger,
      namespace: self.namespace,
      serverNames: [serverName],
    })
    other.start()
    await other.ready
    other.close()
    const impostor = await XdsServerBed.start({
      tls: other.tls,
      authenticator: {
        authenticate: () => {
          throw new Error('reached')
        },
      },
    })
    const stream = impostor.client({ credentials: credentials(), channelOptions, token: issuer.issue() }).open('delta')
    stream.send({ node: ownNode, type_url: typeUrls.cluster })
    expect((await stream.ended).code).toBe(grpc.status.UNAVAILABLE)
    expect((await stream.ended).details).not.toContain('try again')
    await impostor.stop()
  })
})
