import { describe, expect, test } from 'vitest'
import { type LogFields, silentLogger } from '../../base/logger.ts'
import { Scheduler } from '../../collections/scheduler.ts'
import { type NamespacedName, splitNamespacedName } from '../../gatewayapi/object-key.ts'
import { httpError, MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { ApiError, type ApiRequest, apiPath } from './api-client.ts'
import { LiveStatuses } from './live-statuses.ts'
import { findPatience } from './status-patience.ts'
import { gatewayShape, routeShape } from './status-shape.ts'
import { StatusWriter } from './status-writer.ts'

const controllerName = 'gatewright.dev/gateway-controller'
const group = 'gateway.networking.k8s.io'
const resources = {
  Gateway: { group, version: 'v1', plural: 'gateways' },
  HTTPRoute: { group, version: 'v1', plural: 'httproutes' },
}
type Kind = keyof typeof resources

const condition = (status = 'True', more: object = {}) => ({
  type: 'Accepted',
  status,
  reason: 'Accepted',
  message: '',
  observedGeneration: 1,
  ...more,
})
const routeStatus = (status = 'True', more: object = {}) => ({
  parents: [
    { parentRef: { group, kind: 'Gateway', name: 'gw' }, controllerName, conditions: [condition(status, more)] },
  ],
})
const gatewayStatus = (attachedRoutes: number, status = 'True') => ({
  addresses: [],
  conditions: [condition(status)],
  listeners: [{ name: 'http', supportedKinds: [], attachedRoutes, conditions: [condition()] }],
})
const foreignParent = {
  parentRef: { group, kind: 'Gateway', name: 'other' },
  controllerName: 'example.com/other',
  conditions: [{ type: 'Accepted', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }],
}

const pathOf = (kind: Kind, key: string) => {
  const { namespace, name } = splitNamespacedName(key as NamespacedName)
  return apiPath(resources[kind], namespace, name)
}

/** A writer with an API server, and a watch that tells it at once what happens there. */
class Bed {
  readonly api = new MemoryApi()
  readonly live = new LiveStatuses()
  readonly clock = new FakeClock()
  readonly logged: [string, LogFields | undefined][] = []
  readonly scheduler = new Scheduler({ rethrow: true })
  readonly desired = {
    Gateway: this.scheduler.source<NamespacedName, object>('Gateway'),
    HTTPRoute: this.scheduler.source<NamespacedName, object>('HTTPRoute'),
  }
  readonly writer: StatusWriter
  readonly served = new Set<string>(Object.keys(resources))
  isLeader = true
  /** While false the watch says nothing. */
  isWatching = true
  #seconds = 0

  constructor() {
    const log = (message: string, fields?: LogFields) => void this.logged.push([message, fields])
    this.writer = new StatusWriter({
      api: this.api,
      live: this.live,
      kinds: [
        { kind: 'Gateway', shape: gatewayShape, desired: this.desired.Gateway, isPaced: true, patience: findPatience },
        { kind: 'HTTPRoute', shape: routeShape, desired: this.desired.HTTPRoute, isPaced: false },
      ],
      resourceOf: (kind) => (this.served.has(kind) ? resources[kind as Kind] : undefined),
      controllerName,
      isLeader: () => this.isLeader,
      logger: { ...silentLogger, info: log, warn: log, error: log },
      clock: this.clock,
      time: () => new Date(Date.UTC(2026, 0, 1, 0, 0, this.#seconds++)),
      random: () => 0.5,
    })
    this.api.onChange = (path) => {
      if (this.isWatching) this.tell(path)
    }
  }

  /** What a watch would say about an object. */
  tell(path: string): void {
    const object = this.api.objects.get(path)
    const [, namespace, plural, name] = /namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path) as RegExpExecArray
    const kind = plural === 'gateways' ? 'Gateway' : 'HTTPRoute'
    const key = `${namespace}/${name}` as NamespacedName
    const { resourceVersion = '', uid = '', generation = 0 } = (object?.metadata ?? {}) as Record<string, never>
    const status = object?.['status'] === undefined ? '' : JSON.stringify(object['status'])
    this.live.applyStatus([{ kind, key, live: object && { resourceVersion, uid, generation, status } }])
  }

  put(kind: Kind, key: string, status?: object): void {
    this.api.put(pathOf(kind, key), { kind, metadata: {}, spec: {}, ...(status && { status }) })
  }

  want(kind: Kind, key: string, status: object | undefined): void {
    this.scheduler.batch(() => {
      if (status === undefined) this.desired[kind].delete(key as NamespacedName)
      else this.desired[kind].set(key as NamespacedName, status)
    })
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  async advance(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds)
    await this.settle()
  }

  puts(kind: Kind, key?: string): ApiRequest[] {
    const path = key === undefined ? `/${resources[kind].plural}/` : `${pathOf(kind, key)}/status`
    return this.api.calls.filter((call) => call.method === 'PUT' && call.path.includes(path))
  }

  statusOf(kind: Kind, key: string): unknown {
    return this.api.objects.get(pathOf(kind, key))?.['status']
  }

  messages(): string[] {
    return this.logged.map(([message]) => message)
  }
}

test('a status is written once, with everything that makes it safe', async () => {
  const bed = new Bed()
  bed.writer.activate()
  bed.put('HTTPRoute', 'shop/web')
  bed.want('HTTPRoute', 'shop/web', routeStatus())
  expect(bed.api.calls).toEqual([])
  await bed.settle()
  expect(bed.api.calls).toHaveLength(1)
  expect(bed.api.calls[0]).toMatchObject({
    method: 'PUT',
    path: '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web/status',
    query: { fieldManager: 'gatewright' },
    body: {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'web', namespace: 'shop', resourceVersion: '1001', uid: 'uid-1' },
    },
  })
  expect(bed.statusOf('HTTPRoute', 'shop/web')).toMatchObject({
    parents: [{ controllerName, conditions: [{ type: 'Accepted', lastTransitionTime: '2026-01-01T00:00:00Z' }] }],
  })
  expect(bed.writer.state).toMatchObject({ waiting: 0, oldestAge: 0 })
})

test('nothing is written while it is not active, and every object is looked at when it becomes so', async () => {
  const bed = new Bed()
  for (const name of ['a', 'b', 'c']) {
    bed.put('HTTPRoute', `shop/${name}`)
    bed.want('HTTPRoute', `shop/${name}`, routeStatus())
  }
  await bed.settle()
  expect(bed.api.calls).toEqual([])
  bed.writer.activate()
  await bed.settle()
  expect(bed.puts('HTTPRoute')).toHaveLength(3)
  bed.writer.deactivate()
  bed.want('HTTPRoute', 'shop/a', routeStatus('False'))
  await bed.settle()
  expect(bed.puts('HTTPRoute')).toHaveLength(3)
  bed.writer.activate()
  await bed.settle()
  expect(bed.puts('HTTPRoute')).toHaveLength(4)
  expect(bed.writer.counters.skipped).toBe(2)
})

test('a write under way when the lead is lost is broken off, and what comes of it is ignored', async () => {
  const bed = new Bed()
  bed.writer.activate()
  bed.put('HTTPRoute', 'shop/web')
  let signal: AbortSignal | undefined
  bed.api.fault = (request) => {
    signal = request.signal
    return new Promise(() => {})
  }
  bed.want('HTTPRoute', 'shop/web', routeStatus())
  await bed.settle()
  bed.writer.deactivate()
  expect(signal?.aborted).toBe(true)
  await bed.settle()
  expect(bed.logged).toEqual([])
  bed.api.fault = () => undefined
  bed.writer.activate()
  await bed.settle()
  expect(bed.statusOf('HTTPRoute', 'shop/web')).toBeDefined()
})

test('a lead that has ended is noticed before anybody tells', async () => {
  const bed = new Bed()
  bed.writer.activate()
  bed.put('HTTPRoute', 'shop/web')
  bed.isLeader = false
  bed.want('HTTPRoute', 'shop/web', routeStatus())
  await bed.settle()
  expect(bed.api.calls).toEqual([])
})

describe('nothing is written for nothing', () => {
  test('what the API server has already, also in another order of fields, is not written', async () => {
    const bed = new Bed()
    const { parents } = routeStatus()
    const [entry] = parents
    const live = {
      parents: [
        {
          conditions: [{ lastTransitionTime: '2020-01-01T00:00:00Z', ...condition() }],
          controllerName,
          parentRef: { name: 'gw', kind: 'Gateway', group },
        },
      ],
    }
    expect(entry?.parentRef).toEqual(live.parents[0]?.parentRef)
    bed.put('HTTPRoute', 'shop/web', live)
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    bed.writer.activate()
    await bed.settle()
    expect(bed.api.calls).toEqual([])
    expect(bed.writer.counters.skipped).toBe(1)
  })

  test('the echo of our own write is no reason for another, whether it comes before or after the answer', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/early')
    bed.want('HTTPRoute', 'shop/early', routeStatus())
    await bed.settle()
    bed.put('HTTPRoute', 'shop/late')
    bed.isWatching = false
    bed.want('HTTPRoute', 'shop/late', routeStatus())
    await bed.settle()
    bed.tell(pathOf('HTTPRoute', 'shop/late'))
    await bed.settle()
    expect(bed.api.calls).toHaveLength(2)
  })

  test('the next status does not wait for the watch to tell of the last one', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.isWatching = false
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    bed.want('HTTPRoute', 'shop/web', routeStatus('False'))
    await bed.settle()
    expect(bed.writer.counters.total('written')).toBe(2)
    expect(bed.writer.counters.total('conflict')).toBe(0)
  })

  test('an object that was never ours is not touched, whoever writes it', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web', { parents: [foreignParent] })
    bed.put('Gateway', 'shop/gw', { conditions: [condition()] })
    await bed.settle()
    expect(bed.api.calls).toEqual([])
    expect(bed.writer.counters.skipped).toBe(0)
  })

  test('several changes before the write starts are one write', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    for (let generation = 1; generation <= 5; generation++)
      bed.want('HTTPRoute', 'shop/web', routeStatus('True', { observedGeneration: generation }))
    await bed.settle()
    expect(bed.api.calls).toHaveLength(1)
    expect(JSON.stringify(bed.statusOf('HTTPRoute', 'shop/web'))).toContain('"observedGeneration":5')
  })

  test('a field that the server drops or fills in leads to no second write, until something else is wanted', async () => {
    const bed = new Bed()
    bed.api.admitStatus = ({ attachedListenerSets: _, ...status }) => ({ ...status, filledIn: true })
    bed.writer.activate()
    bed.put('Gateway', 'shop/gw')
    bed.want('Gateway', 'shop/gw', { ...gatewayStatus(0), attachedListenerSets: 1 })
    await bed.settle()
    await bed.advance(5_000)
    expect(bed.puts('Gateway')).toHaveLength(1)
    // Somebody else writes: still nothing that we could change.
    const status = bed.statusOf('Gateway', 'shop/gw') as { conditions: object[] }
    bed.put('Gateway', 'shop/gw', { ...status, conditions: [...status.conditions, { type: 'example.com/T' }] })
    await bed.settle()
    await bed.advance(5_000)
    expect(bed.puts('Gateway')).toHaveLength(1)
    bed.want('Gateway', 'shop/gw', { ...gatewayStatus(1), attachedListenerSets: 1 })
    await bed.settle()
    expect(bed.puts('Gateway')).toHaveLength(2)
  })

  test('a text that the server changes leads to no second write', async () => {
    const bed = new Bed()
    bed.api.admitStatus = (status) => JSON.parse(JSON.stringify(status).replaceAll('odd', 'even'))
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.want('HTTPRoute', 'shop/web', routeStatus('True', { message: 'odd' }))
    await bed.settle()
    bed.put('HTTPRoute', 'shop/web', bed.statusOf('HTTPRoute', 'shop/web') as object)
    await bed.settle()
    await bed.advance(5_000)
    expect(bed.puts('HTTPRoute')).toHaveLength(1)
  })
})

