import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthBackend, startGRPCAuthBackend, startHTTPAuthBackend } from '../testing/auth-backend.ts'
import { gatewayClassYaml, gatewayYaml, grpcRouteYaml, httpRouteYaml, serviceYaml } from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type StaticAnswer, StaticEnvoy, type StaticRequest } from '../testing/static-envoy.ts'

/*
 * Filters of listeners through stock Envoy: they run before the route is chosen, and may decide which it is.
 *
 * Features: GatewayListenerFilters.
 */

const backends: EchoBackend[] = []
let first: AuthBackend
let second: AuthBackend
let byGRPC: AuthBackend
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
const auth = (name: string, protocol = 'HTTP') =>
  `{type: ExternalAuth, externalAuth: {protocol: ${protocol}, backendRef: {name: ${name}, port: 80}, ${protocol.toLowerCase()}: {${protocol === 'HTTP' ? 'allowedHeaders: [x-claim]' : ''}}}}`
const listener = (name: string, port: number, filters: readonly string[], hostname = '') =>
  `{name: ${name}, protocol: HTTP, port: ${port}${hostname && `, hostname: "${hostname}"`}${filters.length > 0 ? `, filters: {requests: [${filters.join(', ')}]}` : ''}}`
const listeners = [
  listener('guarded', 80, [auth('first')], '*.guarded.test'),
  listener('open', 80, []),
  listener('both', 81, [auth('first'), auth('by-grpc', 'GRPC'), auth('second')]),
  listener('stream', 82, [auth('by-grpc', 'GRPC')]),
  listener('nobody', 83, [auth('gone')]),
]
const tenant = (name: string) =>
  `matches: [{headers: [{name: x-tenant, value: ${name}}]}], backendRefs: [{name: ${name}, port: 80}]`
const route = (name: string, section: string, rules: readonly string[], hostnames = '') =>
  httpRouteYaml(
    name,
    `  parentRefs: [{name: web, sectionName: ${section}}]\n${hostnames && `  hostnames: [${hostnames}]\n`}  rules: [${rules.map((r) => `{${r}}`).join(', ')}]`,
  )

beforeAll(async () => {
  for (const service of ['one', 'two', 'plain']) backends.push(await startEchoBackend({ service }))
  first = await startHTTPAuthBackend('alice')
  second = await startHTTPAuthBackend('bob')
  byGRPC = await startGRPCAuthBackend('carol')
  const session = 'sessionPersistence: {cookie: {name: s}}'
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('web', `[${listeners.join(', ')}]`),
      ...['one', 'two', 'plain'].map((name, i) => sliceYaml(name, backends[i]?.port ?? 0)),
      sliceYaml('first', first.port),
      sliceYaml('second', second.port),
      sliceYaml('by-grpc', byGRPC.port),
      route('guarded', 'guarded', [
        tenant('one'),
        // Routes that only the answer leads to, with filters of their own.
        `matches: [{headers: [{name: x-tenant, value: two}]}], filters: [${auth('second')}], ${session}, backendRefs: [{name: two, port: 80}]`,
      ]),
      route('everything', 'guarded', ['backendRefs: [{name: plain, port: 80}]'], 'all.guarded.test'),
      grpcRouteYaml(
        'g',
        '  parentRefs: [{name: web, sectionName: guarded}]\n  rules: [{backendRefs: [{name: plain, port: 80}]}]',
      ),
      route('open', 'open', ['backendRefs: [{name: plain, port: 80}]']),
      route('both', 'both', ['backendRefs: [{name: plain, port: 80}]']),
      route('stream', 'stream', ['backendRefs: [{name: plain, port: 80}]']),
      route('nobody', 'nobody', ['backendRefs: [{name: plain, port: 80}]']),
    ].join(''),
  )
})
afterAll(async () => {
  await envoy?.stop()
  for (const backend of [...backends, first, second, byGRPC]) await backend?.close()
})

const ask = (
  port: number,
  host: string,
  authorization?: string,
  headers: Record<string, string> = {},
  more: Partial<StaticRequest> = {},
): Promise<StaticAnswer> =>
  envoy.send(port, '/x', {
    ...more,
    host,
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
  })
const host = 'a.guarded.test'

describe('a filter of a listener', () => {
  it('is asked about every request of it, and refuses', async () => {
    for (const name of [host, 'all.guarded.test', 'deep.a.guarded.test'])
      expect((await ask(80, name, 'guess')).status, name).toBe(401)
  })

  it('is asked also where no route would match', async () => {
    const before = first.questions.length
    expect((await ask(80, host, 'guess')).status).toBe(401)
    expect((await ask(80, host, 'allow')).status).toBe(404)
    expect(first.questions.length).toBe(before + 2)
  })

  it('is not asked about requests to other listeners of the port', async () => {
    const before = first.questions.length
    for (const name of ['guarded.test', 'other.test']) expect((await ask(80, name)).echo.service).toBe('plain')
    expect(first.questions.length).toBe(before)
  })

  it('decides which route it is', async () => {
    const { status, echo } = await ask(80, host, 'allow', { 'x-claim': 'one' })
    expect([status, echo.service]).toEqual([200, 'one'])
    expect(echo.headers['X-Tenant']).toEqual(['one'])
  })

  it('replaces what a client says of itself', async () => {
    expect((await ask(80, host, 'allow', { 'x-claim': 'one', 'x-tenant': 'two' })).echo.service).toBe('one')
  })

  it('leads to the filters of the route that it has chosen: they are asked, too', async () => {
    const before = second.questions.length
    const answer = await ask(80, host, 'allow', { 'x-claim': 'two' })
    expect(answer.echo.service).toBe('two')
    expect(answer.echo.headers['X-User']).toEqual(['bob'])
    expect(second.questions.length).toBe(before + 1)
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^s=/)
  })

  it('cannot change the host, and with it the listener', async () => {
    expect((await ask(80, 'all.guarded.test', 'allow')).echo.host).toBe('all.guarded.test')
  })

  it('is asked about gRPC, too', async () => {
    const more = { method: 'POST' }
    const refused = await ask(80, host, 'guess', { 'content-type': 'application/grpc' }, more)
    // gRPC has a status of its own for 401: UNAUTHENTICATED.
    expect(refused.headers['grpc-status']).toBe('16')
  })
})

describe('several filters of a listener', () => {
  it('are asked in their order, and all must agree', async () => {
    const [one, two] = [first.questions.length, second.questions.length]
    const { echo } = await ask(81, 'any.test', 'allow')
    expect(echo.headers['X-User']).toEqual(['bob'])
    expect((await ask(81, 'any.test', 'guess')).status).toBe(401)
    expect([first.questions.length - one, second.questions.length - two]).toEqual([2, 1])
  })
})

describe('a filter by gRPC', () => {
  it('lets pass, refuses, and cannot change the host', async () => {
    const { status, echo } = await ask(82, 'any.test', 'allow')
    expect([status, echo.host, echo.headers['X-User']]).toEqual([200, 'any.test', ['carol']])
    expect((await ask(82, 'any.test')).status).toBe(403)
  })
})

describe('a filter that nobody answers', () => {
  it('lets nobody pass', async () => {
    expect((await ask(83, 'any.test', 'allow')).status).toBe(500)
  })
})
