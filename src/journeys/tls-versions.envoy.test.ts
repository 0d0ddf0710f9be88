import { connect, type SecureVersion } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { StandaloneFixture } from '../testing/standalone-fixture.ts'
import { streamServiceYaml } from '../testing/stream-backends.ts'
import { startTlsEcho, type TlsAnswer, type TlsEcho } from '../testing/tls-echo.ts'

/* Versions of TLS, as options of listeners and of BackendTLSPolicies limit them. */

const host = 'front.test'
const min = (version: string) => `gatewright.dev/tls-min-version: "${version}"`
const max = (version: string) => `gatewright.dev/tls-max-version: "${version}"`
/** Port to options, and the version that each kind of client comes to. */
const listeners = [
  [443, '', 'TLSv1.2', 'TLSv1.3'],
  [8443, min('1.3'), 'refused', 'TLSv1.3'],
  [9443, max('1.2'), 'TLSv1.2', 'refused'],
] as const
/** Service to options, and the version that is spoken to it. */
const backends = [
  ['usual', '', undefined],
  ['new', min('1.3'), 'TLSv1.3'],
  ['old', max('1.2'), 'TLSv1.2'],
  ['both', `${min('1.2')}, ${max('1.3')}`, 'TLSv1.3'],
] as const

let authority: IssuedCertificate
let echo: TlsEcho
let fixture: StandaloneFixture
beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  echo = await startTlsEcho(issueCertificate({ dnsNames: ['back.test'], issuer: authority }))
  const { certificate, privateKey } = issueCertificate({ dnsNames: [host], issuer: authority })
  const list = listeners.map(
    ([port, options]) =>
      `{name: p${port}, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [{name: cert}], options: {${options}}}}`,
  )
  const policies = backends.map(
    ([name, options]) => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${name}}
spec:
  targetRefs: [{group: "", kind: Service, name: ${name}}]
  validation: {hostname: back.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
  options: {${options}}
---
`,
  )
  const rules = backends.map(
    ([name]) => `{matches: [{path: {value: /${name}}}], backendRefs: [{name: ${name}, port: 3000}]}`,
  )
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml('edge', `[{name: web, port: 80, protocol: HTTP}, ${list.join(', ')}]`) +
      tlsSecretYaml('cert', certificate, privateKey),
    routes: httpRouteYaml('web', `  parentRefs: [{name: edge}]\n  rules: [${rules.join(', ')}]`),
    services: backends.map(([name]) => streamServiceYaml(name, [echo])).join(''),
    policies: `${policies.join('')}
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: ${JSON.stringify(authority.certificate)}}
`,
  })
})
afterAll(async () => {
  await fixture?.stop()
  await echo?.close()
})

/** What a client that speaks one version alone comes to. */
function handshake(listener: string, version: SecureVersion): Promise<string> {
  const { hostname, port } = new URL(fixture.url(`default/edge/${listener}`))
  return new Promise((resolve) => {
    const socket = connect(
      {
        host: hostname,
        port: Number(port || 443),
        servername: host,
        ca: authority.certificate,
        minVersion: version,
        maxVersion: version,
      },
      () => {
        resolve(socket.getProtocol() ?? '')
        socket.destroy()
      },
    )
    socket.once('error', () => resolve('refused'))
  })
}

test.each(listeners)('a listener on port %i with options %o', async (port, _options, older, newer) => {
  expect([await handshake(`p${port}`, 'TLSv1.2'), await handshake(`p${port}`, 'TLSv1.3')]).toEqual([older, newer])
})

test.each(backends)('backend %s is spoken to with options %o in %s', async (name, _options, version) => {
  const answer = await fixture.get('default/edge/web', `/${name}`)
  expect(answer.status).toBe(200)
  const spoken = (JSON.parse(answer.body) as TlsAnswer).version
  if (version === undefined) expect(['TLSv1.2', 'TLSv1.3']).toContain(spoken)
  else expect(spoken).toBe(version)
})
