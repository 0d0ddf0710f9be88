import { afterEach, describe, expect, test } from 'vitest'
import type { LogFields, Logger } from '../../base/logger.ts'
import type { KindName, KubernetesObject } from '../../gatewayapi/kinds.ts'
import { FakeApi } from '../../testing/fake-api.ts'
import { FakeApiClient } from '../../testing/fake-api-client.ts'
import { pass, settle } from '../../testing/fake-api-time.ts'
import { createRandom } from '../../testing/seeded-random.ts'
import { FakeClock } from '../../testing/xds-clock.ts'
import type { ObjectChange } from '../object-sink.ts'
import { KubernetesProvider, type KubernetesProviderOptions } from './kubernetes-provider.ts'
import type { StatusChange } from './status-sink.ts'

interface Bed {
  readonly clock: FakeClock
  readonly api: FakeApi
  readonly provider: KubernetesProvider
  /** "Kind namespace/name" -> object, as the sink was told. */
  readonly objects: Map<string, KubernetesObject>
  /** Each call of the sink: "Kind namespace/name", with a minus in front for a deletion. */
  readonly batches: string[][]
  readonly statuses: StatusChange[]
  readonly logged: string[]
  readonly isSynced: boolean
}

interface BedOptions extends Partial<KubernetesProviderOptions> {
  readonly before?: (api: FakeApi) => void
  readonly apply?: (changes: readonly ObjectChange[]) => void
}

const running: KubernetesProvider[] = []
afterEach(async () => {
  for (const provider of running.splice(0)) await provider.stop()
})

async function start({ before, apply, ...options }: BedOptions = {}): Promise<Bed> {
  const clock = new FakeClock()
  const api = new FakeApi({ clock })
  before?.(api)
  const objects = new Map<string, KubernetesObject>()
  const [batches, statuses, logged]: [string[][], StatusChange[], string[]] = [[], [], []]
  const provider = new KubernetesProvider({
    client: new FakeApiClient(api, clock),
    clock,
    logger: recordInto(logged),
    random: () => 0.5,
    sink: {
      apply(changes) {
        apply?.(changes)
        batches.push(changes.map(({ kind, key, object }) => `${object ? '' : '-'}${kind} ${key}`))
        for (const { kind, key, object } of changes) {
          if (object) objects.set(`${kind} ${key}`, object)
          else objects.delete(`${kind} ${key}`)
        }
      },
    },
    statuses: { applyStatus: (changes) => void statuses.push(...changes) },
    ...options,
  })
  running.push(provider)
  const bed: Bed = {
    clock,
    api,
    provider,
    objects,
    batches,
    statuses,
    logged,
    get isSynced() {
      return provider.status().hasSynced
    },
  }
  provider.start()
  await settle()
  return bed
}

function recordInto(lines: string[]): Logger {
  const log = (level: string) => (message: string, fields?: LogFields) => {
    const problem = fields?.['problem'] ?? ''
    if (level !== 'debug') lines.push(`${level}: ${message}${problem === '' ? '' : ` ${problem}`}`)
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

const gatewayVersion = 'gateway.networking.k8s.io/v1'

function putGateway(api: FakeApi, name: string, extra: { metadata?: object; spec?: object; status?: object } = {}) {
  const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }]
  return api.put({
    apiVersion: gatewayVersion,
    kind: 'Gateway',
    ...extra,
    metadata: { namespace: 'shop', name, ...extra.metadata },
    spec: { gatewayClassName: 'ours', listeners, ...extra.spec },
  })
}

function putCore(api: FakeApi, kind: string, name: string, content: object, metadata: object = {}) {
  return api.put({ apiVersion: 'v1', kind, metadata: { namespace: 'shop', name, ...metadata }, ...content })
}

