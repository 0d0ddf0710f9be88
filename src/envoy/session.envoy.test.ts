import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  gatewayClassYaml,
  gatewayYaml,
  grpcRouteYaml,
  httpRouteYaml,
  loopbackBackendYaml,
} from '../testing/builders.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { type GRPCBackend, GRPCClient, startGRPCBackend } from '../testing/grpc-backend.ts'
import { type StaticAnswer, StaticEnvoy } from '../testing/static-envoy.ts'

/* Sessions through stock Envoy, with clients that keep cookies and headers as browsers and libraries do. */

const endpoints: EchoBackend[] = []
const grpcEndpoints: GRPCBackend[] = []
let envoy: StaticEnvoy

const ref = (name: string, more = '') =>
  `{group: gateway.envoyproxy.io, kind: Backend, name: ${name}${more && `, ${more}`}}`
const rules: string[] = []
const addRule = (path: string, session: string, refs: string): string => {
  rules.push(`{matches: [{path: {value: ${path}}}], sessionPersistence: ${session}, backendRefs: [${refs}]}`)
  return path
}
/** Enough for chance to pick another one: three endpoints agree 20 times in a row less than once in a billion. */
const many = 20

beforeAll(async () => {
  for (const service of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3']) endpoints.push(await startEchoBackend({ service }))
  for (const service of ['g1', 'g2', 'g3']) grpcEndpoints.push(await startGRPCBackend(service, ['/s.S/M']))
  const ports = endpoints.map((e) => e.port)
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]'),
      loopbackBackendYaml('a', ports.slice(0, 3)),
      loopbackBackendYaml('b', ports.slice(3)),
      loopbackBackendYaml(
        'g',
        grpcEndpoints.map((e) => e.port),
      ),
      httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules:\n${rules.map((r) => `  - ${r}`).join('\n')}`),
      grpcRouteYaml(
        'g',
        `  parentRefs: [{name: web}]\n  hostnames: [grpc.test]\n  rules: [{sessionPersistence: {type: Header, header: {name: x-session}}, backendRefs: [${ref('g')}]}]`,
      ),
    ].join(''),
  )
})
afterAll(async () => {
  await envoy?.stop()
  for (const endpoint of [...endpoints, ...grpcEndpoints]) await endpoint.close()
})

const cookiesOf = ({ headers }: StaticAnswer) => [headers['set-cookie'] ?? []].flat()
/** A browser with its cookies. */
class Browser {
  readonly cookies = new Map<string, string>()

  async get(path: string): Promise<string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await envoy.send(80, path, cookie === '' ? {} : { headers: { cookie } })
    for (const text of cookiesOf(answer)) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
      this.cookies.set(name, value)
    }
    return answer.echo.service
  }

  /** Who answers one request after the other, each once. */
  async visit(path: string, times = many): Promise<string[]> {
    const found = new Set<string>()
    for (let i = 0; i < times; i++) found.add(await this.get(path))
    return [...found]
  }
}
/** Who answers clients that keep nothing, each once, sorted. */
async function strangers(path: string, times: number): Promise<string[]> {
  const found = new Set<string>()
  for (let i = 0; i < times; i++) found.add(await new Browser().get(path))
  return [...found].sort()
}

describe('a session by cookie', () => {
  const named = addRule('/named', '{cookie: {name: my-session, path: /named}}', ref('a'))
  const nameless = addRule('/nameless', '{cookie: {}}', ref('a'))
  const permanent = addRule('/permanent', '{absoluteTimeout: 2s, cookie: {name: p, lifetimeType: Permanent}}', ref('a'))
  const old = addRule('/old', '{sessionName: old-session, cookieConfig: {lifetimeType: Session}}', ref('a'))

  it.each([named, nameless, permanent, old])('stays at one endpoint (%s)', async (path) => {
    expect(await new Browser().visit(path)).toHaveLength(1)
  })

  it('is one of many', async () => {
    expect(await strangers(named, 60)).toEqual(['a1', 'a2', 'a3'])
  })

  it('has the name and the path that are given, and ends with the browser', async () => {
    const [cookie] = cookiesOf(await envoy.send(80, named))
    expect(cookie).toMatch(/^my-session="?[^;]+"?; Path=\/named; HttpOnly$/)
    expect(cookiesOf(await envoy.send(80, old))[0]).toMatch(/^old-session=/)
  })

  it('has a name of its own without one, and the path of everything', async () => {
    expect(cookiesOf(await envoy.send(80, nameless))[0]).toMatch(
      /^gatewright-session-[\w-]{11}=[^;]+; Path=\/; HttpOnly$/,
    )
  })

  it('ends after its time, also for a client that keeps its cookie', async () => {
    expect(cookiesOf(await envoy.send(80, permanent))[0]).toMatch(/^p=[^;]+; Max-Age=2; Path=\/; HttpOnly$/)
    const [cookie = ''] = cookiesOf(await envoy.send(80, permanent)).map((text) => text.split(';')[0] ?? '')
    const visit = async () => {
      const found = new Set<string>()
      for (let i = 0; i < many; i++) found.add((await envoy.send(80, permanent, { headers: { cookie } })).echo.service)
      return found.size
    }
    expect(await visit()).toBe(1)
    await sleep(3000)
    expect(await visit()).toBeGreaterThan(1)
  })

  it('with a cookie of somebody else is a new one', async () => {
    const cookies = [
      'my-session=nonsense',
      'my-session="MTI3LjAuMC4xOjE="',
      `my-session=${Buffer.from('10.0.0.1:80').toString('base64')}`,
    ]
    for (const cookie of cookies) {
      const answer = await envoy.send(80, named, { headers: { cookie } })
      expect(answer.status).toBe(200)
      expect(cookiesOf(answer)[0]).toMatch(/^my-session=/)
    }
  })
})

describe('a session among several backends', () => {
  const split = addRule('/split', '{cookie: {name: split}}', `${ref('a', 'weight: 1')}, ${ref('b', 'weight: 1')}`)
  const partly = addRule('/partly', '{cookie: {name: partly}}', `${ref('a')}, ${ref('gone')}`)
  const rewrite =
    'filters: [{type: URLRewrite, urlRewrite: {hostname: inner.test, path: {type: ReplaceFullPath, replaceFullPath: /inner}}}]'
  const different = addRule('/different', '{cookie: {name: different}}', `${ref('a')}, ${ref('b', rewrite)}`)
  const left = addRule('/left', '{cookie: {name: split}}', `${ref('a', 'weight: 1')}, ${ref('b', 'weight: 0')}`)

  it.each([split, different])('stays at one endpoint of one of them (%s)', async (path) => {
    for (let i = 0; i < 4; i++) expect(await new Browser().visit(path)).toHaveLength(1)
  })

  it('is shared out by weight', async () => {
    const found = await strangers(split, 80)
    expect(found).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
  })

  it('does not keep clients at a backend that gets nothing any more', async () => {
    const browser = new Browser()
    for (let i = 0; i < 40 && !(await browser.get(split)).startsWith('b'); i++) browser.cookies.clear()
    expect(await browser.get(split)).toMatch(/^b/)
    const [now] = await browser.visit(left)
    expect(now).toMatch(/^a/)
    expect(await browser.visit(left)).toEqual([now])
  })

  it('keeps those who found a backend, beside a share that fails', async () => {
    let answer = await envoy.send(80, partly)
    for (let i = 0; i < 40 && answer.status !== 200; i++) answer = await envoy.send(80, partly)
    const cookie = cookiesOf(answer)
      .map((text) => text.split(';')[0])
      .join('; ')
    for (let i = 0; i < many; i++)
      expect((await envoy.send(80, partly, { headers: { cookie } })).status, cookie).toBe(200)
  })
})

describe('a session by header', () => {
  const path = addRule('/header', '{type: Header, header: {name: X-Session}}', ref('a'))

  it('stays at the endpoint that the header of the first answer names', async () => {
    const first = await envoy.send(80, path)
    const session = String(first.headers['x-session'])
    expect(session).not.toBe('undefined')
    for (let i = 0; i < many; i++)
      expect((await envoy.send(80, path, { headers: { 'x-session': session } })).echo.service).toBe(first.echo.service)
  })

  it('holds for gRPC, too', async () => {
    const client = new GRPCClient(envoy.address(80), 'grpc.test')
    const first = await client.call('/s.S/M')
    const session = String(first.headers['x-session'])
    for (let i = 0; i < many; i++)
      expect((await client.call('/s.S/M', { 'x-session': session })).answer?.service).toBe(first.answer?.service)
    client.close()
  })
})
