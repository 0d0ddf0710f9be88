import { describe, expect, test } from 'vitest'
import { validateObject } from '../validate-object.ts'
import type { HTTPRoute } from './http-route.ts'

function validate(spec: unknown, apiVersion = 'gateway.networking.k8s.io/v1') {
  const raw = { apiVersion, kind: 'HTTPRoute', metadata: { name: 'web', namespace: 'shop' }, spec }
  const { object, errors = [] } = validateObject(raw)
  return { route: object as HTTPRoute | undefined, messages: errors.map((error) => error.message) }
}

const many = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const rule = (fields: object) => ({ rules: [fields] })
const path = (type: string, value: string) => rule({ matches: [{ path: { type, value } }] })
const headers = (list: unknown) => rule({ matches: [{ headers: list }] })
const filters = (...list: unknown[]) => rule({ filters: list })
const backend = (fields: object) => rule({ backendRefs: [{ name: 'cart', ...fields }] })
const redirect = (fields: object = {}) => ({ type: 'RequestRedirect', requestRedirect: fields })
const rewrite = (fields: object = {}) => ({ type: 'URLRewrite', urlRewrite: fields })
const setHeader = (name: string, value = 'x') => ({
  type: 'RequestHeaderModifier',
  requestHeaderModifier: { set: [{ name, value }] },
})
const mirror = (fields: object) => ({
  type: 'RequestMirror',
  requestMirror: { backendRef: { name: 'copy', port: 80 }, ...fields },
})
const cors = (fields: object) => ({ type: 'CORS', cors: fields })
const auth = (fields: object) => ({
  type: 'ExternalAuth',
  externalAuth: { backendRef: { name: 'a', port: 1 }, ...fields },
})
const prefixReplacement = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }
const parents = (...list: object[]) => ({ parentRefs: list.map((parent) => ({ name: 'gw', ...parent })) })
const matches = (count: number) => many(count, (index) => ({ path: { value: `/${index}` } }))

describe('an HTTPRoute is accepted with', () => {
  test.each<[string, unknown]>([
    ['nothing but a spec', {}],
    ['16 hostnames', { hostnames: many(16, (index) => `h${index}.example.com`) }],
    ['a wildcard as the first label', { hostnames: ['*.example.com'] }],
    ['16 rules', { rules: many(16, () => ({})) }],
    ['128 matches in all', { rules: [{ matches: matches(64) }, { matches: matches(64) }] }],
    ['an absolute exact path', path('Exact', "/a-._~!$&'()*+,;=:@%20/b")],
    ['a regular expression of any form', path('RegularExpression', '#//.*')],
    [
      'the empty prefix replacement',
      rule({ filters: [rewrite({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '' } })] }),
    ],
    ['16 header matches', headers(many(16, (index) => ({ name: `x-${index}`, value: 'a b' })))],
    [
      'header names that differ in case only',
      headers([
        { name: 'a', value: '1' },
        { name: 'A', value: '1' },
      ]),
    ],
    ['a backend of another kind without a port', backend({ group: 'gateway.envoyproxy.io', kind: 'Backend' })],
    ['an XBackend without a port', backend({ group: 'gateway.networking.x-k8s.io', kind: 'XBackend' })],
    ['weight 0', backend({ port: 80, weight: 0 })],
    ['weight 1000000', backend({ port: 80, weight: 1_000_000 })],
    ['a redirect without backends', filters(redirect({ statusCode: 308, scheme: 'https', port: 443 }))],
    ['a redirect that replaces the prefix', filters(redirect(prefixReplacement))],
    ['several mirrors', filters(mirror({ percent: 20 }), mirror({ fraction: { numerator: 1, denominator: 3 } }))],
    [
      'CORS of every origin',
      filters(cors({ allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], maxAge: 1 })),
    ],
    [
      'CORS of wildcard origins',
      filters(cors({ allowOrigins: ['https://*.bar.com', 'http://a.com:8080', 'http://*'] })),
    ],
    ['external authorization by gRPC', filters(auth({ protocol: 'GRPC', grpc: {} }))],
    [
      'external authorization by HTTP',
      filters(auth({ protocol: 'HTTP', http: { path: '/check' }, forwardBody: { maxSize: 10 } })),
    ],
    ['an extension', filters({ type: 'ExtensionRef', extensionRef: { group: 'a.b', kind: 'C', name: 'd' } })],
    ['equal timeouts', rule({ timeouts: { request: '1s', backendRequest: '1000ms' } })],
    ['no request timeout', rule({ timeouts: { request: '0s', backendRequest: '1h' } })],
    ['retries', rule({ retry: { codes: [500, 503], attempts: 0, backoff: '100ms' } })],
    ['a session cookie', rule({ sessionPersistence: { cookie: { name: 'c' } } })],
    ['a session header', rule({ sessionPersistence: { type: 'Header', header: { name: 'h' } } })],
    [
      'a permanent cookie',
      rule({ sessionPersistence: { absoluteTimeout: '1h', cookie: { lifetimeType: 'Permanent' } } }),
    ],
    ['unique rule names', { rules: [{ name: 'a' }, { name: 'b' }, {}, {}] }],
    ['one parent by two sections', parents({ sectionName: 'a' }, { sectionName: 'b' })],
    ['one parent by two ports', parents({ port: 80 }, { port: 81 })],
    ['one parent by two sections, one with a port', parents({ sectionName: 'a', port: 80 }, { sectionName: 'b' })],
    ['a header value with blanks and other letters', headers([{ name: 'a', value: 'ä  b' }])],
    ['one name in two namespaces', parents({ namespace: 'a' }, { namespace: 'b' })],
    ['32 parents', { parentRefs: many(32, (index) => ({ name: `gw${index}` })) }],
  ])('%s', (_, spec) => {
    expect(validate(spec).messages).toEqual([])
  })
})

