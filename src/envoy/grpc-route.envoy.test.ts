import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  gatewayClassYaml,
  gatewayYaml,
  grpcRouteYaml,
  httpRouteYaml,
  serviceYaml,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type GRPCBackend, GRPCClient, type GRPCResult, startGRPCBackend } from '../testing/grpc-backend.ts'
import { StaticEnvoy } from '../testing/static-envoy.ts'

/*
 * Stock Envoy with a real gRPC client and servers. Each case has a hostname of its own.
 *
 * Features: GRPCRoute, GRPCRouteNamedRouteRule, GRPCRouteRequestHeaderModifier.
 */

const methods = ['/shop.Cart/Add', '/shop.Cart/List', '/shop.Cart/StreamItems', '/shop.v2.Cart/Add', '/bank.Pay/Add']
const certificate = issueCertificate({ dnsNames: ['call.test'] })
const backends: GRPCBackend[] = []
let web: EchoBackend
let envoy: StaticEnvoy
const clients = new Map<string, GRPCClient>()

/** A Service as most are written: nothing says that it speaks HTTP/2. */
const withEndpoint = (name: string, port: number) => `${serviceYaml(name, '[{name: main, port: 80}]')}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-a, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
ports: [{name: main, port: ${port}}]
---
`
const routes: string[] = []
const ref = (name: string, more = '') => `{name: ${name}, port: 80${more && `, ${more}`}}`
const one = `[${ref('one')}]`
const two = `[${ref('two')}]`
const spec = (host: string, rules: readonly string[]) =>
  `  parentRefs: [{name: edge}]\n  hostnames: ["${host}"]\n  rules:\n${rules.map((r) => `  - ${r}`).join('\n')}`

function addCase(host: string, ...rules: string[]): string {
  routes.push(grpcRouteYaml(`grpc-${host.replace('.', '-')}`, spec(host, rules)))
  return host
}

beforeAll(async () => {
  backends.push(await startGRPCBackend('one', methods), await startGRPCBackend('two', methods))
  web = await startEchoBackend({ service: 'web' })
  const listeners =
    '[{name: http, protocol: HTTP, port: 80}, {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}]'
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('edge', listeners),
      tlsSecretYaml('cert', certificate.certificate, certificate.privateKey),
      ...[...backends, web].map((b, i) => withEndpoint(['one', 'two', 'web'][i] as string, b.port)),
      serviceYaml('empty'),
      ...routes,
    ].join(''),
  )
})
afterAll(async () => {
  for (const client of clients.values()) client.close()
  await envoy?.stop()
  await web?.close()
  for (const backend of backends) await backend.close()
})

function clientOf(host: string): GRPCClient {
  let client = clients.get(host)
  if (client === undefined) {
    client = new GRPCClient(envoy.address(80), host)
    clients.set(host, client)
  }
  return client
}
const call = (host: string, path: string, headers?: Record<string, string>): Promise<GRPCResult> =>
  clientOf(host).call(path, headers)
/** Who answered, or the name of the status. */
const who = async (host: string, path: string, headers?: Record<string, string>) => {
  const { answer, code } = await call(host, path, headers)
  return answer?.service ?? status[code]
}