describe('The first batch', () => {
  test('is everything there is, of all kinds', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        putCore(api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
        api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } })
      },
    })
    expect(bed.isSynced).toBe(true)
    expect(bed.batches.map((batch) => batch.sort())).toEqual([
      ['Gateway shop/web', 'Namespace /shop', 'Service shop/cart'],
    ])
    expect(bed.provider.status()).toMatchObject({
      hasSynced: true,
      bundle: { version: 'v1.7.0', channel: 'experimental' },
      kinds: { Gateway: { state: 'synced', objects: 1, version: 'v1' }, HTTPRoute: { state: 'synced', objects: 0 } },
    })
  })

  test('says of which bundle the CRDs are also where that is all that may be asked of them', async () => {
    const bed = await start({
      before(api) {
        const resource = 'customresourcedefinitions'
        // Later than what is served is known.
        api.faults.once({ verb: 'watch', resource }, 'reset')
        for (const verb of ['list', 'watch'] as const)
          api.faults.always({ verb, resource }, { status: 403, reason: 'Forbidden' })
      },
    })
    const bundle = { version: 'v1.7.0', channel: 'experimental' }
    expect([bed.isSynced, bed.provider.status().bundle]).toEqual([true, undefined])
    // Until it is known, a GatewayClass has the features of our own.
    await pass(bed.clock, 1500)
    expect(bed.provider.status().bundle).toEqual(bundle)
  })

  test('waits for a kind that fails, and nothing is handed on before', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        api.faults.once({ resource: 'services' }, { status: 500 }, 5)
      },
    })
    expect([bed.isSynced, bed.batches]).toEqual([false, []])
    await pass(bed.clock, 10_000)
    await bed.provider.hasSynced
    expect([bed.isSynced, bed.batches]).toEqual([true, [['Gateway shop/web']]])
  })

  test('waits for the discovery', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        api.faults.once({ resource: '/apis/gateway.networking.k8s.io/v1' }, { status: 503 }, 2)
      },
    })
    expect(bed.isSynced).toBe(false)
    await pass(bed.clock, 5000)
    expect(bed.batches).toEqual([['Gateway shop/web']])
  })

  test('does not wait for a kind that is absent', async () => {
    const bed = await start({ before: (api) => void api.remove('Backend') })
    expect(bed.isSynced).toBe(true)
    expect(bed.provider.status().kinds.Backend).toMatchObject({ state: 'absent', objects: 0, version: undefined })
  })

  test('does not wait for a kind that is forbidden, once the refusal has lasted', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        api.faults.always({ resource: 'secrets' }, { status: 403, reason: 'Forbidden' })
      },
    })
    await pass(bed.clock, 9000)
    expect(bed.isSynced).toBe(false)
    await pass(bed.clock, 2000)
    expect(bed.isSynced).toBe(true)
    expect(bed.provider.status().kinds).toMatchObject({ Secret: { state: 'forbidden' }, Gateway: { state: 'synced' } })
    expect(bed.logged.filter((line) => line.startsWith('warn'))).toEqual(['warn: There is no right to read Secret.'])
  })

  test('is not the word of a server that refuses everything while it starts', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        const end = api.faults.always({}, { status: 403, reason: 'Forbidden' })
        setImmediate(end)
      },
    })
    await pass(bed.clock, 3000)
    expect(bed.batches).toEqual([['Gateway shop/web']])
  })
})

