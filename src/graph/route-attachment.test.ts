import { describe, expect, test } from 'vitest'
import { GraphFixture, gatewayClassYaml, gatewayYaml, httpRouteYaml, namespaceYaml } from '../testing/builders.ts'

const twoPorts = '[{name: web, port: 80, protocol: HTTP}, {name: alt, port: 8080, protocol: HTTP}]'
const gateway = (listeners: string) => gatewayClassYaml + gatewayYaml('shop/edge', listeners)
const route = (parents: string, spec = '', name = 'shop/cart') =>
  httpRouteYaml(name, `  parentRefs: ${parents}\n${spec}`)

/** The listeners that a route is attached to, and why not. */
function attached(fixture: GraphFixture, name = 'shop/cart') {
  return fixture.parents(name).map((p) => ({
    index: p.index,
    listeners: p.attachments.map((a) => a.listener.split('/').at(-1)),
    reasons: p.problems.map((problem) => problem.reason),
  }))
}

describe('parentRefs', () => {
  test('without sectionName or port mean every listener', () => {
    const fixture = new GraphFixture(gateway(twoPorts) + route('[{name: edge}]'))
    expect(attached(fixture)).toEqual([{ index: 0, listeners: ['web', 'alt'], reasons: [] }])
  })

  test('with a sectionName mean that listener', () => {
    const fixture = new GraphFixture(gateway(twoPorts) + route('[{name: edge, sectionName: alt}]'))
    expect(attached(fixture)).toEqual([{ index: 0, listeners: ['alt'], reasons: [] }])
  })

  test('with a port mean all listeners on it', () => {
    const three =
      '[{name: a, port: 80, protocol: HTTP, hostname: a.example.com}, {name: b, port: 80, protocol: HTTP}, {name: c, port: 81, protocol: HTTP}]'
    const fixture = new GraphFixture(gateway(three) + route('[{name: edge, port: 80}]'))
    expect(attached(fixture)).toEqual([{ index: 0, listeners: ['a', 'b'], reasons: [] }])
  })

  test('with both mean the one listener for which both hold', () => {
    const good = new GraphFixture(gateway(twoPorts) + route('[{name: edge, sectionName: alt, port: 8080}]'))
    expect(attached(good)).toEqual([{ index: 0, listeners: ['alt'], reasons: [] }])
    const bad = new GraphFixture(gateway(twoPorts) + route('[{name: edge, sectionName: alt, port: 80}]'))
    expect(attached(bad)).toEqual([{ index: 0, listeners: [], reasons: ['NoMatchingParent'] }])
    expect(bad.parents('shop/cart')[0]?.problems).toMatchObject([
      {
        on: 'Accepted',
        message:
          'Gateway "shop/edge" has no listener named "alt" on port 80: it has "web" on port 80, "alt" on port 8080',
        path: 'spec.parentRefs[0]',
      },
    ])
  })

  test.each(['sectionName: gone', 'port: 81'])('with %s, which no listener has, are told NoMatchingParent', (part) => {
    const fixture = new GraphFixture(gateway(twoPorts) + route(`[{name: edge, ${part}}]`))
    expect(attached(fixture)).toEqual([{ index: 0, listeners: [], reasons: ['NoMatchingParent'] }])
  })

  test('to a Gateway that does not exist get no entry, and one when it comes', () => {
    const fixture = new GraphFixture(gateway(twoPorts) + route('[{name: gone}, {name: edge}]'))
    expect(attached(fixture)).toEqual([{ index: 1, listeners: ['web', 'alt'], reasons: [] }])
    fixture.apply(gatewayYaml('shop/gone', '[{name: late, port: 90, protocol: HTTP}]'))
    expect(attached(fixture).map((p) => [p.index, p.listeners])).toEqual([
      [0, ['late']],
      [1, ['web', 'alt']],
    ])
    fixture.remove('Gateway', 'shop/gone')
    expect(attached(fixture).map((p) => p.index)).toEqual([1])
  })

  test('to a Gateway of a foreign class are not ours to judge', () => {
    const foreign = gatewayYaml('shop/edge', twoPorts).replace(
      'gatewayClassName: gatewright',
      'gatewayClassName: other',
    )
    expect(attached(new GraphFixture(gatewayClassYaml + foreign + route('[{name: edge}]')))).toEqual([])
  })

  test.each(['{kind: Service, group: "", name: edge}', '{kind: ListenerSet, name: edge}'])(
    'to %s are not judged',
    (ref) => {
      expect(attached(new GraphFixture(gateway(twoPorts) + route(`[${ref}]`)))).toEqual([])
    },
  )

  test('may be absent', () => {
    const fixture = new GraphFixture(gateway(twoPorts) + httpRouteYaml('shop/cart', '  hostnames: [a.example.com]'))
    expect(attached(fixture)).toEqual([])
  })

  test('name several Gateways, each with a verdict of its own', () => {
    const fixture = new GraphFixture(
      gateway(twoPorts) +
        gatewayYaml('shop/inner', '[{name: web, port: 80, protocol: HTTP, hostname: inner.example.com}]') +
        route('[{name: edge, sectionName: web}, {name: inner}]', '  hostnames: [shop.example.com]'),
    )
    expect(attached(fixture)).toEqual([
      { index: 0, listeners: ['web'], reasons: [] },
      { index: 1, listeners: [], reasons: ['NoMatchingListenerHostname'] },
    ])
  })

  test('that lead to one listener twice attach once and count once', () => {
    const fixture = new GraphFixture(
      gateway(twoPorts) +
        route('[{name: edge, sectionName: web, port: 80}, {name: edge, sectionName: alt, port: 8080}]'),
    )
    // The schema refuses most ways to say it twice; without the group the two are written differently.
    const twice = new GraphFixture(
      gateway(twoPorts) + route('[{name: edge, sectionName: web}, {name: edge, namespace: shop, sectionName: web}]'),
    )
    expect(fixture.attachments('shop/edge/web')).toHaveLength(1)
    expect(twice.attachments('shop/edge/web')).toHaveLength(1)
    expect(attached(twice).map((p) => p.listeners)).toEqual([['web'], ['web']])
  })
})

