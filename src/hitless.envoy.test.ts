import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterEach, expect, it } from 'vitest'
import { type IssuedCertificate, issueCertificate } from './testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { Load } from './testing/load.ts'
import { StandaloneFixture } from './testing/standalone-fixture.ts'

const edits = 200
const pause = 50

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const fixed = (backends: readonly EchoBackend[]) => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: gatewright }
spec: { controllerName: gatewright.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: gatewright
  listeners: [{ name: http, protocol: HTTP, port: 8080 }]
${backends
  .map(
    ({ address, port }, index) => `
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: { name: ${services[index]} }
spec:
  endpoints: [{ ip: { address: ${address}, port: ${port} } }]`,
  )
  .join('')}
`

const services = ['apple', 'pear', 'plum'] as const
const ref = (name: string, weight = 1) =>
  `{ group: gateway.envoyproxy.io, kind: Backend, name: ${name}, weight: ${weight} }`
const header = `filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-turn, value: "1" }] } }]`

/** Every state answers "/" with 200; only the services of the two neighbouring states may answer. */
function routeOf(turn: number): string {
  const service = services[Math.floor(turn / 5) % 2] as string
  const other = `{ matches: [{ path: { value: /other } }], backendRefs: [${ref('plum')}] }`
  const rules = {
    0: [`{ backendRefs: [${ref(service)}] }`, other],
    1: [`{ ${header}, backendRefs: [${ref(service)}] }`, other],
    2: [other, `{ backendRefs: [${ref(service)}] }`],
    3: [other, `{ backendRefs: [${ref('apple', 1 + (turn % 9))}, ${ref('pear', 3)}] }`],
    4: [other, `{ backendRefs: [${ref(service)}] }`],
  }[(turn % 5) as 0 | 1 | 2 | 3 | 4]
  const extra =
    turn % 5 === 4
      ? `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: extra-${turn} }
spec:
  parentRefs: [{ name: web }]
  hostnames: [extra-${turn}.example.com]
  rules: [{ backendRefs: [${ref('plum')}] }]`
      : ''
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: fruit }
spec:
  parentRefs: [{ name: web }]
  hostnames: [fruit.example.com]
  rules: [${rules.join(', ')}]${extra}
`
}

async function readStat(adminUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/stats?filter=^${name}$`)).text()
  return Number(text.split(': ')[1])
}

it(`${edits} edits of a route file under load fail no request and modify no listener`, async () => {
  const backends = await Promise.all(services.map((service) => startEchoBackend({ service })))
  for (const backend of backends) cleanups.push(() => backend.close())
  const fixture = await StandaloneFixture.start({ fixed: fixed(backends), route: routeOf(0) })
  cleanups.push(() => fixture.stop())
  const adminUrl = fixture.view().gateways[0]?.adminUrl as string
  const modifiedBefore = await readStat(adminUrl, 'listener_manager.listener_modified')

  const url = fixture.url('default/web/http')
  const load = new Load({ url, host: 'fruit.example.com', keepAliveClients: 50, newConnectionClients: 50 })
  for (let turn = 1; turn <= edits; turn++) {
    await sleep(pause)
    fixture.apply('route', routeOf(turn))
  }
  await sleep(500)
  const result = await load.stop()

  expect(fixture.fileProblems).toEqual([])
  expect(result.failures, JSON.stringify(result.statuses)).toEqual([])
  expect(Object.keys(result.statuses)).toEqual(['200'])
  // Edits really took effect, and no state of the route allows the third service for this path.
  expect(Object.keys(result.services).sort()).toEqual(['apple', 'pear'])
  expect(result.requests).toBeGreaterThan(edits * 10)
  expect(await readStat(adminUrl, 'listener_manager.listener_modified')).toBe(modifiedBefore)
  expect(await readStat(adminUrl, 'http.port-8080.rds.port-8080.update_rejected')).toBe(0)
  expect(await readStat(adminUrl, 'http.port-8080.rds.port-8080.update_success')).toBeGreaterThan(edits / 2)
})

const serviceYaml = (name: string) => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ port: 80 }] }
---
`
const sliceYaml = (name: string, backend: EchoBackend | undefined) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-a, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
endpoints: ${backend === undefined ? '[]' : `[{ addresses: [${backend.address}] }]`}
ports: [{ port: ${backend?.port ?? 80} }]
---
`
const routeTo = (name: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: fruit }
spec:
  parentRefs: [{ name: web }]
  hostnames: [fruit.example.com]
  rules: [{ backendRefs: [{ name: ${name}, port: 80 }] }]
`

/** Two Services behind one Gateway with an HTTP and an HTTPS listener. */
async function startWithServices(
  certificate = issueCertificate({ dnsNames: ['fruit.example.com'], isAuthority: true }),
) {
  const backends = await Promise.all(['apple', 'pear'].map((service) => startEchoBackend({ service })))
  for (const backend of backends) cleanups.push(() => backend.close())
  const [apple, pear] = backends as [EchoBackend, EchoBackend]
  const https = `{ name: https, protocol: HTTPS, port: 8443, hostname: fruit.example.com, tls: { certificateRefs: [{ name: cert }] } }`
  const gateway = fixed([]).replace('port: 8080 }', `port: 8080 }, ${https}`)
  const fixture = await StandaloneFixture.start({
    fixed: `${gateway}---${serviceYaml('apple')}${serviceYaml('pear')}${sliceYaml('pear', pear)}`,
    apple: sliceYaml('apple', apple),
    route: routeTo('apple'),
    secret: secretJson(certificate),
  })
  cleanups.push(() => fixture.stop())
  return { fixture, apple, pear, adminUrl: fixture.view().gateways[0]?.adminUrl as string, certificate }
}

function secretJson({ certificate, privateKey }: IssuedCertificate): string {
  const stringData = { 'tls.crt': certificate, 'tls.key': privateKey }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'cert' },
    type: 'kubernetes.io/tls',
    stringData,
  })
}

