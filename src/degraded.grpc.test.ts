import { describe, expect, test, vi } from 'vitest'
import { ClusterBed, type Replica } from './testing/cluster-bed.ts'
import type { ClusterProxy } from './testing/cluster-proxy.ts'
import type { FakeVerb } from './testing/fake-api-faults.ts'

/*
 * What is missing, one thing at a time: a CRD, or a right. Everything else goes on, the log names it once, /metrics
 * shows it, and when it comes back nobody has to restart anything.
 */

/** For what the machine needs beside the time of the cluster. */
const soon = { timeout: 10_000, interval: 10 }

/** What a cluster is for, and how to see that it does it. */
const purposes = {
  class: ({ bed }) => bed.condition('GatewayClass', 'gatewright', 'Accepted') === 'True Accepted',
  gateway: ({ bed }) => bed.condition('Gateway', 'gw', 'Accepted') === 'True Accepted',
  programmed: ({ bed }) => bed.condition('Gateway', 'gw', 'Programmed') === 'True Programmed',
  route: ({ bed }) => bed.condition('HTTPRoute', 'web', 'Accepted') === 'True Accepted',
  infrastructure: ({ bed }) => bed.server.get('Deployment', 'shop', 'gw-gatewright') !== undefined,
  connection: ({ proxy }) => proxy?.isConnected === true && proxy.names('listener').length > 0,
  traffic: ({ proxy }) =>
    proxy?.text('route').includes('web.example.com') === true && proxy.text('endpoint').includes('10.1.0.1'),
} satisfies Record<string, (scene: Scene) => boolean>
type Purpose = keyof typeof purposes

interface Scene {
  readonly bed: ClusterBed
  readonly replica: Replica
  proxy?: ClusterProxy
}

interface Case {
  readonly title: string
  /** Takes it away. @returns gives it back */
  readonly remove: (bed: ClusterBed) => () => void
  /** Words of the one line that tells of it. */
  readonly told: readonly string[]
  /** The beginning of the sample that shows it by not being 0. */
  readonly metric: string
  /** What does not work without it; nothing unless given. */
  readonly lost?: readonly Purpose[]
  /** More objects. */
  readonly prepare?: (bed: ClusterBed) => void
  /** Something else that works only when it is there. */
  readonly works?: (scene: Scene) => boolean
  /** Whether the server can begin a watch with all objects; true unless given. */
  readonly watchList?: boolean
}

async function run({ remove, told, metric, lost = [], prepare, works, watchList = true }: Case): Promise<void> {
  const bed = await ClusterBed.start({ watchList })
  try {
    bed.install()
    prepare?.(bed)
    const giveBack = remove(bed)
    const scene: Scene = { bed, replica: await start(bed) }
    await live(scene, 20_000)
    const all = Object.keys(purposes) as Purpose[]
    const working = () => all.filter((purpose) => purposes[purpose](scene))
    const left = all.filter((purpose) => !lost.includes(purpose))
    await vi.waitFor(() => expect(working()).toEqual(left), soon)
    expect(works?.(scene) ?? false).toBe(false)
    expect(scene.replica.told(...told).map(({ message, fields }) => ({ message, fields }))).toHaveLength(1)
    const shown = [...(await scene.replica.metrics())].filter(([name, value]) => name.startsWith(metric) && value > 0)
    expect(shown.map(([name]) => name)).not.toEqual([])

    giveBack()
    await live(scene, 15_000)
    await vi.waitFor(() => expect(working()).toEqual(all), soon)
    expect(works?.(scene) ?? true).toBe(true)
  } finally {
    await bed.stop()
  }
}

/** The start may wait for what is missing. */
async function start(bed: ClusterBed): Promise<Replica> {
  let replica: Replica | undefined
  const starting = bed.startReplica().then((started) => {
    replica = started
  })
  for (let i = 0; i < 40 && replica === undefined; i++) await bed.clock.leap(250)
  await starting
  return replica as unknown as Replica
}

