import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { earlierClassTime, withdrawTime } from './infrastructure/infrastructure-options.ts'
import { gatewayUidLabel } from './infrastructure/labels.ts'
import { ClusterBed } from './testing/cluster-bed.ts'
import type { ClusterProxy } from './testing/cluster-proxy.ts'

let bed: ClusterBed
beforeEach(async () => {
  bed = await ClusterBed.start()
  bed.install()
  bed.putClass('other')
})
afterEach(() => bed.stop())

const soon = { timeout: 20_000, interval: 10 }
const until = (check: () => void) => vi.waitFor(check, soon)

interface Status {
  readonly addresses?: readonly { readonly value: string }[]
  readonly conditions: readonly {
    readonly type: string
    readonly status: string
    readonly reason: string
    readonly observedGeneration: number
  }[]
}

const gateway = () => bed.server.get('Gateway', 'shop', 'gw')
const infrastructureOf = (className: string) =>
  ['Service', 'ServiceAccount', 'ConfigMap', 'Deployment'].filter(
    (kind) => bed.server.get(kind, 'shop', `gw-${className}`) !== undefined,
  )

/** Whether clients are served, and where. */
function describeService({ addresses = [], conditions }: Status): string {
  const programmed = conditions.find(({ type }) => type === 'Programmed')
  return [programmed?.reason, ...addresses.map(({ value }) => value)].join(' ')
}

/** The same as it is now, when the status is about the Gateway as it is now. */
function currentService(): string {
  const status = gateway()?.status as Status
  const isCurrent = status.conditions.every((c) => c.observedGeneration === gateway()?.metadata.generation)
  return isCurrent ? describeService(status) : 'not current'
}

/** As the controller of Deployments does. */
function setReadyPods(name: string, readyReplicas: number): void {
  const deployment = bed.server.get('Deployment', 'shop', name)
  if (!deployment) throw new Error(`there is no Deployment ${name}`)
  bed.server.put({ ...deployment, status: { observedGeneration: deployment.metadata.generation, readyReplicas } })
}

/** What is written from now on about whether clients are served. */
function watchStatuses(): string[] {
  const seen: string[] = []
  bed.server.answer(({ method, url, body }) => {
    if (method === 'PUT' && url.includes('/gateways/gw/status'))
      seen.push(describeService((body as { status: Status }).status))
    return undefined
  })
  return seen
}

let edits = 0
/** A proxy follows an edit. */
async function expectServed(...proxies: readonly ClusterProxy[]): Promise<void> {
  const name = `edit-${++edits}`
  bed.putRoute(name)
  for (const proxy of proxies) await until(() => expect(proxy.text('route')).toContain(`${name}.example.com`))
}

test('A Gateway gets another class of ours: its earlier proxies are served until the new ones serve, and drained then', async () => {
  const replica = await bed.startReplica()
  const earlier = await bed.bringUp(replica)
  setReadyPods('gw-gatewright', 1)
  await until(() => expect(currentService()).toBe('Programmed 192.0.2.1'))
  const statuses = watchStatuses()

  bed.putGateway('gw', { gatewayClassName: 'other' })
  await until(() => expect(infrastructureOf('other')).toHaveLength(4))
  const isPending = () => bed.condition('Gateway', 'gw', 'gatewright.dev/InfrastructureComplete')
  await until(() => expect(isPending()).toBe('False Pending'))
  await until(() => expect(currentService()).toBe('Programmed 192.0.2.1'))
  await expectServed(earlier)
  // It may come back, too.
  earlier.reopen()
  await expectServed(earlier)
  await bed.clock.leap(60_000)
  expect(infrastructureOf('gatewright')).toHaveLength(4)
  const changing = async () => (await replica.metrics()).get('gatewright_infrastructure_changing_class_count')
  expect(await changing()).toBe(1)

  const later = bed.connectProxy(replica, 'gw-2', 'gw-other')
  await expectServed(earlier, later)
  setReadyPods('gw-other', 1)
  await until(() => expect(infrastructureOf('gatewright')).toEqual(['Service', 'ServiceAccount', 'ConfigMap']))
  await until(() => expect(isPending()).toBeUndefined())
  expect(currentService()).toBe('Programmed 192.0.2.1')
  bed.setReadiness(true, 'gw-other')
  bed.assignAddress('gw-other', '192.0.2.2')
  await until(() => expect(currentService()).toBe('Programmed 192.0.2.2'))

  // What follows from the end of its Deployment.
  expect(earlier.names('listener')).toHaveLength(1)
  const metadata = { namespace: 'shop', name: 'gw-1', labels: { [gatewayUidLabel]: 'x' }, finalizers: ['kubelet'] }
  bed.server.put({ apiVersion: 'v1', kind: 'Pod', metadata, spec: {} })
  bed.server.delete('Pod', 'shop', 'gw-1')
  await expectServed(earlier, later)
  await bed.clock.leap(withdrawTime + 1000)
  await until(() => expect(earlier.names('listener')).toEqual([]))
  expect(later.names('listener')).toHaveLength(1)

  await bed.clock.leap(earlierClassTime)
  await until(() => expect(infrastructureOf('gatewright')).toEqual([]))
  await expectServed(later)
  expect(currentService()).toBe('Programmed 192.0.2.2')
  expect(await changing()).toBe(0)
  expect(new Set(statuses)).toEqual(new Set(['Programmed 192.0.2.1', 'Programmed 192.0.2.2']))
  expect(replica.told('error')).toEqual([])
}, 60_000)

test('A Gateway names a class that is not there, or loses its class: it is served as before, until there is one', async () => {
  const replica = await bed.startReplica()
  const proxy = await bed.bringUp(replica)
  await bed.clock.leap(5_000)
  bed.server.requests.reset()
  bed.putGateway('gw', { gatewayClassName: 'late' })
  await expectServed(proxy)
  bed.server.delete('GatewayClass', '', 'gatewright')
  await expectServed(proxy)
  proxy.reopen()
  await expectServed(proxy)
  await bed.clock.leap(60_000)
  expect([proxy.isConnected, proxy.names('listener').length]).toEqual([true, 1])
  expect(infrastructureOf('gatewright')).toHaveLength(4)
  // Nothing is said of the Gateway as it is now, nor of a class that is not there.
  expect(currentService()).toBe('not current')
  expect(bed.writes().filter((write) => write.includes('gatewayclasses'))).toEqual([])

  bed.putClass('late')
  await until(() => expect(infrastructureOf('late')).toHaveLength(4))
  await until(() => expect(currentService()).toBe('Programmed 192.0.2.1'))
  await expectServed(proxy)
  bed.putClass('theirs', 'example.com/other')
  bed.putGateway('gw', { gatewayClassName: 'theirs' })
  await until(() => expect([infrastructureOf('gatewright'), infrastructureOf('late')]).toEqual([[], []]))
  await until(() => expect(proxy.names('listener')).toEqual([]))
  expect(replica.told('error')).toEqual([])
}, 60_000)
