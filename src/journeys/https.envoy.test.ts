import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'

/* Journeys 12, 13, 14: HTTPS is added to a Gateway that serves HTTP already. */

const https = `
    - name: https
      protocol: HTTPS
      port: 443
      tls: {mode: Terminate, certificateRefs: [{group: "", kind: Secret, name: example-cert}]}`
const gateway = (more = '') => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: gatewright.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: store}
spec:
  gatewayClassName: gatewright
  listeners:
    - {name: http, protocol: HTTP, port: 80}${more}
`
const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend}
spec:
  parentRefs: [{name: store}]
  hostnames: [www.example.com]
  rules:
    - matches: [{path: {value: /get}}]
      backendRefs: [{name: backend, port: 3000}]
`
const host = 'www.example.com'

let authority: IssuedCertificate
let leaf: IssuedCertificate
let backend: EchoBackend
let fixture: StandaloneFixture
beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Example CA', isAuthority: true, keyType: 'rsa-2048' })
  leaf = issueCertificate({ commonName: host, dnsNames: [host], issuer: authority, keyType: 'rsa-2048' })
  backend = await startEchoBackend({ service: 'backend' })
  fixture = await StandaloneFixture.start({
    gateway: gateway(),
    route,
    backend: backendYaml(backend, { service: 'backend' }),
    secret: tlsSecretYaml('example-cert', leaf.certificate, leaf.privateKey),
  })
})
afterAll(async () => {
  await fixture?.stop()
  await backend?.close()
})

const plain = () => fixture.get('default/store/http', '/get', { host })
const secure = (options = {}) =>
  fixture.get('default/store/https', '/get', { host, ca: authority.certificate, ...options })

/** Serial and subject of the certificate that a client is shown. */
function shownCertificate(serverName: string): Promise<{ subject: string; raw: string }> {
  const { hostname, port } = new URL(fixture.url('default/store/https'))
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port: Number(port || 443), servername: serverName, rejectUnauthorized: false }
    const socket = connect(options, () => {
      const certificate = socket.getPeerX509Certificate()
      resolve({ subject: certificate?.subject ?? '', raw: certificate?.toString() ?? '' })
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

describe('journeys 12, 13: an HTTPS listener is added to a live Gateway', () => {
  test('and HTTP fails no request meanwhile', async () => {
    expect((await plain()).status).toBe(200)
    let done = false
    const statuses = new Set<number>()
    let requests = 0
    const load = (async () => {
      while (!done) {
        statuses.add((await plain()).status)
        requests++
      }
    })()
    fixture.apply('gateway', gateway(https))
    await fixture.eventually(async () => expect((await secure()).status).toBe(200))
    done = true
    await load
    expect([...statuses]).toEqual([200])
    expect(requests).toBeGreaterThan(0)
  })

  test('and both are programmed, with the route counted on each', async () => {
    await fixture.programmed()
    for (const name of ['http', 'https'])
      expect(fixture.listener(`default/store/${name}`)).toMatchObject({ programmed: true, attachedRoutes: 1 })
    const conditions = fixture.conditions('Gateway', 'default', 'store')
    expect(conditions.filter((c) => c.type === 'Programmed' && c.status === 'True')).toHaveLength(3)
    expect(new Set(conditions.map((c) => c.observedGeneration))).toEqual(new Set([2]))
  })
})

describe('journey 14: a request over HTTPS', () => {
  test('is verified with the authority, and the backend is told that it was https', async () => {
    const answer = await secure()
    expect(answer).toMatchObject({ status: 200, httpVersion: '1.1' })
    expect(answer.echo).toMatchObject({ host, headers: { 'X-Forwarded-Proto': ['https'] } })
  })

  test('is served by the same route as one over HTTP', async () => {
    expect((await plain()).echo).toMatchObject({ host, headers: { 'X-Forwarded-Proto': ['http'] } })
  })

  test('is refused by a client that does not know the authority', async () => {
    await expect(secure({ ca: issueCertificate({ isAuthority: true }).certificate })).rejects.toThrow(/certificate/)
  })

  test('of another host is answered with 404', async () => {
    const other = { host: 'other.example.com', serverName: host }
    expect((await secure(other)).status).toBe(404)
  })
})

describe('a certificate', () => {
  test('is replaced without a restart: the next connection sees the new one', async () => {
    const before = await shownCertificate(host)
    expect(before.subject).toBe(`CN=${host}`)
    const next = issueCertificate({ commonName: host, dnsNames: [host, 'next.example.com'], issuer: authority })
    fixture.apply('secret', tlsSecretYaml('example-cert', next.certificate, next.privateKey))
    await fixture.eventually(async () => expect((await shownCertificate(host)).raw).not.toBe(before.raw))
    expect((await secure()).status).toBe(200)
  })

  test('that is broken is told, takes HTTPS away and nothing else, and comes back when it is mended', async () => {
    fixture.apply('secret', tlsSecretYaml('example-cert', leaf.certificate, authority.privateKey))
    await fixture.eventually(() => {
      const refs = fixture
        .conditions('Gateway', 'default', 'store')
        .find((c) => c.about === 'listener https' && c.type === 'ResolvedRefs' && c.status === 'False')
      expect(refs).toMatchObject({ reason: 'InvalidCertificateRef' })
      expect(refs?.message).toContain('does not match the private key')
    })
    expect((await plain()).status).toBe(200)
    fixture.apply('secret', tlsSecretYaml('example-cert', leaf.certificate, leaf.privateKey))
    await fixture.eventually(async () => expect((await secure()).status).toBe(200))
  })
})