describe('allowed namespaces', () => {
  const listener = (namespaces: string) =>
    gateway(`[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: ${namespaces}}}]`)
  const fromBilling = route('[{name: edge, namespace: shop}]', '', 'billing/invoices')
  const billing = (yaml: string) => attached(new GraphFixture(yaml), 'billing/invoices')

  test('Same keeps other namespaces out', () => {
    expect(billing(listener('{from: Same}') + fromBilling)).toEqual([
      { index: 0, listeners: [], reasons: ['NotAllowedByListeners'] },
    ])
    expect(attached(new GraphFixture(listener('{from: Same}') + route('[{name: edge}]')))[0]?.listeners).toEqual([
      'web',
    ])
  })

  test('All lets everybody in', () => {
    expect(billing(listener('{from: All}') + fromBilling)[0]?.listeners).toEqual(['web'])
  })

  test('a Selector lets in namespaces whose labels match, live', () => {
    const selector = '{from: Selector, selector: {matchLabels: {team: money}}}'
    const fixture = new GraphFixture(listener(selector) + fromBilling + namespaceYaml('billing', '{team: money}'))
    const now = () => attached(fixture, 'billing/invoices')[0]
    expect(now()?.listeners).toEqual(['web'])
    fixture.apply(namespaceYaml('billing', '{team: other}'))
    expect(now()).toMatchObject({ listeners: [], reasons: ['NotAllowedByListeners'] })
    fixture.apply(namespaceYaml('billing', '{team: money}'))
    expect(now()?.listeners).toEqual(['web'])
    fixture.remove('Namespace', 'billing')
    expect(now()).toMatchObject({ listeners: [], reasons: ['NotAllowedByListeners'] })
  })

  test('a Selector holds for the own namespace of the Gateway too', () => {
    const selector = '{from: Selector, selector: {matchLabels: {team: money}}}'
    const fixture = new GraphFixture(listener(selector) + route('[{name: edge}]') + namespaceYaml('shop'))
    expect(attached(fixture)[0]?.reasons).toEqual(['NotAllowedByListeners'])
  })

  test('a Selector that forbids a label lets nobody in whose labels are unknown', () => {
    const selector = '{from: Selector, selector: {matchExpressions: [{key: guest, operator: DoesNotExist}]}}'
    expect(billing(listener(selector) + fromBilling)[0]?.reasons).toEqual(['NotAllowedByListeners'])
    expect(billing(listener(selector) + fromBilling + namespaceYaml('billing'))[0]?.listeners).toEqual(['web'])
  })
})

