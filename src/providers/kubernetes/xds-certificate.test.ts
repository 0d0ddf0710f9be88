import { createPrivateKey, X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type LogFields, silentLogger } from '../../base/logger.ts'
import { httpError, MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { ApiError, type ApiRequest } from './api-client.ts'
import { XdsCertificate, type XdsCertificateOptions } from './xds-certificate.ts'

const path = '/api/v1/namespaces/gatewright-system/secrets/gatewright-xds'
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const begin = Date.UTC(2026, 10, 21)

class World {
  readonly api = new MemoryApi()
  readonly clock = new FakeClock()
  readonly logged: [string, LogFields | undefined][] = []
  readonly replicas: XdsCertificate[] = []

  add(options: Partial<XdsCertificateOptions> = {}): XdsCertificate {
    const log = (message: string, fields?: LogFields) => void this.logged.push([message, fields])
    const replica = new XdsCertificate({
      api: this.api,
      clock: this.clock,
      logger: { ...silentLogger, warn: log, error: log },
      namespace: 'gatewright-system',
      serverNames: ['gatewright.gatewright-system.svc', 'gatewright.gatewright-system.svc.cluster.local'],
      time: () => new Date(begin + this.clock.now()),
      random: () => 0.5,
      ...options,
    })
    this.replicas.push(replica)
    replica.start()
    return replica
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 15; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  async advance(milliseconds: number, step = milliseconds): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += step) {
      this.clock.advance(step)
      await this.settle()
    }
  }

  get data(): Record<string, string> {
    return (this.api.objects.get(path)?.['data'] ?? {}) as Record<string, string>
  }
}

function certificatesOf(bundle: string): X509Certificate[] {
  return (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  )
}

/** Chains by both texts: the times for which some authority of the bundle and the certificate itself are good. */
const chains = new Map<string, readonly (readonly [from: number, to: number])[]>()

function isTrusted(replica: XdsCertificate, bundle: string, now: number): boolean {
  const { certificate } = replica.tls.current()
  let times = chains.get(certificate + bundle)
  if (times === undefined) {
    const server = new X509Certificate(certificate)
    const issuers = certificatesOf(bundle).filter((ca) => server.checkIssued(ca) && server.verify(ca.publicKey))
    times = issuers.map((ca) => [
      Math.max(...[ca, server].map((c) => new Date(c.validFrom).getTime())),
      Math.min(...[ca, server].map((c) => new Date(c.validTo).getTime())),
    ])
    chains.set(certificate + bundle, times)
  }
  return times.some(([from, to]) => from <= now && now < to)
}

describe('the first replica', () => {
  test('makes an authority, keeps it in a Secret, and has a certificate for the names of the server', async () => {
    const world = new World()
    const replica = world.add()
    await replica.ready
    const secret = world.api.objects.get(path)
    expect(secret).toMatchObject({
      kind: 'Secret',
      type: 'gatewright.dev/xds-ca',
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'gatewright' } },
    })
    expect(Object.keys(world.data)).toEqual(['ca.crt', 'ca.key'])
    const { certificate, key } = replica.tls.current()
    const server = new X509Certificate(certificate)
    expect(server.subjectAltName).toBe(
      'DNS:gatewright.gatewright-system.svc, DNS:gatewright.gatewright-system.svc.cluster.local',
    )
    expect(server.checkPrivateKey(createPrivateKey(key))).toBe(true)
    expect(isTrusted(replica, replica.trustBundle.current(), begin)).toBe(true)
    const life = new Date(server.validTo).getTime() - new Date(server.validFrom).getTime()
    expect(life).toBeLessThanOrEqual(30 * day)
    // The key of the server is nowhere but in the process.
    expect(JSON.stringify(secret)).not.toContain(Buffer.from(key).toString('base64').slice(140, 180))
  })

  test('is one of several that begin at the same moment: all have one authority', async () => {
    const world = new World()
    for (let i = 0; i < 5; i++) world.add()
    await world.settle()
    const bundles = world.replicas.map((replica) => replica.trustBundle.current())
    expect(new Set(bundles).size).toBe(1)
    for (const replica of world.replicas) expect(isTrusted(replica, bundles[0] as string, begin)).toBe(true)
    expect(world.logged).toEqual([])
  })

  test('waits for an API server that is away, and is ready soon after it is back', async () => {
    const world = new World()
    world.api.fault = () => {
      throw new ApiError('network', 'connect ECONNREFUSED')
    }
    const replica = world.add()
    let isReady = false
    void replica.ready.then(() => {
      isReady = true
    })
    await world.advance(10 * minute, 1_000)
    expect(isReady).toBe(false)
    expect(replica.trustBundle.current()).toBe('')
    expect(() => replica.tls.current()).toThrow('before it is ready')
    expect(world.logged).toEqual([
      [
        'The authority of the xDS server cannot be read or written',
        { secret: 'gatewright-system/gatewright-xds', error: 'connect ECONNREFUSED' },
      ],
    ])
    world.api.fault = () => undefined
    await world.advance(5_000, 500)
    expect(isReady).toBe(true)
  })

  test('leaves a Secret of somebody else alone and says so', async () => {
    const world = new World()
    world.api.put(path, { kind: 'Secret', type: 'kubernetes.io/tls', metadata: {}, data: { 'tls.crt': 'x' } })
    world.add()
    await world.advance(minute, 1_000)
    expect(world.data).toEqual({ 'tls.crt': 'x' })
    expect(JSON.stringify(world.logged)).toContain('exists with type')
  })
})

