import { describe, expect, test } from 'vitest'
import { GraphFixture, httpRouteYaml, serviceYaml } from '../testing/builders.ts'

const services = serviceYaml('shop/web') + serviceYaml('shop/copy') + serviceYaml('shop/web-v2')

/** The node of a route shop/web with these rules, as flow YAML. */
function resolve(rules: string, objects = services) {
  return new GraphFixture(objects + httpRouteYaml('shop/web', `  rules: ${rules}`)).route('shop/web')
}

const problems = (node: ReturnType<typeof resolve>) => node.problems.map((p) => `${p.on} ${p.reason} ${p.path}`)

describe('a rule', () => {
  test('that says nothing matches everything and has no backend', () => {
    const node = resolve('[{}]')
    expect(node.rules).toHaveLength(1)
    expect(node.rules[0]).toMatchObject({ index: 0, name: undefined, filters: [], backendRefs: [], broken: false })
    expect(node.rules[0]?.matches.map((m) => m.match)).toEqual([{ path: { type: 'PathPrefix', value: '/' } }])
    expect(node.problems).toEqual([])
  })

  test('keeps its name, which never becomes part of anything in Envoy', () => {
    expect(resolve('[{name: checkout}]').rules[0]?.name).toBe('checkout')
  })

  test('is there for a route without rules', () => {
    const node = new GraphFixture(httpRouteYaml('shop/web', '  hostnames: [Shop.example.com]'.toLowerCase())).route(
      'shop/web',
    )
    expect(node.rules).toHaveLength(1)
    expect(node.hostnames).toEqual(['shop.example.com'])
  })

  test('ranks its matches by their own place and by the age of the route', () => {
    const yaml = httpRouteYaml(
      'shop/web',
      '  rules: [{}, {matches: [{path: {value: /a/}}, {path: {type: Exact, value: /b}, method: GET, headers: [{name: x, value: y}], queryParams: [{name: q, value: z}]}]}]',
      { created: '2026-02-03T04:05:06Z' },
    )
    const [, second] = new GraphFixture(yaml).route('shop/web').rules
    const route = { created: Date.parse('2026-02-03T04:05:06Z'), key: 'shop/web' }
    expect(second?.matches.map((m) => m.rank)).toEqual([
      {
        kind: 'HTTPRoute',
        path: 'PathPrefix',
        pathLength: 2,
        method: false,
        headers: 0,
        queryParams: 0,
        route,
        rule: 1,
        match: 0,
      },
      {
        kind: 'HTTPRoute',
        path: 'Exact',
        pathLength: 2,
        method: true,
        headers: 1,
        queryParams: 1,
        route,
        rule: 1,
        match: 1,
      },
    ])
  })
})

test('of two header matches that differ in case only the first counts, also for precedence', () => {
  const headers = '[{name: Version, value: two}, {name: region, value: eu}, {name: version, value: three}]'
  const match = resolve(`[{matches: [{headers: ${headers}}]}]`).rules[0]?.matches[0]
  expect(match?.match.headers?.map((h) => `${h.name}=${h.value}`)).toEqual(['Version=two', 'region=eu'])
  expect(match?.rank.headers).toBe(2)
})

describe('regular expressions', () => {
  const bad = '{type: RegularExpression, value: "/(unclosed"}'
  const lookAhead = '(?=x)y'

  test('that RE2 takes are kept', () => {
    const node = resolve('[{matches: [{path: {type: RegularExpression, value: "/(?i)item/[0-9]+"}}]}]')
    expect(node.problems).toEqual([])
    expect(node.rules[0]?.matches).toHaveLength(1)
  })

  test('that it does not take drop their match, and only that', () => {
    const node = resolve(`[{matches: [{path: ${bad}}, {path: {value: /ok}}], backendRefs: [{name: web, port: 80}]}]`)
    expect(node.rules[0]?.matches.map((m) => m.match.path.value)).toEqual(['/ok'])
    expect(problems(node)).toEqual(['PartiallyInvalid UnsupportedValue spec.rules[0].matches[0].path.value'])
    expect(node.problems[0]?.message).toContain('not an RE2 regular expression')
  })

  test.each([
    ['headers', `[{name: version, type: RegularExpression, value: "${lookAhead}"}]`, 'headers[0].value'],
    ['headers', `[{name: a, value: b}, {name: version, type: RegularExpression, value: "["}]`, 'headers[1].value'],
    ['queryParams', `[{name: q, type: RegularExpression, value: "${lookAhead}"}]`, 'queryParams[0].value'],
  ])('are checked in %s as well: %s', (field, list, path) => {
    const node = resolve(`[{matches: [{${field}: ${list}}, {path: {value: /ok}}]}]`)
    expect(problems(node)).toEqual([`PartiallyInvalid UnsupportedValue spec.rules[0].matches[0].${path}`])
    expect(node.rules[0]?.matches).toHaveLength(1)
  })

  test('are not looked for where a value is compared as it is', () => {
    const node = resolve(
      '[{matches: [{headers: [{name: version, value: "["}], queryParams: [{name: q, value: "("}]}]}]',
    )
    expect(node.problems).toEqual([])
  })

  test('that are all bad leave nothing to accept', () => {
    const node = resolve(`[{matches: [{path: ${bad}}]}, {matches: [{path: ${bad}}]}]`)
    expect(problems(node)).toEqual([
      'Accepted UnsupportedValue spec.rules[0].matches[0].path.value',
      'Accepted UnsupportedValue spec.rules[1].matches[0].path.value',
    ])
  })

  test('that would cost too much are refused in no time', () => {
    const started = performance.now()
    const node = resolve('[{matches: [{path: {type: RegularExpression, value: "/(\\\\pL{30}){30}"}}, {}]}]')
    expect(node.problems[0]?.message).toContain('too costly')
    expect(performance.now() - started).toBeLessThan(500)
  })
})

