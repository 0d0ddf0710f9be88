import process from 'node:process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FakeProxy, makeResource, type SeenResponse, XdsBed } from '../testing/xds-bed.ts'
import { makeTable, parseTable, type TableParts } from '../testing/xds-table.ts'

/** A table with a part that proxies refuse: what becomes of the other parts, and who is told. */

const textOf = (response: SeenResponse): string => response.texts['t'] ?? ''
const isBad = (response: SeenResponse): boolean => /:bad/.test(textOf(response))

/** Answers as a proxy that refuses every table with a bad part; gives what was sent. */
function answerAll(proxy: FakeProxy, message = 'refused'): string[] {
  const all: string[] = []
  for (let some = proxy.take(); some.length > 0; some = proxy.take()) {
    for (const response of some) {
      all.push(textOf(response))
      if (isBad(response)) proxy.nack(response, message)
      else proxy.ack(response)
    }
    if (all.length > 2_000) throw new Error('there is no end to it')
  }
  return all
}

const culprits = (bed: XdsBed) => bed.ack('route', 't')?.rejected?.culprits?.map(({ sources }) => sources.join())

const all = (count: number, text = 'v1') =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, text])) as TableParts

describe.each(['delta', 'sotw'] as const)('%s', (variant) => {
  async function connect(bed: XdsBed, nodeId = 'n'): Promise<FakeProxy> {
    const proxy = await bed.connect(variant, { nodeId })
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.subscribe('route', 't')
    return proxy
  }

  async function start(parts: TableParts) {
    const bed = new XdsBed()
    bed.put(makeTable('t', parts))
    const proxy = await connect(bed)
    return { bed, proxy, put: (next: TableParts) => bed.put(makeTable('t', next)) }
  }

  test('the part that changed is to blame: it keeps its last good form, and the others go on', async () => {
    const { bed, proxy, put } = await start(all(3))
    answerAll(proxy)
    put({ ...all(3), h1: 'bad' })
    // The bytes that the proxy has come again, under a version that names the culprit.
    expect(answerAll(proxy)).toEqual(['h0:v1,h1:bad,h2:v1', 'h0:v1,h1:v1,h2:v1'])
    expect(culprits(bed)).toEqual(['route/h1'])
    put({ ...all(3), h1: 'bad', h2: 'v2' })
    // The bad part is not even tried again.
    expect(answerAll(proxy)).toEqual(['h0:v1,h1:v1,h2:v2'])
    expect(culprits(bed)).toEqual(['route/h1'])
    put({ ...all(3), h1: 'cured', h2: 'v2' })
    expect(answerAll(proxy)).toEqual(['h0:v1,h1:cured,h2:v2'])
    bed.settle()
    expect(bed.ack('route', 't')?.rejected).toBeUndefined()
  })

  test('a new part that is bad answers that it is out of order', async () => {
    const { bed, proxy, put } = await start(all(2))
    answerAll(proxy)
    put({ ...all(2), h2: 'bad' })
    expect(answerAll(proxy)).toEqual(['h0:v1,h1:v1,h2:bad', 'h0:v1,h1:v1,h2:500'])
    expect(culprits(bed)).toEqual(['route/h2'])
  })

  test('a fresh proxy and a fresh server end with everything served but the bad part', async () => {
    const { bed, proxy } = await start({ ...all(50), h17: 'bad' })
    const sent = answerAll(proxy)
    expect(parseTable(sent.at(-1) as string)).toEqual({ ...all(50), h17: '500' })
    expect(sent.length).toBeLessThan(15)
    expect(culprits(bed)).toEqual(['route/h17'])
    bed.advance(1_000)
    expect([...bed.streams.entries()][0]?.[1].isSettled).toBe(true)
    const fresh = await connect(bed, 'fresh')
    expect(answerAll(fresh).map(parseTable)).toEqual([{ ...all(50), h17: '500' }])
  })

  test.each([
    ['an index', 'Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[17]: embedded)'],
    ['the text that Envoy does not understand', 'missing ): h17:bad'],
  ])('%s in the message saves the search', async (_what, message) => {
    const { proxy } = await start({ ...all(50), h17: 'bad' })
    const sent = answerAll(proxy, message)
    // Once more in the end, under a version that names the culprit.
    expect(sent.slice(1).map(parseTable)).toEqual(Array(2).fill({ ...all(50), h17: '500' }))
  })

  test('several bad parts are found, each with its own message', async () => {
    const { bed, proxy } = await start({ ...all(20), h3: 'bad', h4: 'bad', h19: 'bad' })
    const sent = answerAll(proxy)
    expect(parseTable(sent.at(-1) as string)).toEqual({ ...all(20), h3: '500', h4: '500', h19: '500' })
    expect(culprits(bed)).toEqual(['route/h3', 'route/h4', 'route/h19'])
  })

  test('what is edited during the search is in what is sent next', async () => {
    const { proxy, put } = await start({ ...all(8), h5: 'bad' })
    const [first] = proxy.take()
    proxy.nack(first as SeenResponse)
    const [second] = proxy.take()
    put({ ...all(8), h5: 'bad', h0: 'v2' })
    if (isBad(second as SeenResponse)) proxy.nack(second as SeenResponse)
    else proxy.ack(second as SeenResponse)
    const sent = answerAll(proxy)
    expect(parseTable(sent.at(-1) as string)).toEqual({ ...all(8), h5: '500', h0: 'v2' })
  })

  test('when no part is to blame, the last good form stays and everybody is told', async () => {
    const { bed, proxy, put } = await start(all(3))
    answerAll(proxy)
    put({ ...all(3), h0: 'v2', h1: 'v2' })
    for (let some = proxy.take(); some.length > 0; some = proxy.take()) {
      // Nothing pleases this proxy.
      for (const response of some) proxy.nack(response, 'no memory')
    }
    expect(bed.ack('route', 't')?.rejected?.message).toBe('no memory')
    const fresh = await connect(bed, 'fresh')
    expect(answerAll(fresh)).toEqual(['h0:v1,h1:v1,h2:v1'])
  })

  test('a second proxy that answers late does not disturb the search', async () => {
    const { bed, proxy } = await start(all(16))
    answerAll(proxy)
    const late = await connect(bed, 'late')
    answerAll(late)
    bed.put(makeTable('t', { ...all(16, 'v2'), h5: 'bad', h11: 'bad' }))
    const held = late.take()
    const sent = answerAll(proxy)
    for (const response of held) late.nack(response)
    sent.push(...answerAll(late))
    const end = { ...all(16, 'v2'), h5: 'v1', h11: 'v1' }
    expect(parseTable(sent.at(-1) as string)).toEqual(end)
    expect(culprits(bed)).toEqual(['route/h5', 'route/h11'])
    const fresh = await connect(bed, 'fresh')
    expect(answerAll(fresh).map(parseTable)).toEqual([end])
  })

  test('a form that is accepted late takes the place of parts that are out of order', async () => {
    const { bed, proxy } = await start(all(3))
    const [old] = proxy.take()
    bed.put(makeTable('t', { h0: 'v2', h1: 'v2', h2: 'bad' }))
    const other = await connect(bed, 'other')
    const [refused] = other.take()
    other.nack(refused as SeenResponse)
    const [trial] = other.take()
    expect(textOf(trial as SeenResponse)).toContain('500')
    // Only now does the first one say that it has loaded the form before.
    proxy.ack(old as SeenResponse)
    other.ack(trial as SeenResponse)
    answerAll(proxy)
    const sent = answerAll(other)
    expect(parseTable(sent.at(-1) as string)).toEqual({ h0: 'v2', h1: 'v2', h2: 'v1' })
  })

  test('without parts the last good form stays as it is', async () => {
    const bed = new XdsBed()
    bed.put(makeResource('route', 't', 'h0:v1'))
    const proxy = await connect(bed)
    answerAll(proxy)
    bed.put(makeResource('route', 't', 'h0:bad'))
    expect(answerAll(proxy)).toEqual(['h0:bad'])
    expect(bed.ack('route', 't')?.rejected).toEqual({ version: expect.any(String), message: 'refused' })
  })

  describe('after a restart of the server', () => {
    /** A proxy that has a table of which this server knows nothing. */
    async function reconnect(bed: XdsBed): Promise<FakeProxy> {
      const proxy = await bed.connect(variant, { nodeId: 'old' })
      proxy.subscribe('cluster')
      proxy.take()
      if (variant === 'delta') {
        const names = { resourceNamesSubscribe: ['t'], initialResourceVersions: { t: 'before' } }
        proxy.delta('route', names)
      } else {
        proxy.sotwNames.set('route', ['t'])
        proxy.sotw('route', { resourceNames: ['t'], versionInfo: 'before' })
      }
      return proxy
    }

    test('the refused table is tried once more; then the proxy keeps what it has until something else changes', async () => {
      const bed = new XdsBed()
      bed.put(makeTable('t', { ...all(8), h5: 'bad' }))
      const proxy = await reconnect(bed)
      const notEmpty = (texts: readonly string[]) => texts.filter((text) => text !== '')
      expect(notEmpty(answerAll(proxy, 'missing ): h5:bad'))).toEqual([expect.stringContaining('h5:bad')])
      bed.advance(60_000)
      expect(notEmpty(answerAll(proxy))).toEqual([])
      // Nobody can answer what is on trial, but who is suspected is told.
      expect(culprits(bed)).toEqual(['route/h5'])
      bed.put(makeTable('t', { ...all(8), h5: 'bad', h0: 'v2' }))
      const sent = answerAll(proxy, 'missing ): h5:bad')
      expect(parseTable(sent.at(-1) as string)).toEqual({ ...all(8), h5: '500', h0: 'v2' })
    })

    test('a search that would put good parts out of order is made with fresh proxies only', async () => {
      const bed = new XdsBed()
      bed.put(makeTable('t', { ...all(8), h5: 'bad' }))
      const proxy = await reconnect(bed)
      answerAll(proxy)
      bed.put(makeTable('t', { ...all(8), h5: 'bad', h0: 'v2' }))
      for (const text of answerAll(proxy)) expect(text).not.toContain('500')
      const fresh = await connect(bed, 'fresh')
      const end = { ...all(8), h5: '500', h0: 'v2' }
      expect(parseTable(answerAll(fresh).at(-1) as string)).toEqual(end)
      bed.put(makeTable('t', { ...all(8), h5: 'bad', h0: 'v3' }))
      expect(parseTable(answerAll(proxy).at(-1) as string)).toEqual({ ...end, h0: 'v3' })
    })
  })

  test('whatever is edited, every good part ends in its current form, and no bytes are refused twice', async () => {
    const text = fc.constantFrom('v1', 'v2', 'v3', 'bad1', 'bad2')
    const host = fc.integer({ min: 0, max: 9 }).map((i) => `h${i}`)
    const edit = fc.record({
      changes: fc.array(fc.tuple(host, fc.option(text, { nil: undefined })), { minLength: 1, maxLength: 6 }),
      answered: fc.integer({ min: 0, max: 4 }),
    })
    const edits = fc.array(edit, { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(edits, async (steps) => {
        const bed = new XdsBed()
        const proxy = await connect(bed)
        const refused = new Set<string>()
        const answer = (response: SeenResponse): void => {
          const sent = textOf(response)
          if (!isBad(response)) {
            proxy.ack(response)
            return
          }
          expect(refused).not.toContain(sent)
          refused.add(sent)
          proxy.nack(response)
        }
        let parts: Record<string, string> = { keep: 'v1' }
        let last = ''
        for (const { changes, answered } of steps) {
          parts = { ...parts }
          for (const [name, to] of changes) {
            if (to === undefined) delete parts[name]
            else parts[name] = to
          }
          bed.put(makeTable('t', parts))
          const inbox: SeenResponse[] = []
          for (let i = 0; i < answered; i++) {
            inbox.push(...proxy.take())
            const response = inbox.shift()
            if (response === undefined) break
            if (!isBad(response)) last = textOf(response)
            answer(response)
          }
          for (const response of inbox) {
            if (!isBad(response)) last = textOf(response)
            answer(response)
          }
        }
        for (let some = proxy.take(); some.length > 0; some = proxy.take()) {
          for (const response of some) {
            if (!isBad(response)) last = textOf(response)
            answer(response)
          }
        }
        const held = parseTable(last)
        expect(Object.keys(held).sort()).toEqual(Object.keys(parts).sort())
        for (const [name, wanted] of Object.entries(parts)) {
          if (!wanted.startsWith('bad')) expect(held[name]).toBe(wanted)
          else expect(held[name]).not.toMatch(/^bad/)
        }
        const bad = Object.entries(parts).filter(([, wanted]) => wanted.startsWith('bad'))
        expect(new Set(culprits(bed) ?? [])).toEqual(new Set(bad.map(([name]) => `route/${name}`)))
        expect(bed.logs.filter((l) => l.level === 'error')).toEqual([])
      }),
      { numRuns: Number(process.env['XDS_FUZZ_RUNS'] ?? 150) },
    )
  }, 600_000)
})

describe('a version that names its culprits', () => {
  /** A proxy that got its table from a server that is gone, and the version under which it has it. */
  async function leaveBehind(before: TableParts, after: TableParts): Promise<string> {
    const bed = new XdsBed()
    bed.put(makeTable('t', before))
    const proxy = await bed.connect('delta')
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.subscribe('route', 't')
    answerAll(proxy)
    bed.put(makeTable('t', after))
    let version = ''
    for (let some = proxy.take(); some.length > 0; some = proxy.take()) {
      for (const response of some) {
        if (isBad(response)) proxy.nack(response)
        else {
          proxy.ack(response)
          version = response.versions['t'] as string
        }
      }
    }
    return version
  }

  async function comeBack(bed: XdsBed, version: string): Promise<FakeProxy> {
    const proxy = await bed.connect('delta', { nodeId: 'old' })
    proxy.subscribe('cluster')
    proxy.takeAll()
    proxy.delta('route', { resourceNamesSubscribe: ['t'], initialResourceVersions: { t: version } })
    return proxy
  }

  test('tells the next server, which does not try them again and leaves the last good form in peace', async () => {
    const bad = { ...all(8), h5: 'bad' }
    const version = await leaveBehind(all(8), bad)
    const bed = new XdsBed()
    bed.put(makeTable('t', bad))
    const proxy = await comeBack(bed, version)
    expect(answerAll(proxy)).toEqual([])
    expect(culprits(bed)).toEqual(['route/h5'])
    // What another one edits gets through, without a search.
    bed.put(makeTable('t', { ...bad, h0: 'v2' }))
    expect(answerAll(proxy).map(parseTable)).toEqual([{ ...bad, h5: '500', h0: 'v2' }])
    bed.put(makeTable('t', { ...all(8), h5: 'cured', h0: 'v2' }))
    expect(answerAll(proxy).map(parseTable)).toEqual([{ ...all(8), h5: 'cured', h0: 'v2' }])
    bed.settle()
    expect(bed.ack('route', 't')?.rejected).toBeUndefined()
  })

  test('also what was edited while there was no server gets through', async () => {
    const bad = { ...all(8), h5: 'bad' }
    const version = await leaveBehind(all(8), bad)
    const bed = new XdsBed()
    bed.put(makeTable('t', { ...bad, h0: 'v2' }))
    const proxy = await comeBack(bed, version)
    expect(answerAll(proxy).map(parseTable)).toEqual([{ ...bad, h5: '500', h0: 'v2' }])
  })

  test('is the same for a part that never had a good form: then nothing is sent at all', async () => {
    const bad = { ...all(8), h8: 'bad' }
    const version = await leaveBehind(all(8), bad)
    const bed = new XdsBed()
    bed.put(makeTable('t', bad))
    const proxy = await comeBack(bed, version)
    expect(answerAll(proxy)).toEqual([])
    bed.advance(1_000)
    expect([...bed.streams.entries()][0]?.[1].isSettled).toBe(true)
    const fresh = await bed.connect('delta', { nodeId: 'fresh' })
    fresh.subscribe('route', 't')
    expect(answerAll(fresh).map(parseTable)).toEqual([{ ...bad, h8: '500' }])
  })

  test('is not believed about what a proxy has loaded meanwhile', async () => {
    const bad = { ...all(4), h1: 'bad' }
    const version = await leaveBehind(all(4), bad)
    const bed = new XdsBed()
    bed.put(makeTable('t', bad))
    const newer = await bed.connect('delta', { nodeId: 'newer' })
    newer.subscribe('route', 't')
    newer.takeAll()
    const proxy = await comeBack(bed, version)
    expect(proxy.take().map((r) => parseTable(textOf(r)))).toEqual([bad])
  })

  test.each(['~', '~~', 'x~y', 'x~y~', `x~y~${'.'.repeat(100)}`])('may be anything: %s', async (version) => {
    const bed = new XdsBed()
    bed.put(makeTable('t', all(2)))
    const proxy = await comeBack(bed, version)
    expect(answerAll(proxy).map(parseTable)).toEqual([all(2)])
  })
})
