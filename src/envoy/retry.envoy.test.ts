import { createServer, type Server } from 'node:http'
import { constants, createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, loopbackBackendYaml } from '../testing/builders.ts'
import { StaticEnvoy } from '../testing/static-envoy.ts'

/*
 * Retries through stock Envoy. A request says how often its backend should fail before it answers.
 *
 * Features: HTTPRouteRetryCodes, HTTPRouteRetryConnectionError.
 */

let flaky: Server
let refusing: Http2Server
let envoy: StaticEnvoy
/** How many tries each request has had, by its id. */
const tries = new Map<string, number>()

/** `?id=&times=&code=&delay=&cut=`: fails so many times, with this status, late, or by cutting the connection. */
function startFlakyBackend(): Server {
  return createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://flaky').searchParams
    const id = query.get('id') ?? ''
    const count = (tries.get(id) ?? 0) + 1
    tries.set(id, count)
    if (count > Number(query.get('times') ?? 0)) {
      response.end('done')
      return
    }
    const fail = () => {
      if (query.has('cut')) response.destroy()
      else response.writeHead(Number(query.get('code') ?? 500)).end()
    }
    setTimeout(fail, Number(query.get('delay') ?? 0))
  })
}

/** Refuses the first stream of each path before it looks at it. */
function startRefusingBackend(): Http2Server {
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined)
    const id = String(headers[':path'])
    const count = (tries.get(id) ?? 0) + 1
    tries.set(id, count)
    if (count === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM)
    else stream.respond({ ':status': 200 }, { endStream: true })
  })
  return server
}

const listen = (server: Server | Http2Server | TcpServer) =>
  new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

