import { get } from 'node:http'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { ClusterBed } from '../testing/cluster-bed.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import type { FakeObject } from '../testing/fake-api-store.ts'
import { PodEnvoy, testFleet } from '../testing/pod-envoy.ts'
import { findFreePort } from '../testing/xds-envoy.ts'

/*
 * Addresses and infrastructure of a Gateway in a cluster, with a pod of stock Envoy. There is no network of a
 * cluster: the test finds the way from an address to the pod as kube-proxy does, by the Services that there are.
 *
 * Features: GatewayAddressEmpty, GatewayAddressRoutability, GatewayAddressRoutabilityCluster,
 * GatewayInfrastructure, GatewayStaticAddresses.
 */

const patience = { timeout: 20_000, interval: 20 }
const infrastructure = { labels: { team: 'blue' }, annotations: { note: 'of-the-gateway' } }
let bed: ClusterBed
let echo: EchoBackend
let pod: PodEnvoy
let port: number

beforeAll(async () => {
  bed = await ClusterBed.start()
  echo = await startEchoBackend({ service: 'web' })
  // Ports of 1024 and more are the same in the pod, and all pods of a machine share them here.
  port = await findFreePort()
  for (const name of ['shop', 'gatewright-system'])
    bed.server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: {} } })
  bed.putClass('gatewright')
  putGateway([])
  bed.putService('cart')
  const slice = bed.server.get('EndpointSlice', 'shop', 'cart-1') as FakeObject
  const endpoints = [{ addresses: [echo.address], conditions: { ready: true } }]
  bed.server.put({ ...slice, endpoints, ports: [{ name: 'http', port: echo.port, protocol: 'TCP' }] })
  bed.putRoute('web')
  const replica = await bed.startReplica()
  await vi.waitFor(() => expect(bed.server.get('Deployment', 'shop', 'gw-gatewright')).toBeDefined(), patience)
  pod = await PodEnvoy.start({
    xdsPort: Number(replica.xdsAddress.split(':').at(-1)),
    serverName: 'gatewright.gatewright-system.svc',
    trustBundle: bed.trust(),
    token: bed.issuer.issue({ namespace: 'shop', serviceAccount: 'gw-gatewright', pod: 'gw-1' }),
    podName: 'gw-1',
    fleet: { ...testFleet, key: 'shop/gw' as NamespacedName },
    args: ['--concurrency', '1'],
  })
  await pod.ready()
  bed.setReadiness(true)
})
afterAll(async () => {
  await pod?.stop()
  await bed?.stop()
  await echo?.close()
})

function putGateway(addresses: readonly object[]): void {
  bed.putGateway('gw', { addresses, infrastructure, listeners: [{ name: 'http', port, protocol: 'HTTP' }] })
}

interface ServiceSpec {
  readonly type: string
  readonly clusterIP?: string
  readonly loadBalancerIP?: string
  readonly selector?: Readonly<Record<string, string>>
  readonly ports: readonly { readonly port: number; readonly targetPort: number }[]
}
const specOf = (service: FakeObject) => service['spec'] as ServiceSpec
const ingressOf = ({ status }: FakeObject) =>
  (status as { loadBalancer?: { ingress?: readonly { ip: string }[] } } | undefined)?.loadBalancer?.ingress ?? []
const servicesOfGateway = () =>
  bed.server.list('Service').filter(({ metadata }) => metadata.labels?.['gatewright.dev/gateway-uid'] !== undefined)

/** As load balancers do: each Service has the address that it asks for, or any. */
function balance(any: string): void {
  for (const service of servicesOfGateway()) {
    const { type, loadBalancerIP = any } = specOf(service)
    const ingress = [{ ip: loadBalancerIP }]
    if (type === 'LoadBalancer' && ingressOf(service)[0]?.ip !== loadBalancerIP)
      bed.server.put({ ...service, status: { loadBalancer: { ingress } } })
  }
}

const deployment = () => bed.server.get('Deployment', 'shop', 'gw-gatewright') as FakeObject
const templateOf = ({ spec }: FakeObject) =>
  (spec as { template: { metadata: FakeObject['metadata'] } }).template.metadata

/** Where an address leads to: the port of pods that the Service selects. */
function followAddress(address: string): number {
  const labels = templateOf(deployment()).labels ?? {}
  for (const service of servicesOfGateway()) {
    const { type, clusterIP, selector = {}, ports } = specOf(service)
    const addresses = [clusterIP, ...(type === 'LoadBalancer' ? ingressOf(service).map(({ ip }) => ip) : [])]
    const isOfPod = Object.entries(selector).every(([key, value]) => labels[key] === value)
    const target = ports.find((p) => p.port === port)?.targetPort
    if (addresses.includes(address) && isOfPod && target !== undefined) return target
  }
  throw new Error(`${address} leads nowhere`)
}

function statusAt(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: followAddress(address), headers: { host: 'web.example.com' } }
    get(options, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    }).once('error', reject)
  })
}

const addressesOf = () =>
  ((bed.server.get('Gateway', 'shop', 'gw')?.status as { addresses?: { value: string }[] } | undefined)?.addresses ??
    []) as readonly { readonly value: string; readonly routability?: string }[]

/** Waits until the Gateway has exactly these addresses and is programmed, and a request to each is answered. */
async function expectServed(any: string, ...expected: readonly string[]): Promise<void> {
  await vi.waitFor(async () => {
    balance(any)
    await bed.clock.leap(1_000)
    expect(addressesOf().map(({ value }) => value)).toEqual(expected)
    expect(bed.condition('Gateway', 'gw', 'Programmed')).toBe('True Programmed')
  }, patience)
  for (const address of expected) expect(await statusAt(address)).toBe(200)
}

describe('a Gateway in a cluster is served', () => {
  test('at the address that its load balancer gives, by pods with the labels and annotations that it asks for', async () => {
    await expectServed('192.0.2.1', '192.0.2.1')
    const service = bed.server.get('Service', 'shop', 'gw-gatewright') as FakeObject
    for (const { labels, annotations } of [deployment().metadata, templateOf(deployment()), service.metadata]) {
      expect(labels).toMatchObject(infrastructure.labels)
      expect(annotations).toMatchObject(infrastructure.annotations)
    }
  })

  test('at any address where it asks for one without a value', async () => {
    putGateway([{ type: 'IPAddress' }])
    await expectServed('192.0.2.1', '192.0.2.1')
    await vi.waitFor(() => expect(bed.condition('Gateway', 'gw', 'AddressesAssigned')).toMatch(/^True/), patience)
  })

  test('at the addresses that it asks for by value', async () => {
    putGateway([
      { type: 'IPAddress', value: '192.0.2.7' },
      { type: 'IPAddress', value: '192.0.2.8' },
    ])
    await expectServed('192.0.2.1', '192.0.2.7', '192.0.2.8')
  })

  test('inside of the cluster alone where it asks for that', async () => {
    putGateway([{ type: 'IPAddress', value: '10.96.0.77', routability: 'Cluster' }])
    await expectServed('192.0.2.1', '10.96.0.77')
    expect(addressesOf()).toMatchObject([{ value: '10.96.0.77', routability: 'Cluster' }])
    for (const service of servicesOfGateway()) expect(specOf(service).type).toBe('ClusterIP')
    expect(() => followAddress('192.0.2.1')).toThrow('leads nowhere')
  })
})