describe('What is read last', () => {
  const slice = { addressType: 'IPv4', ports: [{ port: 8080 }], endpoints: [{ addresses: ['192.0.2.1'] }] }
  function put(api: FakeApi) {
    putGateway(api, 'web')
    const labels = { 'kubernetes.io/service-name': 'cart' }
    const metadata = { namespace: 'shop', name: 'cart-1', labels }
    api.put({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, ...slice })
  }
  const [first, second] = [['Gateway shop/web'], ['EndpointSlice shop/cart-1']]

  test('is asked for with the rest, read when it may be, and handed on by itself', async () => {
    const { promise: after, resolve } = Promise.withResolvers<void>()
    let isRead = false
    const { promise: loaded, resolve: endLoad } = Promise.withResolvers<void>()
    const batches: string[][] = []
    const load = async (changes: readonly ObjectChange[]) => {
      batches.push(changes.map(({ kind, key }) => `${kind} ${key}`))
      await loaded
    }
    const bed = await start({
      before: put,
      last: { kinds: ['EndpointSlice'], after },
      sink: { apply: () => {}, load },
    })
    const slices = () => bed.provider.status().kinds.EndpointSlice
    expect([batches, slices()?.objects, bed.isSynced]).toEqual([[first], 0, false])
    const asked = bed.api.requests.count({ verb: 'list', resource: 'endpointslices' })
    expect(asked).toBe(1)
    void bed.provider.hasSynced.then(() => {
      isRead = true
    })
    resolve()
    await settle()
    // Read while the others are still being taken in, but not handed on before they are.
    expect([batches, slices()?.objects, isRead]).toEqual([[first], 1, false])
    endLoad()
    await settle()
    expect([batches, bed.isSynced, isRead]).toEqual([[first, second], true, true])
  })

  test('is read when the others have been handed on, whoever else it should wait for', async () => {
    const { promise: never } = Promise.withResolvers<void>()
    const bed = await start({ before: put, last: { kinds: ['EndpointSlice'], after: never } })
    expect([bed.batches, bed.isSynced]).toEqual([[first, second], true])
  })

  test('waits for others that fail no longer than some seconds, and comes with them then', async () => {
    const { promise: never } = Promise.withResolvers<void>()
    let recover = () => {}
    const bed = await start({
      before(api) {
        put(api)
        recover = api.faults.always({ resource: 'services' }, { status: 500 })
      },
      last: { kinds: ['EndpointSlice'], after: never },
    })
    const objects = () => bed.provider.status().kinds.EndpointSlice?.objects
    await pass(bed.clock, 2_500)
    expect([bed.batches, objects()]).toEqual([[], 0])
    await pass(bed.clock, 1_000)
    expect([bed.batches, objects()]).toEqual([[], 1])
    recover()
    await pass(bed.clock, 30_000)
    expect(bed.batches.map((batch) => batch.sort())).toEqual([[...second, ...first]])
    expect(bed.isSynced).toBe(true)
  })
})

describe('A change', () => {
  test('comes in one batch with all that came in the same turn', async () => {
    const bed = await start()
    putGateway(bed.api, 'a')
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
    putGateway(bed.api, 'a', { spec: { gatewayClassName: 'other' } })
    putGateway(bed.api, 'b')
    bed.api.delete('Gateway', 'shop', 'b')
    await settle()
    expect(bed.batches).toEqual([['Gateway shop/a', '-Gateway shop/b', 'Service shop/cart']])
    expect(bed.objects.get('Gateway shop/a')).toMatchObject({ spec: { gatewayClassName: 'other' } })
  })

  test('of the status alone goes to the statuses only', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'web') })
    bed.statuses.length = 0
    const { metadata } = putGateway(bed.api, 'web', { status: { conditions: [] } })
    await settle()
    expect(bed.batches.length).toBe(1)
    const { resourceVersion, uid } = metadata
    expect(bed.statuses).toEqual([
      {
        kind: 'Gateway',
        key: 'shop/web',
        live: { resourceVersion, uid, generation: 1, status: '{"conditions":[]}' },
      },
    ])
    expect(bed.objects.get('Gateway shop/web')).not.toHaveProperty('status')
  })

  test.each([
    ['annotations', { annotations: { a: 'b' } }],
    ['managedFields', { managedFields: [{ manager: 'kubectl' }] }],
    ['finalizers', { finalizers: ['x/y'] }],
  ])('of %s alone is no change', async (_field, metadata) => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        putCore(api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
      },
    })
    putGateway(bed.api, 'web', { metadata })
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } }, metadata)
    await settle()
    expect(bed.batches.length).toBe(1)
  })

  test('of labels is one where somebody reads them', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'web') })
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
    await settle()
    putGateway(bed.api, 'web', { metadata: { labels: { a: 'b' } } })
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } }, { labels: { a: 'b' } })
    await settle()
    const namespace = { apiVersion: 'v1', kind: 'Namespace' }
    bed.api.put({ ...namespace, metadata: { name: 'blog', labels: { a: 'b' } } })
    await settle()
    bed.api.put({ ...namespace, metadata: { name: 'blog', labels: { a: 'c' } } })
    await settle()
    expect(bed.batches.slice(1)).toEqual([['Service shop/cart'], ['Namespace /blog'], ['Namespace /blog']])
  })

  test('is told again to the sink for each object alone when the batch is refused', async () => {
    let poison = ''
    const bed = await start({
      apply(changes) {
        if (changes.some(({ key }) => key === poison)) throw new Error('poison')
      },
    })
    poison = 'shop/a'
    for (const name of ['a', 'b', 'c']) putGateway(bed.api, name)
    await settle()
    expect(bed.batches).toEqual([['Gateway shop/b'], ['Gateway shop/c']])
    expect(bed.logged.filter((line) => line.startsWith('error')).length).toBe(2)
  })
})