describe('an HTTPRoute is refused for', () => {
  test.each<[string, unknown, string]>([
    ['17 hostnames', { hostnames: many(17, (i) => `h${i}`) }, 'spec.hostnames: has 17 items: use at most 16'],
    ['an IP address', { hostnames: ['10.0.0.1'] }, 'spec.hostnames[0]: "10.0.0.1" is an IP address'],
    ['a wildcard inside', { hostnames: ['a.*.com'] }, 'spec.hostnames[0]: "a.*.com" is not a hostname'],
    ['a wildcard alone', { hostnames: ['*'] }, 'spec.hostnames[0]: "*" is not a hostname'],
    ['capital letters in a hostname', { hostnames: ['A.com'] }, 'spec.hostnames[0]: "A.com" is not a hostname'],
    ['an empty hostname', { hostnames: [''] }, 'spec.hostnames[0]: must not be empty'],
    ['a long hostname', { hostnames: [`${'a'.repeat(254)}`] }, 'is too long: use at most 253 characters'],
    ['no rules', { rules: [] }, 'spec.rules: must have at least one item'],
    ['17 rules', { rules: many(17, () => ({})) }, 'spec.rules: has 17 items: use at most 16'],
    ['65 matches in a rule', rule({ matches: matches(65) }), 'spec.rules[0].matches: has 65 items: use at most 64'],
    [
      '129 matches',
      { rules: [{ matches: matches(64) }, { matches: matches(64) }, { matches: matches(1) }] },
      'spec.rules: has 129 matches in all: use at most 128',
    ],
    ['a relative path', path('Exact', 'a'), 'spec.rules[0].matches[0].path.value: "a" must begin with "/"'],
    ['//', path('PathPrefix', '/a//b'), 'must not contain "//"'],
    ['/./', path('PathPrefix', '/a/./b'), 'must not contain "/./"'],
    ['/../', path('PathPrefix', '/a/../b'), 'must not contain "/../"'],
    ['%2f', path('Exact', '/a%2fb'), 'must not contain "%2f"'],
    ['%2F', path('Exact', '/a%2Fb'), 'must not contain "%2F"'],
    ['#', path('Exact', '/a#b'), 'must not contain "#"'],
    ['/.. at the end', path('Exact', '/a/..'), 'must not end with "/.."'],
    ['/. at the end', path('Exact', '/a/.'), 'must not end with "/."'],
    ['other characters in a path', path('Exact', '/a b'), 'has a character that paths do not have'],
    ['half an escape', path('Exact', '/a%2'), 'has a character that paths do not have'],
    ['a long path', path('Exact', `/${'a'.repeat(1024)}`), 'is too long: use at most 1024 characters'],
    [
      'an unknown path type',
      path('Prefix', '/'),
      'path.type: "Prefix" is not supported: use Exact, PathPrefix or RegularExpression',
    ],
    [
      '17 header matches',
      headers(many(17, (i) => ({ name: `x-${i}`, value: 'a' }))),
      'matches[0].headers: has 17 items',
    ],
    [
      'a header matched twice',
      headers([
        { name: 'a', value: '1' },
        { name: 'a', value: '2' },
      ]),
      'headers[1].name: "a" repeats item 0',
    ],
    [
      'a header name with a blank',
      headers([{ name: 'a b', value: '1' }]),
      'headers[0].name: "a b" is not a header name',
    ],
    [
      'a header value with a line end',
      headers([{ name: 'a', value: 'x\ny' }]),
      'headers[0].value: "x\\ny" is not a header value',
    ],
    ['a header without a value', headers([{ name: 'a' }]), 'headers[0].value: is required: add it'],
    [
      'an empty query parameter',
      rule({ matches: [{ queryParams: [{ name: 'a', value: '' }] }] }),
      'queryParams[0].value: must not be empty',
    ],
    ['an unknown method', rule({ matches: [{ method: 'get' }] }), 'method: "get" is not supported: use GET, HEAD'],
    ['a Service without a port', backend({}), 'spec.rules[0].backendRefs[0].port: is required for a Service'],
    [
      'an XBackend with a port',
      backend({ group: 'gateway.networking.x-k8s.io', kind: 'XBackend', port: 1 }),
      'port: is not allowed for an XBackend',
    ],
    ['port 0', backend({ port: 0 }), 'port: 0 is not a port: use 1 to 65535'],
    ['port 65536', backend({ port: 65536 }), 'port: 65536 is not a port: use 1 to 65535'],
    ['a port as text', backend({ port: '80' }), 'port: "80" is text: remove the quotes'],
    ['a port with a fraction', backend({ port: 80.5 }), 'port: 80.5 is not a port: use 1 to 65535'],
    ['a negative weight', backend({ port: 80, weight: -1 }), 'weight: -1 is not a weight: use 0 to 1000000'],
    ['a weight above a million', backend({ port: 80, weight: 1_000_001 }), 'weight: 1000001 is not a weight'],
    ['17 backends', rule({ backendRefs: many(17, () => ({ name: 'a', port: 80 })) }), 'backendRefs: has 17 items'],
    [
      'a redirect with backends',
      rule({ filters: [redirect()], backendRefs: [{ name: 'a', port: 80 }] }),
      'filters[0]: RequestRedirect is not allowed together with backendRefs',
    ],
    [
      'a redirect and a rewrite',
      filters(redirect(), rewrite()),
      'filters[1]: URLRewrite is not allowed together with RequestRedirect',
    ],
    [
      'two header modifiers',
      filters(setHeader('a'), setHeader('b')),
      'filters[1]: a second filter of type RequestHeaderModifier',
    ],
    ['two CORS filters', filters(cors({}), cors({})), 'filters[1]: a second filter of type CORS'],
    ['17 filters', filters(...many(17, () => mirror({}))), 'filters: has 17 items: use at most 16'],
    ['a filter without its payload', filters({ type: 'URLRewrite' }), 'filters[0].urlRewrite: is required: add it'],
    [
      'a payload of another type',
      filters({ ...rewrite(), cors: {} }),
      'filters[0].cors: is not allowed when type is URLRewrite',
    ],
    [
      'an unknown filter',
      filters({ type: 'Foo' }),
      'filters[0].type: "Foo" is not supported: use RequestHeaderModifier',
    ],
    ['a filter without a type', filters({ urlRewrite: {} }), 'filters[0].type: is required: use'],
    [
      'a header set twice',
      filters({
        type: 'RequestHeaderModifier',
        requestHeaderModifier: {
          set: [
            { name: 'a', value: '1' },
            { name: 'a', value: '2' },
          ],
        },
      }),
      'set[1].name: "a" repeats item 0',
    ],
    [
      'a header removed twice',
      filters({ type: 'ResponseHeaderModifier', responseHeaderModifier: { remove: ['a', 'a'] } }),
      'remove[1]: "a" repeats item 0',
    ],
    [
      'status code 300',
      filters(redirect({ statusCode: 300 })),
      'statusCode: 300 is not supported: use 301, 302, 303, 307 or 308',
    ],
    ['scheme ftp', filters(redirect({ scheme: 'ftp' })), 'scheme: "ftp" is not supported: use http or https'],
    ['a wildcard to redirect to', filters(redirect({ hostname: '*.a.com' })), 'hostname: "*.a.com" is not a hostname'],
    [
      'a modifier without its value',
      filters(rewrite({ path: { type: 'ReplaceFullPath' } })),
      'path.replaceFullPath: is required when type is ReplaceFullPath',
    ],
    [
      'a modifier with the other value',
      filters(rewrite({ path: { type: 'ReplaceFullPath', replaceFullPath: '/', replacePrefixMatch: '/' } })),
      'path.replacePrefixMatch: is not allowed when type is ReplaceFullPath',
    ],
    [
      'a prefix replaced without a prefix',
      rule({ matches: [{ path: { type: 'Exact', value: '/a' } }], filters: [redirect(prefixReplacement)] }),
      'filters[0]: ReplacePrefixMatch needs a rule with exactly one match',
    ],
    [
      'a prefix replaced for two matches',
      rule({ matches: matches(2), filters: [rewrite(prefixReplacement)] }),
      'filters[0]: ReplacePrefixMatch needs',
    ],
    [
      'the same in a backend',
      rule({ matches: matches(2), backendRefs: [{ name: 'a', port: 80, filters: [rewrite(prefixReplacement)] }] }),
      'backendRefs[0].filters[0]: ReplacePrefixMatch needs',
    ],
    [
      'percent and fraction',
      filters(mirror({ percent: 1, fraction: { numerator: 1 } })),
      'fraction: is not allowed together with percent',
    ],
    ['101 percent', filters(mirror({ percent: 101 })), 'percent: 101 is not a percentage: use 0 to 100'],
    [
      'more than a whole',
      filters(mirror({ fraction: { numerator: 101 } })),
      'numerator: 101 is more than the denominator: use at most 100',
    ],
    [
      'denominator 0',
      filters(mirror({ fraction: { numerator: 0, denominator: 0 } })),
      'denominator: 0 is not allowed: use a whole number of 1 or more',
    ],
    [
      'a mirror without a port',
      filters({ type: 'RequestMirror', requestMirror: { backendRef: { name: 'a' } } }),
      'requestMirror.backendRef.port: is required for a Service',
    ],
    [
      '"*" among origins',
      filters(cors({ allowOrigins: ['http://a.com', '*'] })),
      'allowOrigins[1]: "*" must stand alone',
    ],
    ['"*" among methods', filters(cors({ allowMethods: ['*', 'GET'] })), 'allowMethods[0]: "*" must stand alone'],
    ['"*" among headers', filters(cors({ allowHeaders: ['*', 'a'] })), 'allowHeaders[0]: "*" must stand alone'],
    [
      'an origin with a path',
      filters(cors({ allowOrigins: ['http://a.com/'] })),
      'allowOrigins[0]: "http://a.com/" is not an origin',
    ],
    ['maxAge 0', filters(cors({ maxAge: 0 })), 'maxAge: 0 is not allowed: use a whole number of 1 or more'],
    [
      'authorization without its part',
      filters(auth({ protocol: 'GRPC' })),
      'externalAuth.grpc: is required when protocol is GRPC',
    ],
    [
      'authorization with the other part',
      filters(auth({ protocol: 'HTTP', http: {}, grpc: {} })),
      'externalAuth.grpc: is not allowed when protocol is HTTP',
    ],
    [
      'a backend timeout above the whole',
      rule({ timeouts: { request: '1s', backendRequest: '2s' } }),
      'timeouts.backendRequest: 2s is longer than timeouts.request: use at most 1s',
    ],
    [
      'a duration with a fraction',
      rule({ timeouts: { request: '1.5s' } }),
      'timeouts.request: "1.5s" is not a duration',
    ],
    ['a duration without a unit', rule({ timeouts: { request: '10' } }), 'timeouts.request: "10" is not a duration'],
    [
      'retry of 200',
      rule({ retry: { codes: [200] } }),
      'retry.codes[0]: 200 is not a status code to retry: use 400 to 599',
    ],
    ['retry of a code twice', rule({ retry: { codes: [500, 500] } }), 'retry.codes[1]: 500 repeats item 0'],
    [
      'attempts below 0',
      rule({ retry: { attempts: -1 } }),
      'retry.attempts: -1 is not allowed: use a whole number of 0 or more',
    ],
    [
      'a session without a cookie',
      rule({ sessionPersistence: { type: 'Header' } }),
      'sessionPersistence.header: is required when type is Header',
    ],
    [
      'a header session with a cookie',
      rule({ sessionPersistence: { type: 'Header', header: { name: 'a' }, cookie: {} } }),
      'sessionPersistence.cookie: is not allowed when type is Header',
    ],
    [
      'a permanent cookie without an end',
      rule({ sessionPersistence: { cookie: { lifetimeType: 'Permanent' } } }),
      'sessionPersistence.absoluteTimeout: is required',
    ],
    [
      'a rule name twice',
      { rules: [{ name: 'a' }, { name: 'a' }] },
      'spec.rules[1].name: "a" is the name of item 0 already',
    ],
    ['a rule name with capitals', { rules: [{ name: 'A' }] }, 'spec.rules[0].name: "A" is not a section name'],
    ['one parent twice', parents({}, {}), 'spec.parentRefs[1]: repeats item 0'],
    ['one section twice', parents({ sectionName: 'a' }, { sectionName: 'a' }), 'spec.parentRefs[1]: repeats item 0'],
    [
      'a section in one reference of two',
      parents({ sectionName: 'a' }, {}),
      'spec.parentRefs[1]: Gateway "gw" is referenced more than once: give sectionName',
    ],
    [
      'a port in one reference of two',
      parents({ port: 80 }, {}),
      'spec.parentRefs[1]: Gateway "gw" is referenced more than once: give port',
    ],
    [
      '33 parents',
      { parentRefs: many(33, (i) => ({ name: `gw${i}` })) },
      'spec.parentRefs: has 33 items: use at most 32',
    ],
    ['an unknown field', { rulez: [] }, 'unknown field "spec.rulez": did you mean rules?'],
    [
      'an unknown field deep inside',
      backend({ port: 80, wieght: 5 }),
      'unknown field "spec.rules[0].backendRefs[0].wieght": did you mean weight?',
    ],
    ['a list that is an object', { rules: {} }, 'spec.rules: an object is not a list: begin each item with "- "'],
    ['an object that is text', rule({ matches: ['/'] }), 'spec.rules[0].matches[0]: "/" is not an object'],
  ])('%s', (_, spec, message) => {
    const { messages } = validate(spec)
    expect(messages.join('\n')).toContain(message)
  })
})

