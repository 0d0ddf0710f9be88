import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthBackend, startGRPCAuthBackend, startHTTPAuthBackend } from '../testing/auth-backend.ts'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, serviceYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type StaticAnswer, StaticEnvoy, type StaticRequest } from '../testing/static-envoy.ts'

/* ExternalAuth filters through stock Envoy, with services that decide by HTTP and by gRPC. */

let echo: EchoBackend
let other: EchoBackend
let http: AuthBackend
let second: AuthBackend
let grpc: AuthBackend
let envoy: StaticEnvoy

const sliceYaml = (name: string, port: number) => `${serviceYaml(name, '[{port: 80}]')}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-a, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
ports: [{port: ${port}}]
---
`
const ref = (name: string, more = '') => `{name: ${name}, port: 80${more && `, ${more}`}}`
const byHTTP = (fields = '{}', more = '', name = 'auth') =>
  `{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: ${ref(name)}, http: ${fields}${more && `, ${more}`}}}`
const byGRPC = (fields = '{}', more = '', name = 'auth-grpc') =>
  `{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: ${ref(name)}, grpc: ${fields}${more && `, ${more}`}}}`
const rules: string[] = []
const addRule = (path: string, filters: readonly string[], refs: string | undefined = ref('web')): string => {
  const backends = refs === '' ? '' : `, backendRefs: [${refs}]`
  rules.push(`{matches: [{path: {value: ${path}}}], filters: [${filters.join(', ')}]${backends}}`)
  return path
}

beforeAll(async () => {
  echo = await startEchoBackend({ service: 'web' })
  other = await startEchoBackend({ service: 'other' })
  http = await startHTTPAuthBackend('alice')
  second = await startHTTPAuthBackend('bob')
  grpc = await startGRPCAuthBackend('carol')
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]'),
      sliceYaml('web', echo.port),
      sliceYaml('other', other.port),
      sliceYaml('auth', http.port),
      sliceYaml('second', second.port),
      sliceYaml('auth-grpc', grpc.port),
      serviceYaml('nobody'),
      ...rules.map((rule, i) => httpRouteYaml(`r${i}`, `  parentRefs: [{name: web}]\n  rules:\n  - ${rule}`)),
    ].join(''),
  )
})
afterAll(async () => {
  await envoy?.stop()
  for (const backend of [echo, other, http, second, grpc]) await backend?.close()
})

const ask = (
  path: string,
  authorization?: string,
  more: StaticRequest & { body?: string } = {},
): Promise<StaticAnswer> =>
  envoy.send(80, path, {
    ...more,
    host: 'shop.test',
    headers: { ...more.headers, ...(authorization !== undefined && { authorization }) },
  })

