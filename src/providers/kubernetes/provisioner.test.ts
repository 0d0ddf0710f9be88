import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { listAddressRequests } from '../../infrastructure/address-request.ts'
import { planServices } from '../../infrastructure/service-plan.ts'
import { pass } from '../../testing/fake-api-time.ts'
import { InfrastructureBed } from '../../testing/infrastructure-bed.ts'
import { testFleet } from '../../testing/pod-envoy.ts'

const four = ['Service', 'ServiceAccount', 'ConfigMap', 'Deployment']
const apps = 'apps/v1'

let bed: InfrastructureBed

beforeEach(() => {
  bed = new InfrastructureBed()
})
afterEach(() => bed.stop())

const specOf = (object: { spec?: unknown } | undefined) => object?.spec as Record<string, unknown>

describe('what a Gateway needs', () => {
  test('is made when it comes, with one write for each object, and not looked at again', async () => {
    await bed.start()
    await bed.setFleet()
    expect(bed.kinds()).toEqual(four)
    expect(bed.takeWrites()).toBe(4)
    await bed.pass(600_000)
    expect(bed.takeWrites()).toBe(0)
    expect(bed.provisioner.pending).toBe(0)
    expect([...bed.problems]).toEqual([])
  })

  test('is not written again by a new leader who finds it as it should be', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeCalls()
    const { api } = bed
    const next = new InfrastructureBed({ api, clock: bed.clock })
    await next.setFleet()
    await next.start()
    expect(bed.takeCalls()).toBe(0)
    expect(next.applier.counters).toMatchObject({ unchanged: 4, applied: 0, created: 0 })
    await next.stop()
  })

  test('loses what a new leader does not find wanted, such as a port of a listener that went meanwhile', async () => {
    await bed.start()
    const listens = [...testFleet.listens, { port: 443, transport: 'TCP', protocol: 'https' } as const]
    await bed.setFleet({ ports: [80, 443], listens })
    await bed.provisioner.stop()
    bed.scheduler.batch(() => bed.fleets.set(testFleet.key, testFleet))
    bed.takeWrites()
    bed.provisioner.start()
    await bed.settle()
    expect(specOf(bed.get('Service'))['ports']).toEqual([
      { name: 'http-80', port: 80, protocol: 'TCP', targetPort: 10080 },
    ])
    expect(bed.takeWrites()).toBe(1)
  })

  test('follows the Gateway with one write for the object that changes', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeWrites()
    const listens = [...testFleet.listens, { port: 443, transport: 'TCP', protocol: 'https' } as const]
    await bed.setFleet({ ports: [80, 443], listens })
    expect(specOf(bed.get('Service'))['ports']).toHaveLength(2)
    expect(bed.takeWrites()).toBe(1)
  })

  test('waits until there is something that proxies can trust, and follows it', async () => {
    await bed.setTrust(undefined)
    await bed.start()
    await bed.setFleet()
    expect(bed.kinds()).toEqual([])
    await bed.setTrust('OLD')
    expect(bed.kinds()).toEqual(four)
    bed.takeWrites()
    await bed.setTrust('OLD NEW')
    expect(JSON.stringify(bed.get('ConfigMap'))).toContain('OLD NEW')
    expect(bed.takeWrites()).toBe(1)
  })

  test('is not made for a Gateway that is being deleted, nor made again by whoever is not the leader', async () => {
    await bed.start()
    await bed.setFleet({ isDeleting: true })
    expect(bed.kinds()).toEqual([])
    await bed.setFleet()
    await bed.provisioner.stop()
    bed.api.delete('Service', 'shop', 'edge-gatewright')
    await bed.pass(60_000)
    expect(bed.kinds()).not.toContain('Service')
  })
})

