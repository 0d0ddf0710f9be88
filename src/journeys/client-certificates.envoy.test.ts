import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'

/*
 * Checks of client certificates: spec.tls.frontend of a Gateway.
 *
 * Features: ClusterTrustBundle, GatewayFrontendClientCertificateValidation,
 * GatewayFrontendClientCertificateValidationInsecureFallback.
 */

const configMap = (name: string, text: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}}
data: {ca.crt: ${JSON.stringify(text)}}
---
`
const validation = (kind: string, name: string, mode = 'AllowValidOnly') =>
  `{validation: {caCertificateRefs: [{group: ${kind === 'ConfigMap' ? '""' : 'certificates.k8s.io'}, kind: ${kind}, name: "${name}"}], mode: ${mode}}}`
const frontend = `  tls:
    frontend:
      default: ${validation('ConfigMap', 'ca')}
      perPort:
        - {port: 8443, tls: ${validation('ConfigMap', 'ca', 'AllowInsecureFallback')}}
        - {port: 9443, tls: ${validation('ClusterTrustBundle', 'example.com:signer:v1')}}
        - {port: 7443, tls: ${validation('ConfigMap', 'gone')}}
        - {port: 80, tls: ${validation('ConfigMap', 'gone')}}`

let echo: EchoBackend
let fixture: StandaloneFixture
let authority: IssuedCertificate
let other: IssuedCertificate
beforeAll(async () => {
  echo = await startEchoBackend({ service: 'echo' })
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  other = issueCertificate({ commonName: 'Other', isAuthority: true })
  const leaf = issueCertificate({ commonName: 'front', dnsNames: ['front.test'], issuer: authority })
  const secure = [443, 8443, 9443, 7443].map(
    (port) => `{name: p${port}, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [{name: front}]}}`,
  )
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml('edge', `[{name: web, port: 80, protocol: HTTP}, ${secure.join(', ')}]`, { spec: frontend }),
    route: httpRouteYaml('web', '  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: echo, port: 3000}]}]'),
    services: backendYaml(echo, { service: 'echo' }) + tlsSecretYaml('front', leaf.certificate, leaf.privateKey),
    ca: configMap('ca', authority.certificate),
    bundle: `
apiVersion: certificates.k8s.io/v1beta1
kind: ClusterTrustBundle
metadata: {name: "example.com:signer:v1"}
spec: {signerName: example.com/signer, trustBundle: ${JSON.stringify(other.certificate)}}
`,
  })
})
afterAll(async () => {
  await fixture?.stop()
  await echo?.close()
})

/** The status, or 'refused' where TLS came to nothing. */
async function ask(listener: string, certificate?: IssuedCertificate): Promise<number | string> {
  const own = certificate && { cert: certificate.certificate, key: certificate.privateKey }
  try {
    const options = { host: 'front.test', ca: authority.certificate, ...own }
    return (await fixture.get(`default/edge/${listener}`, '/', options)).status
  } catch {
    return 'refused'
  }
}
const client = (issuer: IssuedCertificate) => issueCertificate({ commonName: 'client', issuer })

describe('a client', () => {
  test.each([
    ['p443', 'refused', 'refused', 200],
    ['p8443', 200, 200, 200],
    ['p9443', 'refused', 200, 'refused'],
  ])(
    'of listener %s without a certificate, with one of another authority, with the right one',
    async (listener, ...expected) => {
      expect([await ask(listener), await ask(listener, client(other)), await ask(listener, client(authority))]).toEqual(
        expected,
      )
    },
  )

  test('that is admitted is sent to the backend', async () => {
    const { certificate, privateKey } = client(authority)
    const options = { host: 'front.test', ca: authority.certificate, cert: certificate, key: privateKey }
    expect((await fixture.get('default/edge/p443', '/', options)).echo).toMatchObject({ host: 'front.test' })
  })

  test('of a listener without a usable authority is served by nobody, and that of plain HTTP is', async () => {
    const message = fixture.listener('default/edge/p7443').note
    expect(message).toContain('cannot serve')
    expect((await fixture.get('default/edge/web', '/', { host: 'front.test' })).status).toBe(200)
  })
})

test('a rotated authority counts from the next connection on, without a change of the listener', async () => {
  const admin = fixture.view().gateways[0]?.adminUrl
  const changes = async () =>
    (await fetch(`${admin}/stats?filter=listener_manager.listener_(modified|in_place_updated)$`)).text()
  const before = await changes()
  fixture.apply('ca', configMap('ca', other.certificate))
  await fixture.eventually(async () => expect(await ask('p443', client(other))).toBe(200))
  expect(await ask('p443', client(authority))).toBe('refused')
  expect(await changes()).toBe(before)
})

test('letting anybody in is told', () => {
  const condition = fixture
    .conditions('Gateway', 'default', 'edge')
    .find((c) => c.type === 'InsecureFrontendValidationMode')
  expect(condition).toMatchObject({ status: 'True', reason: 'ConfigurationChanged' })
})