describe('backendRefs', () => {
  test('keep their order and weights, zero included', () => {
    const node = resolve(
      '[{backendRefs: [{name: web, port: 80, weight: 8}, {name: web-v2, port: 80, weight: 0}, {name: copy, port: 80}]}]',
    )
    expect(node.rules[0]?.backendRefs.map((r) => [r.backend?.target.name, r.weight])).toEqual([
      ['web', 8],
      ['web-v2', 0],
      ['copy', 1],
    ])
  })

  test('keep the weight of a missing one: its share gets an error', () => {
    const node = resolve('[{backendRefs: [{name: web, port: 80}, {name: gone, port: 80, weight: 3}]}]')
    expect(node.rules[0]?.backendRefs.map((r) => [r.backend?.target.name, r.weight])).toEqual([
      ['web', 1],
      [undefined, 3],
    ])
    expect(node.problems).toEqual([
      {
        on: 'ResolvedRefs',
        reason: 'BackendNotFound',
        message: 'Service "gone" not found',
        path: 'spec.rules[0].backendRefs[1]',
      },
    ])
  })

  test('name the field of each mistake', () => {
    const node = resolve(
      '[{backendRefs: [{name: web, port: 80}]}, {backendRefs: [{name: web, port: 81}, {kind: Pod, name: web}, {name: web, port: 80, namespace: other}]}]',
    )
    expect(problems(node)).toEqual([
      'ResolvedRefs BackendNotFound spec.rules[1].backendRefs[0]',
      'ResolvedRefs InvalidKind spec.rules[1].backendRefs[1]',
      'ResolvedRefs RefNotPermitted spec.rules[1].backendRefs[2]',
    ])
  })

  test('are resolved again when a Service comes, changes or goes', () => {
    const fixture = new GraphFixture(httpRouteYaml('shop/web', '  rules: [{backendRefs: [{name: web, port: 80}]}]'))
    const now = () => fixture.route('shop/web').problems.map((p) => p.message)
    expect(now()).toEqual(['Service "web" not found'])
    fixture.apply(serviceYaml('shop/web', '[{port: 81}]'))
    expect(now()).toEqual(['Service "web" has no port 80'])
    fixture.apply(serviceYaml('shop/web'))
    expect(now()).toEqual([])
  })

  test('depend on nothing of a Service but what decides where requests go', () => {
    const fixture = new GraphFixture(
      services + httpRouteYaml('shop/web', '  rules: [{backendRefs: [{name: web, port: 80}]}]'),
    )
    const before = fixture.route('shop/web')
    fixture.apply(
      serviceYaml(
        'shop/web',
        '[{port: 80, targetPort: 9090}, {name: admin, port: 9000}]'.replace('{port: 80,', '{name: "x", port: 80,'),
      ),
    )
    expect(fixture.route('shop/web')).toBe(before)
  })

  test('carry filters of their own', () => {
    const set = '{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-shop, value: v2}]}}'
    const node = resolve(`[{backendRefs: [{name: web, port: 80, filters: [${set}]}, {name: web-v2, port: 80}]}]`)
    expect(node.rules[0]?.backendRefs.map((r) => r.filters.length)).toEqual([1, 0])
    expect(node.rules[0]?.filters).toEqual([])
  })
})

