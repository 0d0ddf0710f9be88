import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, grpcRouteYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type GRPCBackend, GRPCClient, startGRPCBackend } from '../testing/grpc-backend.ts'
import { StandaloneFixture } from '../testing/standalone-fixture.ts'
import {
  greetingOf,
  type StreamBackend,
  startTcpBackend,
  streamRouteYaml,
  streamServiceYaml,
} from '../testing/stream-backends.ts'

/*
 * Routes whose hostnames come to the same one at their listener: the one whose own hostname is more specific has it,
 * however old it is.
 *
 * Features: GatewayRouteHostnameIntersectionPrecedence.
 */

const host = 'very.specific.example.com'
/** From the oldest to the youngest. */
const routes = [
  ['widest', '*.example.com'],
  ['wide', '*.specific.example.com'],
  ['exact', host],
] as const
const created = (age: number) => `2026-01-0${age + 1}T00:00:00Z`
const specOf = (listener: string, hostname: string, service: string) =>
  `  parentRefs: [{name: edge, sectionName: ${listener}}]\n  hostnames: ["${hostname}"]\n  rules: [{backendRefs: [{name: ${service}, port: 3000}]}]`

const web: EchoBackend[] = []
const grpc: GRPCBackend[] = []
const streams: StreamBackend[] = []
let authority: IssuedCertificate
let fixture: StandaloneFixture

/** The routes of every kind, without the youngest ones. */
const routesYaml = (left: number) =>
  routes
    .slice(0, left)
    .map(([name, hostname], age) =>
      [
        httpRouteYaml(`web-${name}`, specOf('web', hostname, `web-${name}`), { created: created(age) }),
        grpcRouteYaml(`grpc-${name}`, specOf('grpc', hostname, `grpc-${name}`), { created: created(age) }),
        streamRouteYaml('TLSRoute', `tls-${name}`, specOf('tls', hostname, `tls-${name}`), { created: created(age) }),
      ].join(''),
    )
    .join('')

beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  const { certificate, privateKey } = issueCertificate({ dnsNames: [host], issuer: authority })
  const services: string[] = []
  for (const [name] of routes) {
    const [echo, call, stream] = [
      await startEchoBackend({ service: name }),
      await startGRPCBackend(name, ['/s.S/M']),
      await startTcpBackend(name),
    ]
    web.push(echo)
    grpc.push(call)
    streams.push(stream)
    const local = { address: '127.0.0.1', port: call.port, close: () => Promise.resolve() }
    services.push(
      streamServiceYaml(`web-${name}`, [echo]),
      streamServiceYaml(`grpc-${name}`, [local]),
      streamServiceYaml(`tls-${name}`, [stream]),
    )
  }
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml(
        'edge',
        `[{name: web, port: 80, protocol: HTTP, hostname: ${host}}, {name: grpc, port: 81, protocol: HTTP, hostname: ${host}}, {name: tls, port: 443, protocol: TLS, hostname: ${host}, tls: {mode: Terminate, certificateRefs: [{name: cert}]}}]`,
      ) +
      tlsSecretYaml('cert', certificate, privateKey),
    routes: routesYaml(3),
    services: services.join(''),
  })
})
afterAll(async () => {
  await fixture?.stop()
  for (const backend of [...web, ...grpc, ...streams]) await backend.close()
})

/** Who answers a request, a call and a connection. */
async function whoAnswers(): Promise<string[]> {
  const client = new GRPCClient(new URL(fixture.url('default/edge/grpc')).host, host)
  try {
    return [
      (await fixture.get('default/edge/web', '/', { host })).echo.service,
      (await client.call('/s.S/M')).answer?.service ?? 'nobody',
      await greetingOf(fixture.url('default/edge/tls'), { servername: host, ca: authority.certificate }),
    ]
  } finally {
    client.close()
  }
}

test.each([3, 2, 1])('of %i routes of each kind, the one with the most specific hostname of its own', async (left) => {
  fixture.apply('routes', routesYaml(left))
  const name = routes[left - 1]?.[0]
  await fixture.eventually(async () => expect(await whoAnswers()).toEqual([name, name, name]))
})