describe('the addresses of a Gateway', () => {
  const ask = (...values: string[]) => listAddressRequests(values.map((value) => ({ type: 'IPAddress', value })))
  const services = () =>
    bed.api.list('Service').map(({ metadata, spec }) => {
      const { type, loadBalancerIP, clusterIP } = spec as Record<string, unknown>
      return [String(metadata.name).replace(/-[0-9a-f]{8}$/, '-HASH'), type, loadBalancerIP ?? clusterIP]
        .join(' ')
        .trim()
    })
  const assign = async (ask: string, ip: string) => {
    const service = bed.api
      .list('Service')
      .find(({ spec }) => (spec as { loadBalancerIP?: string }).loadBalancerIP === ask)
    bed.api.put({ ...(service as NonNullable<typeof service>), status: { loadBalancer: { ingress: [{ ip }] } } })
    await bed.readServices()
  }

  test('have a Service each, and lose it when they are not asked for any more', async () => {
    await bed.start()
    await bed.setFleet({ addresses: ask('192.0.2.1', '192.0.2.2') })
    expect(services()).toEqual([
      'edge-gatewright LoadBalancer 192.0.2.1',
      'edge-gatewright-HASH LoadBalancer 192.0.2.2',
    ])
    expect(bed.takeWrites()).toBe(5)
    await bed.readServices()
    expect(bed.takeWrites()).toBe(0)
    await assign('192.0.2.1', '192.0.2.1')
    await bed.setFleet({ addresses: ask('192.0.2.1') })
    expect(services()).toEqual(['edge-gatewright LoadBalancer 192.0.2.1'])
  })

  test('stay while the load balancer has not assigned the new ones', async () => {
    await bed.start()
    await bed.setFleet({ addresses: ask('192.0.2.1') })
    await assign('192.0.2.1', '192.0.2.1')
    await bed.setFleet({ addresses: ask('192.0.2.2') })
    const both = ['edge-gatewright LoadBalancer 192.0.2.1', 'edge-gatewright-HASH LoadBalancer 192.0.2.2']
    expect(services()).toEqual(both)
    await bed.readServices()
    expect(services()).toEqual(both)
    await assign('192.0.2.2', '192.0.2.2')
    expect(services()).toEqual(['edge-gatewright ClusterIP', 'edge-gatewright-HASH LoadBalancer 192.0.2.2'])
  })

  test('that the API server refuses are told where they are asked for, and keep nothing else from being made', async () => {
    await bed.start()
    const addresses = listAddressRequests([
      { type: 'IPAddress' },
      { type: 'IPAddress', value: '203.0.113.7', routability: 'Cluster' },
    ])
    const [, refused] = planServices({ ...testFleet, addresses }, [])
    const message = 'provided IP is not in the valid range'
    bed.api.faults.always({ verb: 'patch', name: refused?.name ?? '' }, { status: 422, message })
    await bed.setFleet({ addresses })
    expect(bed.kinds()).toEqual(four)
    expect(bed.problems.get(testFleet.key)).toEqual([
      {
        on: 'AddressesAssigned',
        reason: 'NotAssigned',
        message: expect.stringContaining('provided IP is not in the valid range'),
        path: 'spec.addresses[1]',
      },
    ])
  })
})

describe('labels and annotations of spec.infrastructure', () => {
  test('reach everything with one write for each object, and leave nothing behind when they go', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeWrites()
    const all = () => four.map((kind) => JSON.stringify(bed.get(kind)))
    await bed.setFleet({ labels: { team: 'blue' }, annotations: { note: 'yes' } })
    for (const text of all()) {
      expect(text).toContain('"team":"blue"')
      expect(text).toContain('"note":"yes"')
    }
    expect(bed.takeWrites()).toBe(4)
    await bed.setFleet()
    for (const text of all()) expect(text).not.toMatch(/blue|yes/)
    expect(bed.takeWrites()).toBe(4)
  })
})

