import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { gatewayYaml, httpRouteYaml, serviceYaml, tlsSecretYaml } from './testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from './testing/certificates.ts'
import { type EchoAnswer, type EchoBackend, startEchoBackend } from './testing/echo-backend.ts'
import { HeldConnection, type HeldResult } from './testing/held-connection.ts'
import { sendHttp2 } from './testing/http2.ts'
import { ServingFixture } from './testing/serving-fixture.ts'
import { startTlsEcho, type TlsEcho } from './testing/tls-echo.ts'
import { startTraceCollector, type TraceCollector } from './testing/trace-collector.ts'
import { HeldUpgrade, startUpgradeEcho, type UpgradeEcho } from './testing/upgrade-echo.ts'

/**
 * Connections that are open while something is edited: they stay open and lose nothing, because nothing of what is
 * edited stands in a Listener. Where something does, the test says what it costs.
 */

const changes = 10
const host = 'fruit.example.com'
const listenersYaml = (more = '') => `
  - {name: http, protocol: HTTP, port: 8080}
  - {name: https, protocol: HTTPS, port: 8443, hostname: ${host}, tls: {certificateRefs: [{name: cert}]}}${more}`

const authority = issueCertificate({ commonName: 'authority', isAuthority: true })
const otherAuthority = issueCertificate({ commonName: 'other', isAuthority: true })
const issueFront = () => issueCertificate({ commonName: 'fruit', dnsNames: [host], issuer: authority })

let plain: EchoBackend
let collector: TraceCollector
let otherCollector: TraceCollector
let upgrades: UpgradeEcho
const secure = new Map<string, TlsEcho>()
let fixture: ServingFixture