/** Lets time pass in which kubelet starts a pod when it can, and the load balancer gives addresses. */
async function live(scene: Scene, milliseconds: number): Promise<void> {
  const { bed, replica } = scene
  for (let passed = 0; passed < milliseconds; passed += 500) {
    await bed.clock.leap(500)
    const service = bed.server.get('Service', 'shop', 'gw-gatewright')
    if (service && service.status === undefined) {
      bed.assignAddress()
      bed.setReadiness(true)
    }
    const canStart = bed.server.get('Secret', 'gatewright-system', 'gatewright-xds')?.['data'] !== undefined
    if (canStart && replica.told('Serving xDS').length > 0 && scene.proxy?.isConnected !== true) {
      if (scene.proxy) bed.reconnect(scene.proxy, replica)
      else scene.proxy = bed.connectProxy(replica)
    }
  }
}

const missing =
  (resource: string, verbs: readonly FakeVerb[], namespace?: string): Case['remove'] =>
  ({ server }) =>
    server.rights.remove({ resource, verbs, ...(namespace !== undefined && { namespace }) })

const gatewayGroup = 'gateway.networking.k8s.io'
const parentRefs = [{ name: 'gw' }]

/** Kinds whose CRD may be absent. */
const optionalKinds = {
  ListenerSet: 'listenersets',
  HTTPRoute: 'httproutes',
  GRPCRoute: 'grpcroutes',
  TLSRoute: 'tlsroutes',
  TCPRoute: 'tcproutes',
  UDPRoute: 'udproutes',
  ReferenceGrant: 'referencegrants',
  Backend: 'backends',
} as const

function absent(kinds: readonly string[]): Case['remove'] {
  return ({ server }) => {
    const objects = kinds.flatMap((kind) => server.list(kind))
    const resources = kinds.map((kind) => server.remove(kind))
    return () => {
      for (const resource of resources) server.serve(resource)
      for (const object of objects) server.put(object)
    }
  }
}

const withoutRoutes: readonly Purpose[] = ['route', 'traffic']
const withoutGateways: readonly Purpose[] = [
  'gateway',
  'programmed',
  'route',
  'infrastructure',
  'connection',
  'traffic',
]

describe.concurrent('A CRD that is absent', () => {
  const cases: Case[] = [
    ...Object.keys(optionalKinds).map((kind) => ({
      title: kind,
      remove: absent([kind]),
      told: ['does not serve all kinds', `"${kind}"`],
      metric: `gatewright_kubernetes_kinds_status{kind="${kind}",state="absent"}`,
      ...(kind === 'HTTPRoute' && { lost: withoutRoutes }),
    })),
    {
      title: 'all of them',
      remove: absent(Object.keys(optionalKinds)),
      told: ['does not serve all kinds', '"HTTPRoute"', '"TLSRoute"'],
      metric: 'gatewright_kubernetes_kinds_status{kind="TLSRoute",state="absent"}',
      lost: withoutRoutes,
    },
  ]
  test.each(cases)('$title', run)
})

