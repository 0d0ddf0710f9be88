import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type StaticAnswer, StaticEnvoy, type StaticRequest } from '../testing/static-envoy.ts'

/*
 * Stock Envoy with static tables made by the builders. Each case has a hostname of its own, so that one
 * Envoy serves them all.
 *
 * Features: HTTPRoute303RedirectStatusCode, HTTPRoute307RedirectStatusCode, HTTPRoute308RedirectStatusCode,
 * HTTPRouteBackendRequestHeaderModification, HTTPRouteBackendTimeout, HTTPRouteBackendURLRewrite,
 * HTTPRouteHostRewrite, HTTPRouteMethodMatching, HTTPRouteNamedRouteRule, HTTPRoutePathRedirect,
 * HTTPRoutePathRewrite, HTTPRoutePortRedirect, HTTPRouteQueryParamMatching, HTTPRouteRequestMirror,
 * HTTPRouteRequestMultipleMirrors, HTTPRouteRequestPercentageMirror, HTTPRouteRequestTimeout,
 * HTTPRouteResponseHeaderModification, HTTPRouteSchemeRedirect.
 */

const services = ['one', 'two', 'three']
const backends: EchoBackend[] = []
let envoy: StaticEnvoy

const listeners = '[{name: http, protocol: HTTP, port: 80}, {name: other, protocol: HTTP, port: 8080}]'
const one = '{group: gateway.envoyproxy.io, kind: Backend, name: one}'
const ref = (name: string, more = '') =>
  `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}${more === '' ? '' : `, ${more}`}}`

/** Rules in flow YAML by hostname. */
const cases: Record<string, string[]> = {}
const addCase = (host: string, ...rules: string[]): string => {
  cases[host] = rules
  return host
}

beforeAll(async () => {
  for (const service of services) backends.push(await startEchoBackend({ service }))
  const manifests = [gatewayClassYaml, gatewayYaml('web', listeners)]
  for (const [index, service] of services.entries()) {
    const { address, port } = backends[index] as EchoBackend
    manifests.push(`
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: ${service}}
spec: {endpoints: [{ip: {address: ${address}, port: ${port}}}]}
---
`)
  }
  for (const [host, rules] of Object.entries(cases))
    manifests.push(
      httpRouteYaml(
        host.replaceAll('.', '-'),
        `  parentRefs: [{name: web}]\n  hostnames: [${host}]\n  rules:\n${rules.map((r) => `  - ${r}`).join('\n')}`,
      ),
    )
  envoy = await StaticEnvoy.start(manifests.join(''))
})
afterAll(async () => {
  await envoy?.stop()
  for (const backend of backends) await backend.close()
})

const get = (host: string, path: string, more: StaticRequest & { port?: number } = {}): Promise<StaticAnswer> =>
  envoy.send(more.port ?? 80, path, { host, ...more })

/** How often each value came, of many requests. */
async function count(times: number, once: () => Promise<string>): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (let sent = 0; sent < times; sent += 20)
    for (const value of await Promise.all(Array.from({ length: 20 }, once))) found[value] = (found[value] ?? 0) + 1
  return found
}

/** Five standard deviations: a test that fails once in a million runs. */
function expectShare(found: number | undefined, times: number, share: number): void {
  const tolerance = 5 * Math.sqrt(times * share * (1 - share))
  expect(Math.abs((found ?? 0) - times * share), `${found} of ${times}, not ${share}`).toBeLessThan(tolerance)
}