/** A port where nobody listens. */
async function findClosedPort(): Promise<number> {
  const server = createTcpServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

const rules: string[] = []
const addRule = (path: string, fields: string, backend = 'flaky'): string => {
  const ref = `{group: gateway.envoyproxy.io, kind: Backend, name: ${backend}}`
  rules.push(`{matches: [{path: {value: ${path}}}], ${fields}, backendRefs: [${ref}]}`)
  return path
}

beforeAll(async () => {
  flaky = startFlakyBackend()
  refusing = startRefusingBackend()
  const [open, refused, closed] = [await listen(flaky), await listen(refusing), await findClosedPort()]
  envoy = await StaticEnvoy.start(
    [
      gatewayClassYaml,
      gatewayYaml('web', '[{name: http, protocol: HTTP, port: 80}]'),
      loopbackBackendYaml('flaky', [open]),
      loopbackBackendYaml('half', [closed, open]),
      loopbackBackendYaml('closed', [closed]),
      loopbackBackendYaml('refusing', [refused], ', appProtocols: [gateway.envoyproxy.io/h2c]'),
      httpRouteYaml('r', `  parentRefs: [{name: web}]\n  rules:\n${rules.map((r) => `  - ${r}`).join('\n')}`),
    ].join(''),
  )
})
afterAll(async () => {
  await envoy?.stop()
  for (const server of [flaky, refusing]) server?.close()
  flaky?.closeAllConnections()
})

let requests = 0
/** The answer's status, and how many tries it took. */
async function ask(path: string, query: Record<string, string | number> = {}) {
  const id = String(++requests)
  const text = new URLSearchParams({ ...Object.fromEntries(Object.entries(query).map(([k, v]) => [k, `${v}`])), id })
  const { status } = await envoy.send(80, `${path}?${text}`)
  return { status, tries: tries.get(id) ?? 0 }
}

describe('listed status codes', () => {
  const codes = addRule('/codes', 'retry: {codes: [500], attempts: 3}')
  const all = addRule('/all', 'retry: {codes: [500, 502, 503, 504], attempts: 2}')
  const never = addRule('/never', 'retry: {codes: [500, 502, 503, 504], attempts: 0}')
  const once = addRule('/once', 'retry: {codes: [500]}')
  const none = addRule('/none', 'name: none')

  it('are tried again as often as told', async () => {
    expect(await ask(codes, { times: 2 })).toEqual({ status: 200, tries: 3 })
    expect(await ask(codes, { times: 3 })).toEqual({ status: 200, tries: 4 })
    expect(await ask(codes, { times: 4 })).toEqual({ status: 500, tries: 4 })
  })

  it('are tried again, others are not', async () => {
    expect(await ask(codes, { times: 1, code: 503 })).toEqual({ status: 503, tries: 1 })
  })

  it.each([500, 502, 503, 504])('may be %i', async (code) => {
    expect(await ask(all, { times: 1, code })).toEqual({ status: 200, tries: 2 })
    expect(await ask(all, { times: 3, code })).toEqual({ status: code, tries: 3 })
  })

  it('are not tried again with attempts 0, once without attempts, and never without a retry', async () => {
    expect(await ask(never, { times: 1 })).toEqual({ status: 500, tries: 1 })
    expect(await ask(once, { times: 1 })).toEqual({ status: 200, tries: 2 })
    expect(await ask(once, { times: 2 })).toEqual({ status: 500, tries: 2 })
    expect(await ask(none, { times: 1 })).toEqual({ status: 500, tries: 1 })
  })
})

describe('what no backend has seen', () => {
  const half = addRule('/half', 'retry: {attempts: 100}', 'half')
  const closed = addRule('/closed', 'retry: {attempts: 2, backoff: 300ms}', 'closed')
  const refused = addRule('/refused', 'retry: {attempts: 1}', 'refusing')
  const refusedNever = addRule('/surfaces', 'retry: {attempts: 0}', 'refusing')

  it('is tried at another endpoint, without a list of codes', async () => {
    for (let i = 0; i < 20; i++) expect((await ask(half)).status).toBe(200)
  })

  it('is given up after the last try, with the base interval between tries', async () => {
    const start = performance.now()
    expect((await ask(closed)).status).toBe(503)
    // Envoy waits a random part of the interval, which doubles with each try.
    expect(performance.now() - start).toBeLessThan(3000)
  })

  it('is tried again when the backend refuses the stream', async () => {
    expect((await envoy.send(80, refused)).status).toBe(200)
    expect(tries.get(refused)).toBe(2)
    expect((await envoy.send(80, refusedNever)).status).toBe(503)
  })
})

describe('what a backend may have worked on', () => {
  const cut = addRule('/cut', 'retry: {codes: [500], attempts: 3}')

  it('is not tried again when the connection ends', async () => {
    expect(await ask(cut, { times: 1, cut: 1 })).toEqual({ status: 503, tries: 1 })
  })
})

describe('limits of time', () => {
  const request = addRule('/request', 'timeouts: {request: 500ms}, retry: {codes: [500], attempts: 5}')
  const single = addRule(
    '/single',
    'timeouts: {request: 15s, backendRequest: 500ms}, retry: {codes: [500], attempts: 3}',
  )
  const backendOnly = addRule('/backend-only', 'timeouts: {backendRequest: 300ms}, retry: {attempts: 2}')

  it('of the request hold for all tries together', async () => {
    expect(await ask(request, { times: 1 })).toEqual({ status: 200, tries: 2 })
    expect((await ask(request, { times: 2, delay: 300 })).status).toBe(504)
  })

  it('of one try leave time for the next', async () => {
    expect(await ask(single, { times: 2, delay: 100 })).toEqual({ status: 200, tries: 3 })
  })

  it('of one try end it, and it is tried again', async () => {
    expect(await ask(single, { times: 1, delay: 5000 })).toEqual({ status: 200, tries: 2 })
    const start = performance.now()
    expect(await ask(backendOnly, { times: 9, delay: 5000 })).toEqual({ status: 504, tries: 3 })
    expect(performance.now() - start).toBeLessThan(2500)
  })
})