describe('filters', () => {
  const header = '{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}'
  const response = '{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}'
  const rewrite = '{type: URLRewrite, urlRewrite: {hostname: inner.example.com}}'
  const mirror = (fields: string) =>
    `{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}${fields}}}`

  test('keep their order', () => {
    const node = resolve(`[{filters: [${header}, ${mirror('')}, ${response}, ${rewrite}]}]`)
    expect(node.problems).toEqual([])
    expect(node.rules[0]?.filters.map((f) => (f.type === 'plain' ? f.filter.type : f.type))).toEqual([
      'RequestHeaderModifier',
      'mirror',
      'ResponseHeaderModifier',
      'URLRewrite',
    ])
  })

  test.each([
    ['', 1_000_000],
    [', percent: 20', 200_000],
    [', percent: 0', 0],
    [', fraction: {numerator: 25, denominator: 50}', 500_000],
    [', fraction: {numerator: 35}', 350_000],
    [', fraction: {numerator: 1, denominator: 3}', 333_333],
  ])('mirror a share in parts of a million: "%s"', (fields, perMillion) => {
    expect(resolve(`[{filters: [${mirror(fields)}]}]`).rules[0]?.filters[0]).toMatchObject({
      type: 'mirror',
      perMillion,
    })
  })

  test('mirror to a missing backend is dropped, told, and harms no request', () => {
    const node = resolve(`[{filters: [${mirror('')}], backendRefs: [{name: web, port: 80}]}]`, serviceYaml('shop/web'))
    expect(node.rules[0]).toMatchObject({ broken: false, filters: [{ type: 'mirror', backend: undefined }] })
    expect(node.problems).toMatchObject([
      { reason: 'BackendNotFound', path: 'spec.rules[0].filters[0].requestMirror.backendRef' },
    ])
  })

  test('of an extension are not skipped: the rule is broken', () => {
    const guard = '{type: ExtensionRef, extensionRef: {group: example.com, kind: Guard, name: door}}'
    const node = resolve(
      `[{filters: [${guard}], backendRefs: [{name: web, port: 80}]}, {backendRefs: [{name: web, port: 80}]}]`,
    )
    expect(node.rules.map((r) => r.broken)).toEqual([true, false])
    expect(node.problems).toMatchObject([
      { on: 'ResolvedRefs', reason: 'InvalidKind', path: 'spec.rules[0].filters[0]' },
    ])
    expect(node.problems[0]?.message).toBe(
      'filter Guard "door" of group "example.com" is not supported: requests are answered with 500',
    )
  })

  const auth = (name: string, protocol = 'HTTP') =>
    `{type: ExternalAuth, externalAuth: {protocol: ${protocol}, backendRef: {name: ${name}, port: 80}, ${protocol.toLowerCase()}: {}}}`

  test('of authorization know who is asked, by HTTP/2 where the protocol is gRPC', () => {
    const [rule] = resolve(`[{filters: [${auth('copy')}, ${auth('web', 'GRPC')}]}]`).rules
    expect(rule?.filters).toMatchObject([
      { type: 'external-auth', backend: { target: { name: 'copy' }, protocol: 'http1' } },
      { type: 'external-auth', backend: { target: { name: 'web' }, protocol: 'h2c' } },
    ])
    expect(rule?.broken).toBe(false)
  })

  test('of authorization that nobody can answer break the rule', () => {
    const node = resolve(`[{filters: [${auth('gone')}], backendRefs: [{name: web, port: 80}]}, {}]`)
    expect(node.rules.map((r) => r.broken)).toEqual([true, false])
    expect(problems(node)).toEqual(['ResolvedRefs BackendNotFound spec.rules[0].filters[0].externalAuth.backendRef'])
  })

  test('of authorization beyond two break the rule, wherever they stand', () => {
    const backend = `{name: web, port: 80, filters: [${auth('copy')}]}`
    const node = resolve(`[{filters: [${auth('copy')}, ${auth('web')}], backendRefs: [${backend}]}]`)
    expect(node.rules[0]?.broken).toBe(true)
    expect(problems(node)).toEqual(['PartiallyInvalid UnsupportedValue spec.rules[0].backendRefs[0].filters[0]'])
  })

  test('of an extension on one backend break the rule as well', () => {
    const guard = '{type: ExtensionRef, extensionRef: {group: example.com, kind: Guard, name: door}}'
    const node = resolve(`[{backendRefs: [{name: web, port: 80, filters: [${guard}]}]}]`)
    expect(node.rules[0]?.broken).toBe(true)
    expect(problems(node)).toEqual(['ResolvedRefs InvalidKind spec.rules[0].backendRefs[0].filters[0]'])
  })
})