describe('drift', () => {
  test('an object that somebody deletes is made again', async () => {
    await bed.start()
    await bed.setFleet()
    for (const kind of four) {
      bed.api.delete(kind, 'shop', 'edge-gatewright')
      await bed.settle()
      expect(bed.kinds()).toEqual(four)
    }
  })

  test('an object that finalizers still hold is made again when it is gone', async () => {
    await bed.start()
    await bed.setFleet()
    await bed.edit('services', { metadata: { finalizers: ['example.com/load-balancer'] } })
    bed.takeWrites()
    bed.api.delete('Service', 'shop', 'edge-gatewright')
    await bed.settle()
    expect(bed.takeWrites()).toBe(0)
    const { uid } = bed.get('Service')?.metadata ?? {}
    await bed.edit('services', { metadata: { finalizers: null } })
    expect(bed.get('Service')?.metadata.uid).not.toBe(uid)
    expect(bed.get('Service')?.metadata.deletionTimestamp).toBeUndefined()
  })

  test('a port that somebody removes comes back', async () => {
    await bed.start()
    await bed.setFleet()
    await bed.edit('services', { spec: { ports: [{ name: 'mine', port: 9000, protocol: 'TCP' }] } })
    const ports = specOf(bed.get('Service'))['ports'] as { port: number }[]
    expect(ports.map((p) => p.port).sort()).toEqual([80, 9000])
  })

  test('fields that are nobody’s business but others’ are left alone, without a write (journey 50)', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeWrites()
    const selector = {
      'app.kubernetes.io/instance': 'edge',
      'app.kubernetes.io/name': 'edge-gatewright',
      'gateway.networking.k8s.io/gateway-name': 'edge',
      'gatewright.dev/gateway-uid': null,
    }
    const labels = { 'app.kubernetes.io/managed-by': 'Helm', 'helm.sh/chart': 'x' }
    const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 10080, nodePort: 30001 }]
    await bed.edit('services', { metadata: { labels }, spec: { type: 'LoadBalancer', selector, ports } })
    const service = bed.get('Service')
    expect(specOf(service)['ports']).toMatchObject([{ name: 'http', nodePort: 30001 }])
    expect(service?.metadata.labels).toMatchObject(labels)
    const writes = bed.takeWrites()
    expect(writes).toBeLessThanOrEqual(3)
    // Not now, and not when something else about it happens.
    await bed.pass(300_000)
    bed.api.put({
      ...service,
      metadata: service?.metadata ?? {},
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    })
    await bed.pass(300_000)
    expect(bed.takeWrites()).toBe(0)
    expect([...bed.problems]).toEqual([])
    expect(bed.logs.filter((l) => l.message.startsWith('Fields of an object stay'))).toHaveLength(1)
  })

  test('a change of the Gateway reaches an object of which others own fields', async () => {
    await bed.start()
    await bed.setFleet()
    await bed.edit('services', {
      spec: { ports: [{ name: 'mine', port: 80, protocol: 'TCP', targetPort: 10080, nodePort: 30001 }] },
    })
    const listens = [...testFleet.listens, { port: 443, transport: 'TCP', protocol: 'https' } as const]
    await bed.setFleet({ ports: [80, 443], listens })
    expect(specOf(bed.get('Service'))['ports']).toMatchObject([
      { name: 'mine', port: 80, nodePort: 30001 },
      { name: 'https-443', port: 443, targetPort: 10443 },
    ])
  })

  test('the number of pods is whoever’s scales, also against the parameters', async () => {
    await bed.start()
    await bed.setFleet()
    await bed.edit('deployments', { spec: { replicas: 7 } }, apps)
    await bed.setFleet({ annotations: { a: 'b' } })
    expect(specOf(bed.get('Deployment'))['replicas']).toBe(7)
    await bed.setFleet({ parameters: { replicas: 2 } })
    expect(specOf(bed.get('Deployment'))['replicas']).toBe(7)
  })

  test('statuses and annotations of other controllers cause no write', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeWrites()
    for (let i = 0; i < 20; i++) {
      const deployment = bed.get('Deployment')
      const metadata = deployment?.metadata ?? {}
      const annotations = { ...metadata.annotations, 'deployment.kubernetes.io/revision': String(i) }
      bed.api.put({ ...deployment, metadata: { ...metadata, annotations }, status: { readyReplicas: i } })
      await bed.settle()
    }
    expect(bed.takeWrites()).toBe(0)
    expect(bed.applier.counters.applied).toBe(0)
  })
})

