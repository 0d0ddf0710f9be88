import { afterEach, describe, expect, test } from 'vitest'
import type { LogFields, Logger } from '../../base/logger.ts'
import { FakeApi, type FakeApiOptions } from '../../testing/fake-api.ts'
import { FakeApiClient } from '../../testing/fake-api-client.ts'
import type { FakeObject } from '../../testing/fake-api-store.ts'
import { pass, settle } from '../../testing/fake-api-time.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import type { ApiClient } from './api-client.ts'
import { Reflector } from './reflector.ts'
import type { ReflectorOptions } from './reflector-options.ts'

/** A reflector of Services, its server, and what it has told. */
interface Bed {
  readonly clock: FakeClock
  readonly api: FakeApi
  readonly reflector: Reflector
  /** Name -> the spec's number. */
  readonly objects: Map<string, unknown>
  /** "+a1" put, "-a" deleted, "=synced" a state; in order. */
  readonly told: string[]
  readonly logged: string[]
}

interface BedOptions extends FakeApiOptions {
  readonly before?: (api: FakeApi) => void
  readonly reflector?: Partial<ReflectorOptions>
  readonly wrap?: (client: ApiClient) => ApiClient
  readonly onPut?: (name: string) => void
}

const running: Reflector[] = []
afterEach(async () => {
  for (const reflector of running.splice(0)) await reflector.stop()
})

function put(api: FakeApi, name: string, value = 1): FakeObject {
  return api.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name }, spec: { value } })
}

async function start(options: BedOptions = {}): Promise<Bed> {
  const clock = new FakeClock()
  const api = new FakeApi({ ...options, clock })
  options.before?.(api)
  const objects = new Map<string, unknown>()
  const told: string[] = []
  const logged: string[] = []
  const client = new FakeApiClient(api, clock)
  const reflector = new Reflector({
    client: options.wrap?.(client) ?? client,
    clock,
    logger: recordInto(logged),
    kind: 'Service',
    resource: { group: '', version: 'v1', plural: 'services' },
    random: () => 0.5,
    sink: {
      put(key, object) {
        const name = key.slice(key.indexOf('/') + 1)
        options.onPut?.(name)
        const { value } = object['spec'] as { value: number }
        objects.set(name, value)
        told.push(`+${name}${value}`)
      },
      delete(key) {
        const name = key.slice(key.indexOf('/') + 1)
        objects.delete(name)
        told.push(`-${name}`)
      },
      onState: (state) => told.push(`=${state}`),
    },
    ...options.reflector,
  })
  running.push(reflector)
  reflector.start()
  await settle()
  return { clock, api, reflector, objects, told, logged }
}

