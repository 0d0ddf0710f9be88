import { describe, expect, test } from 'vitest'
import { GraphFixture, httpRouteYaml, serviceYaml } from '../testing/builders.ts'
import { type BackendKey, type BackendTarget, backendKey, parseBackendKey } from './backend.ts'

/** A route shop/web that sends everything to these backendRefs. */
const routeTo = (refs: string) => httpRouteYaml('shop/web', `  rules: [{backendRefs: ${refs}}]`)

const backendYaml = (spec: string) => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: cart, namespace: shop}
spec: ${spec}
---
`
const toBackend = '[{group: gateway.envoyproxy.io, kind: Backend, name: cart}]'

describe('the key of a backend', () => {
  test.each<BackendTarget>([
    { group: '', kind: 'Service', namespace: 'shop', name: 'cart', port: 80 },
    { group: 'gateway.envoyproxy.io', kind: 'Backend', namespace: 'shop', name: 'cart.v2', port: 0 },
    // References may have any name, whatever objects may have.
    { group: '', kind: 'Service', namespace: 'shop', name: 'cart/81', port: 80 },
    { group: '', kind: 'Service', namespace: 'shop', name: 'constructor', port: 1 },
  ])('%j is read back as it was', (target) => {
    expect(parseBackendKey(backendKey(target))).toEqual(target)
  })
})

describe('a Service', () => {
  test('is resolved by the number of its port, and its endpoints by the name of that port', () => {
    const ports = '[{name: http, port: 80, targetPort: 8080}, {name: admin, port: 9000, targetPort: http}]'
    const fixture = new GraphFixture(serviceYaml('shop/cart', ports) + routeTo('[{name: cart, port: 9000}]'))
    expect(fixture.backend('Service', 'shop/cart', 9000)).toEqual({
      key: '/Service/shop/cart/9000',
      target: { group: '', kind: 'Service', namespace: 'shop', name: 'cart', port: 9000 },
      state: 'resolved',
      protocol: 'http1',
      webSocket: false,
      endpoints: { type: 'endpoint-slices', service: 'cart', portName: 'admin' },
    })
  })

  test('has an unnamed port when it has only one', () => {
    const fixture = new GraphFixture(serviceYaml('shop/cart') + routeTo('[{name: cart, port: 80}]'))
    expect(fixture.backend('Service', 'shop/cart', 80).endpoints).toEqual({
      type: 'endpoint-slices',
      service: 'cart',
      portName: '',
    })
  })

  test('that does not exist is a value with the message that people search for', () => {
    const fixture = new GraphFixture(routeTo('[{name: cart, port: 80}]'))
    expect(fixture.backend('Service', 'shop/cart', 80)).toMatchObject({
      state: 'not-found',
      problem: { on: 'ResolvedRefs', reason: 'BackendNotFound', message: 'Service "cart" not found' },
    })
    fixture.apply(serviceYaml('shop/cart'))
    expect(fixture.backend('Service', 'shop/cart', 80)).toMatchObject({ state: 'resolved' })
    expect(fixture.backend('Service', 'shop/cart', 80).problem).toBeUndefined()
    fixture.remove('Service', 'shop/cart')
    expect(fixture.backend('Service', 'shop/cart', 80).state).toBe('not-found')
  })

  test('of the same name in another namespace is not meant', () => {
    const fixture = new GraphFixture(serviceYaml('other/cart') + routeTo('[{name: cart, port: 80}]'))
    expect(fixture.backend('Service', 'shop/cart', 80).state).toBe('not-found')
  })

  test('without the port is not found either, and the message tells the two apart', () => {
    const fixture = new GraphFixture(serviceYaml('shop/cart') + routeTo('[{name: cart, port: 8080}]'))
    expect(fixture.backend('Service', 'shop/cart', 8080).problem).toMatchObject({
      reason: 'BackendNotFound',
      message: 'Service "cart" has no port 8080',
    })
  })

  test('serves HTTP on TCP ports only', () => {
    const ports = '[{name: dns, port: 53, protocol: UDP}, {name: web, port: 80}]'
    const fixture = new GraphFixture(serviceYaml('shop/cart', ports) + routeTo('[{name: cart, port: 53}]'))
    expect(fixture.backend('Service', 'shop/cart', 53).problem?.message).toBe('Service "cart" has no port 53')
  })

  test('whose name has a slash does not become another Service and port', () => {
    const fixture = new GraphFixture(serviceYaml('shop/cart') + routeTo('[{name: cart/80, port: 81}]'))
    expect(fixture.route('shop/web').problems.map((p) => p.message)).toEqual(['Service "cart/80" not found'])
  })

  test('of type ExternalName is refused, because it could name anything', () => {
    const fixture = new GraphFixture(
      `${routeTo('[{name: cart, port: 80}]')}
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {type: ExternalName, externalName: localhost, ports: [{port: 80}]}
`,
    )
    expect(fixture.backend('Service', 'shop/cart', 80)).toMatchObject({
      state: 'unsupported-value',
      endpoints: { type: 'static', endpoints: [] },
    })
    expect(fixture.route('shop/web').rules[0]?.backendRefs[0]?.backend).toBeUndefined()
    expect(fixture.route('shop/web').problems).toMatchObject([{ on: 'ResolvedRefs', reason: 'UnsupportedValue' }])
  })

  test.each([
    ['kubernetes.io/h2c', 'h2c'],
    ['kubernetes.io/ws', 'http1'],
    ['http', 'http1'],
  ])('with appProtocol %s is spoken to in %s', (appProtocol, protocol) => {
    const ports = `[{port: 80, appProtocol: ${appProtocol}}]`
    const fixture = new GraphFixture(serviceYaml('shop/cart', ports) + routeTo('[{name: cart, port: 80}]'))
    expect(fixture.backend('Service', 'shop/cart', 80)).toMatchObject({ state: 'resolved', protocol })
  })

  test('with an appProtocol over TLS is refused rather than spoken to in the clear', () => {
    const ports = '[{port: 80, appProtocol: kubernetes.io/wss}]'
    const fixture = new GraphFixture(serviceYaml('shop/cart', ports) + routeTo('[{name: cart, port: 80}]'))
    expect(fixture.backend('Service', 'shop/cart', 80)).toMatchObject({
      state: 'unsupported-value',
      problem: { reason: 'UnsupportedProtocol' },
    })
  })

  test('is one backend for every route and rule that names it, and goes with the last of them', () => {
    const fixture = new GraphFixture(
      serviceYaml('shop/cart') +
        httpRouteYaml(
          'shop/a',
          '  rules: [{backendRefs: [{name: cart, port: 80}]}, {backendRefs: [{name: cart, port: 80}]}]',
        ) +
        httpRouteYaml('shop/b', '  rules: [{backendRefs: [{name: cart, port: 80}]}]'),
    )
    expect(fixture.graph.backends.size).toBe(1)
    fixture.remove('HTTPRoute', 'shop/a')
    expect(fixture.graph.backends.size).toBe(1)
    fixture.remove('HTTPRoute', 'shop/b')
    expect(fixture.graph.backends.size).toBe(0)
  })
})

describe('a Backend', () => {
  test('names addresses', () => {
    const spec = '{endpoints: [{ip: {address: 127.0.0.9, port: 3001}}, {unix: {path: /run/cart.sock}}]}'
    const fixture = new GraphFixture(backendYaml(spec) + routeTo(toBackend))
    expect(fixture.backend('Backend', 'shop/cart')).toMatchObject({
      state: 'resolved',
      protocol: 'http1',
      endpoints: {
        type: 'static',
        endpoints: [
          { type: 'ip', address: '127.0.0.9', port: 3001 },
          { type: 'unix', path: '/run/cart.sock' },
        ],
      },
    })
  })

  test('names hosts, which warm slowly', () => {
    const fixture = new GraphFixture(
      backendYaml('{endpoints: [{fqdn: {hostname: cart.example.com, port: 443}}]}') + routeTo(toBackend),
    )
    expect(fixture.backend('Backend', 'shop/cart').endpoints).toEqual({
      type: 'dns',
      endpoints: [{ hostname: 'cart.example.com', port: 443 }],
    })
    expect(fixture.route('shop/web').rules[0]?.backendRefs[0]?.slowToWarm).toBe(true)
  })

  test('is one cluster whatever port stands beside its name', () => {
    const fixture = new GraphFixture(
      backendYaml('{endpoints: [{ip: {address: 127.0.0.9, port: 3001}}]}') +
        httpRouteYaml(
          'shop/web',
          '  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: cart, port: 3001}]}, {backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: cart}]}]',
        ),
    )
    expect([...fixture.graph.backends.entries()].map(([key]) => key)).toEqual([
      'gateway.envoyproxy.io/Backend/shop/cart/0',
    ])
  })

  test('that does not exist is told so', () => {
    const fixture = new GraphFixture(routeTo(toBackend))
    expect(fixture.route('shop/web').problems).toMatchObject([
      { reason: 'BackendNotFound', message: 'Backend "cart" not found', path: 'spec.rules[0].backendRefs[0]' },
    ])
  })

  test('speaks HTTP/2 in the clear when it says so', () => {
    const spec = '{appProtocols: [gateway.envoyproxy.io/h2c], endpoints: [{ip: {address: 127.0.0.9, port: 3001}}]}'
    const fixture = new GraphFixture(backendYaml(spec) + routeTo(toBackend))
    expect(fixture.backend('Backend', 'shop/cart').protocol).toBe('h2c')
  })

  test.each([
    '{tls: {wellKnownCACertificates: System}, endpoints: [{fqdn: {hostname: cart.example.com, port: 443}}]}',
    '{appProtocols: [gateway.envoyproxy.io/wss], endpoints: [{ip: {address: 127.0.0.9, port: 3001}}]}',
  ])('that asks for TLS is refused rather than spoken to in the clear: %s', (spec) => {
    const fixture = new GraphFixture(backendYaml(spec) + routeTo(toBackend))
    expect(fixture.backend('Backend', 'shop/cart').state).toBe('unsupported-value')
    expect(fixture.route('shop/web').rules[0]?.backendRefs[0]?.backend).toBeUndefined()
  })
})

describe('other kinds', () => {
  test.each([
    ['{kind: Pod, name: cart}', 'Pod is not supported: use a Service or a Backend'],
    ['{group: storage.example.com, kind: Bucket, name: cart}', 'Bucket of group storage.example.com is not supported'],
    ['{group: example.com, kind: Service, name: cart, port: 80}', 'Service of group example.com is not supported'],
  ])('are refused with InvalidKind: %s', (ref, message) => {
    const fixture = new GraphFixture(serviceYaml('shop/cart') + routeTo(`[${ref}]`))
    const [problem] = fixture.route('shop/web').problems
    expect(problem).toMatchObject({ on: 'ResolvedRefs', reason: 'InvalidKind', path: 'spec.rules[0].backendRefs[0]' })
    expect(problem?.message).toContain(message)
  })

  test('a key that nobody uses has no node', () => {
    expect(new GraphFixture(serviceYaml('shop/cart')).graph.backends.get('/Service/shop/cart/80' as BackendKey)).toBe(
      undefined,
    )
  })
})

describe('a Backend on the machine of the proxy', () => {
  const endpoints = [
    '{ip: {address: 127.0.0.9, port: 3001}}',
    '{ip: {address: "::1", port: 3001}}',
    '{ip: {address: 169.254.169.254, port: 80}}',
    '{unix: {path: /run/cart.sock}}',
    '{fqdn: {hostname: localhost, port: 80}}',
  ]
  const backend = (endpoint: string) => `${backendYaml(`{endpoints: [${endpoint}]}`)}${routeTo(toBackend)}`

  test.each(endpoints)('is served unless told: %s', (endpoint) => {
    expect(new GraphFixture(backend(endpoint)).backend('Backend', 'shop/cart').state).toBe('resolved')
  })

  test.each(endpoints)('is refused where it must be: %s', (endpoint) => {
    const fixture = new GraphFixture(backend(endpoint), undefined, { allowsLocalBackends: false })
    expect(fixture.backend('Backend', 'shop/cart').state).toBe('unsupported-value')
    expect(fixture.route('shop/web').problems).toMatchObject([{ on: 'ResolvedRefs', reason: 'UnsupportedValue' }])
    expect(fixture.route('shop/web').rules[0]?.backendRefs[0]?.backend).toBeUndefined()
  })

  test('is one even when only one of its endpoints is there', () => {
    const mixed = backend('{ip: {address: 10.0.0.1, port: 80}}, {ip: {address: "::ffff:127.0.0.1", port: 80}}')
    const fixture = new GraphFixture(mixed, undefined, { allowsLocalBackends: false })
    expect(fixture.route('shop/web').problems[0]?.message).toBe(
      'Backend "cart" leads to ::ffff:127.0.0.1 on the machine of the proxy, which is refused: use another address',
    )
  })

  test('is none with any other address', () => {
    const fixture = new GraphFixture(backend('{ip: {address: 10.0.0.1, port: 80}}'), undefined, {
      allowsLocalBackends: false,
    })
    expect(fixture.backend('Backend', 'shop/cart').state).toBe('resolved')
  })
})
