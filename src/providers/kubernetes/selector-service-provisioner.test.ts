import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { Service } from '../../gatewayapi/objects/service.ts'
import { validateObject } from '../../gatewayapi/validate-object.ts'
import type { Problem } from '../../graph/problem.ts'
import { planSelectorService } from '../../infrastructure/selector-service.ts'
import { GraphFixture, gatewayClassYaml, gatewayYaml, httpRouteYaml } from '../../testing/builders.ts'
import { FakeApi } from '../../testing/fake-api.ts'
import { FakeApiClient } from '../../testing/fake-api-client.ts'
import type { FakeObject } from '../../testing/fake-api-store.ts'
import { pass, settle } from '../../testing/fake-api-time.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import { KubernetesApplier } from './applier.ts'
import { projectObject } from './projection.ts'
import type { RawObject } from './raw-object.ts'
import { SelectorServiceProvisioner } from './selector-service-provisioner.ts'

const gatewayText = gatewayClassYaml + gatewayYaml('shop/edge', '[{name: http, port: 80, protocol: HTTP}]')
const routeText = httpRouteYaml(
  'shop/web',
  '  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: api}]}]',
)
const xBackendText = (spec: string, metadata = '') => `
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: {name: api, namespace: shop, uid: uid-1${metadata}}
spec: {port: {number: 8080}, ${spec}}
`
const selecting = (app = 'shop', metadata = '') =>
  xBackendText(`type: EndpointSelector, endpointSelector: {matchLabels: {app: ${app}}}`, metadata)
const outside = xBackendText('type: ExternalHostname, externalHostname: {hostname: api.example.com}')

/** The provisioner between a graph and an API server, both in this process. */
class Bed {
  readonly clock = new FakeClock()
  readonly api = new FakeApi({ clock: this.clock })
  readonly client = new FakeApiClient(this.api, this.clock)
  readonly fixture = new GraphFixture(gatewayText)
  readonly problems = new Map<NamespacedName, readonly Problem[]>()
  readonly applier = new KubernetesApplier({
    client: this.client,
    owned: { get: () => undefined },
    logger: silentLogger,
  })
  readonly provisioner = new SelectorServiceProvisioner({
    xBackends: this.fixture.sources.xBackends,
    plans: this.fixture.scheduler.derive('plan', this.fixture.graph.selectorServices, planSelectorService),
    services: this.fixture.sources.services,
    applier: this.applier,
    onProblems: (xBackend, problems) => void this.problems.set(xBackend, problems),
    clock: this.clock,
    logger: silentLogger,
    random: () => 0.5,
  })

  /** Applies each text, and lets the provider read the Services that there are then. */
  async apply(...yamls: readonly string[]): Promise<void> {
    this.fixture.apply(...yamls)
    await this.settle()
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      this.#readServices()
      await settle()
      await this.provisioner.settled()
    }
  }

  #readServices(): void {
    const { scheduler, sources } = this.fixture
    const live = this.api.list('Service').map((object) => projectObject('Service', 'v1', object as RawObject))
    const objects = live.flatMap((object) => (validateObject(object, {}).object as Service | undefined) ?? [])
    scheduler.batch(() =>
      sources.services.replace(
        objects.map((o) => [`${o.metadata.namespace}/${o.metadata.name}` as NamespacedName, o] as const),
      ),
    )
  }

  get service(): FakeObject | undefined {
    return this.api.get('Service', 'shop', 'api-xbackend')
  }

  writes(): number {
    return ['create', 'update', 'patch', 'delete'].reduce(
      (sum, verb) => sum + this.api.requests.count({ verb: verb as 'patch' }),
      0,
    )
  }
}

let bed: Bed
beforeEach(() => {
  bed = new Bed()
  bed.provisioner.start()
})
afterEach(() => bed.provisioner.stop())

