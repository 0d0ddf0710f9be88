import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeApiServer } from '../../testing/fake-api-server.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import type { ApiAccessSource } from './api-access.ts'
import { ApiError } from './api-client.ts'
import { HttpApiClient } from './http-api-client.ts'

const services = '/api/v1/services'

let server: FakeApiServer
let client: HttpApiClient
let invalidated = 0

function accessTo({ access }: FakeApiServer): ApiAccessSource {
  return {
    current: async () => ({ ...access, headers: { authorization: 'Bearer s3cret' } }),
    invalidate: () => invalidated++,
  }
}

function put(name: string, spec: object = {}) {
  return server.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name }, spec })
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ApiError)
  return error as ApiError
}

describe.each([
  ['HTTP/1.1', 'http'],
  ['HTTP/2', 'https'],
] as const)('Over %s', (_title, protocol) => {
  beforeEach(async () => {
    server = await FakeApiServer.start({ timeScale: 0.01, protocol })
    invalidated = 0
    client = new HttpApiClient({ access: accessTo(server), maxAnswer: 10_000, maxLine: 2000 })
  })
  afterEach(async () => {
    client.close()
    await server.close()
  })

  describe('A call', () => {
    test('gives the parsed answer and sends credential, body and content type', async () => {
      const seen: unknown[] = []
      server.answer(({ authorization, contentType, body, accept }) => {
        seen.push({ authorization, contentType, body, accept })
        return undefined
      })
      put('a')
      const answer = await client.call({ method: 'GET', path: '/api/v1/namespaces/shop/services/a' })
      expect(answer).toMatchObject({ kind: 'Service', metadata: { name: 'a' } })
      const body = { spec: { x: 1 } }
      const contentType = 'application/merge-patch+json'
      await client.call({ method: 'PATCH', path: '/api/v1/namespaces/shop/services/a', body, contentType })
      expect(seen).toEqual([
        { authorization: 'Bearer s3cret', contentType: '', body: undefined, accept: 'application/json' },
        { authorization: 'Bearer s3cret', contentType, body, accept: 'application/json' },
      ])
    })

    test('keeps its connection for the next one', async () => {
      for (let i = 0; i < 10; i++) await client.call({ method: 'GET', path: services })
      expect(server.connections).toBe(1)
    })

    test('is not delayed by a slow answer to another one', async () => {
      server.faults.once({ resource: 'services' }, 'silence')
      const slow = failure(client.call({ method: 'GET', path: services, timeout: 200 }))
      await client.call({ method: 'GET', path: services })
      expect((await slow).code).toBe('timeout')
    })

    test('tells what the server refuses, and when to come back', async () => {
      server.faults.once({}, { status: 429, reason: 'TooManyRequests', message: 'slow down', retryAfter: 7 })
      const error = await failure(client.call({ method: 'GET', path: services }))
      expect(error).toMatchObject({ code: 'http', status: 429, reason: 'TooManyRequests', retryAfter: 7000 })
      expect(error.message).toBe('GET /api/v1/services: 429 TooManyRequests: slow down')
      expect(invalidated).toBe(0)
    })

    test('tells which fields the server objects to', async () => {
      const causes = [{ reason: 'FieldValueInvalid', message: 'is too long', field: 'spec.x' }]
      const body = { kind: 'Status', message: 'no', reason: 'Invalid', details: { causes: [...causes, 'text'] } }
      server.answer(() => ({ status: 422, body }))
      expect(await failure(client.call({ method: 'GET', path: services }))).toMatchObject({ status: 422, causes })
    })

    test('that is refused with 401 lets the credential be read anew', async () => {
      server.faults.once({}, { status: 401, reason: 'Unauthorized' })
      expect((await failure(client.call({ method: 'GET', path: services }))).status).toBe(401)
      expect(invalidated).toBe(1)
    })

    test.each([
      ['reset', 'network'],
      ['cut', 'malformed'],
      ['silence', 'timeout'],
    ] as const)('that meets a %s ends with %s', async (fault, code) => {
      server.faults.once({}, fault)
      expect((await failure(client.call({ method: 'GET', path: services, timeout: 100 }))).code).toBe(code)
    })

    test('that finds nobody ends with network', async () => {
      await server.close()
      expect((await failure(client.call({ method: 'GET', path: services }))).code).toBe('network')
    })

    test('reads no more than the limit', async () => {
      put('a', { text: 'x'.repeat(20_000) })
      const error = await failure(client.call({ method: 'GET', path: services }))
      expect([error.code, error.message]).toEqual(['malformed', expect.stringContaining('more than 10000 bytes')])
    })

    test('is given up when its signal is raised, also before it has begun', async () => {
      server.faults.always({}, 'silence')
      const controller = new AbortController()
      const first = failure(client.call({ method: 'GET', path: services, signal: controller.signal }))
      setTimeout(() => controller.abort(), 20)
      expect((await first).code).toBe('aborted')
      expect((await failure(client.call({ method: 'GET', path: services, signal: controller.signal }))).code).toBe(
        'aborted',
      )
    })
  })

  test('A call that is given up while the credential is still being read fails, and nothing else does', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    const current = async () => {
      await sleep(50)
      return server.access
    }
    const late = new HttpApiClient({ access: { current, invalidate() {} } })
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 10)
    const given = failure(late.call({ method: 'GET', path: services, signal: controller.signal }))
    const timed = failure(late.call({ method: 'GET', path: services, timeout: 10 }))
    expect([(await given).code, (await timed).code]).toEqual(['aborted', 'timeout'])
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
    late.close()
  })

  test('A client that is closed asks nobody any more', async () => {
    const closed = new HttpApiClient({
      access: { current: async () => server.access, invalidate() {} },
    })
    closed.close()
    expect((await failure(closed.call({ method: 'GET', path: services }))).code).toBe('aborted')
    expect([server.requests.count(), server.connections]).toEqual([0, 0])
  })

  describe('A list', () => {
    function list(onItem: (item: string) => unknown, { inactivityLimit = 5000, signal = AbortSignal.any([]) } = {}) {
      const take = (item: Buffer) => onItem(item.toString()) !== false
      return client.list({ path: services, query: { limit: '2' }, inactivityLimit, signal, onItem: take })
    }

    test('gives its items, and itself without them', async () => {
      for (const name of ['a', 'b', 'c']) put(name)
      const names: unknown[] = []
      const answer = await list((item) => names.push(JSON.parse(item).metadata.name))
      expect(names).toEqual(['a', 'b'])
      const metadata = { resourceVersion: expect.any(String), continue: expect.any(String) }
      expect(answer).toEqual({ apiVersion: 'v1', kind: 'ServiceList', metadata, items: [] })
    })

    test('of any length needs the room of an item', async () => {
      for (let i = 0; i < 500; i++) put(`s${i}`, { text: 'x'.repeat(1000) })
      let items = 0
      const { signal } = new AbortController()
      const onItem = () => ++items > 0
      await client.list({ path: services, query: {}, inactivityLimit: 5000, signal, onItem })
      expect(items).toBe(500)
      put('long', { text: 'x'.repeat(3000) })
      const long = client.list({ path: services, query: {}, inactivityLimit: 5000, signal, onItem })
      expect((await failure(long)).code).toBe('malformed')
    })

    test.each([
      ['reset', 'network'],
      ['cut', 'malformed'],
      ['silence', 'timeout'],
    ] as const)('that meets a %s ends with %s', async (fault, code) => {
      put('a')
      server.faults.once({}, fault)
      expect((await failure(list(() => {}, { inactivityLimit: 100 }))).code).toBe(code)
    })

    test('that is compressed, as long ones are, and cut short ends with malformed', async () => {
      for (let i = 0; i < 200; i++) put(`s${i}`, { text: String(i).repeat(500) })
      const ask = async () => {
        let items = 0
        const { signal } = new AbortController()
        const onItem = () => ++items > 0
        await client.list({ path: services, query: {}, inactivityLimit: 5000, signal, onItem })
        return items
      }
      expect(await ask()).toBe(200)
      server.faults.once({}, 'cut')
      expect(await failure(ask())).toMatchObject({ code: 'malformed', message: expect.stringContaining('end of file') })
    })

    test.each([
      ['short', 1],
      ['long and compressed', 200],
    ])('that is %s is not read before it may be', async (_title, count) => {
      for (let i = 0; i < count; i++) put(`s${i}`, { text: String(i).repeat(500) })
      const { signal } = new AbortController()
      const { promise: readsAfter, resolve } = Promise.withResolvers<void>()
      let items = 0
      const onItem = () => ++items > 0
      const request = { path: services, query: {}, inactivityLimit: 5000, readsAfter, signal, onItem }
      const [listed, others] = [client.list(request), list(() => {})]
      await others
      await sleep(50)
      expect(items).toBe(0)
      resolve()
      await listed
      expect(items).toBe(count)
    })

    test.each([
      ['reset', 'network'],
      ['cut', 'malformed'],
      ['silence', 'timeout'],
    ] as const)('that meets a %s before it may be read ends with %s', async (fault, code) => {
      for (let i = 0; i < 200; i++) put(`s${i}`, { text: String(i).repeat(500) })
      server.faults.once({}, fault)
      const { signal } = new AbortController()
      const request = { path: services, query: {}, inactivityLimit: 200, signal, onItem: () => true }
      const broken = failure(client.list({ ...request, readsAfter: sleep(50) }))
      expect((await broken).code).toBe(code)
    })

    test('ends with whatever the reader of the items throws, and when an item is no JSON', async () => {
      put('a')
      const refuse = () => {
        throw new Error('cannot take it')
      }
      await expect(list(refuse)).rejects.toThrow('cannot take it')
      expect((await failure(list(() => false))).code).toBe('malformed')
    })

    test('is given up when its signal is raised, and refused with the refusal', async () => {
      const controller = new AbortController()
      server.faults.once({}, 'silence')
      const ended = failure(list(() => {}, { signal: controller.signal }))
      setTimeout(() => controller.abort(), 20)
      expect((await ended).code).toBe('aborted')
      server.faults.once({ verb: 'list' }, { status: 410, reason: 'Expired' })
      expect(await failure(list(() => {}))).toMatchObject({ code: 'http', status: 410, reason: 'Expired' })
    })
  })

  describe('A watch', () => {
    function watch(
      onLine: (line: Buffer) => void,
      { inactivityLimit = 5000, timeoutSeconds = 10, onOpen = () => {} } = {},
    ) {
      const controller = new AbortController()
      const query = { timeoutSeconds: String(timeoutSeconds), allowWatchBookmarks: 'true' }
      const done = client.watch({ path: services, query, inactivityLimit, signal: controller.signal, onLine, onOpen })
      return { done, abort: () => controller.abort() }
    }

    test('gives the lines in order and ends when the server ends it', async () => {
      const told: string[] = []
      const { done } = watch((line) => told.push((JSON.parse(line.toString()) as { type: string }).type), {
        onOpen: () => told.push('open'),
      })
      while (server.countWatches() === 0) await sleep(1)
      put('a')
      put('a', { x: 1 })
      await done
      expect(told).toEqual(['open', 'ADDED', 'MODIFIED', 'BOOKMARK'])
    })

    test.each([
      ['reset', 'network'],
      ['cut', 'malformed'],
      ['silence', 'inactive'],
    ] as const)('that meets a %s ends with %s', async (fault, code) => {
      const { done } = watch(() => {}, { inactivityLimit: 150, timeoutSeconds: 1000 })
      const ended = failure(done)
      while (server.countWatches() === 0) await sleep(1)
      server.breakWatches(fault)
      put('a')
      expect((await ended).code).toBe(code)
    })

    test('is kept open by whatever comes', async () => {
      const clock = new FakeClock()
      const timed = new HttpApiClient({ access: accessTo(server), clock })
      let lines = 0
      const { signal } = new AbortController()
      const query = { timeoutSeconds: '1000' }
      const ended = failure(timed.watch({ path: services, query, inactivityLimit: 100, signal, onLine: () => lines++ }))
      await expect.poll(() => server.countWatches()).toBe(1)
      for (let i = 1; i <= 5; i++) {
        clock.advance(99)
        put(`s${i}`)
        await expect.poll(() => lines).toBe(i)
      }
      clock.advance(100)
      expect((await ended).code).toBe('inactive')
      timed.close()
      await expect.poll(() => clock.pending).toBe(0)
    })

    test('ends with whatever the reader of the lines throws', async () => {
      put('a')
      await expect(
        watch(() => {
          throw new Error('cannot take it')
        }).done,
      ).rejects.toThrow('cannot take it')
      await expect.poll(() => server.countWatches()).toBe(0)
    })

    test('accepts no line beyond the limit', async () => {
      put('a', { text: 'x'.repeat(3000) })
      expect((await failure(watch(() => {}).done)).code).toBe('malformed')
    })

    test('that is refused ends with the refusal', async () => {
      server.faults.once({ verb: 'watch' }, { status: 410, reason: 'Expired' })
      expect(await failure(watch(() => {}).done)).toMatchObject({ code: 'http', status: 410, reason: 'Expired' })
    })
  })

  test('After its end the client holds no connection', async () => {
    const controller = new AbortController()
    const watches = Array.from({ length: 5 }, () =>
      failure(
        client.watch({ path: services, query: {}, inactivityLimit: 5000, signal: controller.signal, onLine: () => {} }),
      ),
    )
    await Promise.all(Array.from({ length: 5 }, () => client.call({ method: 'GET', path: services })))
    client.close()
    expect((await Promise.all(watches)).map(({ code }) => code)).toEqual(Array(5).fill('aborted'))
    await expect.poll(() => server.connections).toBe(0)
  })

  test('No error shows the credential', async () => {
    server.faults.once({}, { status: 403, reason: 'Forbidden', message: 'no' })
    server.faults.once({}, 'reset')
    for (let i = 0; i < 2; i++) {
      const error = await failure(client.call({ method: 'GET', path: services }))
      expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain('s3cret')
    }
  })
})