describe('what is not ours any more', () => {
  test('our entry goes with the last parent, and the entries of others stay', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web', { parents: [foreignParent] })
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toMatchObject({ parents: [foreignParent, { controllerName }] })
    bed.want('HTTPRoute', 'shop/web', undefined)
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toEqual({ parents: [foreignParent] })
  })

  test('leftovers of an earlier process go when the lead is taken', async () => {
    const bed = new Bed()
    bed.put('HTTPRoute', 'shop/web', routeStatus())
    bed.put('HTTPRoute', 'shop/theirs', { parents: [foreignParent] })
    bed.writer.activate()
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toEqual({ parents: [] })
    expect(bed.api.calls).toHaveLength(1)
  })

  test('the status of a Gateway is left to its next owner', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('Gateway', 'shop/gw')
    bed.want('Gateway', 'shop/gw', gatewayStatus(0))
    await bed.settle()
    bed.want('Gateway', 'shop/gw', undefined)
    await bed.advance(5_000)
    expect(bed.puts('Gateway')).toHaveLength(1)
  })
})

describe('when others write, too', () => {
  test('a conflict is redone on top of what the watch tells next, which loses nothing of it', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.isWatching = false
    bed.put('HTTPRoute', 'shop/web', { parents: [foreignParent] })
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    expect(bed.writer.counters.total('conflict')).toBe(1)
    expect(bed.api.calls).toHaveLength(1)
    bed.isWatching = true
    bed.tell(pathOf('HTTPRoute', 'shop/web'))
    await bed.settle()
    expect(bed.api.calls).toHaveLength(2)
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toMatchObject({ parents: [foreignParent, { controllerName }] })
  })

  test('a conflict that no watch explains is looked up after a second', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.isWatching = false
    bed.put('HTTPRoute', 'shop/web', { parents: [foreignParent] })
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    await bed.advance(999)
    expect(bed.api.calls.map((call) => call.method)).toEqual(['PUT'])
    await bed.advance(1)
    expect(bed.api.calls.map((call) => call.method)).toEqual(['PUT', 'GET', 'PUT'])
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toMatchObject({ parents: [foreignParent, { controllerName }] })
  })

  test('an object that was deleted and made again does not get the status of the old one', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.isWatching = false
    bed.api.remove(pathOf('HTTPRoute', 'shop/web'))
    bed.put('HTTPRoute', 'shop/web')
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toBeUndefined()
    bed.tell(pathOf('HTTPRoute', 'shop/web'))
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/web')).toMatchObject({ parents: [{ controllerName }] })
  })

  test('against somebody who writes all the time it does not race', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    let foreign = 0
    bed.api.fault = (request) => {
      if (request.method === 'PUT')
        bed.put('HTTPRoute', 'shop/web', { parents: [{ ...foreignParent, count: ++foreign }] })
    }
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    for (let i = 0; i < 100; i++) await bed.advance(100)
    const attempts = bed.puts('HTTPRoute').length
    expect(attempts).toBeGreaterThan(5)
    expect(attempts).toBeLessThan(40)
  })

  test('what an older event tells does not overwrite what we know', async () => {
    const bed = new Bed()
    bed.put('HTTPRoute', 'shop/web')
    const key = 'shop/web' as NamespacedName
    const [first] = [bed.live.get('HTTPRoute', key)]
    bed.put('HTTPRoute', 'shop/web', { parents: [] })
    bed.live.applyStatus([{ kind: 'HTTPRoute', key, live: first }])
    expect(bed.live.get('HTTPRoute', key)?.status).toBe('{"parents":[]}')
    bed.live.applyStatus([{ kind: 'HTTPRoute', key, live: { ...first, resourceVersion: '999' } as never }])
    expect(bed.live.get('HTTPRoute', key)?.status).toBe('{"parents":[]}')
  })
})

