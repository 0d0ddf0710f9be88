import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listAddressRequests } from '../../infrastructure/address-request.ts'
import { earlierClassTime } from '../../infrastructure/infrastructure-options.ts'
import { gatewayClassNameLabel, gatewayNameLabel, gatewayUidLabel } from '../../infrastructure/labels.ts'
import type { ProxyFleet } from '../../infrastructure/proxy-fleet.ts'
import { InfrastructureBed } from '../../testing/infrastructure-bed.ts'
import { testFleet } from '../../testing/pod-envoy.ts'

const four = ['Service', 'ServiceAccount', 'ConfigMap', 'Deployment']
const rest = ['Service', 'ServiceAccount', 'ConfigMap']
const day = 24 * 3_600_000

let bed: InfrastructureBed

beforeEach(async () => {
  bed = new InfrastructureBed()
  await bed.start()
})
afterEach(() => bed.stop())

/** Kinds of which there is an object of that name. */
const kindsOf = (name: string) => bed.kinds(name)
const waits = (from = bed) =>
  from.logs.flatMap(({ message, fields }) =>
    message === 'What a Gateway had for another class stays for now' ? [fields?.['waitingFor']] : [],
  )
/** What the earlier class has made goes when the pods of the other one are ready, its Service some time later. */
async function expectHandOver(): Promise<void> {
  expect(kindsOf('edge-gatewright')).toEqual(four)
  await bed.setReadyPods('edge-other', 1)
  expect(kindsOf('edge-gatewright')).toEqual(rest)
  await bed.pass(earlierClassTime + 1000, 1000)
  expect(kindsOf('edge-gatewright')).toEqual([])
}
const pending = () => bed.problems.get(testFleet.key)

/** With a Service that has its address, and a pod that is ready. */
async function serve(more: Partial<ProxyFleet> = {}): Promise<void> {
  await bed.setFleet(more)
  await bed.readServices()
  await bed.assignAddress('edge-gatewright', '192.0.2.1')
  await bed.setReadyPods('edge-gatewright', 1)
  bed.takeWrites()
}

async function changeClass(className: string, more: Partial<ProxyFleet> = {}): Promise<void> {
  await bed.setFleet({ className, ...more })
  await bed.readServices()
}

/** Another replica leads from now on. */
async function changeLeader(fleet: Partial<ProxyFleet>): Promise<InfrastructureBed> {
  const next = new InfrastructureBed(bed)
  await bed.stop()
  await next.setFleet(fleet)
  await next.readServices()
  await next.start()
  return next
}