describe('what a listener takes', () => {
  test('no HTTPRoute when it allows other kinds only', () => {
    const fixture = new GraphFixture(
      gateway('[{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]') +
        route('[{name: edge}]'),
    )
    expect(attached(fixture)).toEqual([{ index: 0, listeners: [], reasons: ['NotAllowedByListeners'] }])
    expect(fixture.parents('shop/cart')[0]?.problems[0]?.message).toBe('listener "web" allows no HTTPRoute')
  })

  test('nothing when it is rejected itself', () => {
    const fixture = new GraphFixture(gateway('[{name: raw, port: 80, protocol: SCTP}]') + route('[{name: edge}]'))
    expect(attached(fixture)).toEqual([{ index: 0, listeners: [], reasons: ['NoMatchingParent'] }])
  })

  test('routes even while its certificate is missing', () => {
    const fixture = new GraphFixture(
      gateway('[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}]') +
        route('[{name: edge}]'),
    )
    expect(attached(fixture)).toEqual([{ index: 0, listeners: ['tls'], reasons: [] }])
  })

  test('one listener is enough: refusals by others are not told', () => {
    const fixture = new GraphFixture(
      gateway('[{name: web, port: 80, protocol: HTTP}, {name: raw, port: 81, protocol: SCTP}]') +
        route('[{name: edge}]'),
    )
    expect(attached(fixture)).toEqual([{ index: 0, listeners: ['web'], reasons: [] }])
  })
})

describe('hostnames of an attachment', () => {
  const hostnames = (listener: string | undefined, own: readonly string[]) => {
    const host = listener === undefined ? '' : `, hostname: "${listener}"`
    const spec = own.length === 0 ? '' : `  hostnames: ${JSON.stringify(own)}`
    const fixture = new GraphFixture(
      gateway(`[{name: web, port: 80, protocol: HTTP${host}}]`) + route('[{name: edge}]', spec),
    )
    return fixture.attachments('shop/edge/web')[0]?.hostnames.map((h) => h.hostname)
  }

  test.each<[string | undefined, string[], string[] | undefined]>([
    [undefined, [], ['*']],
    [undefined, ['shop.example.com', '*.example.org'], ['shop.example.com', '*.example.org']],
    ['shop.example.com', [], ['shop.example.com']],
    ['shop.example.com', ['shop.example.com', 'cart.example.com'], ['shop.example.com']],
    ['shop.example.com', ['*.example.com'], ['shop.example.com']],
    ['*.example.com', ['shop.example.com', 'a.b.example.com', 'example.com'], ['shop.example.com', 'a.b.example.com']],
    ['*.example.com', ['*.shop.example.com'], ['*.shop.example.com']],
    ['*.shop.example.com', ['*.example.com'], ['*.shop.example.com']],
    ['*.example.com', ['shop.example.org'], undefined],
    ['shop.example.com', ['*.shop.example.com'], undefined],
  ])('are those of listener %s and route %j together', (listener, own, expected) => {
    expect(hostnames(listener, own)).toEqual(expected)
  })

  test('that miss the listener are told', () => {
    const fixture = new GraphFixture(
      gateway('[{name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}]') +
        route('[{name: edge}]', '  hostnames: [example.com]'),
    )
    expect(fixture.parents('shop/cart')[0]?.problems).toEqual([
      {
        on: 'Accepted',
        reason: 'NoMatchingListenerHostname',
        message: 'no hostname of the route is within "*.example.com" of listener "web"',
        path: 'spec.parentRefs[0]',
      },
    ])
  })

  test('remember which hostname of the route they come from', () => {
    const fixture = new GraphFixture(
      gateway('[{name: web, port: 80, protocol: HTTP, hostname: shop.example.com}]') +
        route('[{name: edge}]', '  hostnames: ["*.com", "*.example.com"]'),
    )
    expect(fixture.attachments('shop/edge/web')[0]?.hostnames).toEqual([
      { hostname: 'shop.example.com', original: '*.example.com' },
    ])
  })
})