describe('a match', () => {
  const exact = addCase('exact.test', `{matches: [{method: {service: shop.Cart, method: Add}}], backendRefs: ${one}}`)
  const service = addCase('service.test', `{matches: [{method: {service: shop.Cart}}], backendRefs: ${one}}`)
  const method = addCase('method.test', `{matches: [{method: {method: Add}}], backendRefs: ${one}}`)
  const pattern = addCase(
    'pattern.test',
    `{matches: [{method: {type: RegularExpression, service: "shop.*|x", method: "A.+"}}], backendRefs: ${one}}`,
  )
  const header = addCase(
    'header.test',
    `{matches: [{headers: [{name: Version, value: two}]}], backendRefs: ${two}}`,
    `{matches: [{headers: [{name: region, type: RegularExpression, value: "e."}]}], backendRefs: ${one}}`,
  )
  const all = addCase('all.test', `{backendRefs: ${one}}`)

  it('of a service and a method takes that method alone', async () => {
    expect(await who(exact, '/shop.Cart/Add')).toBe('one')
    for (const other of ['/shop.Cart/List', '/shop.Cart/add', '/shop.v2.Cart/Add', '/shop.Cart/Add/Add'])
      expect(await who(exact, other), other).toBe('UNIMPLEMENTED')
  })

  it('of a service takes its methods', async () => {
    expect(await who(service, '/shop.Cart/Add')).toBe('one')
    expect(await who(service, '/shop.Cart/List')).toBe('one')
    expect(await who(service, '/shop.CartX/List')).toBe('UNIMPLEMENTED')
    expect(await who(service, '/bank.Pay/Add')).toBe('UNIMPLEMENTED')
  })

  it('of a method takes it of every service', async () => {
    expect(await who(method, '/shop.Cart/Add')).toBe('one')
    expect(await who(method, '/bank.Pay/Add')).toBe('one')
    expect(await who(method, '/shop.Cart/List')).toBe('UNIMPLEMENTED')
  })

  it('of patterns takes what they match as a whole', async () => {
    expect(await who(pattern, '/shop.Cart/Add')).toBe('one')
    expect(await who(pattern, '/shop.v2.Cart/Add')).toBe('one')
    expect(await who(pattern, '/bank.Pay/Add')).toBe('UNIMPLEMENTED')
    expect(await who(pattern, '/shop.Cart/List')).toBe('UNIMPLEMENTED')
  })

  it('of headers looks at metadata, with names in any case', async () => {
    expect(await who(header, '/shop.Cart/Add', { version: 'two' })).toBe('two')
    expect(await who(header, '/shop.Cart/Add', { region: 'eu' })).toBe('one')
    expect(await who(header, '/shop.Cart/Add', { region: 'asia' })).toBe('UNIMPLEMENTED')
  })

  it('that says nothing takes every gRPC request', async () => {
    expect(await who(all, '/shop.Cart/Add')).toBe('one')
    expect(await who(all, '/bank.Pay/Add')).toBe('one')
    const unknown = await call(all, '/no.Such/Method')
    expect(unknown).toMatchObject({ code: status.UNIMPLEMENTED })
    expect(unknown.details).toContain('/no.Such/Method')
  })

  it('takes nothing but gRPC', async () => {
    expect((await envoy.send(80, '/shop.Cart/Add', { host: all, method: 'POST' })).status).toBe(404)
    const headers = { 'content-type': 'application/grpcx' }
    expect((await envoy.send(80, '/shop.Cart/Add', { host: all, method: 'POST', headers })).status).toBe(404)
  })
})

describe('precedence', () => {
  const host = addCase(
    'order.test',
    `{matches: [{}], backendRefs: [${ref('empty')}]}`,
    `{matches: [{method: {method: Add}}], backendRefs: ${one}}`,
    `{matches: [{method: {service: shop.Cart}}], backendRefs: ${two}}`,
    `{matches: [{method: {service: bank.Pay, method: Add}}], backendRefs: ${one}}`,
    `{matches: [{method: {service: bank.Pay, method: Add}, headers: [{name: a, value: b}]}], backendRefs: ${two}}`,
  )

  it('a longer service, then a longer method, then more headers, then the first rule', async () => {
    expect(await who(host, '/shop.Cart/Add')).toBe('two')
    expect(await who(host, '/shop.v2.Cart/Add')).toBe('one')
    expect(await who(host, '/bank.Pay/Add')).toBe('one')
    expect(await who(host, '/bank.Pay/Add', { a: 'b' })).toBe('two')
    expect(await who(host, '/x.Y/Z')).toBe('UNAVAILABLE')
  })
})

describe('beside an HTTPRoute on one hostname', () => {
  const host = addCase('both.test', `{matches: [{method: {service: shop.Cart}}], backendRefs: ${one}}`)
  const exact = '{path: {type: Exact, value: /shop.Cart/Add}}'
  routes.push(
    httpRouteYaml('beside', spec(host, [`{matches: [{path: {value: /}}, ${exact}], backendRefs: [${ref('web')}]}`]), {
      created: '2020-01-01T00:00:00Z',
    }),
  )

  it('gRPC requests go to the GRPCRoute, others to the HTTPRoute, whatever their paths', async () => {
    expect(await who(host, '/shop.Cart/Add')).toBe('one')
    expect((await envoy.send(80, '/shop.Cart/Add', { host, method: 'POST' })).echo.service).toBe('web')
    expect((await envoy.send(80, '/', { host })).echo.service).toBe('web')
  })

  it('gRPC requests that no GRPCRoute takes are left to the HTTPRoute', async () => {
    await call(host, '/bank.Pay/Add')
    expect(web.seen.at(-1)).toMatchObject({ path: '/bank.Pay/Add', method: 'POST' })
  })
})