describe('objects of others', () => {
  test.each([
    ['ServiceAccount', []],
    ['ConfigMap', []],
    ['Service', ['ServiceAccount', 'ConfigMap', 'Deployment']],
    ['Deployment', ['Service', 'ServiceAccount', 'ConfigMap']],
  ])('a %s of that name is not touched, and the Gateway says so', async (kind, made) => {
    const apiVersion = kind === 'Deployment' ? 'apps/v1' : 'v1'
    const metadata = { namespace: 'shop', name: 'edge-gatewright', labels: { mine: 'yes' } }
    const foreign = bed.api.put({ apiVersion, kind, metadata, data: { secret: 'x' } })
    await bed.start()
    await bed.setFleet()
    expect(bed.get(kind)).toEqual(foreign)
    for (const other of made) expect(bed.kinds()).toContain(other)
    if (kind === 'ServiceAccount' || kind === 'ConfigMap') expect(bed.kinds()).not.toContain('Deployment')
    expect(bed.problems.get(testFleet.key)).toEqual([
      {
        on: 'Programmed',
        reason: 'Invalid',
        message: `${kind} "shop/edge-gatewright" exists already and belongs to somebody else: delete it, or rename the Gateway`,
      },
    ])
    // It is told once, and found out without an event when it has gone.
    await bed.pass(300_000)
    expect(bed.logs.filter((l) => l.level === 'warn')).toHaveLength(1)
    bed.api.delete(kind, 'shop', 'edge-gatewright')
    await bed.pass(31_000)
    expect(bed.kinds()).toEqual(four)
    expect(bed.problems.get(testFleet.key)).toEqual([])
  })

  test.each([
    ['HorizontalPodAutoscaler', 'autoscaling/v2'],
    ['PodDisruptionBudget', 'policy/v1'],
  ])('without its %s a Gateway is programmed, and says what is missing', async (kind, apiVersion) => {
    bed.api.put({ apiVersion, kind, metadata: { namespace: 'shop', name: 'edge-gatewright' } })
    await bed.start()
    await bed.setFleet({ parameters: { minReplicas: 2, maxReplicas: 5 } })
    for (const made of four) expect(bed.kinds()).toContain(made)
    expect(bed.problems.get(testFleet.key)).toEqual([
      {
        on: 'gatewright.dev/InfrastructureComplete',
        reason: 'NotApplied',
        message: `${kind} "shop/edge-gatewright" exists already and belongs to somebody else: delete it, or rename the Gateway`,
      },
    ])
  })

  test('two Gateways that come to one name: the first has it, the second says so', async () => {
    await bed.start()
    const first = { key: 'shop/a-b' as NamespacedName, className: 'c', uid: 'uid-1' }
    const second = { key: 'shop/a' as NamespacedName, className: 'b-c', uid: 'uid-2' }
    await bed.setFleet(first)
    await bed.setFleet(second)
    expect(bed.api.get('Service', 'shop', 'a-b-c')?.metadata['ownerReferences']).toMatchObject([{ uid: 'uid-1' }])
    expect(bed.problems.get(first.key)).toBeUndefined()
    expect(bed.problems.get(second.key)?.[0]?.message).toContain('belongs to Gateway "a-b"')
  })

  test('what a Gateway of the same name has left is waited for, without a complaint', async () => {
    await bed.start()
    await bed.setFleet({ uid: 'uid-1' })
    await bed.provisioner.stop()
    bed.provisioner.start()
    await bed.setFleet({ uid: 'uid-2' })
    expect(bed.get('Service')?.metadata['ownerReferences']).toMatchObject([{ uid: 'uid-1' }])
    expect(bed.problems.get(testFleet.key)).toBeUndefined()
    // The garbage collector comes.
    for (const kind of four) bed.api.delete(kind, 'shop', 'edge-gatewright')
    await bed.settle()
    for (const kind of four) expect(bed.get(kind)?.metadata['ownerReferences']).toMatchObject([{ uid: 'uid-2' }])
  })

  test('an object that somebody makes in the same moment is given back as it was', async () => {
    const metadata = { namespace: 'shop', name: 'edge-gatewright', uid: 'theirs' }
    const managedFields = [{ manager: 'kubectl' }, { manager: 'gatewright' }]
    const bodies: unknown[] = []
    bed.api.answer(({ method, url, body }) => {
      if (method !== 'PATCH' || !url.includes('/serviceaccounts/')) return undefined
      bodies.push(body)
      return {
        status: 200,
        body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...metadata, managedFields } },
      }
    })
    await bed.start()
    await bed.setFleet()
    expect(bodies.at(1)).toEqual({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    expect(bed.kinds()).not.toContain('Deployment')
  })
})

describe('what is not needed', () => {
  test('goes: an autoscaler without parameters, and what is of another class when that serves (hand-over.test.ts)', async () => {
    await bed.start()
    await bed.setFleet({ parameters: { minReplicas: 2, maxReplicas: 5 } })
    expect(bed.kinds()).toEqual([...four, 'HorizontalPodAutoscaler', 'PodDisruptionBudget'])
    await bed.setFleet()
    expect(bed.kinds()).toEqual(four)
    await bed.setFleet({ className: 'other' })
    expect(bed.kinds()).toEqual(four)
    await bed.setReadyPods('edge-other', 1)
    expect(bed.kinds()).not.toContain('Deployment')
  })

  test('goes when the Gateway is another controller’s, and only then', async () => {
    await bed.start()
    await bed.setFleet()
    bed.takeWrites()
    await bed.setFleet({ isHeld: true, ports: [], listens: [], parameters: undefined })
    expect(bed.kinds()).toEqual(four)
    // Its class, or the Gateway itself, is gone.
    await bed.dropFleet()
    expect(bed.kinds()).toEqual(four)
    await bed.setFleet()
    expect(bed.takeWrites()).toBe(0)
    bed.ownership = 'foreign'
    await bed.dropFleet()
    expect(bed.kinds()).toEqual([])
    expect(bed.applier.counters.deleted).toBe(4)
  })

  test('goes after a restart too', async () => {
    await bed.start()
    await bed.setFleet()
    await bed.provisioner.stop()
    bed.ownership = 'foreign'
    await bed.dropFleet()
    expect(bed.kinds()).toEqual(four)
    bed.provisioner.start()
    await bed.settle()
    expect(bed.kinds()).toEqual([])
  })
})