describe('an HTTPRoute is completed', () => {
  const anyPath = { path: { type: 'PathPrefix', value: '/' } }

  test.each([undefined, null])('with one rule for every path where it has none (%s)', (rules) => {
    expect(validate({ rules }).route?.spec.rules).toEqual([{ matches: [anyPath] }])
  })

  test.each([undefined, null, [], [{}]])('with a match of every path where a rule has none (%j)', (list) => {
    expect(validate(rule({ matches: list })).route?.spec.rules[0]?.matches).toEqual([anyPath])
  })

  test('with the group, kind and weight of references', () => {
    const { route } = validate({ parentRefs: [{ name: 'gw' }], rules: [{ backendRefs: [{ name: 'cart', port: 80 }] }] })
    expect(route?.spec.parentRefs).toEqual([{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }])
    expect(route?.spec.rules[0]?.backendRefs).toEqual([
      { group: '', kind: 'Service', name: 'cart', port: 80, weight: 1 },
    ])
  })

  test('with what filters and retries leave open', () => {
    const { route } = validate(rule({ retry: {}, filters: [cors({}), mirror({ fraction: { numerator: 1 } })] }))
    expect(route?.spec.rules[0]?.retry).toEqual({ attempts: 1 })
    expect(route?.spec.rules[0]?.filters).toMatchObject([
      { cors: { maxAge: 5 } },
      { requestMirror: { fraction: { denominator: 100 } } },
    ])
    expect(validate(filters(redirect())).route?.spec.rules[0]?.filters).toMatchObject([
      { requestRedirect: { statusCode: 302 } },
    ])
  })

  test('to the newest version', () => {
    expect(validate({}, 'gateway.networking.k8s.io/v1beta1').route?.apiVersion).toBe('gateway.networking.k8s.io/v1')
  })
})

test('a hostile header value is checked in linear time', () => {
  const start = performance.now()
  expect(validate(headers([{ name: 'a', value: `${'a'.repeat(4095)}\n` }])).messages).toHaveLength(1)
  expect(performance.now() - start).toBeLessThan(50)
})