describe('An object that our schema refuses', () => {
  test('is left out alone, and named with its field', async () => {
    const bad = { spec: { listeners: [{ name: 'http', port: 0, protocol: 'HTTP' }] } }
    const bed = await start({
      before(api) {
        putGateway(api, 'bad', bad)
        for (let i = 0; i < 999; i++) putGateway(api, `good${i}`)
      },
    })
    expect(bed.objects.size).toBe(999)
    expect(bed.provider.status().kinds.Gateway).toMatchObject({ state: 'synced', objects: 999, refusedObjects: 1 })
    expect(bed.logged).toContainEqual(
      expect.stringMatching(/^warn: Gateway shop\/bad cannot be used, and it is left out\. spec\.listeners\[0\]\.port/),
    )
    expect(bed.statuses).toContainEqual(expect.objectContaining({ key: 'shop/bad' }))
  })

  test('keeps its last good version, and is told of once', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'web') })
    const bad = { spec: { listeners: [{ name: 'http', port: 0, protocol: 'HTTP' }] } }
    putGateway(bed.api, 'web', bad)
    putGateway(bed.api, 'web', { ...bad, status: { conditions: [] } })
    await settle()
    expect(bed.objects.get('Gateway shop/web')).toMatchObject({ spec: { listeners: [{ port: 80 }] } })
    expect(bed.logged.filter((line) => line.includes('its last good version stays in force')).length).toBe(1)
    putGateway(bed.api, 'web', { spec: { listeners: [{ name: 'http', port: 81, protocol: 'HTTP' }] } })
    await settle()
    expect(bed.objects.get('Gateway shop/web')).toMatchObject({ spec: { listeners: [{ port: 81 }] } })
    expect(bed.logged.at(-1)).toBe('info: Gateway shop/web can be used again.')
  })

  test('is not one with fields of a newer CRD', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'web', { spec: { newField: { a: 1 } } }) })
    expect(bed.objects.get('Gateway shop/web')).toMatchObject({ spec: { gatewayClassName: 'ours' } })
    expect(bed.logged.filter((line) => line.startsWith('warn'))).toEqual([])
  })
})