describe('timeouts', () => {
  test.each([
    ['{request: 1m30s}', 90_000, undefined],
    ['{backendRequest: 250ms}', undefined, 250],
    ['{request: 2s, backendRequest: 1s}', 2000, 1000],
    ['{request: 0s}', 0, undefined],
  ])('%s are read in milliseconds', (timeouts, requestTimeout, backendRequestTimeout) => {
    expect(resolve(`[{timeouts: ${timeouts}}]`).rules[0]).toMatchObject({ requestTimeout, backendRequestTimeout })
  })
})

describe('retry', () => {
  test.each([
    ['{}', { attempts: 1, codes: [], backoff: undefined }],
    ['{codes: [500, 503], attempts: 3, backoff: 1s}', { attempts: 3, codes: [500, 503], backoff: 1000 }],
    ['{codes: [500], attempts: 0}', undefined],
  ])('%s is read', (retry, expected) => {
    const node = resolve(`[{retry: ${retry}, backendRefs: [{name: web, port: 80}]}]`)
    expect(node.rules[0]?.retry).toEqual(expected)
    expect(node.problems).toEqual([])
  })
})

test('CORS beside a redirect has no effect, and that is told', () => {
  const filters = '[{type: CORS, cors: {}}, {type: RequestRedirect, requestRedirect: {hostname: a.test}}]'
  const node = resolve(`[{filters: ${filters}}]`)
  expect(problems(node)).toEqual(['PartiallyInvalid UnsupportedValue spec.rules[0].filters[0]'])
  expect(node.rules[0]?.broken).toBe(false)
})

describe('sessions', () => {
  const of = (session: string, refs = '[{name: web, port: 80}]') =>
    resolve(`[{sessionPersistence: ${session}, backendRefs: ${refs}}]`)

  test.each([
    [
      '{absoluteTimeout: 1h, cookie: {name: c, path: /a, lifetimeType: Permanent}}',
      { type: 'cookie', name: 'c', path: '/a', lifetime: 3_600_000 },
    ],
    ['{sessionName: old}', { type: 'cookie', name: 'old', path: '/', lifetime: 0 }],
    ['{type: Header, header: {name: X-Session}}', { type: 'header', name: 'x-session' }],
    ['{type: Header, sessionName: Old}', { type: 'header', name: 'old' }],
  ])('%s is read', (session, expected) => {
    const node = of(session)
    expect(node.rules[0]?.session).toEqual(expected)
    expect(node.problems).toEqual([])
  })

  test('without a name have one that depends on the route and its backends, not on the place of the rule', () => {
    const rule = '{sessionPersistence: {}, backendRefs: [{name: web, port: 80}]}'
    const other = '{sessionPersistence: {}, backendRefs: [{name: copy, port: 80}]}'
    const names = (rules: string) => resolve(rules).rules.map((r) => r.session?.name)
    const [first, second] = names(`[${rule}, ${other}]`)
    expect(first).not.toBe(second)
    expect(names(`[${other}, ${rule}]`)).toEqual([second, first])
  })

  test.each([
    ['{type: Header, absoluteTimeout: 1h, header: {name: h}}', 'absoluteTimeout'],
    ['{absoluteTimeout: 1h, cookie: {name: c}}', 'absoluteTimeout'],
    ['{cookie: {path: "/; HttpOnly"}}', 'cookie.path'],
    ['{cookie: {path: "/\\r\\n"}}', 'cookie.path'],
  ])('%s cannot be honoured as it is', (session, field) => {
    const node = of(session)
    expect(problems(node)).toEqual([`PartiallyInvalid UnsupportedValue spec.rules[0].sessionPersistence.${field}`])
    expect(node.rules[0]?.broken).toBe(false)
  })

  test('by header hold for one backend alone', () => {
    const node = of('{type: Header, header: {name: h}}', '[{name: web, port: 80}, {name: copy, port: 80}]')
    expect(problems(node)).toEqual(['PartiallyInvalid UnsupportedValue spec.rules[0].sessionPersistence.type'])
  })
})

test('an index of a rule names the field in messages and nothing else: reordering rules moves no backend', () => {
  const a = '{matches: [{path: {value: /a}}], backendRefs: [{name: web, port: 80}]}'
  const b = '{matches: [{path: {value: /b}}], backendRefs: [{name: copy, port: 80}]}'
  const targets = (rules: string) =>
    new Map(resolve(rules).rules.map((r) => [r.matches[0]?.match.path.value, r.backendRefs[0]?.backend]))
  expect(targets(`[${b}, ${a}]`)).toEqual(targets(`[${a}, ${b}]`))
})