function recordInto(lines: string[]): Logger {
  const log = (level: string) => (message: string, fields?: LogFields) => {
    if (level !== 'debug') lines.push(`${level}: ${message}${fields?.['key'] ? ` ${fields['key']}` : ''}`)
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

/** The values on the server. */
function valuesOf(api: FakeApi): Map<string, unknown> {
  return new Map(api.list('Service').map((o) => [String(o.metadata.name), (o.spec as { value: number }).value]))
}

describe.each([
  ['With WatchList', true],
  ['With lists', false],
] as const)('%s', (_title, watchList) => {
  test('everything is loaded, and what happens later comes in order', async () => {
    const bed = await start({ watchList, before: (api) => ['a', 'b'].map((name) => put(api, name)) })
    put(bed.api, 'c')
    put(bed.api, 'a', 2)
    bed.api.delete('Service', 'shop', 'b')
    await settle()
    expect(bed.told).toEqual(['+a1', '+b1', '=synced', '+c1', '+a2', '-b'])
    expect(bed.reflector.state).toBe('synced')
    expect(bed.reflector.size).toBe(2)
    expect(bed.reflector.blindSince).toBeUndefined()
  })

  test('a silent watch is begun anew without a new load', async () => {
    const bed = await start({ watchList, before: (api) => put(api, 'a') })
    await pass(bed.clock, 300_000)
    const { verb, resource } = { verb: 'watch', resource: 'services' } as const
    expect(bed.api.requests.count({ verb, resource })).toBeLessThan(18)
    expect(bed.api.requests.count({ verb: 'list', resource })).toBe(watchList ? 0 : 1)
    expect(bed.reflector.counters).toMatchObject({
      relists: 0,
      watchErrors: 0 + Number(!watchList) * 0,
      longestBlind: 0,
    })
    expect(bed.told).toEqual(['+a1', '=synced'])
    put(bed.api, 'b')
    expect(bed.objects.get('b')).toBe(1)
  })

  test('what vanished while nobody looked is deleted, and nothing else is told again', async () => {
    const bed = await start({ watchList, before: (api) => ['a', 'b', 'c'].map((name) => put(api, name)) })
    bed.told.length = 0
    const heal = bed.api.faults.always({}, 'reset')
    bed.api.breakWatches('reset')
    bed.api.delete('Service', 'shop', 'b')
    put(bed.api, 'c', 2)
    bed.api.compact()
    await pass(bed.clock, 60_000)
    expect([...bed.objects.keys()]).toEqual(['a', 'b', 'c'])
    expect(bed.reflector.state).toBe('failing')
    heal()
    await pass(bed.clock, 11_000)
    expect(bed.objects).toEqual(valuesOf(bed.api))
    expect(bed.told.filter((line) => !line.startsWith('='))).toEqual(['+c2', '-b'])
    expect(bed.reflector.counters.relists).toBe(1)
  })

  test.each(['reset', 'cut', 'end', 'error', 'expire', 'silence'] as const)(
    'a %s of the watch loses nothing',
    async (fault) => {
      const bed = await start({ watchList, before: (api) => put(api, 'a') })
      bed.api.breakWatches(fault)
      put(bed.api, 'b')
      bed.api.delete('Service', 'shop', 'a')
      await pass(bed.clock, fault === 'silence' ? 35_000 : 1000)
      expect(bed.objects).toEqual(new Map([['b', 1]]))
      expect(bed.reflector.counters.relists).toBe(fault === 'expire' ? 1 : 0)
      expect(bed.reflector.counters.longestBlind).toBeLessThanOrEqual(35_000)
      expect(bed.logged).toEqual([])
    },
  )

  test('every fault at the beginning is overcome', async () => {
    const bed = await start({
      watchList,
      before(api) {
        put(api, 'a')
        for (const fault of ['reset', 'cut', { status: 500 }, { status: 429, retryAfter: 2 }, { status: 401 }] as const)
          api.faults.once({ resource: 'services' }, fault)
      },
    })
    expect(bed.reflector.state).toBe('loading')
    await pass(bed.clock, 20_000)
    expect(bed.told).toEqual(['=failing', '+a1', '=synced'])
    expect(bed.logged).toEqual(['warn: Service cannot be read.', 'info: Service can be read again.'])
  })

  test('an object without a name is told once and harms no other', async () => {
    const bed = await start({ watchList })
    const table = bed.api.store.table('', 'services')
    for (const version of [5000, 5001])
      for (const listener of [...(table?.listeners ?? [])])
        listener({ type: 'ADDED', version, object: { metadata: {} }, previous: undefined })
    put(bed.api, 'a')
    expect(bed.objects.get('a')).toBe(1)
    expect(bed.reflector.counters.malformed).toBe(2)
    expect(bed.logged).toEqual(['error: A Service has no name or no resourceVersion.'])
  })

  test('an object that nobody can take keeps what it was, and harms no other', async () => {
    let broken = ''
    const onPut = (name: string) => {
      if (name === broken) throw new Error('poison')
    }
    const bed = await start({ watchList, onPut, before: (api) => put(api, 'a') })
    broken = 'a'
    put(bed.api, 'a', 2)
    put(bed.api, 'a', 3)
    put(bed.api, 'b')
    expect(bed.objects).toEqual(
      new Map([
        ['a', 1],
        ['b', 1],
      ]),
    )
    expect(bed.logged).toEqual(['error: A Service could not be taken in; what it was before stays. shop/a'])
    broken = ''
    put(bed.api, 'a', 4)
    expect(bed.objects.get('a')).toBe(4)
  })

  test('events that come twice or in the wrong order end in the right state', async () => {
    const bed = await start({ watchList, before: (api) => put(api, 'a') })
    bed.api.faults.duplicate = true
    put(bed.api, 'a', 2)
    bed.api.faults.duplicate = false
    bed.api.faults.reorder = true
    put(bed.api, 'a', 3)
    put(bed.api, 'a', 4)
    put(bed.api, 'b', 1)
    bed.api.delete('Service', 'shop', 'b')
    bed.api.faults.reorder = false
    expect(bed.told).toEqual(['+a1', '=synced', '+a2', '+a4'])
    expect(bed.reflector.counters.staleEvents).toBe(4)
  })

  test('an event that was overtaken when the connection broke is not lost', async () => {
    let breakAt = (_name: string) => {}
    const bed = await start({ watchList, onPut: (name) => breakAt(name) })
    breakAt = (name) => {
      if (name === 'second') bed.api.breakWatches('reset')
    }
    bed.api.faults.reorder = true
    put(bed.api, 'first')
    put(bed.api, 'second')
    expect(bed.told).toEqual(['=synced', '+second1'])
    bed.api.faults.clear()
    await pass(bed.clock, 200)
    expect(bed.told).toEqual(['=synced', '+second1', '+first1'])
    expect(bed.reflector.counters.relists).toBe(0)
  })
})

test('Lists come in pages, and a page that is too old begins a new list', async () => {
  const names = Array.from({ length: 25 }, (_, i) => `s${i}`)
  const bed = await start({
    watchList: false,
    reflector: { pageSize: 10 },
    before(api) {
      for (const name of names) put(api, name)
      api.faults.once({ verb: 'list', continued: true }, { status: 410, reason: 'Expired' }, 3)
    },
  })
  await pass(bed.clock, 5000)
  expect([...bed.objects.keys()]).toEqual(names)
  // Three that met the fault on their second page, and one of three pages.
  expect(bed.api.requests.count({ verb: 'list' })).toBe(3 * 2 + 3)
  expect(bed.told.filter((line) => line.startsWith('+')).length).toBe(25)
})

test('A list that is too large is asked for in smaller pages', async () => {
  const sizes: string[] = []
  const bed = await start({
    watchList: false,
    before: (api) => api.faults.once({ verb: 'list' }, 'cut', 3),
    wrap: (client) => ({
      call: (request) => client.call(request),
      list(request) {
        sizes.push(request.query['limit'] ?? 'all')
        return client.list(request)
      },
      watch: (request) => client.watch(request),
    }),
  })
  await pass(bed.clock, 1000)
  expect(sizes).toEqual(['all', '500', '250', '125'])
  expect(bed.reflector.state).toBe('synced')
})

test('A kind of which there may be many is listed, also where there is WatchList, and then watched from there', async () => {
  const bed = await start({ reflector: { beginsWithList: true }, before: (api) => put(api, 'a') })
  const requests = bed.api.requests.list({ resource: 'services' }).map(({ verb }) => verb)
  expect([requests, bed.told]).toEqual([
    ['list', 'watch'],
    ['+a1', '=synced'],
  ])
  put(bed.api, 'b')
  bed.api.breakWatches('expire')
  bed.api.delete('Service', 'shop', 'a')
  await pass(bed.clock, 1000)
  expect(bed.told).toEqual(['+a1', '=synced', '+b1', '-a'])
  expect(bed.api.requests.count({ verb: 'list' })).toBe(2)
  expect(bed.logged).toEqual([])
})

test('What came of a list that broke off stays, and the next list tells what has gone meanwhile', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `s${i}`)
  const bed = await start({
    reflector: { beginsWithList: true },
    before(api) {
      for (const name of names) put(api, name)
      api.faults.once({ verb: 'list' }, 'cut')
    },
  })
  const first = bed.told.length
  expect(first).toBeGreaterThan(3)
  expect(first).toBeLessThan(20)
  expect(bed.reflector.isLoaded).toBe(false)
  bed.api.delete('Service', 'shop', 's0')
  await pass(bed.clock, 1000)
  expect([...bed.objects.keys()]).toEqual(names.slice(1))
  expect(bed.told.filter((line) => line.startsWith('+')).length).toBe(20)
  expect(bed.told.slice(-2)).toEqual(['-s0', '=synced'])
})