describe.concurrent('The right to list and watch', () => {
  const kinds: readonly (readonly [kind: string, plural: string, lost?: readonly Purpose[]])[] = [
    ['GatewayClass', 'gatewayclasses', ['class', ...withoutGateways]],
    ['Gateway', 'gateways', withoutGateways],
    ['HTTPRoute', 'httproutes', withoutRoutes],
    ['ListenerSet', 'listenersets'],
    ['GRPCRoute', 'grpcroutes'],
    ['TLSRoute', 'tlsroutes'],
    ['TCPRoute', 'tcproutes'],
    ['UDPRoute', 'udproutes'],
    ['ReferenceGrant', 'referencegrants'],
    ['Backend', 'backends'],
    ['Service', 'services', ['programmed', 'traffic']],
    ['EndpointSlice', 'endpointslices', ['programmed', 'traffic']],
    ['Secret', 'secrets'],
    ['ConfigMap', 'configmaps'],
    ['Namespace', 'namespaces'],
  ]
  const cases: Case[] = [
    ...kinds.flatMap(([kind, plural, lost = []]) =>
      // A server without WatchList is asked by lists.
      (['HTTPRoute', 'Service'].includes(kind) ? [true, false] : [true]).map((watchList) => ({
        title: `${plural}${watchList ? '' : ', from a server without WatchList'}`,
        remove: missing(plural, watchList ? ['list', 'watch'] : ['list']),
        told: [`no right to read ${kind}.`],
        metric: `gatewright_kubernetes_kinds_status{kind="${kind}",state="forbidden"}`,
        lost,
        watchList,
      })),
    ),
    {
      title: 'pods',
      remove: missing('pods', ['list', 'watch']),
      told: ['no right to read Pod'],
      metric: 'gatewright_kubernetes_watches_status{for="draining",kind="Pod",state="forbidden"}',
    },
    {
      title: 'customresourcedefinitions',
      remove: missing('customresourcedefinitions', ['get', 'list', 'watch']),
      told: ['no right to read CustomResourceDefinition'],
      metric:
        'gatewright_kubernetes_watches_status{for="definitions",kind="CustomResourceDefinition",state="forbidden"}',
    },
    {
      title: 'endpointslices of the control plane',
      remove: missing('endpointslices', ['list', 'watch'], 'gatewright-system'),
      told: ['no right to read EndpointSlice of the control plane'],
      metric:
        'gatewright_kubernetes_watches_status{for="replicas",kind="EndpointSlice of the control plane",state="forbidden"}',
    },
    ...(
      [
        ['ServiceAccount', 'serviceaccounts', ['programmed', 'connection', 'traffic']],
        ['Deployment', 'deployments', []],
        ['HorizontalPodAutoscaler', 'horizontalpodautoscalers', []],
        ['PodDisruptionBudget', 'poddisruptionbudgets', []],
      ] as const
    ).map(([kind, plural, lost]) => ({
      title: plural,
      remove: missing(plural, ['list', 'watch']),
      told: [`no right to read ${kind} of a Gateway.`],
      metric: `gatewright_kubernetes_watches_status{for="infrastructure",kind="${kind} of a Gateway",state="forbidden"}`,
      lost,
    })),
  ]
  test.each(cases)('$title', run)
})

describe.concurrent('The right to write the status of', () => {
  const route =
    (kind: string, version = 'v1') =>
    (bed: ClusterBed) =>
      void bed.server.put({
        apiVersion: `${gatewayGroup}/${version}`,
        kind,
        metadata: { namespace: 'shop', name: 'r' },
        spec: {
          parentRefs,
          ...(kind === 'TLSRoute' && { hostnames: ['r.example.com'] }),
          rules: [{ backendRefs: [{ name: 'cart', port: 80 }] }],
        },
      })
  const isWritten =
    (kind: string) =>
    ({ bed }: Scene) =>
      bed.server.get(kind, 'shop', 'r')?.status !== undefined
  const cases: Case[] = [
    { kind: 'GatewayClass', plural: 'gatewayclasses', lost: ['class'] as Purpose[] },
    { kind: 'Gateway', plural: 'gateways', lost: ['gateway', 'programmed'] as Purpose[] },
    { kind: 'HTTPRoute', plural: 'httproutes', lost: ['route'] as Purpose[] },
    { kind: 'ListenerSet', plural: 'listenersets', prepare: putListenerSet, works: isWritten('ListenerSet') },
    ...(['GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const).map((kind) => ({
      kind,
      plural: optionalKinds[kind],
      prepare: route(kind),
      works: isWritten(kind),
    })),
  ].map(({ kind, plural, ...more }) => ({
    title: plural,
    remove: missing(`${plural}/status`, ['update', 'patch']),
    told: ['cannot be written: a rule of RBAC is missing', `"${kind}"`, `${plural}/status`],
    metric: `gatewright_status_writes_total{kind="${kind}",result="denied"}`,
    ...more,
  }))
  test.each(cases)('$title', run)
})

function putListenerSet(bed: ClusterBed): void {
  bed.server.put({
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'ListenerSet',
    metadata: { namespace: 'shop', name: 'r' },
    spec: { parentRef: { name: 'gw' }, listeners: [{ name: 'more', port: 81, protocol: 'HTTP' }] },
  })
}

const infrastructureKinds = [
  'Service',
  'ServiceAccount',
  'ConfigMap',
  'Deployment',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
]

/** The Gateway with something of every kind. */
function putAutoscaled(bed: ClusterBed): void {
  bed.server.put({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'shop', name: 'proxies' },
    data: { minReplicas: '2', maxReplicas: '3' },
  })
  bed.putGateway('gw', { infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: 'proxies' } } })
}