describe('another class of ours', () => {
  test('comes to its pods and its address while everything that serves stays, untouched', async () => {
    await serve()
    const before = four.map((kind) => bed.get(kind))
    await changeClass('other', { parameters: { serviceAnnotations: { 'example.com/internal': 'true' } } })
    expect(kindsOf('edge-other')).toEqual(four)
    expect(four.map((kind) => bed.get(kind))).toEqual(before)
    expect(bed.takeWrites()).toBe(4)
    expect(pending()).toEqual([
      {
        on: 'gatewright.dev/InfrastructureComplete',
        reason: 'Pending',
        message:
          'waiting for Deployment "edge-other" to be ready: until then what Gateway "edge" had for another class serves',
      },
    ])
    expect(waits()).toEqual(['Deployment "edge-other" to be ready'])
    expect(bed.provisioner.changingClass).toBe(1)
    // Both Services lead to the pods of both Deployments, so that nothing has to be switched over.
    const selector = { [gatewayNameLabel]: 'edge', [gatewayUidLabel]: testFleet.uid }
    for (const name of ['edge-gatewright', 'edge-other']) {
      expect(bed.get('Service', name)).toMatchObject({ spec: { selector } })
      expect(bed.get('Deployment', name)).toMatchObject({ spec: { template: { metadata: { labels: selector } } } })
    }
    // It never becomes ready, and gets an address.
    await bed.pass(day / 2, 60_000)
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.pass(day / 2, 60_000)
    expect(four.map((kind) => bed.get(kind))).toEqual(before)
    expect(bed.takeWrites()).toBe(0)
    expect(waits()).toHaveLength(1)
  })

  test('has its pods ready: those of the earlier one go, and its Service when nobody can need it any more', async () => {
    await serve()
    await changeClass('other')
    await bed.setReadyPods('edge-other', 1)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    expect(pending()).toEqual([])
    // The earlier address leads to the new pods, and is all there is.
    await bed.pass(earlierClassTime * 2, 5000)
    expect(bed.get('Service')).toBeDefined()
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.pass(earlierClassTime - 1000, 1000)
    expect(bed.get('Service')).toBeDefined()
    await bed.pass(2000)
    expect(kindsOf('edge-gatewright')).toEqual([])
    expect(kindsOf('edge-other')).toEqual(four)
    expect(waits()).toEqual([
      'Deployment "edge-other" to be ready',
      'an address of Service "edge-other"',
      'clients to learn of the new address',
    ])
    expect(bed.provisioner.changingClass).toBe(0)
    expect(bed.provisioner.pending).toBe(0)
    expect(bed.takeWrites()).toBe(8)
  })

  test('has its address first', async () => {
    await serve()
    await changeClass('other')
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.pass(earlierClassTime * 2, 5000)
    await expectHandOver()
  })

  test('needs no load balancer', async () => {
    const parameters = { serviceType: 'ClusterIP' } as const
    await serve({ parameters })
    await changeClass('other', { parameters })
    await expectHandOver()
  })

  test('takes over with as many pods as it is to have, also where an autoscaler has not raised them yet', async () => {
    await serve()
    const parameters = { minReplicas: 2, maxReplicas: 5, maxUnavailable: 1 }
    await changeClass('other', { parameters })
    await bed.setReadyPods('edge-other', 1)
    expect(kindsOf('edge-gatewright')).toEqual(four)
    await bed.setReadyPods('edge-other', 2)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    await changeClass('third', { parameters: { replicas: 3 } })
    await bed.setReadyPods('edge-third', 2)
    expect(kindsOf('edge-other')).toEqual([...four, 'HorizontalPodAutoscaler', 'PodDisruptionBudget'])
    await bed.setReadyPods('edge-third', 3)
    expect(kindsOf('edge-other')).toEqual(rest)
  })

  test('has as many pods as serve when it takes over, also where an autoscaler would ask for fewer', async () => {
    const minimumOf = (name: string) => bed.get('HorizontalPodAutoscaler', name)?.spec as { minReplicas: number }
    const parameters = { minReplicas: 2, maxReplicas: 5 }
    await serve({ parameters })
    await bed.setReadyPods('edge-gatewright', 4)
    await changeClass('other', { parameters })
    expect(minimumOf('edge-other').minReplicas).toBe(4)
    await bed.setReadyPods('edge-gatewright', 9)
    expect(minimumOf('edge-other').minReplicas).toBe(5)
    await bed.setReadyPods('edge-other', 4)
    expect(kindsOf('edge-gatewright')).toContain('Deployment')
    await bed.setReadyPods('edge-other', 5)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    expect(minimumOf('edge-other').minReplicas).toBe(2)
  })

  test('counts pods only when they are told of the Deployment as it is now', async () => {
    await serve()
    await changeClass('other')
    const status = { observedGeneration: 0, readyReplicas: 1 }
    bed.api.put({
      ...bed.get('Deployment', 'edge-other'),
      metadata: { ...bed.get('Deployment', 'edge-other')?.metadata },
      status,
    })
    await bed.settle()
    expect(kindsOf('edge-gatewright')).toEqual(four)
  })

  test('is changed back before it serves', async () => {
    await serve()
    await changeClass('other')
    await changeClass('gatewright')
    expect(kindsOf('edge-gatewright')).toEqual(four)
    expect(kindsOf('edge-other')).toEqual(rest)
    expect(pending()).toEqual([])
    await bed.pass(earlierClassTime + 1000, 1000)
    expect(kindsOf('edge-other')).toEqual([])
    expect(bed.get('Service')).toMatchObject({ status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } })
  })

  test('is followed by a third one: what serves stays until that serves', async () => {
    await serve()
    await changeClass('other')
    await changeClass('third')
    expect(kindsOf('edge-gatewright')).toEqual(four)
    await bed.setReadyPods('edge-third', 1)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    expect(kindsOf('edge-other')).toEqual(rest)
    await bed.assignAddress('edge-third', '192.0.2.3')
    await bed.pass(earlierClassTime + 1000, 1000)
    expect([kindsOf('edge-gatewright'), kindsOf('edge-other'), kindsOf('edge-third')]).toEqual([[], [], four])
  })

  test('whose parameters cannot be read begins nothing, and takes nothing away', async () => {
    await serve()
    await changeClass('other', { parameters: undefined })
    await bed.pass(day, 60_000)
    expect(bed.takeWrites()).toBe(0)
    expect(pending()?.[0]?.message).toContain('the parameters cannot be read: until then')
    await changeClass('other')
    expect(kindsOf('edge-other')).toEqual(four)
    expect(kindsOf('edge-gatewright')).toEqual(four)
  })

  test('whose name for an object is taken takes nothing away', async () => {
    await serve()
    bed.api.put({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: 'shop', name: 'edge-other' } })
    await changeClass('other')
    await bed.pass(day, 60_000)
    expect(kindsOf('edge-gatewright')).toEqual(four)
    expect(pending()?.[0]?.message).toContain('exists already and belongs to somebody else')
  })

  test('keeps an address that is asked for where it is', async () => {
    const addresses = listAddressRequests([{ type: 'IPAddress', value: '192.0.2.1' }])
    await serve({ addresses })
    await changeClass('other', { addresses })
    await bed.setReadyPods('edge-other', 1)
    await bed.pass(earlierClassTime * 2, 5000)
    expect(kindsOf('edge-gatewright')).toEqual(['Service'])
    expect(bed.get('Service')).toMatchObject({
      metadata: { labels: { [gatewayClassNameLabel]: 'other' } },
      spec: { type: 'LoadBalancer', loadBalancerIP: '192.0.2.1' },
    })
    expect(bed.get('Service', 'edge-other')).toMatchObject({ spec: { type: 'ClusterIP' } })
  })
})