describe('matches', () => {
  const rule = (match: string) => `{matches: [${match}], backendRefs: [${one}]}`
  const host = addCase(
    'match.test',
    rule('{path: {type: Exact, value: /exact}}'),
    rule('{path: {value: /prefix/}}'),
    rule('{path: {type: RegularExpression, value: "/re/[0-9]+"}}'),
    rule(
      '{path: {value: /all}, method: POST, headers: [{name: X-A, value: "1"}, {name: x-b, type: RegularExpression, value: "[ab]+"}], queryParams: [{name: q, value: "1"}, {name: r, type: RegularExpression, value: "x+"}]}',
    ),
    rule('{path: {value: /host}, headers: [{name: Host, value: match.test}]}'),
  )

  it.each([
    ['/exact', 200],
    ['/exact?query=1', 200],
    ['/exact/', 404],
    ['/Exact', 404],
    ['/prefix', 200],
    ['/prefix/', 200],
    ['/prefix/more', 200],
    ['/prefix?query', 200],
    ['/prefixes', 404],
    ['/re/12', 200],
    ['/re/12?x=y', 200],
    ['/re/12x', 404],
    ['/x/re/12', 404],
    ['/host', 200],
  ])('answers %s with %i', async (path, status) => {
    expect((await get(host, path)).status).toBe(status)
  })

  it('wants the method, every header and every query parameter, whole and with the case of values', async () => {
    const good = { method: 'POST', headers: { 'X-A': '1', 'X-B': 'abba' } }
    const status = async (path: string, more: StaticRequest) => (await get(host, path, more)).status
    expect(await status('/all?q=1&r=xx', good)).toBe(200)
    expect(await status('/all?r=xx&q=1&other=2', good)).toBe(200)
    expect(await status('/all?q=1&r=xx', { ...good, method: 'PUT' })).toBe(404)
    expect(await status('/all?q=1&r=xx', { ...good, headers: { 'X-A': '1' } })).toBe(404)
    expect(await status('/all?q=1&r=xx', { ...good, headers: { 'X-A': '1', 'X-B': 'abc' } })).toBe(404)
    expect(await status('/all?q=1', good)).toBe(404)
    expect(await status('/all?Q=1&r=xx', good)).toBe(404)
    expect(await status('/all?q=1&r=yxx', good)).toBe(404)
  })
})

it('a rule with a name is served as any other', async () => {
  const { echo } = await get(named, '/two')
  expect(echo.service).toBe('two')
  expect((await get(named, '/')).echo.service).toBe('one')
})
const named = addCase(
  'named.test',
  `{name: second, matches: [{path: {value: /two}}], backendRefs: [${ref('two')}]}`,
  `{name: first, backendRefs: [${one}]}`,
)

describe('redirects', () => {
  const rule = (path: string, redirect: string) =>
    `{matches: [{path: {value: ${path}}}], filters: [{type: RequestRedirect, requestRedirect: ${redirect}}]}`
  const host = addCase(
    'redirect.test',
    rule('/https', '{scheme: https}'),
    rule('/http', '{scheme: http}'),
    rule('/port', '{port: 8443}'),
    rule('/scheme-port', '{scheme: https, port: 443}'),
    rule('/host', '{hostname: other.test}'),
    rule('/host-https', '{hostname: other.test, scheme: https}'),
    rule('/full', '{path: {type: ReplaceFullPath, replaceFullPath: /new}}'),
    rule('/full-query', '{hostname: other.test, path: {type: ReplaceFullPath, replaceFullPath: "/new?a=b"}}'),
    rule('/prefix/', '{path: {type: ReplacePrefixMatch, replacePrefixMatch: /short/}}'),
    rule('/root', '{path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}'),
    rule('/none', '{path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}}'),
    rule('/odd', '{path: {type: ReplaceFullPath, replaceFullPath: "a b\\u00e9%2F%"}}'),
    `{matches: [{path: {value: /headers}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 308}}, {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-set, value: "1"}]}}]}`,
  )

  const at = (port: number, path: string, expected: string, sentHost: string = host) =>
    [port, sentHost, path, expected] as const
  it.each([
    at(80, '/https', 'https://redirect.test/https'),
    at(80, '/https?a=b', 'https://redirect.test/https?a=b'),
    at(80, '/https', 'https://redirect.test/https', `${host}:80`),
    // The port that the client wrote is not the port of the new scheme.
    at(80, '/https', 'https://redirect.test:443/https', `${host}:8080`),
    at(8080, '/https', 'https://redirect.test/https'),
    at(8080, '/https', 'https://redirect.test:443/https', `${host}:8080`),
    at(80, '/http', 'http://redirect.test/http'),
    at(8080, '/http', 'http://redirect.test:80/http', `${host}:8080`),
    at(80, '/port', 'http://redirect.test:8443/port'),
    at(80, '/port', 'http://redirect.test:8443/port', `${host}:1234`),
    at(80, '/scheme-port', 'https://redirect.test/scheme-port'),
    at(80, '/host', 'http://other.test/host'),
    at(80, '/host', 'http://other.test/host', `${host}:1234`),
    at(8080, '/host', 'http://other.test:8080/host'),
    at(8080, '/host-https', 'https://other.test/host-https', `${host}:8080`),
    at(80, '/full/x?q=1', 'http://redirect.test/new?q=1'),
    at(8080, '/full', 'http://redirect.test:8080/new'),
    at(80, '/full', 'http://redirect.test:80/new', `${host}:80`),
    at(80, '/full', 'http://redirect.test:80/new', `${host}:1234`),
    at(80, '/full-query', 'http://other.test/new?a=b'),
    at(80, '/prefix', 'http://redirect.test/short'),
    at(80, '/prefix/', 'http://redirect.test/short/'),
    at(80, '/prefix/x/y?q=1', 'http://redirect.test/short/x/y?q=1'),
    at(80, '/root', 'http://redirect.test/'),
    at(80, '/root?q=1', 'http://redirect.test/?q=1'),
    at(80, '/root/', 'http://redirect.test/'),
    at(80, '/root/x?q=1', 'http://redirect.test/x?q=1'),
    at(80, '/none/x', 'http://redirect.test/x'),
    at(80, '/none', 'http://redirect.test/'),
    at(80, '/odd', 'http://redirect.test/a%20b%C3%A9%2F%'),
  ])('on port %i, %s%s leads to %s', async (port, sentHost, path, expected) => {
    const answer = await get(sentHost, path, { port })
    expect(answer.status).toBe(302)
    expect(answer.location).toBe(expected)
  })

  it('has the status code and the response headers of the rule', async () => {
    const answer = await get(host, '/headers', { method: 'POST' })
    expect(answer.status).toBe(308)
    expect(answer.headers['x-set']).toBe('1')
  })

  const codes = [301, 302, 303, 307, 308]
  const coded = addCase(
    'codes.test',
    ...codes.map((code) => rule(`/${code}`, `{hostname: other.test, statusCode: ${code}}`)),
  )
  it.each(codes)('answers with %i', async (code) => {
    expect((await get(coded, `/${code}`)).status).toBe(code)
  })
})