describe('the Service of an XBackend that chooses pods by their labels', () => {
  test('is made when something of ours leads to it, with one write, and is headless and owned by it', async () => {
    await bed.apply(selecting())
    expect(bed.service).toBeUndefined()
    await bed.apply(routeText)
    expect(bed.service).toMatchObject({
      metadata: {
        labels: { 'gatewright.dev/xbackend-uid': 'uid-1' },
        ownerReferences: [{ kind: 'XBackend', name: 'api', uid: 'uid-1', controller: true, blockOwnerDeletion: false }],
      },
      spec: { clusterIP: 'None', selector: { app: 'shop' }, ports: [{ port: 8080, targetPort: 8080 }] },
    })
    await pass(bed.clock, 120_000, 500)
    await bed.settle()
    expect(bed.writes()).toBe(1)
    expect([...bed.problems]).toEqual([])
  })

  test('follows the labels and the port, and stays when nothing leads to it for a while', async () => {
    await bed.apply(selecting(), routeText)
    await bed.apply(selecting('other').replace('8080', '9090'))
    expect(bed.service?.['spec']).toMatchObject({ selector: { app: 'other' }, ports: [{ port: 9090 }] })
    bed.fixture.remove('HTTPRoute', 'shop/web')
    await bed.settle()
    expect(bed.service).toBeDefined()
  })

  test('is deleted when the XBackend becomes one of another type', async () => {
    await bed.apply(selecting(), routeText)
    await bed.apply(outside)
    expect(bed.service).toBeUndefined()
  })

  test('is left to the garbage collector when the XBackend goes, or cannot be read', async () => {
    await bed.apply(selecting(), routeText)
    const before = bed.writes()
    bed.fixture.remove('XBackend', 'shop/api')
    await bed.settle()
    expect(bed.service).toBeDefined()
    expect(bed.writes()).toBe(before)
    expect(bed.applier.remembered).toBe(0)
  })

  test('comes back when somebody deletes it, but not for an XBackend that is being deleted', async () => {
    await bed.apply(selecting(), routeText)
    bed.api.delete('Service', 'shop', 'api-xbackend')
    await bed.settle()
    expect(bed.service).toBeDefined()
    await bed.apply(selecting('shop', ", deletionTimestamp: '2026-01-01T00:00:00Z'"))
    bed.api.delete('Service', 'shop', 'api-xbackend')
    await bed.settle()
    expect(bed.service).toBeUndefined()
  })

  test('gets its label back, by which it is known', async () => {
    await bed.apply(selecting(), routeText)
    await bed.client.call({
      method: 'PATCH',
      path: '/api/v1/namespaces/shop/services/api-xbackend',
      query: { fieldManager: 'kubectl' },
      contentType: 'application/merge-patch+json',
      body: { metadata: { labels: { 'gatewright.dev/xbackend-uid': null } } },
    })
    await bed.settle()
    expect(bed.service?.metadata.labels).toMatchObject({ 'gatewright.dev/xbackend-uid': 'uid-1' })
  })

  test('is not made by whoever is not the leader', async () => {
    await bed.provisioner.stop()
    await bed.apply(selecting(), routeText)
    await pass(bed.clock, 60_000, 500)
    expect(bed.writes()).toBe(0)
  })
})

describe('a Service of that name that belongs to somebody else', () => {
  const foreign = (metadata: object = {}) =>
    bed.api.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'api-xbackend', ...metadata },
      spec: { clusterIP: '10.0.0.9', ports: [{ port: 80, protocol: 'TCP' }] },
    })

  test('is not touched and its pods are not used, until it has gone', async () => {
    const theirs = foreign()
    await bed.apply(selecting(), routeText)
    expect(bed.service).toEqual(theirs)
    const { conditions } = bed.fixture.parentStatus('shop/web')
    expect(conditions.find(({ type }) => type === 'ResolvedRefs')?.message).toContain('belongs to somebody else')
    bed.api.delete('Service', 'shop', 'api-xbackend')
    await bed.settle()
    await pass(bed.clock, 31_000, 500)
    await bed.settle()
    expect(bed.service?.metadata.labels).toMatchObject({ 'gatewright.dev/xbackend-uid': 'uid-1' })
    expect(bed.fixture.parentStatus('shop/web').conditions.every(({ status }) => status === 'True')).toBe(true)
  })

  test('is not deleted for having our label', async () => {
    const theirs = foreign({ labels: { 'gatewright.dev/xbackend-uid': 'uid-1' } })
    await bed.apply(outside, routeText)
    expect(bed.service).toEqual(theirs)
  })
})

test('what the API server refuses is told, and tried again until it is taken', async () => {
  bed.api.faults.once({ resource: 'services', verb: 'patch' }, { status: 403, message: 'exceeded quota: services' })
  await bed.apply(selecting(), routeText)
  const told = { on: 'Accepted', path: 'spec.endpointSelector', message: expect.stringContaining('exceeded quota') }
  expect(bed.problems.get('shop/api' as NamespacedName)).toMatchObject([told])
  await pass(bed.clock, 31_000, 500)
  await bed.settle()
  expect(bed.service).toBeDefined()
  expect(bed.problems.get('shop/api' as NamespacedName)).toEqual([])
})