describe('a new leader', () => {
  test('finds the change of class in the middle: it takes nothing away early, and forgets nothing', async () => {
    await serve()
    await changeClass('other')
    const next = await changeLeader({ className: 'other' })
    expect(kindsOf('edge-gatewright')).toEqual(four)
    expect(waits(next)).toEqual(['Deployment "edge-other" to be ready'])
    await next.setReadyPods('edge-other', 1)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    await next.assignAddress('edge-other', '192.0.2.2')
    await next.pass(earlierClassTime + 1000, 1000)
    expect(kindsOf('edge-gatewright')).toEqual([])
    await next.stop()
  })

  test('finds what is left for those who learn late, and keeps it as long as if it had just begun', async () => {
    await serve()
    await changeClass('other')
    await bed.setReadyPods('edge-other', 1)
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.pass(earlierClassTime - 1000, 1000)
    const next = await changeLeader({ className: 'other' })
    await next.pass(earlierClassTime - 1000, 1000)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    await next.pass(2000)
    expect(kindsOf('edge-gatewright')).toEqual([])
    await next.stop()
  })

  test('that comes after the change of class sees it as it was', async () => {
    await serve()
    await changeLeader({ className: 'other' }).then((next) => next.stop())
    expect(kindsOf('edge-other')).toEqual(four)
    expect(kindsOf('edge-gatewright')).toEqual(four)
  })
})

describe('meanwhile', () => {
  test('the Gateway is deleted: nothing more is done for it', async () => {
    await serve()
    await changeClass('other')
    bed.takeWrites()
    await changeClass('other', { isDeleting: true })
    await bed.setReadyPods('edge-other', 1)
    await bed.pass(earlierClassTime * 2, 5000)
    expect(bed.takeWrites()).toBe(0)
    await bed.dropFleet()
    expect(bed.provisioner.changingClass).toBe(0)
  })

  test('the class becomes one of another controller: everything goes at once', async () => {
    await serve()
    await changeClass('other')
    bed.ownership = 'foreign'
    await bed.dropFleet()
    expect([kindsOf('edge-gatewright'), kindsOf('edge-other')]).toEqual([[], []])
  })

  test('the pods of the new class fail when only the earlier address is left: it stays, and nobody is told of other pods', async () => {
    await serve()
    await changeClass('other')
    await bed.setReadyPods('edge-other', 1)
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.setReadyPods('edge-other', 0)
    await bed.pass(earlierClassTime * 2, 5000)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    expect(pending()).toEqual([])
    await bed.setReadyPods('edge-other', 1)
    await bed.pass(earlierClassTime - 1000, 1000)
    expect(kindsOf('edge-gatewright')).toEqual(rest)
    await bed.pass(2000)
    expect(kindsOf('edge-gatewright')).toEqual([])
  })

  test('the authority of the control plane changes: the proxies of both classes are told', async () => {
    await serve()
    await changeClass('other')
    const before = bed.get('ConfigMap')
    bed.takeWrites()
    await bed.setTrust('OLD NEW')
    expect(bed.takeWrites()).toBe(2)
    const { 'xds-trust.json': trust, ...data } = (before?.['data'] ?? {}) as Record<string, string>
    const after = bed.get('ConfigMap')
    expect(after?.['data']).toMatchObject(data)
    expect(JSON.stringify(after?.['data'])).toContain('OLD NEW')
    expect(trust).not.toContain('OLD NEW')
    expect(after?.metadata.labels).toEqual(before?.metadata.labels)
    expect(kindsOf('edge-gatewright')).toEqual(four)
  })

  test('what somebody has labelled as of another class is not: it has the name of this one', async () => {
    await serve({ parameters: { minReplicas: 2, maxReplicas: 5 } })
    await bed.edit('deployments', { metadata: { labels: { [gatewayClassNameLabel]: 'mine' } } }, 'apps/v1')
    await bed.setReadyPods('edge-gatewright', 4)
    expect(bed.get('Deployment')?.metadata.labels).toMatchObject({ [gatewayClassNameLabel]: 'mine' })
    expect(bed.get('HorizontalPodAutoscaler')).toMatchObject({ spec: { minReplicas: 2 } })
    expect(bed.provisioner.changingClass).toBe(0)
  })

  test('an object of somebody else that looks like one of an earlier class is not touched', async () => {
    await serve()
    const labels = { [gatewayNameLabel]: 'edge', [gatewayClassNameLabel]: 'old', [gatewayUidLabel]: testFleet.uid }
    const metadata = { namespace: 'shop', name: 'edge-old', labels }
    const theirs = bed.api.put({ apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'ClusterIP' } })
    await changeClass('other')
    await bed.setReadyPods('edge-other', 1)
    await bed.assignAddress('edge-other', '192.0.2.2')
    await bed.pass(earlierClassTime * 2, 5000)
    expect(bed.get('Service', 'edge-old')).toEqual(theirs)
    expect(kindsOf('edge-gatewright')).toEqual([])
  })
})