describe('rewrites', () => {
  const rewrite = (path: string, urlRewrite: string, backends = one) =>
    `{matches: [{path: {value: ${path}}}], filters: [{type: URLRewrite, urlRewrite: ${urlRewrite}}], backendRefs: [${backends}]}`
  const prefix = (to: string) => `{path: {type: ReplacePrefixMatch, replacePrefixMatch: "${to}"}}`
  const host = addCase(
    'rewrite.test',
    rewrite('/a', prefix('/xyz')),
    rewrite('/b', prefix('/xyz/')),
    rewrite('/c/', prefix('/xyz')),
    rewrite('/d', prefix('')),
    rewrite('/e', prefix('/')),
    rewrite('/f.(x)+', prefix('/')),
    rewrite('/g', prefix('no/slash')),
    rewrite('/full', '{path: {type: ReplaceFullPath, replaceFullPath: "/new\\\\1\\\\0"}}'),
    rewrite('/empty', '{path: {type: ReplaceFullPath, replaceFullPath: ""}}'),
    rewrite('/odd', '{path: {type: ReplaceFullPath, replaceFullPath: "/line\\r\\nx: y"}}'),
    rewrite('/host', '{hostname: inner.test}'),
  )
  const rooted = addCase('rooted.test', rewrite('/', prefix('/base')))
  const same = addCase('same.test', rewrite('/', prefix('/')))
  const ofBackend = (urlRewrite: string) => `filters: [{type: URLRewrite, urlRewrite: ${urlRewrite}}]`
  const full = (to: string) => `{path: {type: ReplaceFullPath, replaceFullPath: "${to}"}}`
  const backend = addCase(
    'backend-rewrite.test',
    `{matches: [{path: {value: /full}}], backendRefs: [${ref('one', ofBackend(full('/rewritten-full')))}]}`,
    `{matches: [{path: {value: /prefix}}], backendRefs: [${ref('one', ofBackend(prefix('/rewritten-prefix')))}]}`,
    `{matches: [{path: {value: /each}}], backendRefs: [${ref('one', `weight: 3, ${ofBackend(prefix('/one'))}`)}, ${ref('two', ofBackend(full('/two')))}]}`,
  )

  it.each([
    [host, '/a', '/xyz'],
    [host, '/a/', '/xyz/'],
    [host, '/a/bar?q=/a', '/xyz/bar?q=/a'],
    [host, '/a?q=1', '/xyz?q=1'],
    [host, '/b/bar', '/xyz/bar'],
    [host, '/b', '/xyz'],
    [host, '/c/bar', '/xyz/bar'],
    [host, '/c', '/xyz'],
    [host, '/d', '/'],
    [host, '/d/', '/'],
    [host, '/d/bar/d', '/bar/d'],
    [host, '/e', '/'],
    [host, '/e?q=1', '/?q=1'],
    [host, '/e/', '/'],
    [host, '/e/bar?q=/e/bar', '/bar?q=/e/bar'],
    [host, '/f.(x)+/y', '/y'],
    [host, '/g/y', '/no/slash/y'],
    [host, '/full/what/ever?q=1', '/new\\1\\0?q=1'],
    [host, '/full', '/new\\1\\0'],
    [host, '/empty/x?q=1', '/?q=1'],
    [host, '/odd', '/line%0D%0Ax:%20y'],
    [host, '/host/x', '/host/x'],
    [rooted, '/', '/base/'],
    [rooted, '/bar?q=1', '/base/bar?q=1'],
    [same, '/bar', '/bar'],
    [backend, '/full/original', '/rewritten-full'],
    [backend, '/prefix/original', '/rewritten-prefix/original'],
  ])('turns %s%s into %s', async (sentHost, path, expected) => {
    expect((await get(sentHost, path)).echo.path).toBe(expected)
  })

  it('may be another one for each backend, which keep their weights', async () => {
    const found = await count(400, async () => {
      const { echo } = await get(backend, '/each/x')
      return `${echo.service} ${echo.path}`
    })
    expect(Object.keys(found).sort()).toEqual(['one /one/x', 'two /two'])
    expectShare(found['one /one/x'], 400, 0.75)
  })

  it('sees no path with bytes that a pattern would not match: they would pass without a rewrite', async () => {
    expect((await get(host, '/full/\xff')).status).toBe(400)
  })

  it('gives the backend another host only where asked, and otherwise what the client wrote', async () => {
    expect((await get(host, '/host')).echo.host).toBe('inner.test')
    expect((await get(`${host}:1234`, '/a')).echo.host).toBe('rewrite.test:1234')
  })
})