describe('a route none of whose matches can be served', () => {
  const bad = '  rules: [{matches: [{path: {type: RegularExpression, value: "/(unclosed"}}]}]'

  test('is attached to nothing, because it is not accepted', () => {
    const fixture = new GraphFixture(gateway(twoPorts) + route('[{name: edge}]', bad))
    expect(fixture.attachments('shop/edge/web')).toEqual([])
    expect(fixture.parents('shop/cart')).toHaveLength(1)
  })
})

test('an edit of an object that a route does not touch leaves its attachments as they are', () => {
  const fixture = new GraphFixture(gateway(twoPorts) + route('[{name: edge}]'))
  const before = fixture.attachments('shop/edge/web')
  fixture.apply(route('[{name: edge}]', '  hostnames: [a.example.com]', 'shop/other'), namespaceYaml('shop', '{x: y}'))
  const after = fixture.attachments('shop/edge/web')
  expect(after.find((a) => a.route.key === 'shop/cart')).toBe(before[0])
})

describe('default Gateways', () => {
  const scope = { spec: '  defaultScope: All' }
  const wide = '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]'
  const closed = '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]'
  const asking = (parents = '') => httpRouteYaml('shop/cart', `  useDefaultGateways: All\n${parents}  rules: [{}]`)
  const gateways =
    gatewayClassYaml +
    gatewayYaml('edge/b', wide, scope) +
    gatewayYaml('edge/a', wide, scope) +
    gatewayYaml('shop/closed', closed, scope) +
    gatewayYaml('shop/plain', wide)

  test('are those that say so and let the route in', () => {
    const fixture = new GraphFixture(gateways + asking())
    expect(fixture.routeStatus('shop/cart')?.parents.map((p) => p.parentRef)).toEqual([
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'edge', name: 'a' },
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'edge', name: 'b' },
    ])
    expect(fixture.attachments('edge/a/web')).toHaveLength(1)
    expect(fixture.attachments('shop/plain/web')).toEqual([])
  })

  test('come after the parents that are named, and none is there twice', () => {
    const named = '  parentRefs: [{name: plain}, {name: b, namespace: edge, sectionName: web}]\n'
    const fixture = new GraphFixture(gateways + asking(named))
    const refs = fixture.routeStatus('shop/cart')?.parents.map(({ parentRef }) => parentRef)
    expect(refs?.map(({ name, sectionName }) => [name, sectionName])).toEqual([
      ['plain', undefined],
      ['b', 'web'],
      ['a', undefined],
    ])
  })

  test('change with their scope, and with the wish of the route', () => {
    const fixture = new GraphFixture(gateways + asking())
    fixture.apply(gatewayYaml('edge/a', wide, { spec: '  defaultScope: None' }))
    expect(fixture.parents('shop/cart').map((p) => p.gateway)).toEqual(['edge/b'])
    fixture.apply(gatewayYaml('shop/plain', wide, scope))
    expect(fixture.parents('shop/cart').map((p) => p.gateway)).toEqual(['edge/b', 'shop/plain'])
    fixture.apply(httpRouteYaml('shop/cart', '  useDefaultGateways: None\n  rules: [{}]'))
    expect(fixture.routeStatus('shop/cart')).toBeUndefined()
  })

  test('are none without the wish', () => {
    const fixture = new GraphFixture(gateways + httpRouteYaml('shop/cart', '  rules: [{}]'))
    expect(fixture.parents('shop/cart')).toEqual([])
  })
})