describe('when the API server does not take a status', () => {
  test('an object that is gone is forgotten', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.isWatching = false
    bed.api.remove(pathOf('HTTPRoute', 'shop/web'))
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    await bed.advance(600_000)
    expect(bed.api.calls).toHaveLength(1)
    expect(bed.writer.state.waiting).toBe(0)
    expect(bed.live.get('HTTPRoute', 'shop/web' as NamespacedName)).toBeUndefined()
  })

  test('a kind that we may not write is told once and tried slowly; the others go on', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.api.fault = ({ path }) => {
      if (path.includes('/httproutes/'))
        throw httpError(
          403,
          'Forbidden',
          'httproutes "x" is forbidden: User "u" cannot update resource "httproutes/status"',
        )
    }
    for (let i = 0; i < 100; i++) {
      bed.put('HTTPRoute', `shop/r${i}`)
      bed.want('HTTPRoute', `shop/r${i}`, routeStatus())
    }
    bed.put('Gateway', 'shop/gw')
    bed.want('Gateway', 'shop/gw', gatewayStatus(0))
    await bed.settle()
    for (let i = 0; i < 29; i++) await bed.advance(1_000)
    // Those that were in flight together, and then one every 10 s.
    expect(bed.puts('HTTPRoute').length).toBeLessThanOrEqual(16 + 2)
    expect(bed.statusOf('Gateway', 'shop/gw')).toBeDefined()
    expect(bed.messages()).toEqual(['Statuses of this kind cannot be written: a rule of RBAC is missing'])
    bed.api.fault = () => undefined
    for (let i = 0; i < 12; i++) await bed.advance(1_000)
    expect(bed.writer.counters.total('written')).toBe(101)
    expect(bed.messages().at(-1)).toBe('Statuses of this kind may be written now')
  })

  test.each([
    httpError(422, 'Invalid', 'status.parents: Too many'),
    httpError(400, 'BadRequest', 'strict decoding error'),
    httpError(413, 'RequestEntityTooLarge', 'too large'),
    httpError(403, 'Forbidden', 'admission webhook "w" denied the request'),
  ])(
    'what is refused ($status $reason) is told with its object and not tried again until another status is wanted',
    async (error) => {
      const bed = new Bed()
      bed.writer.activate()
      bed.put('HTTPRoute', 'shop/bad')
      bed.put('HTTPRoute', 'shop/good')
      bed.api.fault = ({ path }) => {
        if (path.includes('/bad/')) throw error
      }
      bed.want('HTTPRoute', 'shop/bad', routeStatus())
      bed.want('HTTPRoute', 'shop/good', routeStatus())
      await bed.settle()
      bed.put('HTTPRoute', 'shop/bad', { parents: [foreignParent] })
      for (let i = 0; i < 100; i++) await bed.advance(1_000)
      expect(bed.puts('HTTPRoute', 'shop/bad')).toHaveLength(1)
      expect(bed.puts('HTTPRoute', 'shop/good')).toHaveLength(1)
      expect(bed.logged).toEqual([
        ['The API server refuses a status', { kind: 'HTTPRoute', object: 'shop/bad', error: error.message }],
      ])
      bed.want('HTTPRoute', 'shop/bad', routeStatus('False'))
      await bed.settle()
      expect(bed.puts('HTTPRoute', 'shop/bad')).toHaveLength(2)
    },
  )

  test('a server that does not work is asked by one call at a time, ever more slowly, and told of once', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.api.fault = () => {
      throw new ApiError('network', 'connect ECONNREFUSED')
    }
    for (let i = 0; i < 50; i++) {
      bed.put('HTTPRoute', `shop/r${i}`)
      bed.want('HTTPRoute', `shop/r${i}`, routeStatus())
    }
    await bed.settle()
    expect(bed.api.calls.length).toBeLessThanOrEqual(16)
    const first = bed.api.calls.length
    for (let i = 0; i < 600; i++) await bed.advance(100)
    const later = bed.api.calls.length - first
    expect(later).toBeGreaterThan(10)
    expect(later).toBeLessThan(25)
    expect(bed.messages()).toEqual(['Statuses cannot be written now'])
    expect(bed.writer.state).toMatchObject({ waiting: 50, oldestAge: 60_000 })
    bed.api.fault = () => undefined
    await bed.advance(10_000)
    expect(bed.writer.counters.total('written')).toBe(50)
    expect(bed.messages().at(-1)).toBe('Statuses are written again')
  })

  test('Retry-After is kept to', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.api.fault = () => {
      throw httpError(429, 'TooManyRequests', 'slow down', 7_000)
    }
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    await bed.advance(6_999)
    expect(bed.api.calls).toHaveLength(1)
    await bed.advance(1)
    expect(bed.api.calls).toHaveLength(2)
  })

  test('an object at which the server fails holds up no other', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.api.fault = ({ path }) => {
      if (path.includes('/bad/')) throw httpError(500, 'InternalError', 'webhook failed')
    }
    bed.put('HTTPRoute', 'shop/bad')
    bed.want('HTTPRoute', 'shop/bad', routeStatus())
    for (let i = 0; i < 50; i++) {
      bed.put('HTTPRoute', `shop/r${i}`)
      bed.want('HTTPRoute', `shop/r${i}`, routeStatus())
    }
    await bed.settle()
    expect(bed.writer.counters.total('written')).toBe(50)
    for (let i = 0; i < 60; i++) await bed.advance(1_000)
    expect(bed.puts('HTTPRoute', 'shop/bad').length).toBeLessThan(25)
    expect(bed.messages()).toEqual(['A status could not be written'])
  })

  test('a bug of ours in one call ends neither the writer nor the process', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.api.fault = ({ path }) => {
      if (path.includes('/bad/')) throw new TypeError('oh')
    }
    for (const name of ['bad', 'good']) {
      bed.put('HTTPRoute', `shop/${name}`)
      bed.want('HTTPRoute', `shop/${name}`, routeStatus())
    }
    await bed.settle()
    expect(bed.statusOf('HTTPRoute', 'shop/good')).toBeDefined()
    expect(bed.messages()).toEqual(['A status could not be written'])
  })

  test('a kind that is not served is left alone', async () => {
    const bed = new Bed()
    bed.served.delete('HTTPRoute')
    bed.writer.activate()
    bed.put('HTTPRoute', 'shop/web')
    bed.want('HTTPRoute', 'shop/web', routeStatus())
    await bed.settle()
    expect(bed.api.calls).toEqual([])
    expect(bed.writer.state.waiting).toBe(0)
  })
})