describe('header changes', () => {
  const modify = (direction: 'Request' | 'Response', changes: string) => {
    const field = direction === 'Request' ? 'requestHeaderModifier' : 'responseHeaderModifier'
    return `{type: ${direction}HeaderModifier, ${field}: ${changes}}`
  }
  const host = addCase(
    'headers.test',
    `{matches: [{path: {value: /plain}}], filters: [${modify('Request', '{set: [{name: X-Set, value: new}, {name: X-Percent, value: "100% %REQ(cookie)%"}], add: [{name: X-Add, value: two}], remove: [X-REMOVE]}')}, ${modify('Response', '{set: [{name: Content-Type, value: text/new}], add: [{name: x-add, value: a}], remove: [X-Content-Type-Options]}')}], backendRefs: [${one}]}`,
    `{matches: [{path: {value: /host}}], filters: [${modify('Request', '{set: [{name: Host, value: "inner.test:81"}, {name: content-length, value: "5"}, {name: Transfer-Encoding, value: chunked}], add: [{name: host, value: x}], remove: [Host, ":path", "bad name"]}')}], backendRefs: [${one}]}`,
    `{matches: [{path: {value: /order}}], filters: [${modify('Request', '{set: [{name: x-a, value: rule}, {name: x-b, value: rule}], add: [{name: x-c, value: rule}]}')}], backendRefs: [${ref('one', `filters: [${modify('Request', '{set: [{name: x-a, value: backend}], remove: [x-b], add: [{name: x-c, value: backend}]}')}]`)}]}`,
    `{matches: [{path: {value: /split}}], filters: [${modify('Request', '{set: [{name: x-a, value: rule}, {name: x-b, value: rule}]}')}], backendRefs: [${ref('one', `filters: [${modify('Request', '{set: [{name: x-a, value: one}]}')}, ${modify('Response', '{set: [{name: x-from, value: one}]}')}]`)}, ${ref('two', `filters: [${modify('Request', '{set: [{name: x-a, value: two}], remove: [x-b]}')}, {type: URLRewrite, urlRewrite: {hostname: two.inner.test}}]`)}]}`,
  )

  it('sets, adds and removes, with values taken literally', async () => {
    const { echo, headers } = await get(host, '/plain', {
      headers: { 'x-set': 'old', 'x-add': 'one', 'x-remove': 'x', cookie: 'secret' },
    })
    expect(echo.headers['X-Set']).toEqual(['new'])
    expect(echo.headers['X-Percent']).toEqual(['100% %REQ(cookie)%'])
    expect(echo.headers['X-Add']).toEqual(['one', 'two'])
    expect(echo.headers['X-Remove']).toBeUndefined()
    expect(headers['content-type']).toBe('text/new')
    expect(headers['x-add']).toBe('a')
    expect(headers['x-content-type-options']).toBeUndefined()
  })

  it('takes a new Host for a rewrite, and leaves out what frames messages', async () => {
    const { echo } = await get(host, '/host', { method: 'GET' })
    expect(echo.host).toBe('inner.test:81')
    expect(echo.path).toBe('/host')
    expect(echo.headers['Content-Length']).toBeUndefined()
    expect(echo.headers['Transfer-Encoding']).toBeUndefined()
  })

  it('applies the filters of a backend after those of its rule', async () => {
    const { headers } = (await get(host, '/order', { headers: { 'x-b': 'client', 'x-c': 'client' } })).echo
    expect(headers['X-A']).toEqual(['backend'])
    expect(headers['X-B']).toBeUndefined()
    expect(headers['X-C']).toEqual(['client', 'rule', 'backend'])
  })

  it('gives each of several backends its own changes, and no other', async () => {
    const seen = await count(100, async () => {
      const { echo, headers } = await get(host, '/split')
      return [echo.service, echo.host, echo.headers['X-A'], echo.headers['X-B'], headers['x-from']].join(' ')
    })
    expect(Object.keys(seen).sort()).toEqual(['one headers.test one rule one', 'two two.inner.test two  '])
  })
})