describe('a service that decides by HTTP', () => {
  const plain = addRule('/http', [byHTTP()])
  const chosen = addRule('/chosen', [
    byHTTP('{path: /auth/, allowedHeaders: [X-One], allowedResponseHeaders: [X-User]}'),
  ])

  it('lets requests pass, and tells the backend what it says', async () => {
    const { status, echo: seen } = await ask(`${plain}/x?q=1`, 'allow')
    expect(status).toBe(200)
    expect(seen).toMatchObject({ service: 'web', path: `${plain}/x?q=1`, host: 'shop.test' })
    expect(seen.headers).toMatchObject({ 'X-User': ['alice'], 'X-More': ['told'] })
    expect(seen.headers).not.toHaveProperty('Content-Type')
    expect(seen.headers).not.toHaveProperty('Content-Length')
  })

  it('refuses others with its own answer', async () => {
    const before = echo.seen.length
    const answer = await ask(plain, 'guess')
    expect(answer).toMatchObject({ status: 401, body: 'who are you?' })
    expect(answer.headers).toMatchObject({ 'www-authenticate': 'Basic realm=alice', 'x-why': 'no' })
    expect(echo.seen.length).toBe(before)
  })

  it('is asked with the method, the path, the host and the authorization alone', async () => {
    await ask(`${plain}?q=1`, 'allow', { method: 'DELETE', headers: { 'x-one': '1', cookie: 'secret=1' } })
    const question = http.questions.at(-1)
    expect(question).toMatchObject({ method: 'DELETE', path: `${plain}?q=1`, host: 'shop.test', body: '' })
    expect(question?.headers['authorization']).toBe('allow')
    expect(question?.headers).not.toHaveProperty('x-one')
    expect(question?.headers).not.toHaveProperty('cookie')
  })

  it('is asked under a prefix and with more headers, and says only what it may', async () => {
    const { echo: seen } = await ask(`${chosen}/x`, 'allow', { headers: { 'x-one': '1', 'x-two': '2' } })
    expect(http.questions.at(-1)).toMatchObject({ path: `/auth${chosen}/x` })
    expect(http.questions.at(-1)?.headers).toMatchObject({ 'x-one': '1' })
    expect(http.questions.at(-1)?.headers).not.toHaveProperty('x-two')
    expect(seen.headers).toMatchObject({ 'X-User': ['alice'] })
    expect(seen.headers).not.toHaveProperty('X-More')
  })

  it('replaces what a client claims to be', async () => {
    const { echo: seen } = await ask(plain, 'allow', { headers: { 'x-user': 'root' } })
    expect(seen.headers['X-User']).toEqual(['alice'])
  })
})

describe('a service that decides by gRPC', () => {
  const plain = addRule('/grpc', [byGRPC()])
  const chosen = addRule('/grpc-chosen', [byGRPC('{allowedHeaders: [authorization, x-one]}')])

  it('lets requests pass, and cannot change the host', async () => {
    const { status, echo: seen } = await ask(plain, 'allow')
    expect(status).toBe(200)
    expect(seen).toMatchObject({ service: 'web', host: 'shop.test' })
    expect(seen.headers['X-User']).toEqual(['carol'])
  })

  it('refuses others with its own answer', async () => {
    const answer = await ask(plain)
    expect(answer).toMatchObject({ status: 403, body: 'who are you?' })
    expect(answer.headers).toMatchObject({ 'x-why': 'no' })
  })

  it('is told all headers, or those that are listed', async () => {
    await ask(plain, 'allow', { headers: { 'x-one': '1', 'x-two': '2' } })
    expect(grpc.questions.at(-1)?.headers).toMatchObject({ 'x-one': '1', 'x-two': '2' })
    await ask(chosen, 'allow', { headers: { 'x-one': '1', 'x-two': '2' } })
    expect(grpc.questions.at(-1)?.headers).toMatchObject({ 'x-one': '1' })
    expect(grpc.questions.at(-1)?.headers).not.toHaveProperty('x-two')
  })
})

describe('bodies', () => {
  const forwarded = addRule('/body', [byHTTP('{}', 'forwardBody: {maxSize: 100000}')])
  const byStream = addRule('/body-grpc', [byGRPC('{}', 'forwardBody: {maxSize: 100}')])
  const none = addRule('/no-body', [byHTTP('{}', 'forwardBody: {maxSize: 0}')])
  const post = (path: string, body: string) => ask(path, 'allow', { method: 'POST', body })

  it('are sent along, also those longer than a connection buffers, and reach the backend whole', async () => {
    const body = 'x'.repeat(90_000)
    expect((await post(forwarded, body)).status).toBe(200)
    expect(http.questions.at(-1)?.body).toBe(body)
    expect(echo.seen.at(-1)?.headers['Content-Length']).toEqual(['90000'])
    expect((await post(byStream, 'small')).status).toBe(200)
    expect(grpc.questions.at(-1)?.body).toBe('small')
  })

  it('that are too long are refused, and nobody is asked', async () => {
    const before = http.questions.length + grpc.questions.length
    expect((await post(forwarded, 'x'.repeat(100_001))).status).toBe(413)
    expect((await post(byStream, 'x'.repeat(101))).status).toBe(413)
    expect(http.questions.length + grpc.questions.length).toBe(before)
  })

  it('stay here where nothing asks for them', async () => {
    expect((await post(none, 'mine')).status).toBe(200)
    expect(http.questions.at(-1)).toMatchObject({ body: '' })
    expect(echo.seen.at(-1)?.headers['Content-Length']).toEqual(['4'])
  })
})

