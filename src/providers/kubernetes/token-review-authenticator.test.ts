import { setImmediate as yieldToEvents } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type LogFields, silentLogger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { FakeTokenIssuer } from '../../testing/fake-token-issuer.ts'
import { httpError, MemoryApi } from '../../testing/memory-api.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import type { Peer } from '../../xds/authenticator.ts'
import { ApiError, type ApiRequest } from './api-client.ts'
import { createReplicaCheck, createTokenReviewAuthenticator } from './token-review-authenticator.ts'
import { TokenReviewer } from './token-reviewer.ts'
import { WaitingRoom } from './waiting-room.ts'

const hour = 3_600_000

class Bed {
  readonly api = new MemoryApi()
  readonly clock = new FakeClock()
  readonly issuer = new FakeTokenIssuer()
  readonly logged: [string, LogFields | undefined][] = []
  /** Instead of the issuer's answer. */
  answer: (request: ApiRequest) => unknown = (request) => this.issuer.answer(request)
  /** How wrong our time of day is. */
  skew = 0
  readonly reviewer: TokenReviewer
  readonly authenticator

  constructor(limits: { readonly rate?: number; readonly burst?: number } = {}) {
    const log = (message: string, fields?: LogFields) => void this.logged.push([message, fields])
    this.issuer.time = () => 1_700_000_000 + this.clock.now() / 1_000
    this.api.fault = (request) => this.answer(request)
    this.reviewer = new TokenReviewer({
      api: this.api,
      clock: this.clock,
      logger: { ...silentLogger, info: log, warn: log, error: log },
      audience: 'gatewright-xds',
      time: () => new Date(1_700_000_000_000 + this.clock.now() + this.skew),
      ...limits,
    })
    this.authenticator = createTokenReviewAuthenticator({
      reviewer: this.reviewer,
      scopeOf: (namespace, account) => (account === 'gw' ? (`${namespace}/gw` as NamespacedName) : undefined),
    })
  }

  async ask(token: string) {
    return this.authenticator.authenticate(peer(token))
  }

  away(error = new ApiError('network', 'connect ECONNREFUSED')): void {
    this.answer = () => {
      throw error
    }
  }

  back(): void {
    this.answer = (request) => this.issuer.answer(request)
  }
}

function peer(...tokens: string[]): Peer {
  const given = tokens.map((token) => `Bearer ${token}`)
  return { metadata: (key) => (key === 'authorization' ? given : []), certificateNames: [] }
}

const refused = (reason: string) => ({ allowed: false, reason })

describe('before service accounts are known', () => {
  test('a pod waits, then is let in; who shows nothing is refused at once and takes no seat', async () => {
    const bed = new Bed()
    const waitingRoom = new WaitingRoom({ clock: bed.clock, what: 'accounts are', seats: 1 })
    let isKnown = false
    const authenticator = createTokenReviewAuthenticator({
      reviewer: bed.reviewer,
      waitingRoom,
      scopeOf: (namespace) => (isKnown ? (`${namespace}/gw` as NamespacedName) : undefined),
    })
    const revoked = bed.issuer.issue({ pod: 'gw-2' })
    bed.issuer.revoke(revoked)
    for (const token of ['x', revoked])
      expect(await authenticator.authenticate(peer(token))).toMatchObject({ allowed: false })
    const waiting = authenticator.authenticate(peer(bed.issuer.issue()))
    await yieldToEvents()
    await expect(authenticator.authenticate(peer(bed.issuer.issue({ pod: 'gw-3' })))).rejects.toThrow('too many')
    isKnown = true
    waitingRoom.open()
    expect(await waiting).toMatchObject({ allowed: true, scope: 'shop/gw' })
  })
})