describe('weights', () => {
  const plain = (name: string, weight: number) => ref(name, `weight: ${weight}`)
  const host = addCase(
    'weights.test',
    `{matches: [{path: {value: /seven-three}}], backendRefs: [${plain('one', 7)}, ${plain('two', 3)}]}`,
    `{matches: [{path: {value: /zero}}], backendRefs: [${plain('one', 0)}, ${plain('two', 1)}]}`,
    `{matches: [{path: {value: /all-zero}}], backendRefs: [${plain('one', 0)}, ${plain('two', 0)}]}`,
    `{matches: [{path: {value: /missing}}], backendRefs: [${plain('one', 4)}, ${plain('nobody', 1)}]}`,
    `{matches: [{path: {value: /only-missing}}], backendRefs: [${plain('nobody', 1)}]}`,
    '{matches: [{path: {value: /no-backend}}]}',
    '{matches: [{path: {value: /unknown-filter}}], filters: [{type: ExtensionRef, extensionRef: {group: x.test, kind: Wall, name: w}}]}',
  )
  const split = addCase(
    'split.test',
    `{backendRefs: [${ref('one', 'weight: 5, filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /first}}}]')}, ${ref('two', 'weight: 3, filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /second}}}]')}, ${plain('nobody', 1)}, ${ref('two', 'weight: 1, filters: [{type: RequestRedirect, requestRedirect: {hostname: away.test}}]')}]}`,
  )

  it('divides requests in proportion', async () => {
    const seen = await count(2000, async () => (await get(host, '/seven-three')).echo.service)
    expectShare(seen['one'], 2000, 0.7)
    expectShare(seen['two'], 2000, 0.3)
  })

  it('sends nothing to a backend of weight 0', async () => {
    expect(await count(100, async () => (await get(host, '/zero')).echo.service)).toEqual({ two: 100 })
  })

  it('answers 500 for the share of a backend that does not exist', async () => {
    const seen = await count(2000, async () => String((await get(host, '/missing')).status))
    expectShare(seen['200'], 2000, 0.8)
    expect((seen['200'] ?? 0) + (seen['500'] ?? 0)).toBe(2000)
  })

  it.each(['/all-zero', '/only-missing', '/no-backend', '/unknown-filter'])('answers 500 to %s', async (path) => {
    expect((await get(host, path)).status).toBe(500)
  })

  it('divides in proportion where each backend has its own path or redirect', async () => {
    const seen = await count(4000, async () => {
      const answer = await get(split, '/x?q=1')
      if (answer.status !== 200) return `${answer.status} ${answer.location ?? ''}`
      return `${answer.echo.service} ${answer.echo.path}`
    })
    expect(Object.keys(seen).sort()).toEqual([
      '302 http://away.test/x?q=1',
      '500 ',
      'one /first?q=1',
      'two /second/x?q=1',
    ])
    expectShare(seen['one /first?q=1'], 4000, 0.5)
    expectShare(seen['two /second/x?q=1'], 4000, 0.3)
    expectShare(seen['500 '], 4000, 0.1)
    expectShare(seen['302 http://away.test/x?q=1'], 4000, 0.1)
  })
})