describe('parameters that cannot be read', () => {
  test('change nothing of what runs', async () => {
    await bed.start()
    await bed.setFleet({ parameters: { replicas: 3, serviceType: 'NodePort', maxUnavailable: 1 } })
    bed.takeWrites()
    await bed.setFleet({ parameters: undefined })
    expect(bed.takeWrites()).toBe(0)
    expect(bed.kinds()).toContain('PodDisruptionBudget')
    bed.api.delete('Deployment', 'shop', 'edge-gatewright')
    await bed.settle()
    expect(bed.kinds()).toContain('Deployment')
  })

  test('do not keep a new Gateway from being served', async () => {
    await bed.start()
    await bed.setFleet({ parameters: undefined })
    expect(bed.kinds()).toEqual(four)
  })
})

describe('an API server', () => {
  test('that fails is asked again, later and later, and nothing is lost', async () => {
    await bed.start()
    const heal = bed.api.faults.always({ resource: 'deployments', verb: 'patch' }, { status: 500 })
    await bed.setFleet()
    expect(bed.kinds()).toEqual(['Service', 'ServiceAccount', 'ConfigMap'])
    const before = bed.api.requests.count({ resource: 'deployments', verb: 'patch' })
    await bed.pass(300_000)
    const tries = bed.api.requests.count({ resource: 'deployments', verb: 'patch' }) - before
    expect(tries).toBeGreaterThan(5)
    expect(tries).toBeLessThan(20)
    expect(bed.logs.filter((l) => l.level === 'warn')).toHaveLength(1)
    heal()
    await bed.pass(61_000)
    expect(bed.kinds()).toEqual(four)
    expect(bed.provisioner.pending).toBe(0)
  })

  test('that fails for one Gateway does not delay another', async () => {
    await bed.start()
    bed.api.faults.always({ name: 'edge-gatewright' }, 'silence')
    bed.scheduler.batch(() => {
      bed.fleets.set(testFleet.key, testFleet)
      for (let i = 0; i < 10; i++) {
        const key = `shop/other-${i}` as NamespacedName
        bed.fleets.set(key, { ...testFleet, key, uid: `uid-${i}` })
      }
    })
    await pass(bed.clock, 1000)
    for (let i = 0; i < 10; i++) expect(bed.get('Deployment', `other-${i}-gatewright`)).toBeDefined()
    bed.api.faults.clear()
    await pass(bed.clock, 120_000, 1000)
    expect(bed.kinds()).toEqual(four)
  })

  test('that refuses says why in the status of the Gateway, and is asked again', async () => {
    await bed.start()
    const message = 'services "edge-gatewright" is forbidden: exceeded quota: compute'
    const heal = bed.api.faults.always(
      { resource: 'services', verb: 'patch' },
      { status: 403, reason: 'Forbidden', message },
    )
    await bed.setFleet()
    expect(bed.problems.get(testFleet.key)?.[0]?.message).toContain('exceeded quota')
    expect(bed.kinds()).toEqual(['ServiceAccount', 'ConfigMap', 'Deployment'])
    heal()
    await bed.pass(31_000)
    expect(bed.kinds()).toEqual(four)
    expect(bed.problems.get(testFleet.key)).toEqual([])
  })

  test('that says when to come back is believed', async () => {
    await bed.start()
    bed.api.faults.once({ resource: 'services', verb: 'patch' }, { status: 429, retryAfter: 20 })
    await bed.setFleet()
    await bed.pass(19_000)
    // These were on their way with it; nothing follows them.
    expect(bed.kinds()).toEqual(['ServiceAccount', 'ConfigMap'])
    await bed.pass(2000)
    expect(bed.kinds()).toEqual(four)
  })
})

test('a hundred Gateways are made by four at a time, and forgotten when they go', async () => {
  await bed.start()
  const keys = Array.from({ length: 100 }, (_, i) => `shop/gw-${i}` as NamespacedName)
  bed.scheduler.batch(() => {
    for (const [i, key] of keys.entries()) bed.fleets.set(key, { ...testFleet, key, uid: `uid-${i}` })
  })
  await bed.settle()
  expect(bed.api.list('Deployment')).toHaveLength(100)
  expect(bed.takeWrites()).toBe(400)
  bed.scheduler.batch(() => bed.fleets.replace([]))
  for (const kind of four)
    for (const { metadata } of bed.api.list(kind)) bed.api.delete(kind, 'shop', metadata.name ?? '')
  await bed.settle()
  expect(bed.owned.size).toBe(0)
  expect(bed.provisioner.pending).toBe(0)
  expect(bed.applier.remembered).toBe(0)
})