it('a route switched to and fro between two Services every 20 ms fails no request, 100 times', async () => {
  const { fixture } = await startWithServices()
  const load = new Load({
    url: fixture.url('default/web/http'),
    host: 'fruit.example.com',
    keepAliveClients: 50,
    newConnectionClients: 50,
  })
  for (let turn = 1; turn <= 100; turn++) {
    await sleep(20)
    fixture.apply('route', routeTo(turn % 2 === 0 ? 'apple' : 'pear'))
  }
  await sleep(500)
  const result = await load.stop()
  expect(result.failures, JSON.stringify(result.statuses)).toEqual([])
  expect(Object.keys(result.services).sort()).toEqual(['apple', 'pear'])
})

it('a Service whose endpoints come and go answers 503 while it is empty, and nothing else, 100 times', async () => {
  const { fixture, apple } = await startWithServices()
  const load = new Load({
    url: fixture.url('default/web/http'),
    host: 'fruit.example.com',
    keepAliveClients: 20,
    newConnectionClients: 20,
  })
  for (let turn = 0; turn < 100; turn++) {
    fixture.apply('apple', sliceYaml('apple', undefined))
    await sleep(60)
    fixture.apply('apple', sliceYaml('apple', apple))
    await fixture.eventually(async () => {
      expect((await fixture.get('default/web/http', '/', { host: 'fruit.example.com' })).status).toBe(200)
    })
  }
  const result = await load.stop()
  expect(Object.keys(result.statuses).sort(), result.failures.join('\n')).toEqual(['200', '503'])
})

/** Of the certificate that is shown to a new connection. */
function readSerialNumber(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port: Number(port), servername: 'fruit.example.com', rejectUnauthorized: false }
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

it('a certificate rotated under TLS load fails no handshake and modifies no listener, 100 times', async () => {
  const authority = issueCertificate({ commonName: 'authority', isAuthority: true })
  const issue = () => issueCertificate({ commonName: 'fruit', dnsNames: ['fruit.example.com'], issuer: authority })
  const { fixture, adminUrl } = await startWithServices(issue())
  const before = await readStat(adminUrl, 'listener_manager.listener_modified')
  const load = new Load({
    url: fixture.url('default/web/https'),
    host: 'fruit.example.com',
    ca: authority.certificate,
    keepAliveClients: 20,
    newConnectionClients: 20,
  })
  let newest = issue()
  for (let turn = 0; turn < 100; turn++) {
    newest = issue()
    fixture.apply('secret', secretJson(newest))
    await sleep(60)
  }
  const { serialNumber } = new X509Certificate(newest.certificate)
  await fixture.eventually(async () =>
    expect(await readSerialNumber(fixture.url('default/web/https'))).toBe(serialNumber),
  )
  const result = await load.stop()
  expect(result.failures, JSON.stringify(result.statuses)).toEqual([])
  expect(result.requests).toBeGreaterThan(1000)
  expect(await readStat(adminUrl, 'listener_manager.listener_modified')).toBe(before)
})
