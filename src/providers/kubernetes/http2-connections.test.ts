import { createSecureServer, type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { issueCertificate } from '../../testing/certificates.ts'
import { FakeApiServer, scaleClock } from '../../testing/fake-api-server.ts'
import { ApiError } from './api-client.ts'
import { HttpApiClient } from './http-api-client.ts'

const path = '/api/v1/services'
/** A second of clients takes 10 ms. */
const clock = scaleClock(systemClock, 0.01)
const authority = issueCertificate({ dnsNames: ['localhost'], isAuthority: true })
const certificate = { cert: authority.certificate, key: authority.privateKey }

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

function openClient(server: string, ca = authority.certificate): HttpApiClient {
  const access = { server, headers: {}, tls: { ca, serverName: 'localhost' } }
  const client = new HttpApiClient({ clock, access: { current: async () => access, invalidate() {} } })
  endings.push(() => client.close())
  return client
}

async function startApi(): Promise<FakeApiServer> {
  const api = await FakeApiServer.start({ timeScale: 0.01 })
  endings.push(() => api.close())
  return api
}

/** @returns its URL */
async function listen(server: Server | Http2SecureServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A server whose requests are answered by the test. */
async function startHttp2(
  onStream: (stream: ServerHttp2Stream) => void,
  settings: { maxConcurrentStreams?: number } = {},
) {
  const sessions = new Set<ServerHttp2Session>()
  const server = createSecureServer({ ...certificate, settings })
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    onStream(stream as ServerHttp2Stream)
  })
  const url = await listen(server)
  endings.push(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { url, sessions }
}

/** A way to a server that can fall silent: connections of before stay open, and nothing passes any more. */
async function startPassage(target: number) {
  const sockets: Socket[] = []
  const passage = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
    sockets.push(client, upstream)
  })
  const url = await listen(passage)
  endings.push(() => {
    for (const socket of sockets) socket.destroy()
    passage.close()
  })
  return {
    url,
    fallSilent() {
      for (const socket of sockets.splice(0)) socket.unpipe().pause()
    },
  }
}

const answer = (stream: ServerHttp2Stream, body: unknown) => {
  stream.respond({ ':status': 200 })
  stream.end(JSON.stringify(body))
}

function watch(client: HttpApiClient, inactivityLimit = 1_000_000): Promise<ApiError> {
  const { signal } = new AbortController()
  return client.watch({ path, query: { timeoutSeconds: '1000000' }, inactivityLimit, signal, onLine() {} }).then(
    () => Promise.reject(new Error('the watch ended well')),
    (error: unknown) => {
      expect(error).toBeInstanceOf(ApiError)
      return error as ApiError
    },
  )
}

test('Requests share a connection until it has a hundred, and there is one more then', async () => {
  const api = await startApi()
  const client = openClient(api.url, api.access.tls.ca)
  const ended = Array.from({ length: 90 }, () => watch(client))
  await expect.poll(() => api.countWatches()).toBe(90)
  for (let i = 0; i < 10; i++) await client.call({ method: 'GET', path })
  expect(api.connections).toBe(1)
  ended.push(...Array.from({ length: 60 }, () => watch(client)))
  await expect.poll(() => api.countWatches()).toBe(150)
  expect(api.connections).toBe(2)
  client.close()
  expect((await Promise.all(ended)).every(({ code }) => code === 'aborted')).toBe(true)
  await expect.poll(() => api.connections).toBe(0)
})

test('A server that takes few requests at once is given more connections', async () => {
  let open = 0
  const { url, sessions } = await startHttp2(
    (stream) => {
      open++
      stream.on('close', () => open--)
      stream.respond({ ':status': 200 })
    },
    { maxConcurrentStreams: 4 },
  )
  const client = openClient(url)
  let isOver = false
  // Before its settings are known it is asked too much at once, and refuses: whoever is refused comes again.
  const keepWatching = async () => {
    while (!isOver) {
      await watch(client)
      await sleep(5)
    }
  }
  const watching = Array.from({ length: 10 }, keepWatching)
  await expect.poll(() => open).toBe(10)
  expect(sessions.size).toBe(3)
  isOver = true
  client.close()
  await Promise.all(watching)
})

