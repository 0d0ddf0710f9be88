import { beforeAll, describe, expect, test } from 'vitest'
import {
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  referenceGrantYaml,
  serviceYaml,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'

/** Grants in namespace vault, and whether each opens the reference to `to` from `from` in namespace shop. */
function grantMatrix(from: string, to: string, name: string) {
  const other = from === 'HTTPRoute' ? 'Gateway' : 'HTTPRoute'
  return [
    ['no grant', [], false],
    ['a grant from the right kind and namespace to the kind', [grant([from], [to])], true],
    ['a grant to the very object', [grant([from], [`${to}/${name}`])], true],
    ['a grant to another object', [grant([from], [`${to}/other`])], false],
    ['a grant to another kind', [grant([from], ['ConfigMap'])], false],
    ['a grant to the kind in another group', [otherGroup(grant([from], [to]), 'to')], false],
    ['a grant from the kind in another group', [otherGroup(grant([from], [to]), 'from')], false],
    ['a grant from another kind', [grant([other], [to])], false],
    ['a grant from another namespace', [referenceGrantYaml('vault/g', [`${from}/billing`], [to])], false],
    ['a grant from its own namespace', [referenceGrantYaml('vault/g', [`${from}/vault`], [to])], false],
    ['a grant in the namespace of the referrer', [referenceGrantYaml('shop/g', [`${from}/shop`], [to])], false],
    ['a grant in a third namespace', [referenceGrantYaml('billing/g', [`${from}/shop`], [to])], false],
    // A3: with several entries each one counts, not only the last.
    ['the right entry first of three', [grant([from], [`${to}/${name}`, 'ConfigMap', `${to}/other`])], true],
    ['the right entry in the middle', [grant([from], ['ConfigMap', `${to}/${name}`, `${to}/other`])], true],
    ['the right entry last', [grant([from], ['ConfigMap', `${to}/other`, `${to}/${name}`])], true],
    ['the right "from" first', [grant([from, other], [to])], true],
    ['the right "from" last', [grant([other, from], [to])], true],
    ['halves of two grants', [grant([from], ['ConfigMap'], 'a'), grant([other], [to], 'b')], false],
    ['one good grant of two', [grant([other], [to], 'a'), grant([from], [to], 'b')], true],
  ] as const
}

/** The same grant with example.com as the group of its referrers or of what they refer to. */
const otherGroup = (yaml: string, field: 'from' | 'to') =>
  yaml.replace(new RegExp(`( ${field}: \\[\\{group: )[^,]*`), '$1example.com')

const grant = (from: readonly string[], to: readonly string[], name = 'g') =>
  referenceGrantYaml(
    `vault/${name}`,
    from.map((kind) => `${kind}/shop`),
    to,
  )

/** Fields that refer across namespaces: who refers, to what kind, and the objects around. */
const backendRef = '{name: safe, namespace: vault, port: 80}'
const backendObjectRef = '{group: gateway.envoyproxy.io, kind: Backend, name: safe, namespace: vault}'
const mirror = (ref: string) => `{type: RequestMirror, requestMirror: {backendRef: ${ref}}}`
const backendObject = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: safe, namespace: vault}
spec: {endpoints: [{ip: {address: 10.9.9.9, port: 80}}]}
---
`
const local = '{name: web, port: 80}'
const fields: ReadonlyArray<readonly [field: string, to: 'Service' | 'Backend', rules: string]> = [
  ['backendRefs', 'Service', `[{backendRefs: [${backendRef}]}]`],
  ['backendRefs', 'Backend', `[{backendRefs: [${backendObjectRef}]}]`],
  ['filters[].requestMirror', 'Service', `[{backendRefs: [${local}], filters: [${mirror(backendRef)}]}]`],
  ['filters[].requestMirror', 'Backend', `[{backendRefs: [${local}], filters: [${mirror(backendObjectRef)}]}]`],
  [
    'backendRefs[].filters[].requestMirror',
    'Service',
    `[{backendRefs: [{name: web, port: 80, filters: [${mirror(backendRef)}]}]}]`,
  ],
  [
    'backendRefs[].filters[].requestMirror',
    'Backend',
    `[{backendRefs: [{name: web, port: 80, filters: [${mirror(backendObjectRef)}]}]}]`,
  ],
]

describe.each(fields)('A1: %s of an HTTPRoute to a %s in another namespace', (_, to, rules) => {
  const objects = serviceYaml('shop/web') + serviceYaml('vault/safe') + backendObject
  const route = httpRouteYaml('shop/web', `  rules: ${rules}`)

  test.each(grantMatrix('HTTPRoute', to, 'safe'))('%s', (_name, grants, permitted) => {
    const fixture = new GraphFixture(objects + route + grants.join(''))
    const reasons = fixture.route('shop/web').problems.map((p) => p.reason)
    expect(reasons).toEqual(permitted ? [] : ['RefNotPermitted'])
    const reached = JSON.stringify(fixture.route('shop/web').rules)
    expect(reached.includes('"namespace":"vault","name":"safe"')).toBe(permitted)
  })

  test('A2: taking the grant away takes the backend away, at once', () => {
    const fixture = new GraphFixture(objects + route + grant(['HTTPRoute'], [to]))
    expect(fixture.route('shop/web').problems).toEqual([])
    fixture.remove('ReferenceGrant', 'vault/g')
    expect(fixture.route('shop/web').problems).toMatchObject([{ on: 'ResolvedRefs', reason: 'RefNotPermitted' }])
    expect(JSON.stringify(fixture.route('shop/web').rules)).not.toContain('"namespace":"vault","name":"safe"')
  })

  test('A2: so does an edit of the grant', () => {
    const fixture = new GraphFixture(objects + route + grant(['HTTPRoute'], [to]))
    fixture.apply(grant(['HTTPRoute'], [`${to}/other`]))
    expect(fixture.route('shop/web').problems).toMatchObject([{ reason: 'RefNotPermitted' }])
  })

  test('the answer does not tell whether the object exists', () => {
    const present = new GraphFixture(objects + route).route('shop/web').problems
    const absent = new GraphFixture(serviceYaml('shop/web') + route).route('shop/web').problems
    expect(absent).toEqual(present)
    expect(absent).toHaveLength(1)
  })
})

describe('A1: tls.certificateRefs of a Gateway to a Secret in another namespace', () => {
  let cert: IssuedCertificate
  beforeAll(() => {
    cert = issueCertificate({ dnsNames: ['shop.example.com'] })
  })
  const gateway =
    gatewayClassYaml +
    gatewayYaml(
      'shop/edge',
      '[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: safe, namespace: vault}]}}]',
    )

  test.each(grantMatrix('Gateway', 'Secret', 'safe'))('%s', (_name, grants, permitted) => {
    const secret = tlsSecretYaml('vault/safe', cert.certificate, cert.privateKey)
    const listener = new GraphFixture(gateway + secret + grants.join('')).listener('shop/edge/tls')
    expect(listener.problems.map((p) => p.reason)).toEqual(permitted ? [] : ['RefNotPermitted'])
    expect(listener.certificates).toHaveLength(permitted ? 1 : 0)
  })

  test('A2: the private key is gone with the grant', () => {
    const secret = tlsSecretYaml('vault/safe', cert.certificate, cert.privateKey)
    const fixture = new GraphFixture(gateway + secret + grant(['Gateway'], ['Secret']))
    expect(fixture.listener('shop/edge/tls').certificates).toHaveLength(1)
    fixture.remove('ReferenceGrant', 'vault/g')
    expect(fixture.listener('shop/edge/tls').certificates).toEqual([])
  })
})

test('within one namespace no grant is needed, and none is asked for', () => {
  const fixture = new GraphFixture(
    serviceYaml('shop/web') +
      httpRouteYaml('shop/web', '  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]'),
  )
  expect(fixture.route('shop/web').problems).toEqual([])
})

test('v1beta1 grants count like those of v1', () => {
  const beta = grant(['HTTPRoute'], ['Service']).replace('networking.k8s.io/v1\n', 'networking.k8s.io/v1beta1\n')
  expect(beta).toContain('v1beta1')
  const fixture = new GraphFixture(
    beta + serviceYaml('vault/safe') + httpRouteYaml('shop/web', `  rules: [{backendRefs: [${backendRef}]}]`),
  )
  expect(fixture.route('shop/web').problems).toEqual([])
})
