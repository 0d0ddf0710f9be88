import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import process from 'node:process'
import { credentials } from '@grpc/grpc-js'
import { createCollectionMetrics } from './admin/collection-metrics.ts'
import { createProcessMetrics } from './admin/process-metrics.ts'
import { createAdminServer } from './admin/server.ts'
import { createXdsMetrics } from './admin/xds-metrics.ts'
import { type Clock, systemClock } from './base/clock.ts'
import type { Logger } from './base/logger.ts'
import type { ClusterControlPlane } from './cli/serve.ts'
import { createClusterMetrics } from './cluster-metrics.ts'
import { holdBackTurboFan, releaseTurboFan } from './compiler.ts'
import type { OptionValues } from './config/option.ts'
import type { serveOptions } from './config/serve-options.ts'
import { createServingControlPlane } from './control-plane.ts'
import { defaultTablePolicy } from './envoy/table-form.ts'
import { firstBurst } from './first-burst.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import { fillHeap, settleHeap } from './heap.ts'
import { chooseListenAddress, type InfrastructureOptions } from './infrastructure/infrastructure-options.ts'
import { Leadership } from './leadership.ts'
import { createSink, standBack } from './object-sink.ts'
import { OwnGateways } from './own-gateways.ts'
import { HttpApiClient } from './providers/kubernetes/http-api-client.ts'
import { findApiAccess } from './providers/kubernetes/kube-config-access.ts'
import { KubernetesProvider } from './providers/kubernetes/kubernetes-provider.ts'
import { LiveStatuses } from './providers/kubernetes/live-statuses.ts'
import { OwnedObjects } from './providers/kubernetes/owned-objects.ts'
import { OwnedObjectsWatch } from './providers/kubernetes/owned-objects-watch.ts'
import { ProxyPods } from './providers/kubernetes/proxy-pods.ts'
import { findProxyScope } from './providers/kubernetes/proxy-scope.ts'
import { ReplicaAddresses } from './providers/kubernetes/replica-addresses.ts'
import {
  createReplicaCheck,
  createTokenReviewAuthenticator,
} from './providers/kubernetes/token-review-authenticator.ts'
import { TokenReviewer } from './providers/kubernetes/token-reviewer.ts'
import { WaitingRoom } from './providers/kubernetes/waiting-room.ts'
import { XdsCertificate } from './providers/kubernetes/xds-certificate.ts'
import { PeerAcks } from './xds/peers/peer-acks.ts'
import { listProxyStatuses } from './xds/proxy-status.ts'

export type ClusterOptions = Omit<OptionValues<typeof serveOptions>, 'help' | 'logLevel' | 'logFormat'> & {
  readonly logger: Logger
  /** The system's unless given. */
  readonly clock?: Clock
  /** File with the token by which the other replicas know this one; where the chart has it mounted unless given. */
  readonly replicaToken?: string
}

/** Names that the chart and the program agree on. */
const lease = 'gatewright'
const certificateSecret = 'gatewright-xds'
const xdsPortName = 'grpc-xds'
/** Milliseconds that the start and the end wait for an API server that does not answer, or refuses. */
const patience = 5_000
/** Milliseconds from the first complete view of the cluster on. */
const restsAfter = 1_000
const mountedToken = '/var/run/secrets/gatewright/token'

/**
 * Starts everything that serves a cluster. Every replica reads objects and serves proxies; the one that leads
 * writes statuses and runs the proxies.
 * @throws when there is no way to the API server, or an address is in use
 */