describe('who is let in', () => {
  test('a pod with the service account of a Gateway, as the node that it is and for as long as its token lasts', async () => {
    const bed = new Bed()
    expect(await bed.ask(bed.issuer.issue())).toEqual({
      allowed: true,
      scope: 'shop/gw',
      nodeId: 'shop/gw-1',
      expiresAt: hour,
    })
    expect(bed.api.calls).toHaveLength(1)
    expect(bed.api.calls[0]).toMatchObject({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: { kind: 'TokenReview', spec: { audiences: ['gatewright-xds'] } },
    })
  })

  test('nobody whom the API server does not know', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    bed.issuer.revoke(token)
    expect(await bed.ask(token)).toEqual(refused('the API server does not know the token'))
  })

  test('nobody whose token has expired', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    bed.clock.advance(hour)
    expect(await bed.ask(token)).toMatchObject({ allowed: false })
  })

  test('nobody with a token for somebody else, also if the API server does not care', async () => {
    const bed = new Bed()
    expect(await bed.ask(bed.issuer.issue({ audience: 'vault' }))).toMatchObject({ allowed: false })
    expect(bed.api.calls).toEqual([])
    const lying = bed.issuer.issue({ audience: 'vault', claims: { aud: ['gatewright-xds'] } })
    expect(await bed.ask(lying)).toMatchObject({ allowed: false })
    for (const audiences of [undefined, [], ['vault'], 'gatewright-xds']) {
      bed.answer = (request) => {
        const review = bed.issuer.answer(request) as { status: object }
        return { status: { ...review.status, audiences } }
      }
      expect(await bed.ask(bed.issuer.issue())).toEqual(refused('the API server does not confirm the audience'))
    }
  })

  test('nobody but service accounts with a pod', async () => {
    const bed = new Bed()
    expect(await bed.ask(bed.issuer.issue({ pod: null }))).toEqual(refused('the token is not bound to a pod'))
    for (const username of ['system:admin', 'system:serviceaccount:shop', 'x:system:serviceaccount:shop:gw', '']) {
      bed.answer = (request) => {
        const { status } = bed.issuer.answer(request) as { status: { user: object } }
        return { status: { ...status, user: { ...status.user, username } } }
      }
      expect(await bed.ask(bed.issuer.issue())).toEqual(refused('the token is not that of a service account'))
    }
  })

  test('nobody with the service account of no Gateway, whatever the token claims', async () => {
    const bed = new Bed()
    expect(await bed.ask(bed.issuer.issue({ serviceAccount: 'default' }))).toMatchObject({ allowed: false })
    expect(bed.api.calls).toEqual([])
    const lying = bed.issuer.issue({ serviceAccount: 'default', claims: { sub: 'system:serviceaccount:shop:gw' } })
    expect(await bed.ask(lying)).toEqual(refused('no Gateway has the service account shop/default'))
    const other = bed.issuer.issue({ namespace: 'blog', claims: { sub: 'system:serviceaccount:shop:gw' } })
    expect(await bed.ask(other)).toMatchObject({ scope: 'blog/gw' })
  })

  test('nobody with something that is no token, at no cost', async () => {
    const bed = new Bed()
    const payload = Buffer.from('[]').toString('base64url')
    for (const token of ['x', 'a.b', 'a.b.c', `a.${payload}.c`, 'a..c', '...', 'a.b.c.d', `a.${'x'.repeat(20_000)}.c`])
      expect(await bed.ask(token)).toMatchObject({ allowed: false })
    expect(await bed.authenticator.authenticate(peer())).toEqual(refused('no token'))
    expect(await bed.authenticator.authenticate(peer('a', 'b'))).toEqual(refused('more than one token'))
    expect(bed.api.calls).toEqual([])
  })

  test('nothing that the API server answers breaks anything', async () => {
    const bed = new Bed()
    const answers: unknown[] = [null, 1, 'x', [], {}, { status: 1 }, { status: { authenticated: 'true' } }]
    const users = [1, { username: 1 }, { username: 'system:serviceaccount:shop:gw', extra: [] }]
    for (const user of users) answers.push({ status: { authenticated: true, audiences: ['gatewright-xds'], user } })
    for (const answer of answers) {
      bed.answer = () => Promise.resolve(answer)
      expect(await bed.ask(bed.issuer.issue())).toMatchObject({ allowed: false })
    }
  })
})