describe('load', () => {
  test('1,000 routes at once: one write each, at most 16 under way, and at most 15 writes of their Gateway', async () => {
    const bed = new Bed()
    bed.writer.activate()
    bed.put('Gateway', 'shop/gw')
    bed.want('Gateway', 'shop/gw', gatewayStatus(0))
    let underWay = 0
    let most = 0
    bed.api.fault = async () => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setImmediate(resolve))
      underWay--
    }
    for (let i = 0; i < 1_000; i++) bed.put('HTTPRoute', `shop/r${i}`)
    // They arrive over four seconds, and each changes the number that the Gateway tells.
    for (let i = 0; i < 1_000; i++) {
      bed.want('HTTPRoute', `shop/r${i}`, routeStatus())
      bed.want('Gateway', 'shop/gw', gatewayStatus(i + 1))
      if (i % 50 === 0) await bed.advance(200)
    }
    await bed.settle()
    for (let i = 0; i < 10; i++) await bed.advance(100)
    expect(bed.puts('HTTPRoute')).toHaveLength(1_000)
    expect(bed.puts('Gateway').length).toBeLessThanOrEqual(15)
    expect(bed.statusOf('Gateway', 'shop/gw')).toMatchObject({ listeners: [{ attachedRoutes: 1_000 }] })
    expect(most).toBe(16)
    expect(bed.writer.counters.total('conflict')).toBe(0)
  })

  /** Wants a status every so often. @returns when each write was made */
  const wantAgain = async (bed: Bed, times: number, every: number, status: (i: number) => object) => {
    bed.writer.activate()
    bed.put('Gateway', 'shop/gw')
    const at: number[] = []
    bed.api.fault = () => void at.push(bed.clock.now())
    for (let i = 0; i < times; i++) {
      bed.want('Gateway', 'shop/gw', status(i))
      await bed.settle()
      await bed.advance(every)
    }
    return at
  }

  test('the first write of a Gateway is made at once, the next after 250 ms, the last within a second', async () => {
    const bed = new Bed()
    const at = await wantAgain(bed, 50, 50, (i) => gatewayStatus(i, i % 2 === 0 ? 'True' : 'False'))
    const end = bed.clock.now()
    await bed.advance(1_000)
    expect(at.slice(0, 4)).toEqual([0, 250, 750, 1_650])
    expect((at.at(-1) ?? 0) - end).toBeLessThanOrEqual(1_000)
    expect(bed.statusOf('Gateway', 'shop/gw')).toMatchObject({ listeners: [{ attachedRoutes: 49 }] })
    // After a quiet time the next change is written at once again.
    await bed.advance(5_000)
    bed.want('Gateway', 'shop/gw', gatewayStatus(100, 'True'))
    await bed.settle()
    expect(at.at(-1)).toBe(bed.clock.now())
  })

  test('a count that goes on changing is told every 10 s, and half a second after it has come to rest', async () => {
    const bed = new Bed()
    const at = await wantAgain(bed, 900, 80, (i) => gatewayStatus(i))
    expect(at).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000])
    await bed.advance(420)
    expect(at.at(-1)).toBe(899 * 80 + 500)
    expect(bed.statusOf('Gateway', 'shop/gw')).toMatchObject({ listeners: [{ attachedRoutes: 899 }] })
    await bed.advance(60_000)
    expect(at).toHaveLength(9)
    expect(bed.writer.state).toMatchObject({ waiting: 0, oldestAge: 0 })
    bed.want('Gateway', 'shop/gw', gatewayStatus(0))
    await bed.settle()
    expect(at.at(-1)).toBe(bed.clock.now())
  })

  test('a condition does not wait for a count to come to rest', async () => {
    const bed = new Bed()
    const at = await wantAgain(bed, 20, 100, (i) => gatewayStatus(i))
    expect(at).toEqual([0])
    bed.want('Gateway', 'shop/gw', gatewayStatus(20, 'False'))
    await bed.settle()
    expect(at).toEqual([0, 2_000])
    expect(bed.statusOf('Gateway', 'shop/gw')).toMatchObject({ listeners: [{ attachedRoutes: 20 }] })
  })

  test('a waiting entry is remembered no longer than it must be', async () => {
    const bed = new Bed()
    bed.writer.activate()
    for (let i = 0; i < 100; i++) {
      bed.put('HTTPRoute', `shop/r${i}`)
      bed.want('HTTPRoute', `shop/r${i}`, routeStatus())
    }
    await bed.settle()
    expect(bed.writer.counters.total('written')).toBe(100)
    expect(bed.clock.pending).toBe(0)
    bed.writer.close()
    bed.want('HTTPRoute', 'shop/r0', routeStatus('False'))
    await bed.settle()
    expect(bed.api.calls).toHaveLength(100)
  })
})