export async function startCluster(options: ClusterOptions): Promise<ClusterControlPlane> {
  const { logger, xdsService, tokenAudience, clock = systemClock, replicaToken = mountedToken } = options
  fillHeap()
  holdBackTurboFan()
  const { namespace, podName, identity } = await findOwnPlace(options)
  const api = new HttpApiClient({ access: findApiAccess({ kubeconfig: options.kubeconfig }), clock })
  const xdsHost = `${xdsService}.${namespace}.svc`
  const certificate = new XdsCertificate({
    api,
    clock,
    logger,
    namespace,
    name: certificateSecret,
    serverNames: [xdsHost, `${xdsHost}.${options.clusterDomain}`],
  })
  certificate.start()

  const reviewer = new TokenReviewer({ api, clock, logger, audience: tokenAudience })
  const waitingRoom = new WaitingRoom({ clock, what: 'the service accounts of proxies are' })
  const self = { namespace, serviceAccount: process.env['POD_SERVICE_ACCOUNT'] ?? 'gatewright' }
  const controlPlane = createServingControlPlane({
    controllerNames: options.controllerNames,
    logger,
    clock,
    authenticator: createTokenReviewAuthenticator({
      reviewer,
      waitingRoom,
      scopeOf: (ns, account) => scopeOf(ns, account),
    }),
    isReplica: createReplicaCheck(reviewer, self),
    tls: certificate.tls,
    listenAddress: chooseListenAddress(process.env['POD_IPS'] ?? ''),
    tablePolicy: { ...defaultTablePolicy, tables: options.tables },
    allowsLocalBackends: options.allowLocalBackends,
    lazyStatuses: true,
  })
  const { scheduler, fleets, xds, peerAcks } = controlPlane
  const restricted = options.watchNamespaces.length > 0
  const watched = restricted ? { watchNamespaces: options.watchNamespaces } : {}
  const namespaces = restricted ? { namespaces: options.watchNamespaces } : {}
  let [isSynced, isListening, isStopped] = [false, false, false]
  const live = new LiveStatuses()
  const { promise: clustersKnown, resolve: onClusters } = Promise.withResolvers<void>()
  const { promise: clustersSent, resolve: onSent } = Promise.withResolvers<void>()
  const sink = createSink(controlPlane, {
    collection: controlPlane.resources.cluster,
    onSettled: async () => {
      onClusters()
      await standBack()
      onSent()
    },
  })
  const ownGateways = new OwnGateways(sink, options.controllerNames)
  const provider = new KubernetesProvider({
    client: api,
    clock,
    logger,
    sink: ownGateways,
    statuses: live,
    // As many as there are applications, and no cluster depends on them.
    last: { kinds: ['EndpointSlice'], after: clustersSent },
    onBundle: (bundle) => scheduler.batch(() => controlPlane.bundle.set('installed', bundle)),
    ...watched,
  })
  const trust = certificate.trustBundle
  const owned = new OwnedObjects()
  const ownedWatch = new OwnedObjectsWatch({ client: api, clock, logger, owned, ...namespaces })
  const scopeOf = (ns: string, account: string): NamespacedName | undefined =>
    findProxyScope(owned, fleets, ns, account)
  const infrastructure: InfrastructureOptions = {
    envoyImage: options.envoyImage,
    imagePullPolicy: options.imagePullPolicy,
    imagePullSecrets: options.imagePullSecrets,
    xdsAddress: `${xdsHost}:${portOf(options.xdsAddress)}`,
    xdsServerName: xdsHost,
    tokenAudience,
    listenAddress: chooseListenAddress(process.env['POD_IPS'] ?? ''),
  }
  const leadership = new Leadership({
    api,
    controlPlane,
    provider,
    live,
    owned,
    ownGateways,
    trust,
    infrastructure,
    controllerName: options.controllerNames[0] ?? '',
    lease: { namespace, name: lease, identity },
    withoutElection: options.withoutElection,
    clock,
    logger,
  })
  const pods = new ProxyPods({
    client: api,
    clock,
    logger,
    streams: xds.streams,
    drain: (nodeId) => xds.drain(nodeId),
    ...namespaces,
  })

  const peers = new PeerAcks({
    into: peerAcks,
    batch: (run) => scheduler.batch(run),
    credentials: () => credentials.createSsl(Buffer.from(trust.current())),
    serverName: xdsHost,
    token: () => readFile(replicaToken, 'utf8'),
    clock,
    logger,
  })
  const replicas = new ReplicaAddresses({
    client: api,
    clock,
    logger,
    namespace,
    service: xdsService,
    portName: xdsPortName,
    podName,
    onChange: (addresses) => peers.setPeers(addresses),
  })

  // Before the rest is made: the API server is at work meanwhile.
  provider.start()
  ownedWatch.start()
  pods.start()

  const admin = createAdminServer({
    address: options.adminAddress,
    hosts: [xdsService, xdsHost],
    ready: () => {
      const reasons = [
        ...(isSynced ? [] : ['the objects of the cluster are still being read']),
        ...(isListening ? [] : ['proxies cannot connect yet: the authority of the xDS server cannot be had']),
      ]
      return { ready: reasons.length === 0, reasons }
    },
    metrics: [
      ...createProcessMetrics(),
      ...createCollectionMetrics(() => scheduler.statistics()),
      ...createXdsMetrics(xds.counters),
      ...createClusterMetrics({
        provider,
        leadership,
        reviewer,
        certificate,
        peers,
        watches: {
          definitions: [provider.definitions],
          infrastructure: ownedWatch.reflectors,
          draining: pods.reflectors,
          replicas: [replicas.reflector],
        },
        clock,
      }),
    ],
    collections: scheduler,
    proxies: () => listProxyStatuses(xds.streams, { monotonic: clock.now(), date: Date.now() }),
    logger,
  })
  let cancelRest = () => {}
  const stop = async () => {
    isStopped = true
    cancelRest()
    // An API server that does not answer holds us up no longer than this; the Lease runs out by itself then.
    const cancelClose = clock.after(patience, () => api.close())
    await leadership.stop()
    peers.close()
    await Promise.all([replicas.stop(), provider.stop(), pods.stop(), ownedWatch.stop()])
    certificate.close()
    waitingRoom.close()
    await xds.close()
    await admin.close()
    cancelClose()
    api.close()
  }
  // Without the authority nobody can connect, but statuses are written all the same.
  const { promise: waited, resolve: endWait } = Promise.withResolvers<void>()
  const cancelWait = clock.after(patience, endWait)
  try {
    logger.info('Serving health and metrics', { address: await admin.listen() })
    const listening = certificate.ready.then(async () => {
      if (isStopped) return
      await xds.listen(options.xdsAddress)
      isListening = true
    })
    await Promise.race([listening, waited])
    listening.catch((error: unknown) => logger.error('Proxies cannot connect', { error: String(error) }))
  } catch (error) {
    await stop()
    throw error
  } finally {
    cancelWait()
  }
  // All that clusters depend on has been read, and derived up to them: the Gateways, too, and with them who callers are.
  void Promise.all([clustersKnown, ownedWatch.synced]).then(() => {
    if (isStopped) return
    waitingRoom.open()
    xds.markClustersKnown()
  })
  void Promise.all([provider.hasSynced, ownedWatch.synced]).then(() => {
    if (isStopped) return
    isSynced = true
    // What was read at first is a whole, and only a whole may carry traffic.
    waitingRoom.open()
    xds.markSynced()
    logger.info('The objects of the cluster are known; proxies are served')
    replicas.start()
    leadership.begin(firstBurst(xds.counters, clock))
    // After the first burst to the proxies.
    cancelRest = clock.after(restsAfter, () => {
      releaseTurboFan()
      settleHeap()
    })
  })

  return { stop }
}

/** Who and where this replica is, from its options, its environment, and the service account of its pod. */
async function findOwnPlace({ namespace, identity }: Pick<ClusterOptions, 'namespace' | 'identity'>) {
  const podName = process.env['POD_NAME'] ?? hostname()
  const mounted = await readFile('/var/run/secrets/kubernetes.io/serviceaccount/namespace', 'utf8').catch(() => '')
  return {
    namespace: namespace ?? process.env['POD_NAMESPACE'] ?? (mounted.trim() || 'gatewright-system'),
    podName,
    identity: identity ?? podName,
  }
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1)
}