describe('a service that does not answer', () => {
  const absent = addRule('/absent', [byHTTP('{}', '', 'gone')])
  const absentByGRPC = addRule('/absent-grpc', [byGRPC('{}', '', 'gone')])
  const nobody = addRule('/nobody', [byHTTP('{}', '', 'nobody')])
  const nobodyByGRPC = addRule('/nobody-grpc', [byGRPC('{}', '', 'nobody')])
  const breaking = addRule('/breaking', [byHTTP()])

  it.each([
    [absent, 500],
    [absentByGRPC, 500],
    [nobody, 403],
    [nobodyByGRPC, 403],
  ])('lets nobody pass (%s)', async (path, status) => {
    const before = echo.seen.length
    expect((await ask(path, 'allow')).status).toBe(status)
    expect(echo.seen.length).toBe(before)
  })

  it('lets nobody pass while it breaks', async () => {
    expect((await ask(breaking, 'break')).status).toBe(403)
  })
})

describe('beside others', () => {
  const both = addRule('/both', [byHTTP(), byHTTP('{}', '', 'second')])
  const too = addRule('/too-many', [byHTTP(), byHTTP('{}', '', 'second'), byGRPC()])
  const ofBackend = addRule('/backend', [], ref('web', `filters: [${byHTTP()}]`))
  const split = addRule('/split', [], `${ref('web', `filters: [${byHTTP()}]`)}, ${ref('other')}`)
  const open = addRule('/open', [])
  const redirect = addRule('/redirect', [byHTTP(), '{type: RequestRedirect, requestRedirect: {hostname: b.test}}'], '')
  const cors = addRule('/cors', ['{type: CORS, cors: {allowOrigins: ["https://a.test"]}}', byHTTP()])

  it('one is asked after the other, and both must agree', async () => {
    const [before, beforeSecond] = [http.questions.length, second.questions.length]
    const { status, echo: seen } = await ask(both, 'allow')
    expect(status).toBe(200)
    expect(seen.headers['X-User']).toEqual(['bob'])
    await ask(both, 'guess')
    expect([http.questions.length - before, second.questions.length - beforeSecond]).toEqual([2, 1])
  })

  it('more than there is room for let nobody pass', async () => {
    expect((await ask(too, 'allow')).status).toBe(500)
  })

  it('may be that of one backend, and then holds for its share', async () => {
    expect((await ask(ofBackend, 'guess')).status).toBe(401)
    expect((await ask(ofBackend, 'allow')).status).toBe(200)
    const found = new Set<string>()
    for (let i = 0; i < 40; i++) {
      const answer = await ask(split, 'guess')
      found.add(answer.status === 200 ? answer.echo.service : String(answer.status))
    }
    expect([...found].sort()).toEqual(['401', 'other'])
  })

  it('asks before a redirect, too', async () => {
    expect((await ask(redirect, 'guess')).status).toBe(401)
    expect((await ask(redirect, 'allow')).status).toBe(302)
  })

  it('lets preflights be answered, which have no credentials', async () => {
    const headers = { origin: 'https://a.test', 'access-control-request-method': 'GET' }
    expect((await ask(cors, undefined, { method: 'OPTIONS', headers })).headers).toMatchObject({
      'access-control-allow-origin': 'https://a.test',
    })
    const refused = await ask(cors, 'guess', { headers: { origin: 'https://a.test' } })
    expect(refused.status).toBe(401)
    expect(refused.headers['access-control-allow-origin']).toBe('https://a.test')
  })

  it('does not touch other rules', async () => {
    expect((await ask(open)).status).toBe(200)
  })
})
