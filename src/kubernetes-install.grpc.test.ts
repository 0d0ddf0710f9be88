import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ClusterBed } from './testing/cluster-bed.ts'

let bed: ClusterBed
beforeEach(async () => {
  bed = await ClusterBed.start()
})
afterEach(() => bed.stop())

const soon = { timeout: 20_000, interval: 10 }

test('An install comes up as a whole, writes each thing once, and is silent when there is nothing to do', async () => {
  bed.install()
  bed.putClass('foreign', 'example.com/other')
  const replica = await bed.startReplica()
  await vi.waitFor(() => expect(bed.server.get('Deployment', 'shop', 'gw-gatewright')).toBeDefined(), soon)
  expect(await replica.isReady()).toBe(true)
  const proxy = bed.connectProxy(replica)
  await vi.waitFor(() => expect(proxy.text('route')).toContain('web.example.com'), soon)
  await vi.waitFor(() => expect(proxy.text('endpoint')).toContain('10.1.0.1'), soon)
  expect(proxy.names('listener')).toHaveLength(1)
  await bed.clock.leap(2_000)
  expect(bed.condition('Gateway', 'gw', 'Programmed')).toBe('False AddressNotAssigned')
  bed.assignAddress()
  await vi.waitFor(() => expect(bed.condition('Gateway', 'gw', 'Programmed')).toBe('False Pending'), soon)
  bed.setReadiness(true)
  await vi.waitFor(() => expect(bed.condition('Gateway', 'gw', 'Programmed')).toBe('True Programmed'), soon)
  expect(bed.server.get('Gateway', 'shop', 'gw')?.status).toMatchObject({
    addresses: [{ type: 'IPAddress', value: '192.0.2.1' }],
    listeners: [{ name: 'http', attachedRoutes: 1 }],
  })
  expect(bed.condition('GatewayClass', 'gatewright', 'Accepted')).toBe('True Accepted')
  expect(bed.condition('HTTPRoute', 'web', 'Accepted')).toBe('True Accepted')
  expect(bed.condition('HTTPRoute', 'web', 'ResolvedRefs')).toBe('True ResolvedRefs')
  expect(bed.server.get('GatewayClass', '', 'foreign')?.status).toBeUndefined()
  await bed.clock.leap(5_000)
  const ofGateway = 'update gateways/status gw'
  // What comes in quick succession is written at once: before anybody has seen to the addresses, when that is
  // done, when a proxy has what it is to have, with the address, and when a pod is ready.
  const timesOfGateway = bed.writes().filter((write) => write === ofGateway).length
  expect([3, 4, 5]).toContain(timesOfGateway)
  expect(bed.writes().filter((write) => write !== ofGateway)).toEqual([
    'create secrets',
    'patch configmaps gw-gatewright',
    'patch deployments gw-gatewright',
    'patch serviceaccounts gw-gatewright',
    'patch services gw-gatewright',
    'update gatewayclasses/status gatewright',
    'update httproutes/status web',
  ])

  bed.server.requests.reset()
  const idle = await countWork()
  await bed.clock.leap(120_000)
  // The echo of a status, a note of nobody's, and kinds of Secrets and Pods that nobody refers to.
  const touched = bed.server.get('HTTPRoute', 'shop', 'web')
  if (touched) bed.server.put({ ...touched, metadata: { ...touched.metadata, annotations: { note: 'x' } } })
  bed.server.put({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'shop', name: 'db' }, type: 'Opaque' })
  bed.server.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'shop', name: 'db-1' }, spec: {} })
  await settle()
  // And what is another controller's.
  bed.putClass('foreign-2', 'example.com/other')
  bed.putGateway('theirs', { gatewayClassName: 'foreign' })
  await settle()
  expect(await countWork()).toEqual(idle)
  expect(bed.writes()).toEqual([])
  expect(proxy.isConnected).toBe(true)
  expect(replica.told('error')).toEqual([])

  async function settle() {
    await sleep(100)
    await bed.clock.leap(1_000)
  }

  /** Computations by collection, and bytes sent. */
  async function countWork(): Promise<Record<string, number | undefined>> {
    const metrics = await replica.metrics()
    const computed = [...metrics].flatMap(([sample, value]) => {
      const [, name] = /^gatewright_collections_computations_total\{collection="(.*)"\}$/.exec(sample) ?? []
      return name === undefined ? [] : [[name, value] as const]
    })
    return { bytes: metrics.get('gatewright_xds_sent_bytes_total'), ...Object.fromEntries(computed) }
  }
})

test('A single replica without an election leads, says so, and has no Lease', async () => {
  bed.install()
  const replica = await bed.startReplica('gatewright-0', { withoutElection: true })
  await bed.bringUp(replica)
  await vi.waitFor(() => expect(bed.condition('HTTPRoute', 'web', 'Accepted')).toBe('True Accepted'), soon)
  expect((await replica.metrics()).get('gatewright_election_leader_status')).toBe(1)
  expect(bed.server.requests.list({ resource: 'leases' })).toEqual([])
})

