import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Collection } from '../collections/collection.ts'
import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import {
  applyObjects,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  grpcRouteYaml,
  httpRouteYaml,
  keyOf,
  namespaceYaml,
  parseObjects,
  referenceGrantYaml,
  serviceYaml,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'

const [first, second] = [issueCertificate({ dnsNames: ['a.test'] }), issueCertificate({ dnsNames: ['b.test'] })]
const http = '{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}'
const picky =
  '{name: http, port: 80, protocol: HTTP, hostname: "*.shop.test", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {open: "yes"}}}}}'
const https = '{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: vault}]}}'
const clash = '{name: clash, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: vault}]}}'
const toEdge = '  parentRefs: [{name: edge, namespace: shop}]\n'

/** For each object that may be there: the forms that it may have. */
const forms: readonly (readonly KubernetesObject[])[] = [
  [gatewayClassYaml, gatewayClassYaml.replace('gatewright.dev/', 'other.test/')],
  [`[${http}]`, `[${picky}, ${https}]`, `[${http}, ${clash}]`, `[${https}]`].map((l) => gatewayYaml('shop/edge', l)),
  [`[${http}]`].map((l) => gatewayYaml('shop/inner', l)),
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  hostnames: [a.shop.test]\n  rules: [{backendRefs: [{name: web, port: 81}, {name: safe, namespace: vault, port: 80}]}]`,
    `  parentRefs: [{name: edge, sectionName: https}, {name: inner}]\n  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  rules: [{matches: [{path: {type: RegularExpression, value: "("}}]}]`,
  ].map((spec) => httpRouteYaml('shop/web', spec)),
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]`,
    `${toEdge}  rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: safe, namespace: vault, port: 80}}}]}]`,
  ].map((spec) => httpRouteYaml('billing/pay', spec)),
  // A route of another kind with a name that is there already.
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  hostnames: [a.shop.test]\n  rules: [{matches: [{method: {service: a.B}}], backendRefs: [{name: safe, namespace: vault, port: 80}]}]`,
  ].map((spec) => grpcRouteYaml('shop/web', spec)),
  [serviceYaml('shop/web'), serviceYaml('shop/web', '[{port: 81}]')],
  [serviceYaml('vault/safe')],
  [
    referenceGrantYaml('vault/g', ['HTTPRoute/shop', 'GRPCRoute/shop', 'Gateway/shop'], ['Service', 'Secret']),
    referenceGrantYaml('vault/g', ['HTTPRoute/billing'], ['Service']),
  ],
  [referenceGrantYaml('shop/g', ['HTTPRoute/billing'], ['Service/web'])],
  [
    tlsSecretYaml('vault/cert', first.certificate, first.privateKey),
    tlsSecretYaml('vault/cert', second.certificate, second.privateKey),
    tlsSecretYaml('vault/cert', first.certificate, second.privateKey),
  ],
  [namespaceYaml('shop', '{open: "yes"}'), namespaceYaml('shop')],
  [namespaceYaml('billing', '{open: "yes"}')],
].map((yamls) => yamls.flatMap((yaml) => parseObjects(yaml)))

/** An edit: an object takes one of its forms, or goes. */
const edit = fc
  .nat(forms.length - 1)
  .chain((object) =>
    fc.record({ object: fc.constant(object), form: fc.integer({ min: -1, max: (forms[object]?.length ?? 0) - 1 }) }),
  )
/** Batches of edits. */
const history = fc.array(fc.array(edit, { minLength: 1, maxLength: 4 }), { maxLength: 25 })

/** Everything that others can read, sorted by key. */
function snapshot({ graph, statuses }: GraphFixture) {
  const contents = (collection: Collection<string, unknown>) =>
    [...collection.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
  const { gatewayClasses, gateways, listeners, routes, routeParents, attachments, backends } = graph
  return [
    gatewayClasses,
    gateways,
    listeners,
    ...Object.values(routes),
    routeParents,
    attachments,
    backends,
    statuses.gatewayClasses,
    statuses.gateways,
    ...Object.values(statuses.routes),
  ].map((collection) => [collection.name, contents(collection as Collection<string, unknown>)])
}

function play(batches: readonly (readonly { object: number; form: number }[])[]) {
  const fixture = new GraphFixture()
  const current = new Map<number, KubernetesObject>()
  for (const batch of batches) {
    fixture.scheduler.batch(() => {
      for (const { object, form } of batch) {
        const next = forms[object]?.[form]
        const before = current.get(object)
        if (next) {
          current.set(object, next)
          applyObjects(fixture, [next])
        } else if (before) {
          current.delete(object)
          fixture.remove(before.kind, keyOf(before))
        }
      }
    })
  }
  return { fixture, objects: [...current.values()] }
}

test('whatever the history, the graph and the statuses are those of the objects that are there', () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.nat()), (batches, random) => {
      const { fixture, objects } = play(batches)
      const shuffled = objects
        .map((object) => [random.next().value as number, object] as const)
        .sort((a, b) => a[0] - b[0])
      const fresh = new GraphFixture()
      for (const [, object] of shuffled) applyObjects(fresh, [object])
      expect(snapshot(fixture)).toEqual(snapshot(fresh))
    }),
    { numRuns: 150 },
  )
})

test('taking everything away leaves nothing', () => {
  const empty = new GraphFixture().scheduler.retained()
  fc.assert(
    fc.property(history, (batches) => {
      const { fixture, objects } = play(batches)
      for (const object of objects) fixture.remove(object.kind, keyOf(object))
      expect(fixture.scheduler.retained()).toEqual(empty)
    }),
    { numRuns: 50 },
  )
})