const sliceYaml = (service: string, { address, port }: { readonly address: string; readonly port: number }) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-a, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
endpoints: [{addresses: [${address}]}]
ports: [{port: ${port}}]
---
`
const certificateYaml = ({ certificate, privateKey }: IssuedCertificate) =>
  tlsSecretYaml('cert', certificate, privateKey)
const authoritiesYaml = (...trusted: readonly IssuedCertificate[]) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: ${JSON.stringify(trusted.map(({ certificate }) => certificate).join(''))}}
---
`
const policyYaml = (service: string, hostname: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${service}}
spec:
  targetRefs: [{group: "", kind: Service, name: ${service}}]
  validation: {hostname: ${hostname}, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
---
`
const telemetryYaml = (backend: string, provider = '', tracing = '') => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XTelemetryPolicy
metadata: {name: traces}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  tracing: {mode: Enabled, provider: {backendRef: {name: ${backend}, port: 80}${provider}}${tracing}}
---
`
const rule = (path: string, service: string, more = '') =>
  `{matches: [{path: {value: ${path}}}], ${more}backendRefs: [{name: ${service}, port: 80}]}`
const routeYaml = (mark = '') => {
  const filter = `filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-mark, value: "${mark}"}]}}], `
  const rules = [
    rule('/', 'plain'),
    rule('/first', 'first'),
    rule('/second', 'second'),
    rule('/upgrade', 'upgrades'),
    rule('/mark', 'plain', filter),
  ]
  return httpRouteYaml('fruit', `  parentRefs: [{name: web}]\n  rules: [${rules.join(', ')}]`)
}

beforeAll(async () => {
  plain = await startEchoBackend({ service: 'plain' })
  collector = await startTraceCollector()
  otherCollector = await startTraceCollector()
  upgrades = await startUpgradeEcho()
  // Each shows a certificate of another authority.
  const names = ['a.test', 'b.test']
  secure.set('first', await startTlsEcho(issueCertificate({ dnsNames: names, issuer: authority })))
  secure.set('second', await startTlsEcho(issueCertificate({ dnsNames: names, issuer: otherAuthority })))
  const services = [
    ['plain', plain] as const,
    ['upgrades', upgrades] as const,
    ['collector', { address: '127.0.0.1', port: collector.port }] as const,
    ['other-collector', { address: '127.0.0.1', port: otherCollector.port }] as const,
    ...secure,
  ]
  fixture = await ServingFixture.start(
    gatewayYaml('web', listenersYaml()) +
      certificateYaml(issueFront()) +
      authoritiesYaml(authority) +
      services.map(([name, backend]) => `${serviceYaml(name)}---${sliceYaml(name, backend)}`).join('') +
      policyYaml('first', 'a.test') +
      policyYaml('second', 'a.test') +
      routeYaml('0'),
  )
  await fixture.envoy.askUntil('/', host, ['plain'])
  await vi.waitFor(() => shownFingerprint(), patience)
})
afterAll(async () => {
  await fixture?.stop()
  await plain?.close()
  await collector?.close()
  await otherCollector?.close()
  await upgrades?.close()
  for (const echo of secure.values()) await echo.close()
})

const patience = { interval: 5, timeout: 15_000 }

/** The status of one request on a connection of its own. */
const statusOf = async (path: string) => (await fetch(`${fixture.envoy.url()}${path}`)).status
const serverNameAt = async (path: string) =>
  ((await (await fetch(`${fixture.envoy.url()}${path}`)).json()) as { serverName: string }).serverName

/** What edits do to listeners, and what Envoy refuses. */
const countListenerChanges = () =>
  fixture.envoy.stats(
    '^(listener_manager|cluster_manager|http|sds)\\..*(listener_(modified|removed|in_place_updated)|update_rejected)$',
  )

const countDraining = async () =>
  Object.values(await fixture.envoy.stats('^listener_manager.total_(listeners|filter_chains)_draining$')).reduce(
    (sum, value) => sum + value,
    0,
  )

/** Every kind of client, to both ports, each with a request under way that outlasts the edits. */
async function whileHeld(edit: () => Promise<void>): Promise<HeldResult[]> {
  const { envoy } = fixture
  const ca = authority.certificate
  const held = await Promise.all(
    (['http1', 'http2'] as const).flatMap((protocol) => [
      HeldConnection.open(protocol, { url: envoy.url(), host, path: '/' }),
      HeldConnection.open(protocol, { url: envoy.url(8443, 'https'), host, ca, path: '/' }),
    ]),
  )
  for (const connection of held) connection.beginLong(1_000)
  await edit()
  return Promise.all(held.map((connection) => connection.release()))
}

/** No answer is missing, no connection was touched, and no Listener has changed. */
async function expectUntouched(edit: () => Promise<void>): Promise<void> {
  const before = await countListenerChanges()
  const results = await whileHeld(edit)
  for (const result of results) expect(result).toMatchObject({ failures: [], isUntouched: true })
  // One by one over HTTP/1.1, where the request that takes long holds up the others.
  for (const { answers } of results) expect(answers).toBeGreaterThanOrEqual(2)
  expect(await countListenerChanges()).toEqual(before)
}

/** Of the certificate that a new connection is shown. */
function shownFingerprint(serverName = host): Promise<string> {
  const { hostname, port } = new URL(fixture.envoy.url(8443))
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port: Number(port), servername: serverName, rejectUnauthorized: false }
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('open connections stay open and lose nothing, and no Listener changes', () => {
  it(`while a rule is edited ${changes} times`, () =>
    expectUntouched(async () => {
      for (let turn = 1; turn <= changes; turn++) {
        fixture.apply(routeYaml(String(turn)))
        await fixture.envoy.askUntil('/mark', host, [`plain:${turn}`])
      }
    }))

  it(`while a BackendTLSPolicy is edited ${changes} times`, () =>
    expectUntouched(async () => {
      for (let turn = 1; turn <= changes; turn++) {
        const hostname = turn % 2 === 0 ? 'a.test' : 'b.test'
        fixture.apply(policyYaml('first', hostname))
        await expect.poll(() => serverNameAt('/first'), patience).toBe(hostname)
      }
    }))

  it('while the authority that a BackendTLSPolicy trusts is replaced by another, with a time in which it trusts both', () =>
    expectUntouched(async () => {
      expect(await statusOf('/second')).toBe(503)
      for (let turn = 1; turn <= changes; turn++) {
        const [from, to] = turn % 2 === 1 ? [authority, otherAuthority] : [otherAuthority, authority]
        const [old, young] = turn % 2 === 1 ? ['/first', '/second'] : ['/second', '/first']
        fixture.apply(authoritiesYaml(from, to))
        await expect.poll(() => statusOf(young), patience).toBe(200)
        expect(await statusOf(old)).toBe(200)
        fixture.apply(authoritiesYaml(to))
        await expect.poll(() => statusOf(old), patience).toBe(503)
        expect(await statusOf(young)).toBe(200)
      }
      fixture.apply(authoritiesYaml(authority))
      await expect.poll(() => statusOf('/first'), patience).toBe(200)
    }))

  it(`while the server certificate is rotated ${changes} times`, () =>
    expectUntouched(async () => {
      for (let turn = 1; turn <= changes; turn++) {
        const next = issueFront()
        fixture.apply(certificateYaml(next))
        await expect.poll(() => shownFingerprint(), patience).toBe(new X509Certificate(next.certificate).fingerprint256)
      }
    }))

  it('while an XBackendTrafficPolicy comes, changes and goes', () =>
    expectUntouched(async () => {
      const policy = (spec: string) => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: plain}
spec: {targetRefs: [{group: "", kind: Service, name: plain}], ${spec}}
`
      const cookieOf = async () => (await fetch(`${fixture.envoy.url()}/`)).headers.get('set-cookie') ?? ''
      fixture.apply(policy('sessionPersistence: {type: Cookie, cookie: {name: one}}'))
      await expect.poll(cookieOf, patience).toContain('one=')
      fixture.apply(policy('sessionPersistence: {type: Cookie, cookie: {name: two}}, retryConstraint: {}'))
      await expect.poll(cookieOf, patience).toContain('two=')
      fixture.apply('', ['XBackendTrafficPolicy', 'plain'])
      await expect.poll(cookieOf, patience).toBe('')
    }))
})

describe('an edit that a Listener must change for', () => {
  it('costs nobody anything where it is one more hostname of a port with TLS: Envoy adds a filter chain in place', async () => {
    const more = `\n  - {name: more, protocol: HTTPS, port: 8443, hostname: more.example.com, tls: {certificateRefs: [{name: cert}]}}`
    const statusAt = () =>
      sendHttp2({
        url: fixture.envoy.url(8443, 'https'),
        serverName: 'more.example.com',
        authority: 'more.example.com',
        path: '/',
      }).then(
        ({ status }) => status,
        () => 0,
      )
    const before = await countListenerChanges()
    const results = await whileHeld(async () => {
      fixture.apply(gatewayYaml('web', listenersYaml(more)))
      await expect.poll(statusAt, patience).toBe(200)
    })
    for (const result of results) expect(result).toMatchObject({ failures: [], isUntouched: true })
    const after = await countListenerChanges()
    expect(after['listener_manager.listener_in_place_updated']).toBe(
      Number(before['listener_manager.listener_in_place_updated']) + 1,
    )
    // And back: only connections to the hostname that goes are asked to end.
    const back = await whileHeld(async () => {
      fixture.apply(gatewayYaml('web', listenersYaml()))
      await expect.poll(statusAt, patience).toBe(0)
    })
    for (const result of back) expect(result).toMatchObject({ failures: [], isUntouched: true })
  })

  it('drains connections where it is an XTelemetryPolicy that comes, because the tracer stands in the connection manager; none fails', async () => {
    const before = await countListenerChanges()
    const drainingBefore = await countDraining()
    const results = await whileHeld(async () => {
      fixture.apply(telemetryYaml('collector'))
      // The two ports.
      await expect
        .poll(async () => Number((await countListenerChanges())['listener_manager.listener_modified']), patience)
        .toBe(Number(before['listener_manager.listener_modified']) + 2)
    })
    for (const { failures } of results) expect(failures).toEqual([])
    // Those of before are asked to end in the course of the drain time: old chains wait for them.
    expect(await countDraining()).toBe(drainingBefore + 2)
    expect((await countListenerChanges())['listener_manager.lds.update_rejected'] ?? 0).toBe(0)
  })
})

describe('an XTelemetryPolicy that is there', () => {
  const edits = 20
  /** What a backend sees of the trace of a request. */
  const seenContext = async () => {
    const { headers } = (await (await fetch(`${fixture.envoy.url()}/`)).json()) as EchoAnswer
    return headers['Traceparent']?.[0] ?? ''
  }

  it(`is edited ${edits} times while connections stay open and lose nothing, no Listener changes, and spans follow it`, async () => {
    fixture.apply(telemetryYaml('collector', '', ', spanName: edit 0'))
    await expect.poll(seenContext, patience).toMatch(/-01$/)
    const upgraded = await HeldUpgrade.open(fixture.envoy.url(), host, '/upgrade')
    /** Whether a request of now is told to this collector with this name, header and attribute. */
    const isTold = async ({ spans, metadata }: TraceCollector, turn: number): Promise<boolean> => {
      await fixture.envoy.ask('/', host)
      const span = spans.find(({ name, attributes }) => name === `edit ${turn}` && attributes['turn'] === String(turn))
      return span !== undefined && metadata.some((sent) => sent['x-turn'] === String(turn))
    }
    await expectUntouched(async () => {
      for (let turn = 1; turn <= edits; turn++) {
        const isOther = turn % 2 === 1
        const rate = `, samplingRate: {numerator: ${100 - turn}, denominator: 100}`
        const attribute = `, attributes: [{name: turn, sourceType: Literal, literalValue: "${turn}"}]`
        fixture.apply(
          telemetryYaml(
            isOther ? 'other-collector' : 'collector',
            `, headers: [{name: X-Turn, value: "${turn}"}]`,
            `, spanName: edit ${turn}${rate}${attribute}`,
          ),
        )
        await expect.poll(() => isTold(isOther ? otherCollector : collector, turn), patience).toBe(true)
        expect(await upgraded.exchange(`turn ${turn}`)).toBe(`turn ${turn}`)
      }
    })
    expect(upgraded.isOpen).toBe(true)
    upgraded.close()
    // Nobody is told of what is not to be traced.
    fixture.apply(telemetryYaml('collector', '', ', spanName: untraced, samplingRate: {numerator: 0}'))
    await expect.poll(seenContext, patience).toMatch(/-00$/)
  })
})