describe('What is kept', () => {
  test('of a Service, an EndpointSlice, a Secret, a ConfigMap and a Namespace is what somebody reads', async () => {
    const slice = {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod' }, nodeName: 'n' }],
      ports: [{ port: 80 }],
    }
    const bed = await start({
      before(api) {
        const own = { 'gatewright.dev/gateway-uid': 'u' }
        const status = { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] }, conditions: [] }
        putCore(api, 'Service', 's', { spec: { ports: [{ port: 80 }] }, status }, { labels: { ...own, helm: 'x' } })
        const labels = { 'kubernetes.io/service-name': 's', other: 'x' }
        api.put({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { namespace: 'shop', name: 'e', labels },
          ...slice,
        })
        api.put({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { namespace: 'shop', name: 'of-none' },
          ...slice,
        })
        putCore(api, 'Secret', 'tls', {
          type: 'kubernetes.io/tls',
          data: { 'tls.crt': 'YQ==', 'tls.key': 'YQ==', more: 'YQ==' },
        })
        putCore(api, 'Secret', 'opaque', { type: 'Opaque', data: { password: 'YQ==' } })
        putCore(api, 'ConfigMap', 'c', {
          data: { headers: 'verbose', 'ca.crt': 'x'.repeat(5000), dashboard: 'y'.repeat(5000) },
          binaryData: { image: 'YQ==' },
        })
        api.put({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: 'shop', labels: { team: 'a' } },
          spec: { finalizers: ['kubernetes'] },
        })
      },
    })
    expect([...bed.objects.keys()].sort()).toEqual([
      'ConfigMap shop/c',
      'EndpointSlice shop/e',
      'Namespace /shop',
      'Secret shop/tls',
      'Service shop/s',
    ])
    const get = (id: string) => bed.objects.get(id) as unknown as Record<string, Record<string, unknown>>
    expect(get('Service shop/s')).toMatchObject({ status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } })
    expect({ ...(get('Service shop/s')['metadata']?.['labels'] as object) }).toEqual({
      'gatewright.dev/gateway-uid': 'u',
    })
    expect(get('EndpointSlice shop/e')['endpoints']).toEqual([{ addresses: ['10.0.0.1'], conditions: { ready: true } }])
    expect(Object.keys(get('Secret shop/tls')['data'] ?? {})).toEqual(['tls.crt', 'tls.key'])
    const { data } = get('ConfigMap shop/c')
    expect(data?.['headers']).toBe('verbose')
    expect(data?.['ca.crt']).toBe('x'.repeat(5000))
    expect(String(data?.['dashboard']).length).toBeLessThan(100)
    expect(get('ConfigMap shop/c')['binaryData']).not.toHaveProperty('image')
    expect(get('Namespace /shop')).not.toHaveProperty('spec')
    expect(bed.api.requests.list({ resource: 'secrets' }).length).toBe(1)
  })
})

