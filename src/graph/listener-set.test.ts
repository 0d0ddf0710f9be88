import { describe, expect, test } from 'vitest'
import {
  findCondition,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  listenerSetYaml,
  namespaceYaml,
  referenceGrantYaml,
  summarize,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'

const edge = (from: string, listeners = '[{name: web, port: 80, protocol: HTTP, hostname: own.test}]') =>
  gatewayClassYaml + gatewayYaml('shop/edge', listeners, { spec: `  allowedListeners: {namespaces: {from: ${from}}}` })
const listeners = (...hostnames: string[]) =>
  `[${hostnames.map((h, i) => `{name: l${i}, port: 80, protocol: HTTP, hostname: ${h}}`).join(', ')}]`

function setConditions(fixture: GraphFixture, name: string): string[] {
  return summarize(fixture.listenerSetStatus(name).conditions)
}

describe('a ListenerSet', () => {
  test('adds its listeners to the Gateway, which has its own and counts the set', () => {
    const fixture = new GraphFixture(edge('Same') + listenerSetYaml('shop/team', 'shop/edge', listeners('a.test')))
    fixture.bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(fixture.gateway('shop/edge').listeners.map((l) => l.name)).toEqual(['web'])
    expect(fixture.listener('ListenerSet/shop/team/l0')).toMatchObject({
      gateway: 'shop/edge',
      owner: { kind: 'ListenerSet', key: 'shop/team' },
      verdict: 'accepted',
    })
    expect(fixture.gatewayStatus('shop/edge')).toMatchObject({ attachedListenerSets: 1, listeners: [{ name: 'web' }] })
    expect(setConditions(fixture, 'shop/team')).toEqual(['Accepted=True Accepted', 'Programmed=True Programmed'])
    expect(fixture.listenerSetStatus('shop/team').listeners.map((l) => [l.name, ...summarize(l.conditions)])).toEqual([
      [
        'l0',
        'Accepted=True Accepted',
        'Conflicted=False NoConflicts',
        'ResolvedRefs=True ResolvedRefs',
        'Programmed=True Programmed',
      ],
    ])
    fixture.remove('ListenerSet', 'shop/team')
    expect(fixture.gatewayStatus('shop/edge').attachedListenerSets).toBe(0)
    expect(fixture.graph.listeners.size).toBe(1)
    expect(fixture.statuses.listenerSets.size).toBe(0)
  })

  test.each([
    ['None', 'shop/team', false],
    ['Same', 'shop/team', true],
    ['Same', 'other/team', false],
    ['All', 'other/team', true],
    ['Selector, selector: {matchLabels: {tier: edge}}', 'other/team', true],
    ['Selector, selector: {matchLabels: {tier: core}}', 'other/team', false],
    ['Selector, selector: {matchExpressions: [{key: tier, operator: Wrong}]}', 'other/team', false],
  ])('with allowedListeners from %s, %s is let in: %s', (from, name, isLetIn) => {
    const fixture = new GraphFixture(
      edge(from) + namespaceYaml('other', '{tier: edge}') + listenerSetYaml(name, 'shop/edge', listeners('a.test')),
    )
    expect(fixture.gatewayStatus('shop/edge').attachedListenerSets).toBe(isLetIn ? 1 : 0)
    const { status, reason } = findCondition(fixture.listenerSetStatus(name).conditions, 'Accepted')
    expect([status, reason]).toEqual(isLetIn ? ['True', 'Accepted'] : ['False', 'NotAllowed'])
    if (isLetIn) return
    expect(setConditions(fixture, name)).toEqual(['Accepted=False NotAllowed', 'Programmed=False NotAllowed'])
    expect(fixture.listener(`ListenerSet/${name}/l0`).verdict).toBe('rejected')
  })

  test('is not let in by a Gateway that says nothing, and the message says what to do', () => {
    const web = '[{name: web, port: 80, protocol: HTTP}]'
    const set = listenerSetYaml('shop/team', 'shop/edge', listeners('a.test'))
    const fixture = new GraphFixture(gatewayClassYaml + gatewayYaml('shop/edge', web) + set)
    expect(findCondition(fixture.listenerSetStatus('shop/team').conditions, 'Accepted').message).toBe(
      'spec.parentRef: Gateway "shop/edge" lets no ListenerSets in: set allowedListeners.namespaces.from in it',
    )
  })

  test("of a Gateway that is not ours or not there is nobody's", () => {
    const fixture = new GraphFixture(listenerSetYaml('shop/team', 'shop/edge', listeners('a.test')))
    expect(fixture.graph.listenerSets.size).toBe(0)
    fixture.apply(edge('All'))
    expect(fixture.graph.listenerSets.size).toBe(1)
    fixture.remove('GatewayClass', 'gatewright')
    expect(fixture.graph.listenerSets.size).toBe(0)
  })

  test('of a Gateway that is not accepted is told so', () => {
    const fixture = new GraphFixture(
      gatewayClassYaml +
        gatewayYaml('shop/edge', '[{name: web, port: 80, protocol: HTTP}]', {
          spec: '  allowedListeners: {namespaces: {from: All}}\n  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: gone}}',
        }) +
        listenerSetYaml('shop/team', 'shop/edge', listeners('a.test')),
    )
    expect(setConditions(fixture, 'shop/team')).toEqual([
      'Accepted=False ParentNotAccepted',
      'Programmed=False ParentNotAccepted',
    ])
  })
})

describe('listeners of several ListenerSets', () => {
  test('lose against the Gateway, then against older sets, then by name', () => {
    const fixture = new GraphFixture(
      edge('All') +
        listenerSetYaml('shop/newer', 'shop/edge', listeners('a.test', 'c.test'), { created: '2026-02-02T00:00:00Z' }) +
        listenerSetYaml('shop/older', 'shop/edge', listeners('a.test', 'own.test'), {
          created: '2026-01-01T00:00:00Z',
        }) +
        listenerSetYaml('shop/z', 'shop/edge', listeners('d.test'), { created: '2026-03-03T00:00:00Z' }) +
        listenerSetYaml('shop/y', 'shop/edge', listeners('d.test'), { created: '2026-03-03T00:00:00Z' }),
    ).bind('shop/edge')
    fixture.program('shop/edge', 80, 'programmed')
    const verdicts = (set: string) =>
      [...fixture.graph.listeners.entries()].flatMap(([key, l]) =>
        key.startsWith(`ListenerSet/shop/${set}/`) ? [[l.hostname, l.verdict]] : [],
      )
    expect(fixture.listener('shop/edge/web').verdict).toBe('accepted')
    expect(verdicts('older')).toEqual([
      ['a.test', 'accepted'],
      ['own.test', 'rejected'],
    ])
    expect(verdicts('newer')).toEqual([
      ['a.test', 'rejected'],
      ['c.test', 'accepted'],
    ])
    expect([verdicts('y'), verdicts('z')]).toEqual([[['d.test', 'accepted']], [['d.test', 'rejected']]])
    expect(setConditions(fixture, 'shop/older')).toEqual([
      'Accepted=True ListenersNotValid',
      'Programmed=True Programmed',
    ])
    expect(setConditions(fixture, 'shop/z')).toEqual([
      'Accepted=False ListenersNotValid',
      'Programmed=False ListenersNotValid',
    ])
    expect(fixture.gatewayStatus('shop/edge').attachedListenerSets).toBe(3)
    expect(summarize(fixture.listenerSetStatus('shop/z').listeners[0]?.conditions ?? [])).toEqual([
      'Accepted=False HostnameConflict',
      'Conflicted=True HostnameConflict',
      'ResolvedRefs=True ResolvedRefs',
      'Programmed=False HostnameConflict',
    ])
  })
})

describe('a route', () => {
  const set = (routes = '') =>
    listenerSetYaml('team/extra', 'shop/edge', `[{name: l0, port: 80, protocol: HTTP, hostname: a.test${routes}}]`)
  const parent = (kind: string, name: string, namespace: string, more = '') =>
    `  parentRefs: [{kind: ${kind}, name: ${name}, namespace: ${namespace}${more}}]`
  const states = (fixture: GraphFixture, name: string) =>
    fixture.routeStatus(name)?.parents.map((p) => {
      const { status, reason } = findCondition(p.conditions, 'Accepted')
      return `${p.parentRef.kind} ${p.parentRef.name} ${status} ${reason}`
    })

  test('attaches to a ListenerSet that it names, not to its Gateway', () => {
    const fixture = new GraphFixture(
      edge('All') + set() + httpRouteYaml('team/web', parent('ListenerSet', 'extra', 'team')),
    )
    expect(states(fixture, 'team/web')).toEqual(['ListenerSet extra True Accepted'])
    expect(fixture.attachments('ListenerSet/team/extra/l0').map((a) => a.route.key)).toEqual(['team/web'])
    expect(fixture.attachments('shop/edge/web')).toEqual([])
    expect(fixture.listenerSetStatus('team/extra').listeners[0]?.attachedRoutes).toBe(1)
  })

  test('of the Gateway does not reach listeners of sets, also not by their name', () => {
    const fixture = new GraphFixture(
      edge('All') +
        set(', allowedRoutes: {namespaces: {from: All}}') +
        httpRouteYaml('shop/web', parent('Gateway', 'edge', 'shop')) +
        httpRouteYaml('shop/section', parent('Gateway', 'edge', 'shop', ', sectionName: l0')),
    )
    expect(states(fixture, 'shop/web')).toEqual(['Gateway edge True Accepted'])
    expect(states(fixture, 'shop/section')).toEqual(['Gateway edge False NoMatchingParent'])
    expect(fixture.attachments('ListenerSet/team/extra/l0')).toEqual([])
  })

  test('of the same namespace is one of the namespace of the set', () => {
    const fixture = new GraphFixture(
      edge('All') + set() + httpRouteYaml('shop/web', parent('ListenerSet', 'extra', 'team')),
    )
    expect(states(fixture, 'shop/web')).toEqual(['ListenerSet extra False NotAllowedByListeners'])
  })

  test('has an entry for each parent, judged by itself', () => {
    const fixture = new GraphFixture(
      edge('All') +
        set() +
        httpRouteYaml(
          'team/web',
          '  parentRefs: [{kind: Gateway, name: edge, namespace: shop}, {kind: ListenerSet, name: extra}, {kind: ListenerSet, name: unknown}]',
        ),
    )
    expect(states(fixture, 'team/web')).toEqual([
      'Gateway edge False NotAllowedByListeners',
      'ListenerSet extra True Accepted',
    ])
  })

  test('of a set that is not let in is told', () => {
    const fixture = new GraphFixture(
      edge('None') + set() + httpRouteYaml('team/web', parent('ListenerSet', 'extra', 'team')),
    )
    expect(states(fixture, 'team/web')).toEqual(['ListenerSet extra False NoMatchingParent'])
  })
})

test('certificates of a set are of its namespace, and a ReferenceGrant for Gateways does not help', () => {
  const { certificate, privateKey } = issueCertificate()
  const fixture = new GraphFixture(
    edge('All') +
      listenerSetYaml(
        'team/extra',
        'shop/edge',
        '[{name: own, port: 443, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: cert}]}}, {name: theirs, port: 443, protocol: HTTPS, hostname: b.test, tls: {certificateRefs: [{name: cert, namespace: shop}]}}]',
      ) +
      tlsSecretYaml('team/cert', certificate, privateKey) +
      tlsSecretYaml('shop/cert', certificate, privateKey) +
      referenceGrantYaml('shop/gateways', ['Gateway/team'], ['Secret']),
  )
  expect(fixture.listener('ListenerSet/team/extra/own').verdict).toBe('accepted')
  expect(fixture.listener('ListenerSet/team/extra/theirs').problems).toMatchObject([
    {
      reason: 'RefNotPermitted',
      message:
        'Secret "shop/cert" may not be referred to from namespace team: add a ReferenceGrant in namespace shop from ListenerSet in team to Secret',
    },
  ])
  fixture.apply(referenceGrantYaml('shop/sets', ['ListenerSet/team'], ['Secret']))
  expect(fixture.listener('ListenerSet/team/extra/theirs').verdict).toBe('accepted')
})
