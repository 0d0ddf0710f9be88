import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { count, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'
import { startTlsEcho, type TlsAnswer, type TlsEcho } from '../testing/tls-echo.ts'

/* XBackends that choose pods by their labels, and one that wants to know who is calling. */

const xBackendYaml = (name: string, port: number, more = '') => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: {name: ${name}}
spec:
  type: EndpointSelector
  port: {number: ${port}}
  endpointSelector: {matchLabels: {app: ${name}}}
${more}
---
`
/** What Kubernetes makes of pods with the labels of an XBackend. */
const sliceYaml = (xBackend: string, pods: readonly { readonly address: string; readonly port: number }[]) =>
  pods
    .map(
      ({ address, port }, index) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${xBackend}-${index}, labels: {kubernetes.io/service-name: ${xBackend}-xbackend}}
addressType: IPv4
endpoints: [{addresses: [${address}], conditions: {ready: true}}]
ports: [{port: ${port}}]
---
`,
    )
    .join('')
const rule = (name: string) =>
  `    - {matches: [{path: {value: /${name}}}], backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: ${name}}]}`

let authority: IssuedCertificate
let secure: TlsEcho
const pods: EchoBackend[] = []
let fixture: StandaloneFixture
const certificateOf = (commonName: string) => {
  const { certificate, privateKey } = issueCertificate({ commonName, issuer: authority })
  return tlsSecretYaml('own', certificate, privateKey)
}
beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  secure = await startTlsEcho(issueCertificate({ dnsNames: ['abc.example.com'], issuer: authority }))
  for (const service of ['one', 'two', 'three']) pods.push(await startEchoBackend({ service }))
  const gateway = issueCertificate({ commonName: 'gateway', issuer: authority })
  const tls = (more: string) =>
    `  tls: {${more}, validation: {hostname: abc.example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}`
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml('edge', '[{name: web, port: 80, protocol: HTTP}]', {
        spec: '  tls: {backend: {clientCertificateRef: {name: gateway}}}',
      }) +
      tlsSecretYaml('gateway', gateway.certificate, gateway.privateKey),
    routes: httpRouteYaml(
      'web',
      `  parentRefs: [{name: edge}]\n  rules:\n${['pods', 'sticky', 'known', 'shared'].map(rule).join('\n')}`,
    ),
    backends:
      xBackendYaml('pods', 8080) +
      xBackendYaml('sticky', 8080, '  sessionPersistence: {type: Header, header: {name: X-Session}}') +
      xBackendYaml('known', 8443, tls('mode: ClientAndServer, clientCertificateRef: {name: own}')) +
      xBackendYaml('shared', 8443, tls('mode: ServerOnly')) +
      `
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: ${JSON.stringify(authority.certificate)}}
---
`,
    certificate: certificateOf('first'),
    slices: sliceYaml('sticky', pods) + sliceYaml('known', [secure]) + sliceYaml('shared', [secure]),
  })
})
afterAll(async () => {
  await fixture?.stop()
  await secure?.close()
  for (const pod of pods) await pod.close()
})

const acceptedOf = (name: string) =>
  fixture.conditions('XBackend', 'default', name).find(({ type }) => type === 'Accepted')

describe('an XBackend that chooses pods by their labels', () => {
  test('has the pods of its EndpointSlices, and says so while there are none', async () => {
    expect(acceptedOf('pods')).toMatchObject({
      status: 'True',
      message: expect.stringContaining('kubernetes.io/service-name: pods-xbackend'),
    })
    expect((await fixture.get('default/edge/web', '/pods')).status).toBe(503)

    fixture.apply('pods', sliceYaml('pods', pods.slice(0, 2)))
    await fixture.eventually(async () => expect((await fixture.get('default/edge/web', '/pods')).status).toBe(200))
    expect(acceptedOf('pods')?.message).toBe('The backend is used')
    const answers = await repeat(40, () => fixture.get('default/edge/web', '/pods'))
    expect(Object.keys(count(answers.map(({ echo }) => echo.service))).sort()).toEqual(['one', 'two'])

    fixture.apply('pods', sliceYaml('pods', pods.slice(2)))
    await fixture.eventually(async () =>
      expect((await fixture.get('default/edge/web', '/pods')).echo.service).toBe('three'),
    )
    fixture.remove('pods')
    await fixture.eventually(async () => expect((await fixture.get('default/edge/web', '/pods')).status).toBe(503))
    await fixture.eventually(() => expect(acceptedOf('pods')?.message).toContain('there are no endpoints'))
  })

  test('keeps a client at one of them, if it asks for that itself', async () => {
    const { headers, echo } = await fixture.get('default/edge/web', '/sticky')
    const session = { 'x-session': headers['x-session'] ?? '' }
    expect(session['x-session']).not.toBe('')
    const again = await repeat(20, () => fixture.get('default/edge/web', '/sticky', { headers: session }))
    expect(count(again.map((answer) => answer.echo.service))).toEqual({ [echo.service]: 20 })
  })
})

describe('an XBackend with a client certificate of its own', () => {
  const clientAt = async (path: string) =>
    (JSON.parse((await fixture.get('default/edge/web', path)).body) as TlsAnswer).client

  test('is shown it, and all others that of the Gateway', async () => {
    expect(await clientAt('/known')).toContain('CN=first')
    expect(await clientAt('/shared')).toContain('CN=gateway')
  })

  test('is shown the next one when its Secret changes, and nothing once that is gone', async () => {
    fixture.apply('certificate', certificateOf('second'))
    await fixture.eventually(async () => expect(await clientAt('/known')).toContain('CN=second'))
    fixture.remove('certificate')
    await fixture.eventually(async () => expect((await fixture.get('default/edge/web', '/known')).status).toBe(500))
    expect(acceptedOf('known')).toMatchObject({ status: 'False', reason: 'InvalidClientCertificateRef' })
    expect(await clientAt('/shared')).toContain('CN=gateway')
  })
})