describe('filters', () => {
  const modifier =
    '{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: new}], add: [{name: x-add, value: more}], remove: [x-gone]}}'
  const response = '{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-from, value: gateway}]}}'
  const mirror = `{type: RequestMirror, requestMirror: {backendRef: ${ref('two')}}}`
  const host = addCase(
    'filters.test',
    `{matches: [{method: {method: List}}], filters: [${mirror}], backendRefs: ${one}}`,
    `{filters: [${modifier}, ${response}], backendRefs: ${one}}`,
  )
  const ofBackend = addCase('backend-filters.test', `{backendRefs: [${ref('one', `filters: [${modifier}]`)}]}`)

  it.each([host, ofBackend])('change request headers (%s)', async (name) => {
    const { answer } = await call(name, '/shop.Cart/Add', { 'x-set': 'old', 'x-add': 'some', 'x-gone': 'still' })
    expect(answer?.metadata).toMatchObject({ 'x-set': 'new', 'x-add': 'some, more' })
    expect(answer?.metadata).not.toHaveProperty('x-gone')
  })

  it('change response headers', async () => {
    expect((await call(host, '/shop.Cart/Add')).headers).toMatchObject({ 'x-from': 'gateway' })
  })

  it('send a copy to another backend', async () => {
    const copies = () => backends[1]?.seen.filter((seen) => seen.host === host).length
    expect(await who(host, '/shop.Cart/List')).toBe('one')
    await expect.poll(copies).toBe(1)
  })
})

describe('backends', () => {
  const shared = addCase('shared.test', `{backendRefs: [${ref('one', 'weight: 3')}, ${ref('two', 'weight: 1')}]}`)
  const partly = addCase('partly.test', `{backendRefs: [${ref('one', 'weight: 1')}, ${ref('gone', 'weight: 1')}]}`)
  const failing = [
    addCase('gone.test', `{backendRefs: [${ref('gone')}]}`),
    addCase('empty.test', `{backendRefs: [${ref('empty')}]}`),
    addCase('none.test', '{matches: [{method: {service: shop.Cart}}]}'),
    addCase('zero.test', `{backendRefs: [${ref('one', 'weight: 0')}]}`),
    addCase(
      'filter.test',
      `{filters: [{type: ExtensionRef, extensionRef: {group: a.test, kind: B, name: c}}], backendRefs: ${one}}`,
    ),
  ]
  const count = async (host: string, times: number) => {
    const found: Record<string, number> = {}
    for (let i = 0; i < times; i++) {
      const name = await who(host, '/shop.Cart/Add')
      found[name] = (found[name] ?? 0) + 1
    }
    return found
  }

  it('share calls by weight, also those of one connection', async () => {
    const { one: first = 0, two: second = 0 } = await count(shared, 400)
    expect(first + second).toBe(400)
    // Five standard deviations.
    expect(Math.abs(first - 300)).toBeLessThan(5 * Math.sqrt(400 * 0.75 * 0.25))
  })

  it('that do not exist answer their share with UNAVAILABLE', async () => {
    const { one: good = 0, UNAVAILABLE: bad = 0 } = await count(partly, 400)
    expect(good + bad).toBe(400)
    expect(Math.abs(good - 200)).toBeLessThan(5 * Math.sqrt(400 * 0.25))
  })

  it.each(failing)('that cannot answer at all are UNAVAILABLE (%s)', async (host) => {
    expect(await who(host, '/shop.Cart/Add')).toBe('UNAVAILABLE')
  })
})

describe('a call', () => {
  const host = addCase('call.test', `{backendRefs: ${one}}`)
  const named = addCase(
    'named.test',
    `{name: adding, matches: [{method: {method: Add}}], backendRefs: ${two}}`,
    `{name: the-rest, backendRefs: ${one}}`,
  )

  it('is served by a rule with a name as by any other', async () => {
    expect(await who(named, '/shop.Cart/Add')).toBe('two')
    expect(await who(named, '/shop.Cart/StreamItems')).toBe('one')
  })

  it('may stream in both directions', async () => {
    const answers = await clientOf(host).stream('/shop.Cart/StreamItems', ['a', 'b', 'c'])
    expect(answers.map((a) => a.text)).toEqual(['a', 'b', 'c'])
  })

  it('keeps its authority', async () => {
    expect((await call(host, '/shop.Cart/Add')).answer?.host).toBe(host)
  })

  it('comes over TLS, too', async () => {
    const secure = new GRPCClient(envoy.address(443), host, certificate.certificate)
    expect((await secure.call('/shop.Cart/Add')).answer?.service).toBe('one')
    secure.close()
  })
})