describe.concurrent('The right to', () => {
  const nobody: readonly Purpose[] = ['programmed', 'connection', 'traffic']
  const makes: readonly (readonly [kind: string, plural: string, lost: readonly Purpose[]])[] = [
    ['Service', 'services', ['programmed']],
    ['ServiceAccount', 'serviceaccounts', ['infrastructure', ...nobody]],
    ['ConfigMap', 'configmaps', ['programmed', 'infrastructure']],
    ['Deployment', 'deployments', ['programmed', 'infrastructure']],
    ['HorizontalPodAutoscaler', 'horizontalpodautoscalers', []],
    ['PodDisruptionBudget', 'poddisruptionbudgets', []],
  ]
  const cases: Case[] = [
    ...makes.flatMap(([kind, plural, lost]) =>
      (['create', 'patch', 'get'] as const).map((verb) => ({
        title: `${verb} ${plural}`,
        prepare: putAutoscaled,
        remove: missing(plural, [verb]),
        told: [`cannot ${verb} resource \\"${plural}\\"`],
        metric: 'gatewright_infrastructure_objects_total{result="refused"}',
        lost,
        works: ({ bed }: Scene) => bed.server.get(kind, 'shop', 'gw-gatewright') !== undefined,
      })),
    ),
    ...(
      [
        ['get', 'the authority'],
        ['update', 'the authority'],
      ] as const
    ).map(([verb, what]) => ({
      title: `${verb} the Secret of ${what}`,
      prepare: ({ server }: ClusterBed) =>
        void server.put({
          apiVersion: 'v1',
          kind: 'Secret',
          type: 'gatewright.dev/xds-ca',
          metadata: { namespace: 'gatewright-system', name: 'gatewright-xds' },
        }),
      remove: missing('secrets', [verb]),
      told: ['authority of the xDS server cannot be read or written', `cannot ${verb} resource`],
      metric: 'gatewright_certificate_failures_total',
      lost: ['infrastructure', ...nobody] as Purpose[],
    })),
    ...(['get', 'update', 'create'] as const).map((verb) => ({
      title: `${verb} leases`,
      ...(verb === 'update' && { prepare: putStaleLease }),
      remove: missing('leases', [verb]),
      told: ['lease cannot be read or written', `cannot ${verb} resource`],
      metric: 'gatewright_election_failures_total',
      lost: Object.keys(purposes) as Purpose[],
    })),
    {
      title: 'create tokenreviews',
      remove: missing('tokenreviews', ['create']),
      told: ['Tokens of proxies cannot be reviewed', 'cannot create resource'],
      metric: 'gatewright_authentication_tokens_total{result="failures"}',
      lost: nobody,
    },
  ]
  test.each(cases)('$title', run)
})

describe.concurrent('The right to delete', () => {
  test.each([
    ['Service', 'services'],
    ['ServiceAccount', 'serviceaccounts'],
    ['ConfigMap', 'configmaps'],
    ['Deployment', 'deployments'],
    ['HorizontalPodAutoscaler', 'horizontalpodautoscalers'],
    ['PodDisruptionBudget', 'poddisruptionbudgets'],
  ])('%s: whatever else a Gateway of another class had goes', async (kind, plural) => {
    const bed = await ClusterBed.start()
    try {
      bed.install()
      bed.putClass('foreign', 'example.com/other')
      putAutoscaled(bed)
      const replica = await start(bed)
      const made = () => infrastructureKinds.filter((k) => bed.server.get(k, 'shop', 'gw-gatewright') !== undefined)
      await vi.waitFor(() => expect(made()).toEqual(infrastructureKinds), soon)
      const giveBack = missing(plural, ['delete'])(bed)
      bed.putGateway('gw', { gatewayClassName: 'foreign' })
      await bed.clock.leap(20_000)
      expect(made()).toEqual([kind])
      expect(replica.told(`cannot delete resource \\"${plural}\\"`)).toHaveLength(1)
      expect((await replica.metrics()).get('gatewright_infrastructure_failures_total')).toBeGreaterThan(0)
      giveBack()
      await bed.clock.leap(15_000)
      expect(made()).toEqual([])
    } finally {
      await bed.stop()
    }
  })
})

/** Of a replica that is long gone. */
function putStaleLease({ server }: ClusterBed): void {
  server.put({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: 'gatewright-system', name: 'gatewright' },
    spec: { holderIdentity: '', leaseDurationSeconds: 15 },
  })
}
