import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, loopbackBackendYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type StaticAnswer, StaticEnvoy } from '../testing/static-envoy.ts'

/*
 * Cross-origin requests through stock Envoy, as browsers make them.
 *
 * Features: HTTPRouteCORS.
 */

const backends: EchoBackend[] = []
let envoy: StaticEnvoy
const rules: string[] = []
const ref = (name: string, more = '') =>
  `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}${more && `, ${more}`}}`
const addRule = (path: string, cors: string, { match = '', more = '', refs = ref('one') } = {}): string => {
  const filters = cors === '' ? more : `{type: CORS, cors: ${cors}}${more && `, ${more}`}`
  rules.push(`{matches: [{path: {value: ${path}}${match}}], filters: [${filters}], backendRefs: [${refs}]}`)
  return path
}

beforeAll(async () => {
  const manifests = [gatewayClassYaml, gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]')]
  for (const service of ['one', 'two']) {
    const backend = await startEchoBackend({ service })
    backends.push(backend)
    manifests.push(loopbackBackendYaml(service, [backend.port]))
  }
  manifests.push(
    httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules:\n${rules.map((r) => `  - ${r}`).join('\n')}`),
  )
  envoy = await StaticEnvoy.start(manifests.join(''))
})
afterAll(async () => {
  await envoy?.stop()
  for (const backend of backends) await backend.close()
})

const preflight = (path: string, origin: string, method = 'PUT', headers = 'x-header-1, x-header-2') =>
  envoy.send(80, path, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': headers },
  })
const plain = (path: string, origin: string, method = 'GET') => envoy.send(80, path, { method, headers: { origin } })
/** The CORS headers of an answer. */
const corsOf = ({ headers }: StaticAnswer) =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith('access-control-'))
      .map(([name, value]) => [name.slice('access-control-'.length), value]),
  )
/** Whether it came from a backend. */
const isForwarded = ({ body }: StaticAnswer) => body.includes('"service"')

describe('a list of origins', () => {
  const path = addRule(
    '/list',
    '{allowOrigins: ["https://www.foo.com", "https://*.bar.com", "http://dev.test:8080", "https://with.port:443"], allowMethods: [GET, OPTIONS], allowHeaders: [x-header-1, x-header-2], exposeHeaders: [x-header-3, x-header-4], maxAge: 3600, allowCredentials: true}',
  )

  it('answers a preflight of one of them', async () => {
    const answer = await preflight(path, 'https://www.foo.com', 'GET')
    expect([200, 204]).toContain(answer.status)
    expect(isForwarded(answer)).toBe(false)
    expect(corsOf(answer)).toEqual({
      'allow-origin': 'https://www.foo.com',
      'allow-credentials': 'true',
      'allow-methods': 'GET, OPTIONS',
      'allow-headers': 'x-header-1, x-header-2',
      'expose-headers': 'x-header-3, x-header-4',
      'max-age': '3600',
    })
  })

  it('lets a request of one of them pass, and tells the browser', async () => {
    const answer = await plain(path, 'https://www.foo.com')
    expect(isForwarded(answer)).toBe(true)
    expect(corsOf(answer)).toEqual({
      'allow-origin': 'https://www.foo.com',
      'allow-credentials': 'true',
      'expose-headers': 'x-header-3, x-header-4',
    })
  })

  it.each([
    'https://a.bar.com',
    'https://xpto.www.bar.com',
    'http://dev.test:8080',
    'https://with.port',
    'HTTPS://www.foo.com',
  ])('has %s', async (origin) => {
    expect(corsOf(await preflight(path, origin))).toMatchObject({ 'allow-origin': origin })
  })

  it.each([
    'http://www.foo.com',
    'https://foo.com',
    'https://www.foo.com:8443',
    'https://www.foo.com.evil.test',
    'https://bar.com',
    'https://foobar.com',
    'https://a.bar.com.evil.test',
    'https://evil.test/.bar.com',
    'https://evil.test?.bar.com',
    'https://wwwxfoo.com',
    'http://dev.test',
    'null',
    '*',
  ])('has not %s', async (origin) => {
    const refused = await preflight(path, origin)
    expect(isForwarded(refused)).toBe(false)
    expect(corsOf(refused)).not.toHaveProperty('allow-origin')
    // The gateway decides what browsers may read, not what clients may ask.
    const answer = await plain(path, origin)
    expect(answer.status).toBe(200)
    expect(corsOf(answer)).toEqual({})
  })

  it('leaves requests without an origin, and OPTIONS that are no preflight, alone', async () => {
    expect(isForwarded(await envoy.send(80, path))).toBe(true)
    expect(isForwarded(await plain(path, 'https://www.foo.com', 'OPTIONS'))).toBe(true)
  })
})

describe('wildcards', () => {
  const star = addRule('/star', '{allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: ["*"]}')
  const credentials = addRule(
    '/credentials',
    '{allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: ["*"], allowCredentials: true}',
  )
  const anyHttps = addRule('/any-https', '{allowOrigins: ["https://*", "http://*:8080"]}')

  it('answer with the origin, the method and the headers that are asked for', async () => {
    for (const origin of ['https://a.test', 'http://b.test:8080', 'null']) {
      expect(corsOf(await preflight(star, origin))).toEqual({
        'allow-origin': origin,
        'allow-methods': 'PUT',
        'allow-headers': 'x-header-1, x-header-2',
        'max-age': '5',
      })
    }
  })

  it('answer so with credentials, too', async () => {
    expect(corsOf(await preflight(credentials, 'https://a.test:8443'))).toEqual({
      'allow-origin': 'https://a.test:8443',
      'allow-credentials': 'true',
      'allow-methods': 'PUT',
      'allow-headers': 'x-header-1, x-header-2',
      'max-age': '5',
    })
    expect(corsOf(await plain(credentials, 'https://a.test'))).toMatchObject({ 'allow-origin': 'https://a.test' })
  })

  it('of the host keep the scheme and the port', async () => {
    for (const origin of [
      'https://a.test',
      'https://10.0.0.1',
      'https://[::1]',
      'http://a.test:8080',
      'http://[::1]:8080',
    ])
      expect(corsOf(await preflight(anyHttps, origin)), origin).toMatchObject({ 'allow-origin': origin })
    for (const origin of ['http://a.test', 'https://a.test:8443', 'http://a.test:80801', 'ftp://a.test', 'https://'])
      expect(corsOf(await preflight(anyHttps, origin)), origin).not.toHaveProperty('allow-origin')
  })
})

describe('a filter', () => {
  const empty = addRule('/empty', '{}')
  const put = addRule('/put', '{allowOrigins: ["https://a.test"], allowMethods: [PUT]}', { match: ', method: PUT' })
  addRule('/put', '', { match: ', method: GET', more: '' })
  const ofBackend = addRule('/backend', '', {
    refs: ref('one', 'filters: [{type: CORS, cors: {allowOrigins: ["https://a.test"]}}]'),
  })
  const shared = addRule('/shared', '{allowOrigins: ["https://a.test"]}', { refs: `${ref('one')}, ${ref('two')}` })
  const rewritten = addRule('/rewritten', '{allowOrigins: ["https://a.test"]}', {
    more: '{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-from, value: gateway}]}}',
  })

  it('that allows nothing answers preflights without permission', async () => {
    const answer = await preflight(empty, 'https://a.test')
    expect(isForwarded(answer)).toBe(false)
    expect(corsOf(answer)).not.toHaveProperty('allow-origin')
  })

  it('of a rule for one method gets the preflights of that method', async () => {
    expect(corsOf(await preflight(put, 'https://a.test', 'PUT'))).toMatchObject({ 'allow-methods': 'PUT' })
    expect((await preflight(put, 'https://a.test', 'GET')).status).toBe(404)
    expect((await envoy.send(80, put, { method: 'OPTIONS' })).status).toBe(404)
  })

  it('may be that of a backend', async () => {
    expect(corsOf(await preflight(ofBackend, 'https://a.test'))).toMatchObject({ 'allow-origin': 'https://a.test' })
  })

  it('holds for all backends of a rule', async () => {
    for (let i = 0; i < 10; i++)
      expect(corsOf(await plain(shared, 'https://a.test'))).toEqual({ 'allow-origin': 'https://a.test' })
  })

  it('goes together with others', async () => {
    const answer = await plain(rewritten, 'https://a.test')
    expect(answer.headers).toMatchObject({ 'x-from': 'gateway', 'access-control-allow-origin': 'https://a.test' })
  })
})

describe('beside a redirect', () => {
  const cors = '{type: CORS, cors: {allowOrigins: ["https://a.test"]}}'
  const redirect = '{type: RequestRedirect, requestRedirect: {hostname: b.test}}'
  rules.push(`{matches: [{path: {value: /redirect}}], filters: [${cors}, ${redirect}]}`)

  it('has no effect, because Envoy redirects before it looks at the origin', async () => {
    const answer = await plain('/redirect', 'https://a.test')
    expect(answer.status).toBe(302)
    expect(corsOf(answer)).toEqual({})
  })
})
