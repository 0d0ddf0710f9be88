import { describe, expect, test } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import {
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  referenceGrantYaml,
  serviceYaml,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { type RouteKindName, type RouteNode, routeKinds } from './route.ts'

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

const secret = () => {
  const { certificate, privateKey } = issueCertificate({ dnsNames: ['shop.example.com'] })
  return tlsSecretYaml('vault/safe', certificate, privateKey)
}
const backendObject = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: safe, namespace: vault}
spec: {endpoints: [{ip: {address: 10.9.9.9, port: 80}}]}
---
`
const services =
  serviceYaml('shop/web') + serviceYaml('vault/safe', '[{name: a, port: 80}, {name: b, port: 80, protocol: UDP}]')

/** What a test asks of whoever refers. */
interface Referring {
  /** Reasons of its problems. */
  readonly reasons: string[]
  /** Whether what it refers to would be used. */
  readonly reaches: boolean
}

interface Field {
  readonly kind: string
  readonly field: string
  readonly to: 'Service' | 'Backend' | 'Secret'
  /** Who refers, in namespace shop, to "vault/safe". */
  readonly yaml: string
  read(fixture: GraphFixture): Referring
}

/** Fields of routes: the rules around a reference, in flow YAML. */
const local = '{name: web, port: 80}'
const mirror = (ref: string) => `{type: RequestMirror, requestMirror: {backendRef: ${ref}}}`
const auth = (ref: string) => `{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: ${ref}, http: {}}}`
const ofRule = (filter: string) => `[{backendRefs: [${local}], filters: [${filter}]}]`
const ofBackend = (filter: string) => `[{backendRefs: [{name: web, port: 80, filters: [${filter}]}]}]`
const backendRefs = (ref: string) => `[{backendRefs: [${ref}]}]`
const mirrors = {
  'filters[].requestMirror': (ref: string) => ofRule(mirror(ref)),
  'backendRefs[].filters[].requestMirror': (ref: string) => ofBackend(mirror(ref)),
}
const auths = {
  'filters[].externalAuth': (ref: string) => ofRule(auth(ref)),
  'backendRefs[].filters[].externalAuth': (ref: string) => ofBackend(auth(ref)),
}
const routeFields: Readonly<Record<RouteKindName, Readonly<Record<string, (ref: string) => string>>>> = {
  HTTPRoute: { backendRefs, ...mirrors, ...auths },
  GRPCRoute: { backendRefs, ...mirrors },
  TLSRoute: { backendRefs },
  TCPRoute: { backendRefs },
  UDPRoute: { backendRefs },
}
const references = {
  Service: '{name: safe, namespace: vault, port: 80}',
  Backend: '{group: gateway.envoyproxy.io, kind: Backend, name: safe, namespace: vault}',
} as const

/** Whether anything of a route would send to vault/safe. */
function reachesSafe(node: RouteNode | undefined): boolean {
  if (node === undefined) return false
  if (!('rules' in node)) return node.backendRefs.some(({ backend }) => backend?.includes('/vault/safe/'))
  return JSON.stringify(node.rules).includes('"namespace":"vault","name":"safe"')
}

const ofRoutes = routeKinds.flatMap((kind) =>
  Object.entries(routeFields[kind]).flatMap(([field, rules]) =>
    (['Service', 'Backend'] as const).map((to): Field => {
      const hostnames = kind === 'TLSRoute' ? '  hostnames: [shop.example.com]\n' : ''
      const yaml = httpRouteYaml('shop/web', `${hostnames}  rules: ${rules(references[to])}`)
      return {
        kind,
        field,
        to,
        yaml: yaml.replace('kind: HTTPRoute', `kind: ${kind}`),
        read(fixture) {
          const node = fixture.graph.routes[kind].get('shop/web' as NamespacedName)
          return { reasons: node?.problems.map((p) => p.reason) ?? [], reaches: reachesSafe(node) }
        },
      }
    }),
  ),
)

const certificateRefs =
  '[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: safe, namespace: vault}]}}]'
const readListener = (fixture: GraphFixture): Referring => {
  const [listener] = [...fixture.graph.listeners.entries()].map(([, l]) => l).filter((l) => l.name === 'tls')
  return {
    reasons: listener?.problems.map((p) => p.reason) ?? ['no listener'],
    reaches: (listener?.certificates.length ?? 0) > 0,
  }
}
const ofListeners: readonly Field[] = [
  {
    kind: 'Gateway',
    field: 'listeners[].tls.certificateRefs',
    to: 'Secret',
    yaml: gatewayClassYaml + gatewayYaml('shop/edge', certificateRefs),
    read: readListener,
  },
  {
    kind: 'ListenerSet',
    field: 'listeners[].tls.certificateRefs',
    to: 'Secret',
    yaml: `${gatewayClassYaml}${gatewayYaml('shop/edge', '[{name: http, port: 80, protocol: HTTP}]', {
      spec: '  allowedListeners: {namespaces: {from: All}}',
    })}
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: shop}
spec:
  parentRef: {name: edge}
  listeners: ${certificateRefs}
---
`,
    read: readListener,
  },
]

describe.each([...ofRoutes, ...ofListeners])('A1: $field of a $kind to a $to in another namespace', (row) => {
  const { kind, to, yaml, read } = row
  const objects = services + backendObject + secret()

  test.each(grantMatrix(kind, to, 'safe'))('%s', (_name, grants, permitted) => {
    const referring = read(new GraphFixture(objects + yaml + grants.join('')))
    expect(referring.reasons).toEqual(permitted ? [] : ['RefNotPermitted'])
    expect(referring.reaches).toBe(permitted)
  })

  test('A2: taking the grant away takes it away, at once', () => {
    const fixture = new GraphFixture(objects + yaml + grant([kind], [to]))
    expect(read(fixture)).toEqual({ reasons: [], reaches: true })
    fixture.remove('ReferenceGrant', 'vault/g')
    expect(read(fixture)).toEqual({ reasons: ['RefNotPermitted'], reaches: false })
  })

  test('A2: so does an edit of the grant', () => {
    const fixture = new GraphFixture(objects + yaml + grant([kind], [to]))
    fixture.apply(grant([kind], [`${to}/other`]))
    expect(read(fixture)).toEqual({ reasons: ['RefNotPermitted'], reaches: false })
  })

  test('the answer does not tell whether the object exists', () => {
    expect(read(new GraphFixture(serviceYaml('shop/web') + yaml))).toEqual(read(new GraphFixture(objects + yaml)))
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
    beta + serviceYaml('vault/safe') + httpRouteYaml('shop/web', `  rules: ${backendRefs(references.Service)}`),
  )
  expect(fixture.route('shop/web').problems).toEqual([])
})