describe('mirrors', () => {
  const mirror = (name: string, more = '') => `{type: RequestMirror, requestMirror: {backendRef: ${ref(name)}${more}}}`
  const host = addCase(
    'mirror.test',
    `{matches: [{path: {value: /all}}], filters: [${mirror('two')}, ${mirror('three')}, ${mirror('nobody')}], backendRefs: [${one}]}`,
    `{matches: [{path: {value: /quarter}}], filters: [${mirror('two', ', fraction: {numerator: 1, denominator: 4}')}], backendRefs: [${one}]}`,
    `{matches: [{path: {value: /none}}], filters: [${mirror('two', ', percent: 0')}], backendRefs: [${one}]}`,
    `{matches: [{path: {value: /split}}], backendRefs: [${ref('one', `weight: 3, filters: [${mirror('two', ', percent: 50')}]`)}, ${ref('one', `weight: 7, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-b, value: b}]}}, ${mirror('two', ', percent: 20')}]`)}]}`,
  )
  const copies = (path: string, backend = 1) => (backends[backend]?.seen ?? []).filter((seen) => seen.path === path)

  it('copies every request as it is to each mirror, and ignores one that does not exist', async () => {
    expect((await get(host, '/all/1?x=y')).echo.service).toBe('one')
    for (const backend of [1, 2])
      await expect.poll(() => copies('/all/1?x=y', backend).map(({ host }) => host)).toEqual(['mirror.test'])
  })

  it('copies a fraction', async () => {
    await count(800, async () => (await get(host, '/quarter')).echo.service)
    await expect.poll(() => copies('/quarter').length).toBeGreaterThan(100)
    expectShare(copies('/quarter').length, 800, 0.25)
  })

  it('copies nothing at 0 percent', async () => {
    await count(40, async () => (await get(host, '/none')).echo.service)
    expect(copies('/none')).toEqual([])
  })

  it('counts the fraction of a backend within its share', async () => {
    await count(800, async () => (await get(host, '/split')).echo.service)
    await expect.poll(() => copies('/split').length).toBeGreaterThan(100)
    const second = copies('/split').filter(({ headers }) => headers['X-B'] !== undefined)
    expectShare(second.length, 800, 0.14)
    expectShare(copies('/split').length - second.length, 800, 0.15)
  })
})

describe('timeouts', () => {
  const rule = (path: string, timeouts: string) =>
    `{matches: [{path: {value: ${path}}}], timeouts: ${timeouts}, backendRefs: [${one}]}`
  const host = addCase(
    'timeouts.test',
    rule('/request', '{request: 200ms}'),
    rule('/backend', '{backendRequest: 200ms}'),
    rule('/both', '{request: 10s, backendRequest: 200ms}'),
    rule('/zero', '{request: 0s}'),
    rule('/zero-and-backend', '{request: 0s, backendRequest: 200ms}'),
    `{matches: [{path: {value: /default}}], backendRefs: [${one}]}`,
  )

  it.each(['/request', '/backend', '/both', '/zero-and-backend'])('ends %s after its limit', async (path) => {
    expect((await get(host, `${path}?delay=2000`)).status).toBe(504)
    expect((await get(host, path)).status).toBe(200)
  })

  it.concurrent.each(['/zero', '/default'])('lets %s take longer than the 15 s of Envoy', async (path) => {
    expect((await get(host, `${path}?delay=16000`)).status).toBe(200)
  })

  it('lets no client change the limits', async () => {
    const headers = { 'x-envoy-upstream-rq-timeout-ms': '1', 'x-envoy-retry-on': '5xx' }
    expect((await get(host, '/default?delay=200', { headers })).status).toBe(200)
  })
})