describe('the server certificate', () => {
  test('is renewed after half of its life, also while the API server is away, and those who use it are told', async () => {
    const world = new World()
    const replica = world.add()
    await replica.ready
    let told = 0
    replica.tls.subscribe(() => told++)
    const first = replica.tls.current()
    await world.advance(14 * day, hour)
    expect(replica.tls.current()).toBe(first)
    world.api.fault = () => {
      throw new ApiError('timeout', 'no answer')
    }
    await world.advance(day, hour)
    expect(told).toBe(1)
    expect(replica.tls.current()).not.toEqual(first)
    expect(isTrusted(replica, replica.trustBundle.current(), begin + world.clock.now())).toBe(true)
    expect(world.logged).toHaveLength(1)
  })

  test('F20: with certificates of five minutes an hour passes without a moment in which one has expired', async () => {
    const world = new World()
    const replica = world.add({ certificateLife: 5 * minute, period: 20_000 })
    await replica.ready
    const seen = new Set<string>()
    for (let passed = 0; passed < hour; passed += 10_000) {
      await world.advance(10_000)
      seen.add(replica.tls.current().certificate)
      expect(isTrusted(replica, replica.trustBundle.current(), begin + world.clock.now())).toBe(true)
      const expires = new Date(new X509Certificate(replica.tls.current().certificate).validTo).getTime()
      expect(expires - begin - world.clock.now()).toBeGreaterThan(2 * minute)
    }
    expect(seen.size).toBeGreaterThan(20)
  })
})