test('A server that speaks HTTP/1.1 only is asked in that', async () => {
  const server = createHttpsServer(certificate, (request, response) =>
    response.end(JSON.stringify({ version: request.httpVersion })),
  )
  const url = await listen(server)
  endings.push(
    () => server.closeAllConnections(),
    () => server.close(),
  )
  const client = openClient(url)
  const ask = () => client.call({ method: 'GET', path })
  expect(await Promise.all([ask(), ask(), ask()])).toEqual(Array(3).fill({ version: '1.1' }))
  expect(await ask()).toEqual({ version: '1.1' })
})

test('A connection that has fallen silent is left, and what waits on it ends', async () => {
  const api = await startApi()
  const passage = await startPassage(Number(new URL(api.url).port))
  const client = openClient(passage.url, api.access.tls.ca)
  const broken = watch(client)
  await expect.poll(() => api.countWatches()).toBe(1)
  passage.fallSilent()
  const late = client.call({ method: 'GET', path, timeout: 1_000 })
  await expect(late).rejects.toMatchObject({ code: 'timeout' })
  // Others do not wait for the server to prove that it is dead.
  await client.call({ method: 'GET', path, timeout: 4_000 })
  expect(await broken).toMatchObject({ code: 'network', message: expect.stringContaining('the connection is dead') })
})

test('A connection whose server is merely slow with one request stays', async () => {
  const api = await startApi()
  const client = openClient(api.url, api.access.tls.ca)
  let isWatching = true
  void watch(client).then(() => {
    isWatching = false
  })
  await expect.poll(() => api.countWatches()).toBe(1)
  api.faults.once({ verb: 'list' }, 'silence')
  await expect(client.call({ method: 'GET', path, timeout: 1_000 })).rejects.toMatchObject({ code: 'timeout' })
  await sleep(100) // Ten seconds of the client: twice as long as a dead one is given.
  for (let i = 0; i < 3; i++) await client.call({ method: 'GET', path })
  expect([isWatching, api.connections]).toEqual([true, 1])
})

test('A server that goes away finishes what it has begun, and is asked anew by another connection', async () => {
  const held: ServerHttp2Stream[] = []
  const seen = new Set<unknown>()
  const { url } = await startHttp2((stream) => {
    seen.add(stream.session)
    if (held.length > 0) answer(stream, { number: 2 })
    else {
      held.push(stream)
      stream.session?.goaway(0, stream.id)
    }
  })
  const client = openClient(url)
  const first = client.call({ method: 'GET', path })
  await expect.poll(() => held.length).toBe(1)
  await sleep(50)
  expect(await client.call({ method: 'GET', path })).toEqual({ number: 2 })
  answer(held[0] as ServerHttp2Stream, { number: 1 })
  expect(await first).toEqual({ number: 1 })
  expect(seen.size).toBe(2)
})

test('A connection that nobody uses is closed', async () => {
  const api = await startApi()
  const client = openClient(api.url, api.access.tls.ca)
  await client.call({ method: 'GET', path })
  expect(api.connections).toBe(1)
  await expect.poll(() => api.connections, { timeout: 5_000 }).toBe(0)
  await client.call({ method: 'GET', path })
})

test('A server that accepts connections and says nothing is no server', async () => {
  const passage = createServer(() => {})
  const url = await listen(passage)
  endings.push(() => passage.close())
  const client = openClient(url)
  await expect(client.call({ method: 'GET', path })).rejects.toMatchObject({
    code: 'network',
    message: expect.stringContaining('no connection within 5000 ms'),
  })
})

test('A server with the certificate of somebody else is told nothing', async () => {
  const { url, sessions } = await startHttp2((stream) => answer(stream, {}))
  const client = openClient(url, issueCertificate({ dnsNames: ['localhost'], isAuthority: true }).certificate)
  await expect(client.call({ method: 'GET', path })).rejects.toMatchObject({ code: 'network' })
  expect(sessions.size).toBe(0)
})