describe('A kind', () => {
  test('whose CRD appears is read within moments', async () => {
    let resource: ReturnType<FakeApi['remove']> | undefined
    const bed = await start({
      before(api) {
        resource = api.remove('HTTPRoute')
      },
    })
    if (resource) bed.api.serve(resource)
    bed.api.put({ apiVersion: gatewayVersion, kind: 'HTTPRoute', metadata: { namespace: 'shop', name: 'r' }, spec: {} })
    await pass(bed.clock, 1000)
    expect(bed.batches).toEqual([['HTTPRoute shop/r']])
    expect(bed.provider.status().kinds.HTTPRoute?.state).toBe('synced')
    expect(bed.provider.resourceOf('HTTPRoute')).toMatchObject({ version: 'v1', plural: 'httproutes' })
    expect(bed.provider.resourceOf('Pod')).toBeUndefined()
  })

  test('whose CRD appears is read within 10 s without the right to watch CRDs', async () => {
    let resource: ReturnType<FakeApi['remove']> | undefined
    const bed = await start({
      before(api) {
        resource = api.remove('HTTPRoute')
        api.faults.always({ resource: 'customresourcedefinitions' }, { status: 403 })
      },
    })
    await pass(bed.clock, 30_000)
    if (resource) bed.api.serve(resource)
    await pass(bed.clock, 11_000)
    expect(bed.provider.status().kinds.HTTPRoute?.state).toBe('synced')
  })

  test('whose CRD is deleted vanishes with its objects, and nothing else does', async () => {
    const bed = await start({ before: (api) => ['a', 'b'].map((name) => putGateway(api, name)) })
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
    // The server dies before it tells of the deleted objects.
    bed.api.breakWatches('silence', { resource: 'gateways' })
    bed.api.remove('Gateway')
    await pass(bed.clock, 5000)
    expect([...bed.objects.keys()]).toEqual(['Service shop/cart'])
    expect(bed.provider.status().kinds.Gateway).toMatchObject({ state: 'absent', objects: 0 })
    expect(bed.api.countWatches({ resource: 'gateways' })).toBe(0)
  })

  test('is found soon after the start when its CRD came just before, and was not served yet', async () => {
    const heals: (() => void)[] = []
    const bed = await start({
      before(api) {
        putGateway(api, 'a')
        for (const version of ['v1', 'v1beta1'])
          heals.push(api.faults.always({ resource: `/apis/gateway.networking.k8s.io/${version}` }, { status: 404 }))
      },
    })
    expect([bed.isSynced, bed.provider.status().kinds.Gateway?.state]).toEqual([true, 'absent'])
    await pass(bed.clock, 1000)
    for (const heal of heals) heal()
    await pass(bed.clock, 1500)
    expect([...bed.objects.keys()]).toEqual(['Gateway shop/a'])
  })

  test('is asked for once at a start, however many watches begin', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'a') })
    await pass(bed.clock, 1900)
    expect(bed.api.requests.count({ resource: '/apis/gateway.networking.k8s.io/v1' })).toBe(1)
    const definition = 'customresourcedefinitions'
    expect(bed.api.requests.list({ resource: definition }).map(({ verb }) => verb)).not.toContain('get')
  })

  test('is not gone because the server forgets it for a moment', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'a') })
    const paths = ['v1', 'v1beta1'].map((version) => `/apis/gateway.networking.k8s.io/${version}`)
    for (const resource of paths) bed.api.faults.once({ resource }, { status: 404 })
    const metadata = { name: 'gateways.gateway.networking.k8s.io', labels: { changed: 'yes' } }
    bed.api.put({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata })
    await pass(bed.clock, 5000)
    for (const resource of paths) expect(bed.api.requests.count({ resource })).toBeGreaterThan(2)
    expect([...bed.objects.keys()]).toEqual(['Gateway shop/a'])
    expect(bed.batches.length).toBe(1)
    expect(bed.provider.status().kinds.Gateway).toMatchObject({ version: 'v1', counters: { relists: 0 } })
  })

  test('is read in its newest version, also when that appears later, and the objects stay', async () => {
    const bed = await start({
      before(api) {
        const resource = api.remove('Gateway')
        api.serve({ ...resource, versions: ['v1beta1'] })
        for (const name of ['web', 'gone'])
          api.put({ ...putGatewayBeta(name), apiVersion: 'gateway.networking.k8s.io/v1beta1' })
      },
    })
    expect(bed.provider.status().kinds.Gateway?.version).toBe('v1beta1')
    expect(bed.objects.get('Gateway shop/web')?.apiVersion).toBe(gatewayVersion)
    bed.api.breakWatches('silence', { resource: 'gateways' })
    bed.api.delete('Gateway', 'shop', 'gone')
    const resource = bed.api.store.table('gateway.networking.k8s.io', 'gateways')?.resource
    if (resource) bed.api.serve({ ...resource, versions: ['v1', 'v1beta1'] })
    await pass(bed.clock, 3000)
    expect(bed.provider.status().kinds.Gateway).toMatchObject({ version: 'v1', state: 'synced', objects: 1 })
    expect(bed.batches.slice(1)).toEqual([['-Gateway shop/gone']])
    bed.api.delete('Gateway', 'shop', 'web')
    await settle()
    expect(bed.objects.size).toBe(0)
  })

  test('is tried in its newest version where nobody may ask what is served', async () => {
    const bed = await start({
      before(api) {
        putGateway(api, 'web')
        api.remove('Backend')
        for (const path of [
          'gateway.networking.k8s.io/v1',
          'gateway.networking.k8s.io/v1beta1',
          'gateway.envoyproxy.io/v1alpha1',
        ])
          api.faults.always({ resource: `/apis/${path}` }, { status: 403 })
      },
    })
    await pass(bed.clock, 11_000)
    expect(bed.isSynced).toBe(true)
    expect(bed.provider.status().kinds).toMatchObject({
      Gateway: { state: 'synced', objects: 1, version: 'v1' },
      Backend: { state: 'absent', objects: 0 },
    })
  })

  test('that loses its right keeps its objects, and the others go on', async () => {
    const bed = await start({ before: (api) => putGateway(api, 'a') })
    bed.api.faults.always({ resource: 'gateways' }, { status: 403, reason: 'Forbidden' })
    await pass(bed.clock, 60_000, 500)
    putCore(bed.api, 'Service', 'cart', { spec: { ports: [{ port: 80 }] } })
    await settle()
    expect([...bed.objects.keys()]).toEqual(['Gateway shop/a', 'Service shop/cart'])
    expect(bed.provider.status().kinds.Gateway?.state).toBe('forbidden')
  })
})

