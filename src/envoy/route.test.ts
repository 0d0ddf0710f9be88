import { describe, expect, it } from 'vitest'
import { unpackBytes } from '../base/packed-bytes.ts'
import { GraphFixture, gatewayClassYaml, httpRouteYaml } from '../testing/builders.ts'
import { missingCluster } from './names.ts'
import { type Json, renderMessage } from './proto-json.ts'
import { buildRoutes, listAwaited, type RouteContext } from './route.ts'

const http: RouteContext = { protocol: 'HTTP', port: 80 }
const cluster = (name: string) => `gateway.envoyproxy.io/Backend/default/${name}/0/http1`
const ref = (name: string, more = '') =>
  `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}${more && `, ${more}`}}`

const backendYaml = (name: string, endpoint: string) => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: ${name}}
spec: {endpoints: [${endpoint}]}
---
`
const backends = [
  backendYaml('one', '{ip: {address: 10.0.0.1, port: 80}}'),
  backendYaml('two', '{ip: {address: 10.0.0.2, port: 80}}'),
  backendYaml('slow', '{fqdn: {hostname: slow.test, port: 80}}'),
].join('')

/** The rules of a route, resolved; `rules` are in flow YAML. */
function resolve(...rules: string[]) {
  const list = rules.map((rule) => `  - ${rule}\n`).join('')
  const fixture = new GraphFixture(gatewayClassYaml + backends + httpRouteYaml('r', `  rules:\n${list}`))
  return fixture.route('default/r').rules
}

function render(rule: string, context: RouteContext = http): Json[] {
  return resolve(rule).flatMap((node) =>
    buildRoutes(node, context).map(({ packed }) => renderMessage('envoy.config.route.v3.Route', unpackBytes(packed))),
  )
}

describe('buildRoutes', () => {
  it('gives a plain rule the shortest Route', () => {
    expect(render(`{backendRefs: [${ref('one')}]}`)).toEqual([
      { match: { prefix: '/' }, route: { cluster: cluster('one'), timeout: '0s' } },
    ])
  })

  it('gives each match a Route, in their order, with its rank', () => {
    const [rule] = resolve(
      `{matches: [{path: {value: /b}}, {path: {type: Exact, value: /a}}], backendRefs: [${ref('one')}]}`,
    )
    const routes = rule ? buildRoutes(rule, http) : []
    expect(routes.map(({ rank }) => [rank.kind === 'HTTPRoute' && rank.path, rank.match])).toEqual([
      ['PathPrefix', 0],
      ['Exact', 1],
    ])
  })

  it('depends neither on the position nor on the name of a rule', () => {
    const rule = `{matches: [{path: {value: /x}}], backendRefs: [${ref('one')}]}`
    const named = rule.replace('{', '{name: named, ')
    const bytes = (rules: readonly string[]) =>
      resolve(...rules).map((node) =>
        buildRoutes(node, http).map((route) => Buffer.from(unpackBytes(route.packed)).toString('hex')),
      )
    const [first, second] = bytes([rule, named])
    expect(second).toEqual(first)
  })

  it('gives no Route when no match is left', () => {
    expect(render(`{matches: [{path: {type: RegularExpression, value: "("}}], backendRefs: [${ref('one')}]}`)).toEqual(
      [],
    )
  })

  it.each([
    ['without backends', '{}'],
    ['with backends of weight 0 only', `{backendRefs: [${ref('one', 'weight: 0')}]}`],
    ['with missing backends only', `{backendRefs: [${ref('x')}, ${ref('y')}]}`],
    [
      'with a filter that is not known',
      `{filters: [{type: ExtensionRef, extensionRef: {group: x.y, kind: Z, name: z}}], backendRefs: [${ref('one')}]}`,
    ],
  ])('answers 500 for a rule %s', (_, rule) => {
    expect(render(rule)).toEqual([{ match: { prefix: '/' }, direct_response: { status: 500 } }])
  })

  it('lets missing backends fail with their share, as one cluster that never exists', () => {
    expect(render(`{backendRefs: [${ref('x')}, ${ref('one', 'weight: 3')}, ${ref('y')}]}`)).toEqual([
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: {
            clusters: [
              { name: cluster('one'), weight: 3 },
              { name: missingCluster, weight: 2 },
            ],
          },
          cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR',
          timeout: '0s',
        },
      },
    ])
  })

  it('answers 500 only where the missing backend has a share: another cluster that is late is not found, not broken', () => {
    const [route] = render(`{backendRefs: [${ref('one')}, ${ref('two')}]}`)
    expect(route).toHaveProperty('route.weighted_clusters')
    expect(route).not.toHaveProperty('route.cluster_not_found_response_code')
  })

  it('folds the filters of a single backend into the Route, after those of the rule', () => {
    const filters = (value: string) =>
      `filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: ${value}}]}}]`
    const [route] = render(
      `{${filters('rule')}, backendRefs: [${ref('one', filters('"100%"'))}, ${ref('two', 'weight: 0')}]}`,
    )
    expect(route).toEqual({
      match: { prefix: '/' },
      route: { cluster: cluster('one'), timeout: '0s' },
      request_headers_to_add: [{ header: { key: 'x-a', value: '100%%' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    })
  })

  it('divides cumulatively where backends have different paths', () => {
    const rewrite = (path: string) =>
      `filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: ${path}}}}]`
    const routes = render(
      `{matches: [{path: {value: /p}}], backendRefs: [${ref('one', `weight: 1, ${rewrite('/1')}`)}, ${ref('x')}, ${ref('two', `weight: 1, ${rewrite('/2')}`)}]}`,
    )
    const share = (numerator: number) => ({ default_value: { numerator, denominator: 'MILLION' } })
    const match = { path_separated_prefix: '/p' }
    expect(routes).toEqual([
      {
        match: { ...match, runtime_fraction: share(333333) },
        route: { cluster: cluster('one'), prefix_rewrite: '/1', timeout: '0s' },
      },
      {
        match: { ...match, runtime_fraction: share(666667) },
        route: { cluster: cluster('two'), prefix_rewrite: '/2', timeout: '0s' },
      },
      { match, direct_response: { status: 500 } },
    ])
  })

  it('hoists a rewrite that all backends share', () => {
    const rewrite = 'filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /n}}}]'
    const routes = render(`{backendRefs: [${ref('one', rewrite)}, ${ref('two', rewrite)}]}`)
    expect(routes).toHaveLength(1)
    expect(routes[0]).toHaveProperty('route.regex_rewrite', { pattern: { regex: '^/.*$' }, substitution: '/n' })
  })

  it.each([
    ['{request: 10s}', { timeout: '10s' }],
    ['{backendRequest: 2s}', { timeout: '2s' }],
    ['{request: 10s, backendRequest: 2s}', { timeout: '2s' }],
    ['{request: 0s, backendRequest: 2s}', { timeout: '2s' }],
    ['{request: 0s}', { timeout: '0s', idle_timeout: '0s' }],
    ['{request: 10m}', { timeout: '600s', idle_timeout: '600s' }],
    ['{backendRequest: 0s}', { timeout: '0s' }],
  ])('turns timeouts %s into %j', (timeouts, expected) => {
    expect(render(`{timeouts: ${timeouts}, backendRefs: [${ref('one')}]}`)).toEqual([
      { match: { prefix: '/' }, route: { cluster: cluster('one'), ...expected } },
    ])
  })

  it('mirrors to several backends, and leaves out those that are missing or get nothing', () => {
    const mirror = (name: string, more = '') =>
      `{type: RequestMirror, requestMirror: {backendRef: ${ref(name)}${more}}}`
    const [route] = render(
      `{filters: [${mirror('two')}, ${mirror('x')}, ${mirror('slow', ', fraction: {numerator: 1, denominator: 3}')}, ${mirror('slow', ', percent: 0')}], backendRefs: [${ref('one')}]}`,
    )
    expect(route).toHaveProperty('route.request_mirror_policies', [
      { cluster: cluster('two'), disable_shadow_host_suffix_append: true },
      {
        cluster: cluster('slow'),
        runtime_fraction: { default_value: { numerator: 333333, denominator: 'MILLION' } },
        disable_shadow_host_suffix_append: true,
      },
    ])
  })
})

describe('listAwaited', () => {
  const awaits = (rule: string) => listAwaited(resolve(rule))

  it('names clusters that warm slowly, routed or mirrored to, once', () => {
    const mirror = `{type: RequestMirror, requestMirror: {backendRef: ${ref('slow')}}}`
    expect(awaits(`{backendRefs: [${ref('one')}, ${ref('slow')}, ${ref('slow')}]}`)).toEqual([cluster('slow')])
    expect(awaits(`{filters: [${mirror}], backendRefs: [${ref('one')}]}`)).toEqual([cluster('slow')])
    expect(awaits(`{backendRefs: [${ref('one', `filters: [${mirror}]`)}]}`)).toEqual([cluster('slow')])
  })

  it('names no cluster that gets nothing', () => {
    expect(awaits(`{backendRefs: [${ref('one')}, ${ref('slow', 'weight: 0')}]}`)).toEqual([])
  })
})