test('A server without WatchList is asked for it once', async () => {
  const bed = await start({ watchList: false })
  bed.api.compact()
  for (let i = 0; i < 3; i++) {
    bed.api.breakWatches('expire')
    await pass(bed.clock, 5000)
  }
  expect(bed.reflector.counters).toMatchObject({ relists: 3, listErrors: 0 })
  expect(bed.api.requests.count({ verb: 'list' })).toBe(4)
})

test('A server that does not know WatchList and sends no end of the initial state is asked for a list', async () => {
  const strip = (request: Parameters<ApiClient['watch']>[0]) => {
    const { sendInitialEvents: _send, resourceVersionMatch: _match, ...query } = request.query
    return { ...request, query }
  }
  const bed = await start({
    before: (api) => put(api, 'a'),
    wrap: (client) => ({
      call: (r) => client.call(r),
      list: (r) => client.list(r),
      watch: (r) => client.watch(strip(r)),
    }),
  })
  expect(bed.reflector.state).toBe('loading')
  await pass(bed.clock, 30_000)
  expect(bed.told).toEqual(['+a1', '=synced'])
})

test('A missing right is told once, asked for slowly, and used when it is given', async () => {
  const bed = await start({ before: (api) => put(api, 'a') })
  const grant = bed.api.faults.always({ resource: 'services' }, { status: 403, reason: 'Forbidden' })
  bed.api.breakWatches('end')
  await pass(bed.clock, 600_000, 500)
  expect(bed.objects.get('a')).toBe(1)
  expect(bed.reflector.state).toBe('forbidden')
  expect(bed.api.requests.count({ verb: 'watch' })).toBeLessThan(200)
  grant()
  // Whoever gives the right sees within seconds that it is used.
  await pass(bed.clock, 11_000, 500)
  expect(bed.reflector.state).toBe('synced')
  expect(bed.logged).toEqual(['warn: There is no right to read Service.', 'info: Service can be read again.'])
})