test('A thousand routes at once: one write for each, few for the Gateway, and the right count at once', async () => {
  bed.install()
  const replica = await bed.startReplica()
  const proxy = await bed.bringUp(replica)
  bed.server.requests.reset()
  for (let i = 0; i < 1_000; i++) {
    bed.putRoute(`r${i}`)
    if (i % 50 === 49) await sleep(10)
  }
  const before = performance.eventLoopUtilization()
  const listeners = [{ attachedRoutes: 1_001 }]
  const isCounted = () => expect(bed.server.get('Gateway', 'shop', 'gw')?.status).toMatchObject({ listeners })
  await vi.waitFor(isCounted, soon)
  // Time in which there was work to do is that of the machine; nobody waits for longer than this beside it.
  expect(performance.eventLoopUtilization(before).idle).toBeLessThan(1_000)
  await vi.waitFor(() => expect(bed.condition('HTTPRoute', 'r999', 'Accepted')).toBe('True Accepted'), soon)
  await vi.waitFor(() => expect(proxy.text('route')).toContain('r999.example.com'), soon)
  await bed.clock.leap(10_000)
  const ofRoutes = bed.server.requests.list({ verb: 'update', resource: 'httproutes/status' })
  expect([ofRoutes.length, new Set(ofRoutes.map(({ name }) => name)).size]).toEqual([1_000, 1_000])
  const ofGateway = bed.server.requests.count({ verb: 'update', resource: 'gateways/status' })
  expect(ofGateway).toBeLessThanOrEqual(15)
  expect(bed.writes()).toHaveLength(1_000 + ofGateway)
})

test('At a start, a proxy that has nothing gets its clusters before all is derived; others get what is new after that', async () => {
  bed.install()
  const before = await bed.startReplica('gatewright-0')
  const old = await bed.bringUp(before)
  await before.stop()
  for (let i = 0; i < 1_000; i++) bed.putRoute(`r${i}`)
  bed.putRoute('other', { rules: [{ backendRefs: [{ name: 'other', port: 80 }] }] })
  bed.putService('other')
  bed.server.faults.once({ verb: 'list', resource: 'httproutes' }, { delay: 300 })
  // No cluster depends on them.
  bed.server.faults.once({ verb: 'list', resource: 'endpointslices' }, { delay: 3_000 })
  const replica = await bed.startReplica('gatewright-1')
  const fresh = bed.connectProxy(replica, 'gw-2')
  bed.reconnect(old, replica)
  const responses = old.responses
  await vi.waitFor(() => expect(fresh.count('cluster')).toBeGreaterThan(1), { timeout: 20_000, interval: 1 })
  expect([replica.told('has been read'), replica.told('are known')]).toEqual([[], []])
  expect([fresh.count('endpoint'), fresh.count('listener'), old.responses]).toEqual([0, 0, responses])
  for (const proxy of [fresh, old])
    await vi.waitFor(() => expect(proxy.text('route')).toContain('r999.example.com'), soon)
  expect([fresh.count('endpoint'), fresh.count('listener')]).toEqual([fresh.count('cluster'), 1])
  // The other one only got what it had not.
  expect(old.names('cluster')).toEqual(fresh.names('cluster'))
  expect(replica.told('error')).toEqual([])
})

test('Pods by their labels: the leader makes a Service for them, whose endpoints reach the proxies', async () => {
  bed.install()
  bed.server.put({
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XBackend',
    metadata: { namespace: 'shop', name: 'api' },
    spec: { type: 'EndpointSelector', port: { number: 8080 }, endpointSelector: { matchLabels: { app: 'api' } } },
  })
  const reference = { group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'api' }
  bed.putRoute('api', { rules: [{ backendRefs: [reference] }] })
  const replica = await bed.startReplica()
  const proxy = await bed.bringUp(replica)
  await vi.waitFor(() => expect(bed.server.get('Service', 'shop', 'api-xbackend')).toBeDefined(), soon)
  expect(bed.server.get('Service', 'shop', 'api-xbackend')?.metadata['ownerReferences']).toMatchObject([
    { kind: 'XBackend', uid: bed.server.get('XBackend', 'shop', 'api')?.metadata.uid },
  ])
  // As the endpoint slice controller does.
  bed.server.put({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'api-1', labels: { 'kubernetes.io/service-name': 'api-xbackend' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.1.0.77'], conditions: { ready: true } }],
  })
  await vi.waitFor(() => expect(proxy.text('endpoint')).toContain('10.1.0.77'), soon)
  await bed.clock.leap(10_000)
  const ancestors = [{ conditions: [{ type: 'Accepted', status: 'True', message: 'The backend is used' }] }]
  await vi.waitFor(() => expect(bed.server.get('XBackend', 'shop', 'api')?.status).toMatchObject({ ancestors }), soon)
  expect(bed.writes().filter((write) => write.includes('api-xbackend'))).toEqual(['patch services api-xbackend'])
  expect(replica.told('error')).toEqual([])
})
