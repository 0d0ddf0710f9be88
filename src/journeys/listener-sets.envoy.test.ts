import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, listenerSetYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'
import {
  greetingOf,
  type StreamBackend,
  StreamClient,
  startTcpBackend,
  streamRouteYaml,
  streamServiceYaml,
} from '../testing/stream-backends.ts'

/*
 * Listeners of ListenerSets serve beside those of their Gateway.
 *
 * Features: ListenerSet.
 */

const secure = (name: string, hostname: string) =>
  `{name: ${name}, port: 443, protocol: HTTPS, hostname: ${hostname}, tls: {certificateRefs: [{name: cert}]}}`
const route = (name: string, kind: string, parent: string) =>
  httpRouteYaml(
    name,
    `  parentRefs: [{kind: ${kind}, name: ${parent}}]
  rules: [{matches: [{path: {value: /${name}}}], backendRefs: [{name: echo, port: 3000}]}]`,
  )
const team = (more = '') =>
  listenerSetYaml(
    'team',
    'edge',
    `[{name: shop, port: 80, protocol: HTTP, hostname: shop.test}, ${secure('tls', 'shop.test')}, {name: db, port: 5432, protocol: TCP}${more}]`,
  )

let echo: EchoBackend
let database: StreamBackend
let authority: IssuedCertificate
let fixture: StandaloneFixture
beforeAll(async () => {
  echo = await startEchoBackend({ service: 'echo' })
  database = await startTcpBackend('database')
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  const dnsNames = ['own.test', 'shop.test', 'late.test']
  const leaf = issueCertificate({ commonName: 'leaf', dnsNames, issuer: authority })
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml('edge', `[{name: web, port: 80, protocol: HTTP, hostname: own.test}, ${secure('tls', 'own.test')}]`, {
        spec: '  allowedListeners: {namespaces: {from: Same}}',
      }),
    team: team(),
    routes:
      route('of-gateway', 'Gateway', 'edge') +
      route('of-set', 'ListenerSet', 'team') +
      streamRouteYaml(
        'TCPRoute',
        'db',
        '  parentRefs: [{kind: ListenerSet, name: team, sectionName: db}]\n  rules: [{backendRefs: [{name: db, port: 3000}]}]',
      ),
    services:
      backendYaml(echo, { service: 'echo' }) +
      streamServiceYaml('db', [database]) +
      tlsSecretYaml('cert', leaf.certificate, leaf.privateKey),
  })
})
afterAll(async () => {
  await fixture?.stop()
  await echo?.close()
  await database?.close()
})

describe('a ListenerSet', () => {
  test.each([
    ['web', 'own.test', 'of-gateway', 200],
    ['web', 'own.test', 'of-set', 404],
    ['web', 'shop.test', 'of-set', 200],
    ['web', 'shop.test', 'of-gateway', 404],
    ['tls', 'own.test', 'of-gateway', 200],
    ['tls', 'shop.test', 'of-set', 200],
    ['tls', 'shop.test', 'of-gateway', 404],
  ])(
    'on the port of listener %s: %s/%s is answered with %i... by the routes of its owner',
    async (listener, host, path, status) => {
      const answer = await fixture.get(`default/edge/${listener}`, `/${path}`, { host, ca: authority.certificate })
      expect(answer.status).toBe(status)
    },
  )

  test('has ports of its own, also for connections', async () => {
    expect(await greetingOf(fixture.url('default/edge/team/db'))).toBe('database')
  })

  test('is told and counted', () => {
    const conditions = fixture.conditions('ListenerSet', 'default', 'team').filter((c) => c.type === 'Programmed')
    expect(conditions.map((c) => [c.about, c.status])).toEqual([
      ['', 'True'],
      ['listener shop', 'True'],
      ['listener tls', 'True'],
      ['listener db', 'True'],
    ])
    const status = fixture.view().statuses.find((s) => s.kind === 'Gateway')?.status
    expect(status).toMatchObject({ attachedListenerSets: 1 })
  })

  test('keeps the connections of the others when it gets a listener on their port', async () => {
    const { hostname, port } = new URL(fixture.url('default/edge/tls'))
    const client = StreamClient.open(`tls://${hostname}:${port || 443}`, {
      servername: 'own.test',
      ca: authority.certificate,
    })
    const ask = async (answers: number) => {
      client.write('GET /of-gateway HTTP/1.1\r\nHost: own.test\r\n\r\n')
      await client.until(() => client.received.split('HTTP/1.1 200').length === answers + 1)
    }
    await ask(1)
    fixture.apply('team', team(`, ${secure('late', 'late.test')}`))
    await fixture.eventually(async () => {
      const answer = await fixture.get('default/edge/tls', '/of-set', { host: 'late.test', ca: authority.certificate })
      expect(answer.status).toBe(200)
    })
    await ask(2)
    expect(client.received.toLowerCase()).not.toContain('connection: close')
    expect(client.state).toBe('open')
    client.close()
  })
})
