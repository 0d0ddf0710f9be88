import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { Source } from '../../collections/collection.ts'
import { Scheduler } from '../../collections/scheduler.ts'
import { gatewayUidLabel } from '../../infrastructure/labels.ts'
import { FakeApi } from '../../testing/fake-api.ts'
import { FakeApiClient } from '../../testing/fake-api-client.ts'
import { pass, settle } from '../../testing/fake-api-time.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { ProxyPods } from './proxy-pods.ts'

let clock: FakeClock
let api: FakeApi
let scheduler: Scheduler
let streams: Source<string, { nodeId: string; isDraining: boolean }>
let drains: string[]
let subject: ProxyPods

beforeEach(() => {
  clock = new FakeClock()
  api = new FakeApi({ clock })
  scheduler = new Scheduler({ rethrow: true })
  streams = scheduler.source('xds.streams')
  drains = []
  subject = createProxyPods()
})
afterEach(() => subject.stop())

function createProxyPods(): ProxyPods {
  return new ProxyPods({
    client: new FakeApiClient(api, clock),
    clock,
    logger: silentLogger,
    streams,
    drain: (nodeId) => {
      drains.push(nodeId)
      return 1
    },
  })
}

function putPod(name: string, more: object = {}) {
  const metadata = { namespace: 'shop', name, labels: { [gatewayUidLabel]: 'u' }, finalizers: ['kubelet'], ...more }
  return api.put({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } })
}

/** kubelet holds it until it ends. */
const deletePod = (name: string) => api.delete('Pod', 'shop', name)
const endPod = (name: string) => putPod(name, { finalizers: [] })
const connect = (id: string, nodeId: string, isDraining = false) =>
  scheduler.batch(() => streams.set(id, { nodeId, isDraining }))

async function start(): Promise<void> {
  subject.start()
  await settle()
}

test('a proxy lets go five seconds after its pod began to terminate, once', async () => {
  putPod('edge-1')
  putPod('edge-2')
  await start()
  deletePod('edge-1')
  await pass(clock, 4900)
  expect(drains).toEqual([])
  await pass(clock, 200)
  expect(drains).toEqual(['shop/edge-1'])
  await pass(clock, 60_000)
  expect(drains).toEqual(['shop/edge-1'])
  expect(subject.terminating).toBe(1)
  endPod('edge-1')
  await settle()
  expect(subject.terminating).toBe(0)
})

test('a pod that ends sooner is forgotten', async () => {
  putPod('edge-1')
  await start()
  deletePod('edge-1')
  await pass(clock, 2000)
  endPod('edge-1')
  await pass(clock, 10_000)
  expect(drains).toEqual([])
  expect(subject.terminating).toBe(0)
})

test('a proxy that comes back while its pod is terminating lets go again', async () => {
  putPod('edge-1')
  await start()
  connect('1', 'shop/edge-1')
  deletePod('edge-1')
  await pass(clock, 5100)
  connect('1', 'shop/edge-1', true)
  expect(drains).toHaveLength(1)
  // It was connected to another replica, or has lost its connection.
  connect('2', 'shop/edge-1')
  expect(drains).toEqual(['shop/edge-1', 'shop/edge-1'])
  connect('2', 'shop/edge-1', true)
  connect('3', 'shop/edge-2')
  expect(drains).toHaveLength(2)
})

test('a control plane that starts meanwhile sees it, and not one that comes before its time', async () => {
  putPod('edge-1')
  deletePod('edge-1')
  await start()
  connect('1', 'shop/edge-1')
  await pass(clock, 4900)
  expect(drains).toEqual([])
  await pass(clock, 200)
  expect(drains).toEqual(['shop/edge-1'])
})

test('pods of others are not even read, and of ours only the metadata', async () => {
  const accepts: string[] = []
  api.answer(({ url, accept }) => {
    if (url.includes('/pods')) accepts.push(accept)
    return undefined
  })
  putPod('other', { labels: {} })
  putPod('edge-1')
  await start()
  expect(subject.reflectors.map((reflector) => reflector.size)).toEqual([1])
  expect(accepts.length).toBeGreaterThan(0)
  for (const accept of accepts) expect(accept).toContain('as=PartialObjectMetadata')
  deletePod('other')
  await pass(clock, 10_000)
  expect(drains).toEqual([])
})