describe('a Gateway that was programmed and waits for its proxies', () => {
  const programmed = (status: string, reason: string) => ({
    ...gatewayStatus(0),
    conditions: [{ type: 'Programmed', status, reason, message: '', observedGeneration: 1 }],
  })
  const begin = async () => {
    const bed = new Bed()
    bed.put('Gateway', 'shop/gw')
    bed.tell(pathOf('Gateway', 'shop/gw'))
    bed.want('Gateway', 'shop/gw', programmed('True', 'Programmed'))
    bed.writer.activate()
    await bed.settle()
    await bed.advance(2_000)
    expect(bed.puts('Gateway')).toHaveLength(1)
    return bed
  }

  test('costs no write when they are back within 5 s', async () => {
    const bed = await begin()
    bed.want('Gateway', 'shop/gw', programmed('False', 'Pending'))
    await bed.advance(4_900)
    bed.want('Gateway', 'shop/gw', programmed('True', 'Programmed'))
    await bed.advance(20_000)
    expect(bed.puts('Gateway')).toHaveLength(1)
  })

  test('is told not to be after 5 s, and again to be at once', async () => {
    const bed = await begin()
    bed.want('Gateway', 'shop/gw', programmed('False', 'Pending'))
    await bed.advance(5_100)
    expect(bed.puts('Gateway')).toHaveLength(2)
    await bed.advance(2_000)
    bed.want('Gateway', 'shop/gw', programmed('True', 'Programmed'))
    await bed.advance(0)
    expect(bed.puts('Gateway')).toHaveLength(3)
  })

  test('is told at once what has to be mended', async () => {
    const bed = await begin()
    bed.want('Gateway', 'shop/gw', programmed('False', 'Invalid'))
    await bed.advance(0)
    expect(bed.puts('Gateway')).toHaveLength(2)
  })
})