test('Retry-After is heeded', async () => {
  const bed = await start({
    before(api) {
      api.faults.once({ verb: 'watch' }, { status: 429, retryAfter: 8 })
    },
  })
  await pass(bed.clock, 7900)
  expect(bed.api.requests.count()).toBe(1)
  await pass(bed.clock, 200)
  expect(bed.reflector.state).toBe('synced')
})

test('A server that ends every watch at once is not stormed', async () => {
  const bed = await start()
  const end = () => bed.api.breakWatches('end')
  for (let i = 0; i < 1200; i++) {
    end()
    await pass(bed.clock, 50)
  }
  expect(bed.api.requests.count()).toBeLessThan(40)
  await pass(bed.clock, 11_000)
  put(bed.api, 'a')
  expect(bed.objects.get('a')).toBe(1)
})

test('A watch that the server never begins is given up', async () => {
  const bed = await start({ before: (api) => put(api, 'a') })
  bed.api.faults.once({ verb: 'watch' }, 'silence')
  bed.api.breakWatches('end')
  put(bed.api, 'b')
  await pass(bed.clock, 10_200)
  expect(bed.objects.get('b')).toBe(1)
})

test('A server that is behind what was known before empties nothing; a restored backup is believed in the end', async () => {
  const bed = await start({ watchList: false, before: (api) => ['a', 'b'].map((name) => put(api, name)) })
  const versionOfBackup = '7'
  const restored = {
    kind: 'ServiceList',
    metadata: { resourceVersion: versionOfBackup },
    items: [{ metadata: { namespace: 'shop', name: 'a', resourceVersion: '3' }, spec: { value: 0 } }],
  }
  let lists = 0
  bed.api.answer(({ url }) => {
    if (url.includes(`resourceVersion=${versionOfBackup}&`)) return { status: 500, body: { message: 'later' } }
    if (url.includes('watch=true')) return { status: 410, body: { message: 'too old', reason: 'Expired' } }
    lists++
    return { status: 200, body: restored }
  })
  bed.api.breakWatches('end')
  await pass(bed.clock, 1000)
  expect(lists).toBeGreaterThan(1)
  expect(bed.objects).toEqual(
    new Map([
      ['a', 1],
      ['b', 1],
    ]),
  )
  await pass(bed.clock, 30_000)
  expect(bed.objects.get('a')).toBe(0)
  expect(bed.told).toContain('-b')
})

test('After stop nothing is under way', async () => {
  const bed = await start({ before: (api) => put(api, 'a') })
  await bed.reflector.stop()
  expect(bed.api.countWatches()).toBe(0)
  expect(bed.clock.pending).toBe(0)
  put(bed.api, 'b')
  expect(bed.told).toEqual(['+a1', '=synced'])
})
