import { Agent, get } from 'node:http'
import { connect } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { issueCertificate } from '../testing/certificates.ts'
import {
  envoyCluster,
  envoyEndpoints,
  envoyListener,
  envoySecret,
  envoyTable,
  findFreePort,
  sleep,
  startBackend,
  XdsEnvoy,
} from '../testing/xds-envoy.ts'
import { XdsServerBed } from '../testing/xds-server.ts'
import { typeUrls } from './resource.ts'

/** The server against stock Envoy that carries requests; the resources are made by hand. */

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

type Variant = 'delta' | 'sotw'

/** One request: status and body, or the error. */
function request(port: number, path: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const call = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve(`${response.statusCode} ${body}`))
    })
    call.on('error', (error) => resolve(String(error)))
  })
}

/** A closed loop of clients, half of them with a new connection for each request. */
function startLoad(
  port: number,
  path: string,
  clients: number,
): { readonly answers: Map<string, number>; stop(): Promise<void> } {
  const answers = new Map<string, number>()
  const agents = [new Agent({ keepAlive: true, maxSockets: clients }), new Agent({ keepAlive: false })]
  let isOver = false
  const loops = Array.from({ length: clients }, async (_, i) => {
    while (!isOver) {
      const answer = await request(port, path, agents[i % 2] as Agent)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  })
  return {
    answers,
    async stop() {
      isOver = true
      await Promise.all(loops)
      for (const agent of agents) agent.destroy()
    },
  }
}

async function startAll(variant: Variant) {
  const bed = await XdsServerBed.start({ linger: 300, drainTime: 300 })
  cleanups.push(() => bed.stop())
  const backends: Record<'one' | 'two', number> = { one: 0, two: 0 }
  for (const name of ['one', 'two'] as const) {
    const backend = await startBackend(name)
    cleanups.push(() => backend.stop())
    backends[name] = backend.port
  }
  const port = await findFreePort()
  bed.put(envoyListener('l', port, 't'), envoyTable('t', []))
  const xdsPort = Number(bed.address.split(':')[1])
  const envoy = await XdsEnvoy.start({ xdsPort, variant, token: 'token-a' })
  cleanups.push(() => envoy.stop())
  const agent = new Agent({ keepAlive: true })
  cleanups.push(() => agent.destroy())
  const ask = (path: string): Promise<string> => request(port, path, agent)
  await expect.poll(() => ask('/'), { timeout: 10_000, interval: 20 }).toMatch(/^404/)
  return { bed, backends, port, xdsPort, envoy, ask }
}

describe.each(['delta', 'sotw'] as const)('%s', (variant) => {
  test('a new route to a new cluster is answered by 404 and then 200, never by anything else', async () => {
    const { bed, backends, envoy, ask } = await startAll(variant)
    const bad: string[] = []
    for (let i = 0; i < 100; i++) {
      const name = `c${i}`
      bed.change(
        [
          envoyCluster(name),
          envoyEndpoints(name, [backends.one]),
          envoyTable('t', [{ prefix: `/${i}`, cluster: name }]),
        ],
        i === 0
          ? []
          : [
              ['cluster', `c${i - 1}`],
              ['endpoint', `c${i - 1}`],
            ],
      )
      const deadline = performance.now() + 3_000
      for (let answer = ''; !answer.startsWith('200'); ) {
        answer = await ask(`/${i}`)
        if (!/^(200|404)/.test(answer)) bad.push(answer)
        if (performance.now() > deadline) throw new Error(`route ${i} never came: ${answer}\n${envoy.log}`)
      }
    }
    expect(bad).toEqual([])
    const active = () => envoy.stats('cluster_manager\\.(active|warming)_clusters')
    const left = { 'cluster_manager.active_clusters': 2, 'cluster_manager.warming_clusters': 0 }
    await expect.poll(active, { timeout: 5_000 }).toEqual(left)
  })

  test('a route that goes to and fro under load, with its cluster removed each time, loses no request', async () => {
    const { bed, backends, port, ask } = await startAll(variant)
    const route = (name: string) => envoyTable('t', [{ prefix: '/', cluster: name }])
    const group = (name: 'one' | 'two') => [envoyCluster(name), envoyEndpoints(name, [backends[name]])]
    bed.put(...group('one'), route('one'))
    await expect.poll(() => ask('/')).toBe('200 one')
    const load = startLoad(port, '/', 20)
    for (let i = 0; i < 100; i++) {
      const [to, from] = i % 2 === 0 ? (['two', 'one'] as const) : (['one', 'two'] as const)
      bed.change(
        [...group(to), route(to)],
        [
          ['cluster', from],
          ['endpoint', from],
        ],
      )
      // Now and then long enough for the linger to run out.
      await sleep(i % 25 === 24 ? 500 : 20)
    }
    await load.stop()
    expect([...load.answers.keys()].sort()).toEqual(['200 one', '200 two'])
  })

  test('a cluster that changes under load is warm at once and loses no request', async () => {
    const { bed, backends, port, envoy, ask } = await startAll(variant)
    bed.put(
      envoyCluster('one'),
      envoyEndpoints('one', [backends.one]),
      envoyTable('t', [{ prefix: '/', cluster: 'one' }]),
    )
    await expect.poll(() => ask('/')).toBe('200 one')
    const load = startLoad(port, '/', 10)
    for (let i = 2; i < 32; i++) {
      bed.put(envoyCluster('one', i))
      await sleep(30)
      expect(await envoy.stats('cluster_manager.warming_clusters')).toEqual({ 'cluster_manager.warming_clusters': 0 })
    }
    await load.stop()
    expect([...load.answers.keys()]).toEqual(['200 one'])
    expect(await envoy.stats('cluster_manager.cluster_modified')).toEqual({ 'cluster_manager.cluster_modified': 30 })
  })

  test('what Envoy refuses harms nothing else, and a fresh Envoy loads', async () => {
    const { bed, backends, xdsPort, envoy, ask } = await startAll(variant)
    const [second, third] = [await findFreePort(), await findFreePort()]
    const good = envoyTable('t', [{ prefix: '/', cluster: 'one' }])
    bed.put(
      envoyCluster('one'),
      envoyEndpoints('one', [backends.one]),
      good,
      envoyListener('l2', second, 't2'),
      envoyTable('t2', []),
    )
    await expect.poll(() => ask('/')).toBe('200 one')
    // Refused by the table's own rules, by Envoy's checks of a cluster, and by those of a listener.
    const badTable = envoyTable('t', [{ prefix: '', regex: '(', cluster: 'one' }])
    const badCluster = envoyCluster('bad', -1)
    const worse = { ...envoyCluster('worse'), bytes: Buffer.from([0xff, 0xff]) }
    bed.put(
      badTable,
      envoyTable('t2', [{ prefix: '/', cluster: 'two' }]),
      envoyCluster('two'),
      envoyEndpoints('two', [backends.two]),
      badCluster,
      worse,
    )
    const agent = new Agent()
    await expect.poll(() => request(second, '/', agent), { timeout: 5_000 }).toBe('200 two')
    expect(await ask('/')).toBe('200 one')
    await expect
      .poll(() => bed.server.acks.get(`${typeUrls.route}\na\nt`))
      .toMatchObject({
        ackedVersion: good.version,
        rejected: { version: badTable.version },
      })
    for (const name of ['bad', 'worse']) {
      const rejected = () => bed.server.acks.get(`${typeUrls.cluster}\na\n${name}`)?.rejected
      await expect.poll(rejected, { timeout: 5_000 }).toBeDefined()
    }
    expect(bed.server.acks.get(`${typeUrls.cluster}\na\ntwo`)?.rejected).toBeUndefined()
    const nacks = [...bed.server.counters.nacks.values()].reduce((a, b) => a + b, 0)
    await envoy.stop()
    bed.put(envoyListener('l3', third, 't2'))
    const fresh = await XdsEnvoy.start({ xdsPort, variant, token: 'token-a', nodeId: 'fresh' })
    cleanups.push(() => fresh.stop())
    for (const at of [second, third]) {
      await expect.poll(() => request(at, '/', agent), { timeout: 5_000 }).toBe('200 two')
    }
    await expect.poll(() => ask('/'), { timeout: 5_000 }).toBe('200 one')
    expect([...bed.server.counters.nacks.values()].reduce((a, b) => a + b, 0)).toBe(nacks)
    bed.put(envoyTable('t', [{ prefix: '/', cluster: 'two' }]))
    await expect.poll(() => ask('/')).toBe('200 two')
  })

  test('F3: a listener that changes after a restart keeps its certificate', async () => {
    const { bed, port, xdsPort, envoy } = await startAll(variant)
    const pair = issueCertificate({ dnsNames: ['localhost'] })
    const tlsPort = await findFreePort()
    const listener = (statPrefix: string) => envoyListener('tls', tlsPort, 't', statPrefix, 's')
    const content = [
      envoyListener('l', port, 't'),
      envoyTable('t', []),
      envoySecret('s', pair.certificate, pair.privateKey),
      listener('one'),
    ]
    bed.put(...content)
    const handshake = (): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect({ port: tlsPort, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false })
        socket.on('secureConnect', () => {
          socket.destroy()
          resolve('ok')
        })
        socket.on('error', (error) => resolve(String(error)))
      })
    await expect.poll(handshake).toBe('ok')
    await bed.stop()
    const next = await XdsServerBed.start({ address: `127.0.0.1:${xdsPort}`, linger: 300, drainTime: 300 })
    cleanups.push(() => next.stop())
    next.put(...content)
    const isSettled = () => [...next.server.streams.entries()].some(([, s]) => s.isSettled && s.types.length >= 4)
    await expect.poll(isSettled, { timeout: 5_000 }).toBe(true)
    next.put(listener('two'))
    const until = performance.now() + 4_000
    while (performance.now() < until) {
      expect(await handshake()).toBe('ok')
      await sleep(20)
    }
    expect(await envoy.stats('sds\\..*init_fetch_timeout')).toEqual({ 'sds.s.init_fetch_timeout': 0 })
    expect(await envoy.stats('total_listeners_(warming|active)')).toEqual({
      'listener_manager.total_listeners_active': 2,
      'listener_manager.total_listeners_warming': 0,
    })
  })

  test('a server that is restarted with the same content changes nothing in Envoy', async () => {
    const { bed, backends, port, xdsPort, envoy, ask } = await startAll(variant)
    const content = [
      envoyCluster('one'),
      envoyEndpoints('one', [backends.one]),
      envoyTable('t', [{ prefix: '/', cluster: 'one' }]),
      envoyListener('l', port, 't'),
    ]
    bed.put(...content)
    await expect.poll(() => ask('/')).toBe('200 one')
    const filter =
      'cluster_modified|cluster_updated$|listener_modified|listener_in_place|update_rejected|cluster_added|_removed'
    const before = await envoy.stats(filter)
    const load = startLoad(port, '/', 10)
    let last = bed
    for (let i = 0; i < 5; i++) {
      await last.stop()
      const next = await XdsServerBed.start({ address: `127.0.0.1:${xdsPort}` })
      cleanups.push(() => next.stop())
      next.put(...content)
      const streams = () => [...next.server.streams.entries()].map(([, s]) => s)
      await expect.poll(() => streams().some((s) => s.isSettled && s.types.length >= 4), { timeout: 5_000 }).toBe(true)
      await sleep(100)
      if (variant === 'delta') {
        expect([...next.server.counters.resourcesSent.values()].reduce((a, b) => a + b, 0)).toBe(0)
      }
      last = next
    }
    await load.stop()
    expect([...load.answers.keys()]).toEqual(['200 one'])
    expect(await envoy.stats(filter)).toEqual(before)
    last.put(
      envoyCluster('two'),
      envoyEndpoints('two', [backends.two]),
      envoyTable('t', [{ prefix: '/', cluster: 'two' }]),
    )
    await expect.poll(() => ask('/')).toBe('200 two')
  })

  test('a server that knows its endpoints late takes none away, and a fresh Envoy is wrong about none', async () => {
    const { bed, backends, port, xdsPort, ask } = await startAll(variant)
    const table = envoyTable('t', [{ prefix: '/', cluster: 'one' }])
    const listener = envoyListener('l', port, 't')
    const endpoints = envoyEndpoints('one', [backends.one])
    bed.put(envoyCluster('one'), endpoints, table, listener)
    await expect.poll(() => ask('/')).toBe('200 one')
    const load = startLoad(port, '/', 10)
    await bed.stop()
    const next = await XdsServerBed.start({ address: `127.0.0.1:${xdsPort}`, synced: false })
    cleanups.push(() => next.stop())
    // The cluster has changed meanwhile: who has it would warm it, without endpoints.
    const freshPort = await findFreePort()
    const none = envoyEndpoints('one', [])
    next.put(envoyCluster('one', 7), none, table, listener, envoyListener('fresh', freshPort, 't'))
    next.server.markClustersKnown()
    const fresh = await XdsEnvoy.start({ xdsPort, variant, token: 'token-a', nodeId: 'fresh' })
    cleanups.push(() => fresh.stop())
    const clusters = () => fresh.stats('cluster_manager.cluster_added$')
    if (variant === 'delta') await expect.poll(clusters).toEqual({ 'cluster_manager.cluster_added': 2 })
    // Longer than it waits for endpoints.
    await sleep(2_500)
    expect(await fresh.stats('listener_manager.total_listeners_active')).toEqual({
      'listener_manager.total_listeners_active': 0,
    })
    next.put(endpoints)
    next.server.markSynced()
    const agent = new Agent()
    const answers = new Set<string>()
    await expect
      .poll(
        async () => {
          const answer = await request(freshPort, '/', agent)
          // Nobody listens there yet.
          if (!answer.includes('ECONNREFUSED')) answers.add(answer)
          return answer
        },
        { timeout: 5_000, interval: 5 },
      )
      .toBe('200 one')
    await sleep(200)
    await load.stop()
    expect([...load.answers.keys()]).toEqual(['200 one'])
    expect([...answers]).toEqual(['200 one'])
  })
})