describe('the authority', () => {
  const lives = { authorityLife: 100 * hour, certificateLife: 20 * hour, publishDelay: hour, period: 5 * minute }

  test('is published, then used, then trusted until it expires', async () => {
    const world = new World()
    const replica = world.add(lives)
    await replica.ready
    const first = replica.trustBundle.current()
    const issuer = () => new X509Certificate(replica.tls.current().certificate).issuer
    const names = () => certificatesOf(replica.trustBundle.current()).map((ca) => ca.subject)
    const [old] = names()
    await world.advance(50 * hour - 5 * minute, 5 * minute)
    expect(replica.trustBundle.current()).toBe(first)
    await world.advance(10 * minute, 5 * minute)
    expect(names()).toHaveLength(2)
    expect(issuer()).toBe(old)
    expect(Object.keys(world.data)).toContain('next-ca.key')
    await world.advance(hour, 5 * minute)
    const [next] = names()
    expect(issuer()).toBe(next)
    expect(names()).toEqual([next, old])
    // The key of the old one is gone.
    expect(Object.keys(world.data)).toEqual(['ca.crt', 'ca.key', 'previous-ca.crt'])
    await world.advance(50 * hour, 5 * minute)
    expect(names()).not.toContain(old)
  })

  test('a Secret that is deleted or damaged is written anew as it was', async () => {
    const world = new World()
    const replica = world.add()
    await replica.ready
    const [before, server] = [world.data, replica.tls.current()]
    world.api.remove(path)
    await world.advance(2 * minute, 10_000)
    expect(world.data).toEqual(before)
    for (const data of [
      { ...before, 'ca.crt': 'bm90IFBFTQ==' },
      { ...before, 'ca.key': (await otherKey()) as string },
      { 'ca.crt': before['ca.crt'] },
      { ...before, 'next-ca.crt': before['ca.crt'] },
      { ...before, 'previous-ca.crt': 'eA==' },
      { other: 'eA==' },
    ]) {
      world.api.put(path, { ...world.api.objects.get(path), data })
      await world.advance(2 * minute, 10_000)
      expect(world.data).toEqual(before)
    }
    expect(replica.tls.current()).toBe(server)
    expect(JSON.stringify(world.logged)).not.toContain(before['ca.key']?.slice(140, 180))
  })

  test('a Secret that is emptied is a new authority at once, and the old one is not trusted any more', async () => {
    const world = new World()
    const [a, b] = [world.add(), world.add()]
    await world.settle()
    const before = a.trustBundle.current()
    world.api.put(path, { ...world.api.objects.get(path), data: undefined })
    await world.advance(2 * minute, 10_000)
    expect(certificatesOf(a.trustBundle.current())).toHaveLength(1)
    expect(a.trustBundle.current()).not.toBe(before)
    expect(b.trustBundle.current()).toBe(a.trustBundle.current())
    expect(isTrusted(b, a.trustBundle.current(), begin + world.clock.now())).toBe(true)
    expect(isTrusted(b, before, begin + world.clock.now())).toBe(false)
  })

  test('an authority that expired while nobody was there is replaced', async () => {
    const world = new World()
    const first = world.add(lives)
    await first.ready
    first.close()
    const bundle = first.trustBundle.current()
    await world.advance(200 * hour)
    const second = world.add(lives)
    await second.ready
    expect(second.trustBundle.current()).not.toContain(bundle)
    expect(isTrusted(second, second.trustBundle.current(), begin + world.clock.now())).toBe(true)
  })

  test('whatever fails: whoever read the bundle of some replica within the last half hour can verify all replicas', async () => {
    let state = 7
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state / 2 ** 32
    }
    const world = new World()
    for (let i = 0; i < 3; i++) world.add({ ...lives, period: 10 * minute, random })
    await world.settle()
    let cutOffUntil = 0
    world.api.fault = (): undefined => {
      if (world.clock.now() < cutOffUntil || random() < 0.2) throw new ApiError('network', 'reset')
      if (random() < 0.05) throw httpError(409, 'Conflict', 'too late')
    }
    const bundles: { readonly at: number; readonly bundle: string }[] = []
    let changes = 0
    for (const replica of world.replicas) replica.trustBundle.subscribe(() => changes++)
    while (world.clock.now() < 300 * hour) {
      if (random() < 0.03) cutOffUntil = world.clock.now() + random() * 20 * minute
      await world.advance(10 * minute)
      const now = world.clock.now()
      for (const replica of world.replicas) bundles.push({ at: now, bundle: replica.trustBundle.current() })
      while (bundles[0] !== undefined && bundles[0].at < now - hour / 2) bundles.shift()
      const distinct = new Set(bundles.map(({ bundle }) => bundle))
      for (const replica of world.replicas)
        for (const bundle of distinct)
          if (!isTrusted(replica, bundle, begin + now)) throw new Error(`not trusted at ${now / hour} h`)
    }
    expect(changes).toBeGreaterThan(3 * 10)
  }, 120_000)
})

test('what it asks of RBAC: get, create and update of this one Secret', async () => {
  const world = new World()
  world.add({ authorityLife: 10 * hour, publishDelay: hour })
  await world.advance(12 * hour, 5 * minute)
  const described = (call: ApiRequest) => `${call.method} ${call.path}`
  expect(new Set(world.api.calls.map(described))).toEqual(
    new Set([`GET ${path}`, 'POST /api/v1/namespaces/gatewright-system/secrets', `PUT ${path}`]),
  )
})

async function otherKey(): Promise<string | undefined> {
  const world = new World()
  await world.add().ready
  return world.data['ca.key']
}