describe('what the API server is spared', () => {
  test('a token is asked about again after five minutes, or a tenth of its life', async () => {
    for (const [lifetime, fresh] of [
      [3_600, 300_000],
      [600, 60_000],
    ] as const) {
      const bed = new Bed()
      const token = bed.issuer.issue({ lifetime })
      await bed.ask(token)
      bed.clock.advance(fresh - 1)
      await bed.ask(token)
      expect(bed.api.calls).toHaveLength(1)
      bed.clock.advance(1)
      await bed.ask(token)
      expect(bed.api.calls).toHaveLength(2)
    }
  })

  test('a pod that is deleted is let in no longer than that', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    await bed.ask(token)
    bed.issuer.revoke(token)
    bed.clock.advance(300_000)
    expect(await bed.ask(token)).toMatchObject({ allowed: false })
  })

  test('a refusal is remembered for ten seconds', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    bed.issuer.revoke(token)
    for (let i = 0; i < 10; i++) await bed.ask(token)
    expect(bed.api.calls).toHaveLength(1)
    bed.clock.advance(10_000)
    await bed.ask(token)
    expect(bed.api.calls).toHaveLength(2)
  })

  test('callers with one token share one review', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    const answers = await Promise.all(Array.from({ length: 50 }, () => bed.ask(token)))
    expect(bed.api.calls).toHaveLength(1)
    expect(new Set(answers.map((a) => a.allowed))).toEqual(new Set([true]))
  })

  test('unknown tokens: 200 at once, then 50 a second, of which few wait; known ones are not held up', async () => {
    const bed = new Bed()
    const known = bed.issuer.issue()
    await bed.ask(known)
    bed.clock.advance(60_000)
    let failed = 0
    const asking = Array.from({ length: 2_000 }, () => bed.ask(bed.issuer.issue()).catch(() => failed++))
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(bed.api.calls.length - 1).toBe(200)
    expect(failed).toBe(2_000 - 200 - 250)
    expect(bed.reviewer.counters.limited).toBe(failed)
    bed.clock.advance(1_000)
    await new Promise((resolve) => setImmediate(resolve))
    expect(bed.api.calls.length - 1).toBe(250)
    bed.clock.advance(240_000)
    await Promise.all(asking)
    const calls = bed.api.calls.length
    expect(await bed.ask(known)).toMatchObject({ allowed: true })
    expect(bed.api.calls.length).toBe(calls + 1)
  })
})

describe('an API server that is away', () => {
  test('who was let in before is let in until his token expires, and a minute more; nobody else is', async () => {
    const bed = new Bed()
    const known = bed.issuer.issue()
    const unknown = bed.issuer.issue()
    await bed.ask(known)
    bed.away()
    bed.clock.advance(1_800_000)
    expect(await bed.ask(known)).toMatchObject({ allowed: true, scope: 'shop/gw', expiresAt: hour })
    await expect(bed.ask(unknown)).rejects.toThrow('cannot be asked')
    bed.clock.advance(1_859_999)
    expect(await bed.ask(known)).toMatchObject({ allowed: true })
    bed.clock.advance(10_000)
    await expect(bed.ask(known)).rejects.toThrow('cannot be asked')
  })

  test('is asked about a known token every ten seconds only', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    await bed.ask(token)
    bed.away()
    bed.clock.advance(300_000)
    for (let i = 0; i < 10; i++) await bed.ask(token)
    expect(bed.api.calls).toHaveLength(2)
  })

  test.each([
    new ApiError('timeout', 'no answer'),
    httpError(503, 'ServiceUnavailable', 'etcd'),
    httpError(403, 'Forbidden', 'cannot create resource "tokenreviews"'),
    httpError(401, 'Unauthorized', 'our own token'),
    new ApiError('malformed', 'not JSON'),
  ])('is told of once, whatever the reason ($code $status), and when it is back', async (error) => {
    const bed = new Bed()
    bed.away(error)
    for (let i = 0; i < 3; i++) await expect(bed.ask(bed.issuer.issue())).rejects.toThrow()
    bed.back()
    expect(await bed.ask(bed.issuer.issue())).toMatchObject({ allowed: true })
    expect(bed.logged).toEqual([
      ['Tokens of proxies cannot be reviewed: only proxies that were known can reconnect', { error: error.message }],
      ['Tokens of proxies can be reviewed again', undefined],
    ])
  })

  test('a refusal is not forgotten into an admission', async () => {
    const bed = new Bed()
    const token = bed.issuer.issue()
    await bed.ask(token)
    bed.issuer.revoke(token)
    bed.clock.advance(300_000)
    await bed.ask(token)
    bed.away()
    bed.clock.advance(10_000)
    await expect(bed.ask(token)).rejects.toThrow()
  })
})

