import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ClusterBed, type Replica } from './testing/cluster-bed.ts'

let bed: ClusterBed
beforeEach(async () => {
  bed = await ClusterBed.start()
  bed.install()
})
afterEach(() => bed.stop())

const soon = { timeout: 20_000, interval: 10 }
const isProgrammed = () => bed.condition('Gateway', 'gw', 'Programmed') === 'True Programmed'
const lease = () => bed.server.get('Lease', 'gatewright-system', 'gatewright')?.spec as { holderIdentity: string }
/** Whether it was the last one that said something of it that it leads. */
const leads = (replica: Replica) => replica.told('This replica leads').at(-1)?.message === 'This replica leads now'

describe('While the API server is away', () => {
  test.each([
    ['refuses connections', refuseConnections],
    ['says nothing on connections that stay open', fallSilent],
  ])('and %s, proxies have what they have, and afterwards all is caught up with', async (_, goAway) => {
    const replica = await bed.startReplica()
    const proxy = await bed.bringUp(replica)
    await bed.clock.leap(2_000)
    const { responses, resources } = proxy
    const comeBack = await goAway()
    await bed.clock.leap(45_000)
    expect(leads(replica)).toBe(false)
    expect(await replica.isReady()).toBe(true)
    bed.putRoute('late')
    // Known proxies may come back meanwhile, even with the token that they had.
    proxy.reopen()
    await vi.waitFor(() => expect(proxy.isConnected).toBe(true), soon)
    await bed.clock.leap(2_000)
    expect([proxy.responses, proxy.resources, proxy.isConnected]).toEqual([responses, resources, true])
    const warnings = replica.told('Statuses cannot be written now').length
    expect(warnings).toBeLessThanOrEqual(1)
    expect(replica.told('lease cannot be read or written')).toHaveLength(1)

    bed.server.requests.reset()
    await comeBack()
    await bed.clock.leap(30_000)
    expect(leads(replica)).toBe(true)
    expect(bed.condition('HTTPRoute', 'late', 'Accepted')).toBe('True Accepted')
    expect(bed.writes()).toEqual(['update gateways/status gw', 'update httproutes/status late'])
    expect(proxy.text('route')).toContain('late.example.com')
    // The table with the new route, and nothing else.
    expect(proxy.resources - resources).toBe(1)
    expect(isProgrammed()).toBe(true)
  })

  async function refuseConnections() {
    const port = Number(new URL(bed.server.url).port)
    await bed.server.close()
    return () => bed.server.listen(port)
  }

  async function fallSilent() {
    const end = bed.server.faults.always({}, 'silence')
    bed.server.breakWatches('silence')
    return async () => end()
  }
})

test('A replica that takes over knows what the proxies of the others have, and writes nothing', async () => {
  const first = await bed.startReplica('gatewright-0')
  await bed.clock.leap(1_000)
  const second = await bed.startReplica('gatewright-1')
  bed.announce(first, second)
  await vi.waitFor(() => expect(leads(first)).toBe(true), soon)
  // Its proxy is connected to the one that does not lead.
  const proxy = await bed.bringUp(second)
  await bed.clock.leap(6_000)
  expect(leads(second)).toBe(false)
  bed.server.requests.reset()
  const { resources } = proxy

  await first.stop()
  bed.server.delete('EndpointSlice', 'gatewright-system', 'gatewright-0')
  await bed.clock.leap(4_000)
  expect(leads(second)).toBe(true)
  const third = await bed.startReplica('gatewright-2')
  bed.announce(third)
  await vi.waitFor(async () => {
    expect((await second.metrics()).get('gatewright_peers_replicas_count{state="heard"}')).toBe(1)
  }, soon)
  await vi.waitFor(async () => expect(await third.isReady()).toBe(true), soon)
  bed.reconnect(proxy, third)
  await vi.waitFor(async () => {
    const heard = (await second.metrics()).get('gatewright_collections_entries_count{collection="acks of peers"}')
    expect(heard).toBeGreaterThan(0)
  }, soon)
  await bed.clock.leap(20_000)
  expect([leads(second), leads(third), isProgrammed()]).toEqual([true, false, true])
  expect(bed.writes()).toEqual([])
  expect(proxy.resources).toBe(resources)
  bed.putRoute('late')
  await vi.waitFor(() => expect(bed.condition('HTTPRoute', 'late', 'Accepted')).toBe('True Accepted'), soon)
  await vi.waitFor(() => expect(proxy.text('route')).toContain('late.example.com'), soon)
})

