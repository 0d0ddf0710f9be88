import { describe, expect, test } from 'vitest'
import {
  findCondition,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  listenerSetYaml,
  referenceGrantYaml,
  summarize,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'

const leaf = issueCertificate({ dnsNames: ['shop.example.com'] })
const authority = issueCertificate({ commonName: 'Authority', isAuthority: true })

function configMap(
  name: string,
  data: Record<string, string> = { 'ca.crt': authority.certificate },
  namespace = 'shop',
) {
  return `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: ${namespace}}
data: ${JSON.stringify(data)}
---
`
}

const listeners =
  '[{name: web, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop}]}}, {name: alt, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: shop}]}}]'

function edge(frontend: string, ...others: readonly string[]): GraphFixture {
  return new GraphFixture(
    gatewayClassYaml +
      gatewayYaml('shop/edge', listeners, {
        spec: `  tls: {frontend: ${frontend}}\n  allowedListeners: {namespaces: {from: Same}}`,
      }) +
      tlsSecretYaml('shop/shop', leaf.certificate, leaf.privateKey) +
      others.join(''),
  )
}

const ca = (name: string, more = '') => `{group: "", kind: ConfigMap, name: ${name}${more}}`
const validation = (refs: string, mode = 'AllowValidOnly') =>
  `{validation: {caCertificateRefs: [${refs}], mode: ${mode}}}`

describe('client certificates', () => {
  test('are asked for by all HTTPS listeners, those of ListenerSets too, and by no others', () => {
    const fixture = edge(
      `{default: ${validation(ca('ca'))}}`,
      configMap('ca'),
      listenerSetYaml('shop/team', 'shop/edge', listeners.replaceAll('443', '444').replace('80', '81')),
    )
    const expected = { mode: 'valid-only', authorities: ['ConfigMap/shop/ca'] }
    for (const name of ['shop/edge/tls', 'shop/edge/alt', 'ListenerSet/shop/team/tls'])
      expect(fixture.listener(name)).toMatchObject({ verdict: 'accepted', clientValidation: expected })
    expect(fixture.listener('shop/edge/web').clientValidation).toBeUndefined()
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toEqual([
      'Accepted=True Accepted',
      'Programmed=False AddressNotAssigned',
      'ResolvedRefs=True ResolvedRefs',
    ])
  })

  test('are a matter of the port where it says so, also when it asks for none', () => {
    const fixture = edge(
      `{default: ${validation(ca('ca'))}, perPort: [{port: 8443, tls: ${validation(ca('other'), 'AllowInsecureFallback')}}, {port: 443, tls: {}}]}`,
      configMap('ca'),
      configMap('other'),
    )
    expect(fixture.listener('shop/edge/tls').clientValidation).toBeUndefined()
    expect(fixture.listener('shop/edge/alt').clientValidation).toEqual({
      mode: 'insecure-fallback',
      authorities: ['ConfigMap/shop/other'],
    })
    expect(
      findCondition(fixture.gatewayStatus('shop/edge').conditions, 'InsecureFrontendValidationMode'),
    ).toMatchObject({
      status: 'True',
      reason: 'ConfigurationChanged',
    })
  })

  test.each([
    ['{group: "", kind: ConfigMap, name: gone}', 'InvalidCACertificateRef', 'ConfigMap "gone" not found'],
    [ca('empty'), 'InvalidCACertificateRef', 'ConfigMap "empty" has no "ca.crt"'],
    [ca('broken'), 'InvalidCACertificateRef', 'ConfigMap "broken" has no PEM certificate in "ca.crt"'],
    [
      '{group: "", kind: Secret, name: shop}',
      'InvalidCACertificateKind',
      'a Secret holds no authorities: use a ConfigMap',
    ],
    [
      ca('ca', ', namespace: vault'),
      'RefNotPermitted',
      'ConfigMap "vault/ca" may not be referred to from namespace shop: add a ReferenceGrant in namespace vault from Gateway in shop to ConfigMap',
    ],
  ])('without a usable authority keep a listener from serving: %s', (ref, reason, message) => {
    const fixture = edge(
      `{default: ${validation(ref)}}`,
      configMap('empty', { other: 'x' }),
      configMap('broken', { 'ca.crt': 'x' }),
      configMap('ca', undefined, 'vault'),
    ).bind('shop/edge')
    fixture.program('shop/edge', 80, 'programmed').program('shop/edge', 443, 'programmed')
    const path = 'spec.tls.frontend.default.validation.caCertificateRefs[0]'
    expect(
      summarize(fixture.listenerStatus('shop/edge/tls').conditions).filter((c) => !/Overlap|Conflicted/.test(c)),
    ).toEqual(['Accepted=False NoValidCACertificate', `ResolvedRefs=False ${reason}`, 'Programmed=False Invalid'])
    expect(findCondition(fixture.listenerStatus('shop/edge/tls').conditions, 'ResolvedRefs').message).toBe(
      `${path}: ${message}`,
    )
    expect(findCondition(fixture.listenerStatus('shop/edge/web').conditions, 'Programmed').status).toBe('True')
  })

  test('with one good authority among bad ones are verified by it, and the bad one is told', () => {
    const fixture = edge(`{default: ${validation(`${ca('gone')}, ${ca('ca')}`)}}`, configMap('ca'))
    expect(fixture.listener('shop/edge/tls')).toMatchObject({
      verdict: 'accepted',
      clientValidation: { authorities: ['ConfigMap/shop/ca'] },
    })
    expect(summarize(fixture.listenerStatus('shop/edge/tls').conditions)).toContain(
      'ResolvedRefs=False InvalidCACertificateRef',
    )
    fixture.apply(configMap('gone'))
    expect(fixture.listener('shop/edge/tls').clientValidation?.authorities).toEqual([
      'ConfigMap/shop/ca',
      'ConfigMap/shop/gone',
    ])
  })

  test('may be of another namespace with a ReferenceGrant, and of a ClusterTrustBundle without', () => {
    const refs = `${ca('ca', ', namespace: vault')}, {group: certificates.k8s.io, kind: ClusterTrustBundle, name: "example.com:signer:v1"}`
    const fixture = edge(
      `{default: ${validation(refs)}}`,
      configMap('ca', undefined, 'vault'),
      referenceGrantYaml('vault/edge', ['Gateway/shop'], ['ConfigMap']),
      `
apiVersion: certificates.k8s.io/v1beta1
kind: ClusterTrustBundle
metadata: {name: "example.com:signer:v1"}
spec: {signerName: example.com/signer, trustBundle: ${JSON.stringify(authority.certificate)}}
---
`,
    )
    expect(fixture.listener('shop/edge/tls')).toMatchObject({
      verdict: 'accepted',
      problems: [],
      clientValidation: { authorities: ['ClusterTrustBundle//example.com:signer:v1', 'ConfigMap/vault/ca'] },
    })
  })
})

describe("the Gateway's own certificate towards backends", () => {
  const gateway = (ref: string) =>
    new GraphFixture(
      gatewayClassYaml +
        gatewayYaml('shop/edge', '[{name: web, port: 80, protocol: HTTP}]', {
          spec: `  tls: {backend: {clientCertificateRef: ${ref}}}`,
        }) +
        tlsSecretYaml('shop/shop', leaf.certificate, leaf.privateKey) +
        tlsSecretYaml('shop/bad', leaf.certificate, authority.privateKey) +
        tlsSecretYaml('vault/shop', leaf.certificate, leaf.privateKey),
    )

  test('is resolved', () => {
    const fixture = gateway('{name: shop}')
    expect(fixture.gateway('shop/edge').clientCertificate?.key).toBe('shop/shop')
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toContain('ResolvedRefs=True ResolvedRefs')
  })

  test.each([
    ['{name: gone}', 'InvalidClientCertificateRef'],
    ['{name: bad}', 'InvalidClientCertificateRef'],
    ['{name: shop, kind: Service}', 'InvalidClientCertificateRef'],
    ['{name: shop, group: example.com, kind: Vault}', 'InvalidClientCertificateRef'],
    ['{name: shop, namespace: vault}', 'RefNotPermitted'],
  ])('%s is told, and the Gateway is accepted without it', (ref, reason) => {
    const fixture = gateway(ref)
    expect(fixture.gateway('shop/edge').clientCertificate).toBeUndefined()
    const conditions = summarize(fixture.gatewayStatus('shop/edge').conditions)
    expect([conditions[0], conditions[2]]).toEqual(['Accepted=True Accepted', `ResolvedRefs=False ${reason}`])
  })

  test('of another namespace is permitted by a ReferenceGrant', () => {
    const fixture = gateway('{name: shop, namespace: vault}')
    fixture.apply(referenceGrantYaml('vault/edge', ['Gateway/shop'], ['Secret/shop']))
    expect(fixture.gateway('shop/edge').clientCertificate?.key).toBe('vault/shop')
  })
})