test('a time of day that is wrong closes no stream early and keeps none for ever', async () => {
  for (const skew of [-hour, 2 * hour, -30 * 24 * hour]) {
    const bed = new Bed()
    bed.skew = skew
    expect(await bed.ask(bed.issuer.issue())).toMatchObject({ allowed: true, expiresAt: hour / 10 })
  }
  const bed = new Bed()
  bed.skew = 600_000
  expect(await bed.ask(bed.issuer.issue())).toMatchObject({ expiresAt: hour - 600_000 })
  const endless = new Bed()
  const token = endless.issuer.issue({ claims: { exp: undefined } })
  expect(await endless.ask(token)).toMatchObject({ expiresAt: 24 * hour })
})

test('A8: no token in any log, reason or error', async () => {
  const bed = new Bed({ burst: 5, rate: 1 })
  const tokens = Array.from({ length: 20 }, () => bed.issuer.issue())
  const told: string[] = []
  const asked: Promise<unknown>[] = []
  for (const [i, token] of tokens.entries()) {
    if (i % 2 === 0) bed.issuer.revoke(token)
    if (i === 3) bed.away(httpError(500, 'InternalError', 'no'))
    if (i === 4) bed.back()
    const noteError = (error: Error) => told.push(String(error.stack))
    asked.push(bed.ask(token).then((identity) => told.push(JSON.stringify(identity)), noteError))
    await new Promise((resolve) => setImmediate(resolve))
    bed.clock.advance(100)
  }
  bed.clock.advance(30_000)
  await Promise.all(asked)
  expect(bed.reviewer.counters).toMatchObject({ failures: 1, limited: 9 })
  const text = JSON.stringify([told, bed.logged])
  expect(told).toHaveLength(20)
  for (const token of tokens) for (const part of token.split('.').slice(1)) expect(text).not.toContain(part)
})

test('another replica is whoever has our service account, and no proxy is', async () => {
  const bed = new Bed()
  const isReplica = createReplicaCheck(bed.reviewer, { namespace: 'gatewright-system', serviceAccount: 'gatewright' })
  const self = { namespace: 'gatewright-system', serviceAccount: 'gatewright', pod: 'gatewright-2' }
  const claims = { sub: 'system:serviceaccount:gatewright-system:gatewright' }
  expect(await isReplica(peer(bed.issuer.issue(self)))).toBe(true)
  expect(await isReplica(peer(bed.issuer.issue()))).toBe(false)
  expect(await isReplica(peer(bed.issuer.issue({ claims })))).toBe(false)
  expect(await isReplica(peer(bed.issuer.issue({ ...self, serviceAccount: 'other' })))).toBe(false)
  expect(await isReplica(peer(bed.issuer.issue({ ...self, audience: 'other' })))).toBe(false)
  expect(await isReplica(peer())).toBe(false)
  bed.away()
  await expect(isReplica(peer(bed.issuer.issue(self)))).rejects.toThrow()
})