test('A replica whose others cannot be asked says so once', async () => {
  const first = await bed.startReplica('gatewright-0')
  const second = await bed.startReplica('gatewright-1')
  const giveBack = bed.server.rights.remove({ verbs: ['create'], resource: 'tokenreviews' })
  bed.announce(first, second)
  await bed.clock.leap(30_000)
  for (const replica of [first, second]) {
    expect(replica.told('acks of a replica are not heard')).toHaveLength(1)
    expect(replica.told('A replica could not be authenticated')).toHaveLength(1)
    expect((await replica.metrics()).get('gatewright_peers_replicas_count{state="heard"}')).toBe(0)
  }
  giveBack()
  await bed.clock.leap(5_000)
  for (const replica of [first, second])
    expect((await replica.metrics()).get('gatewright_peers_replicas_count{state="heard"}')).toBe(1)
})

describe('The end', () => {
  const handles = () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => /TCP|Pipe|TLS|FS/.test(name))
      .sort()

  test('leaves no socket, server or timer, and gives the Lease back', async () => {
    await bed.server.close()
    await sleep(50)
    const before = handles()
    await bed.server.listen(0)
    const replica = await bed.startReplica()
    const proxy = await bed.bringUp(replica)
    const started = bed.clock.now()
    await replica.stop()
    expect(bed.clock.now() - started).toBeLessThan(2_000)
    expect(lease().holderIdentity).toBe('')
    await vi.waitFor(() => expect(proxy.isConnected).toBe(false), soon)
    proxy.close()
    await bed.server.close()
    await vi.waitFor(() => expect(handles()).toEqual(before), soon)
    expect(bed.clock.pending).toBe(0)
  })

  test.each(['silence', 'reset'] as const)(
    'takes seconds when the API server meets every request with %s',
    async (fault) => {
      const replica = await bed.startReplica()
      await bed.bringUp(replica)
      bed.server.faults.always({}, fault)
      bed.server.breakWatches(fault)
      // Something is under way that gets no answer.
      bed.server.delete('Service', 'shop', 'gw-gatewright')
      bed.putGateway('gw', { infrastructure: { labels: { a: 'b' } } })
      await bed.clock.leap(1_000)
      let isStopped = false
      const stopping = replica.stop().then(() => {
        isStopped = true
      })
      await bed.clock.leap(8_000)
      expect(isStopped).toBe(true)
      await stopping
    },
  )

  test('comes also before anything could be read', async () => {
    bed.server.faults.always({}, 'silence')
    let replica: Replica | undefined
    const starting = bed.startReplica().then((started) => {
      replica = started
    })
    await bed.clock.leap(10_000)
    await starting
    expect(await replica?.isReady()).toBe(false)
    const stopping = replica?.stop()
    await bed.clock.leap(8_000)
    await stopping
    expect(bed.clock.pending).toBe(0)
  })

  test.each(['adminAddress', 'xdsAddress'] as const)(
    'comes at once when %s is in use, whatever was begun',
    async (option) => {
      const other = createServer().listen(0, '127.0.0.1')
      await once(other, 'listening')
      const address = `127.0.0.1:${(other.address() as AddressInfo).port}`
      await expect(bed.startReplica('gatewright-0', { [option]: address })).rejects.toThrow(/EADDRINUSE|in use/)
      await vi.waitFor(() => expect(bed.server.connections).toBe(0))
      expect(bed.clock.pending).toBe(0)
      other.close()
    },
  )
})