function putGatewayBeta(name: string) {
  const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }]
  return { kind: 'Gateway', metadata: { namespace: 'shop', name }, spec: { gatewayClassName: 'ours', listeners } }
}

describe('With watchNamespaces', () => {
  test('only these are read, and of what is in no namespace only GatewayClasses', async () => {
    const bed = await start({
      watchNamespaces: ['shop', 'blog'],
      before(api) {
        api.faults.always({ resource: 'namespaces' }, { status: 403 })
        for (const namespace of ['shop', 'blog', 'other']) putGateway(api, 'web', { metadata: { namespace } })
        const spec = { controllerName: 'gatewright.dev/gateway-controller' }
        api.put({ apiVersion: gatewayVersion, kind: 'GatewayClass', metadata: { name: 'ours' }, spec })
      },
    })
    expect(bed.isSynced).toBe(true)
    expect([...bed.objects.keys()].sort()).toEqual([
      'Gateway blog/web',
      'Gateway shop/web',
      'GatewayClass /ours',
      'Namespace /blog',
      'Namespace /shop',
    ])
    const clusterWide = bed.api.requests.list({ verb: 'watch', namespace: '' }).map(({ resource }) => resource)
    expect(new Set(clusterWide)).toEqual(new Set(['gatewayclasses', 'namespaces', 'customresourcedefinitions']))
    expect({ ...bed.objects.get('Namespace /shop')?.metadata.labels }).toEqual({
      'kubernetes.io/metadata.name': 'shop',
    })
  })

  test('Namespaces are read where that is allowed', async () => {
    const bed = await start({
      watchNamespaces: ['shop'],
      before: (api) =>
        api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } }),
    })
    expect({ ...bed.objects.get('Namespace /shop')?.metadata.labels }).toEqual({ team: 'a' })
  })
})

test.each([1, 2, 3, 4, 5])(
  'After an outage of ten minutes all kinds are watched again within 5 s (%i)',
  async (seed) => {
    const bed = await start({ random: createRandom(seed), before: (api) => putGateway(api, 'a') })
    const heal = bed.api.faults.always({}, 'reset')
    bed.api.breakWatches('reset')
    await pass(bed.clock, 600_000, 500)
    putGateway(bed.api, 'b')
    bed.api.delete('Gateway', 'shop', 'a')
    expect([...bed.objects.keys()]).toEqual(['Gateway shop/a'])
    expect(bed.provider.status().kinds.Gateway?.state).toBe('failing')
    heal()
    await pass(bed.clock, 5000)
    expect([...bed.objects.keys()]).toEqual(['Gateway shop/b'])
    for (const { state, blindSince } of Object.values(bed.provider.status().kinds))
      expect({ state, blindSince }).toEqual({ state: 'synced', blindSince: undefined })
  },
)

test('After stop nothing is under way', async () => {
  const bed = await start({ before: (api) => putGateway(api, 'a') })
  await bed.provider.stop()
  expect(bed.api.countWatches()).toBe(0)
  expect(bed.clock.pending).toBe(0)
  putGateway(bed.api, 'b')
  await pass(bed.clock, 100)
  expect(bed.batches.length).toBe(1)
})

test('Each kind that is read has a name in the status', async () => {
  const bed = await start()
  const names: KindName[] = ['Gateway', 'HTTPRoute', 'Service', 'Secret']
  expect(Object.keys(bed.provider.status().kinds)).toEqual(expect.arrayContaining(names))
})
