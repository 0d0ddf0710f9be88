import type { Collection, Reads, Source } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { formatObjectKey, type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { Graph } from '../graph/graph.ts'
import { findTelemetryPolicy } from '../graph/x-telemetry-policy.ts'
import { type EnvoyResource, resourceKey, typeUrls } from '../xds/resource.ts'
import { createBackendEndpoints, createBackends } from './backends.ts'
import { createCollectors } from './collectors.ts'
import { buildListener } from './listener.ts'
import { listMisdirectedHosts } from './misdirected-host.ts'
import { listenerName } from './names.ts'
import { buildResource, sameContent } from './resource.ts'
import {
  buildChunk,
  buildRouteConfiguration,
  chunkKey,
  mergeLists,
  type RouteTable,
  sameChunk,
  sameTable,
} from './route-configuration.ts'
import { buildFragment, claimHostname, sortHostnames, viewListener } from './route-fragment.ts'
import {
  buildScopedTable,
  divideChunk,
  type ScopedTable,
  sameScopedTable,
  sameSlice,
  scopeKey,
} from './scoped-route-configuration.ts'
import { createSecrets, type SecretUser } from './secrets.ts'
import { createStreams, type Streams } from './streams.ts'
import { keepTableForms, type TableForm, type TableFormOptions } from './table-form.ts'
import { buildTableTracing, type ListenerTracing, planListenerTracing, type TableTracing } from './tracing.ts'
import { buildVirtualHost, type EncodedVirtualHost, type HostKey, hostKey, sameVirtualHost } from './virtual-host.ts'

type Resources = Collection<string, EnvoyResource>

/** Everything that the proxies of all Gateways should have, keyed by `resourceKey(gateway, name)`. */
export interface EnvoyResources {
  readonly cluster: Resources
  readonly endpoint: Resources
  readonly secret: Resources
  readonly listener: Resources
  /** Whole tables; those of a table that is divided are `scopedRoute`. */
  readonly route: Resources
  readonly scopedRoute: Resources
}

export interface EnvoyTranslation {
  readonly resources: EnvoyResources
  /**
   * The same with what only draining connections still ask for: a proxy gets what it asks for, so a table
   * in a form that it has left costs nothing, and one that it is leaving is never stale.
   */
  readonly served: EnvoyResources
}

/** Wires the derivations from the graph to Envoy's resources. Each reads only what stands above it. */
export function createEnvoyResources(
  scheduler: Scheduler,
  graph: Graph,
  tableFormOptions: TableFormOptions,
): EnvoyTranslation {
  const forms = scheduler.source<string, TableForm>('TableForm')
  const tracings = scheduler.derive(
    'TracingNode',
    graph.gateways,
    ({ key }, reads) => findTelemetryPolicy(key, reads, graph.telemetryPoliciesByGateway)?.tracing,
  )
  const tableTracings = scheduler.derive('TableTracing', tracings, buildTableTracing)
  const fragments = createFragments(scheduler, graph, tableTracings)
  // Clusters before all else: proxies take the longest for them, and begin with them during a first load.
  const clientCertificates = scheduler.derive('client certificate', graph.gateways, (g) => g.clientCertificate)
  const backends = createBackends(scheduler, graph, fragments.all, clientCertificates)
  const collectors = createCollectors(scheduler, graph, tracings, clientCertificates)
  const streams = createStreams(scheduler, graph, clientCertificates)
  const cluster = scheduler.join('Cluster resource', [backends.cluster, collectors.cluster, streams.cluster])
  const virtualHosts = createVirtualHosts(scheduler, fragments, tableTracings)
  const { tables, scopedTables, route, scopedRoute } = createTables(scheduler, virtualHosts, forms)
  const listeners = createListeners(scheduler, graph, {
    forms,
    streams,
    tracings: scheduler.derive('ListenerTracing', tracings, planListenerTracing),
  })
  const resources = {
    route,
    scopedRoute,
    cluster,
    endpoint: scheduler.join('ClusterLoadAssignment resource', [
      createBackendEndpoints(scheduler, graph, backends.uses),
      collectors.endpoint,
      streams.endpoint,
    ]),
    secret: createSecrets(scheduler, graph, [
      listeners.secretUsers,
      backends.secretUsers,
      collectors.secretUsers,
      streams.secretUsers,
      scheduler.derive('SecretUser of a Gateway', clientCertificates, (certificate, _reads, gateway) => ({
        gateway,
        certificates: [certificate],
        authorities: [],
      })),
    ]),
    listener: listeners.listener,
  }
  const sizes = scheduler.derive('TableSize', tables, (table) => table.size, {
    equals: (a, b) => a.virtualHosts === b.virtualHosts && a.wildcards === b.wildcards,
  })
  keepTableForms(scheduler, sizes, forms, tableFormOptions)
  return { resources, served: { ...resources, route: tables, scopedRoute: scopedTables } }
}

function createFragments(scheduler: Scheduler, graph: Graph, tracings: Collection<NamespacedName, TableTracing>) {
  const listeners = scheduler.derive('ListenerFacts', graph.listeners, viewListener)
  const listenersByPort = scheduler.index('ListenerFacts by port', listeners, (l) => [l.place])
  const portHostnames = scheduler.group('hostnames of a port', listenersByPort, (_key, _reads, members) =>
    sortHostnames(members.map((l) => l.hostname)),
  )
  const all = scheduler.join('RouteFragment', [
    scheduler.derive('RouteFragment of an attachment', graph.attachments, (attachment, reads) =>
      buildFragment(attachment, reads, listeners, portHostnames),
    ),
    scheduler.derive('RouteFragment of a listener', listeners, (listener, reads) =>
      claimHostname(listener, reads.get(tracings, listener.gateway)),
    ),
  ])
  return { all, listeners, portHostnames }
}

function createVirtualHosts(
  scheduler: Scheduler,
  { all, listeners, portHostnames }: ReturnType<typeof createFragments>,
  tracings: Collection<NamespacedName, TableTracing>,
) {
  const fragmentsByHost = scheduler.index('RouteFragments by host', all, (f) =>
    f.hostnames.map(({ hostname }) => hostKey(f.gateway, f.table, hostname)),
  )
  const ownHosts = scheduler.group(
    'VirtualHost of a listener',
    fragmentsByHost,
    (key, reads) => buildVirtualHost(key, reads, fragmentsByHost),
    { equals: sameVirtualHost },
  )
  const misdirectedHosts = scheduler.deriveMany(
    'VirtualHost of other listeners',
    listeners,
    (listener, reads) => listMisdirectedHosts(listener, reads, portHostnames, tracings),
    { equals: sameVirtualHost },
  )
  return scheduler.join('VirtualHost', [ownHosts, misdirectedHosts])
}

function createTables(
  scheduler: Scheduler,
  virtualHosts: Collection<HostKey, EncodedVirtualHost>,
  forms: Source<string, TableForm>,
) {
  const virtualHostsByChunk = scheduler.index('VirtualHosts by chunk', virtualHosts, (v) => [chunkKey(v)])
  const chunks = scheduler.group('TableChunk', virtualHostsByChunk, (_key, _reads, members) => buildChunk(members), {
    equals: sameChunk,
  })
  const chunksByTable = scheduler.index('TableChunks by table', chunks, (c) => [resourceKey(c.gateway, c.table)])
  const tables = scheduler.group(
    'RouteConfiguration',
    chunksByTable,
    (_key, _reads, members) => buildRouteConfiguration(members),
    { equals: sameTable },
  )
  const slices = scheduler.deriveMany(
    'BucketSlice',
    chunks,
    (chunk, reads, key) => divideChunk(chunk, reads, forms, key),
    { equals: sameSlice },
  )
  const slicesByScope = scheduler.index('BucketSlices by scope', slices, (slice) => [scopeKey(slice)])
  const scopedTables = scheduler.group(
    'ScopedRouteConfiguration',
    slicesByScope,
    (_key, _reads, members) => buildScopedTable(members),
    { equals: sameScopedTable },
  )
  // What new connections ask for is one of the two.
  const bucketsOf = (reads: Reads, gateway: string, table: string) =>
    reads.get(forms, resourceKey(gateway, table))?.buckets ?? 1
  const route = scheduler.derive(
    'RouteConfiguration resource',
    tables,
    (table: RouteTable, reads): EnvoyResource | undefined =>
      bucketsOf(reads, table.scope, table.name) === 1 ? table : undefined,
  )
  const scopedRoute = scheduler.derive(
    'ScopedRouteConfiguration resource',
    scopedTables,
    (scoped: ScopedTable, reads): EnvoyResource | undefined =>
      bucketsOf(reads, scoped.scope, scoped.table) === scoped.count ? scoped : undefined,
  )
  return { tables, scopedTables, route, scopedRoute }
}

function createListeners(
  scheduler: Scheduler,
  graph: Graph,
  {
    forms,
    streams: { serverNames },
    tracings,
  }: {
    forms: Collection<string, TableForm>
    streams: Streams
    tracings: Collection<NamespacedName, ListenerTracing>
  },
) {
  const accepted = scheduler.derive('accepted ListenerNode', graph.listeners, (l) =>
    l.verdict === 'accepted' ? l : undefined,
  )
  const secretUsers = scheduler.derive('SecretUser of a listener', accepted, (l): SecretUser | undefined => {
    const { gateway, certificates, clientValidation } = l
    if (certificates.length === 0) return undefined
    return { gateway, certificates, authorities: clientValidation ? [clientValidation.authorities] : [] }
  })
  const byPort = scheduler.index('accepted ListenerNodes by port', accepted, (l) => [
    resourceKey(l.gateway, listenerName(l)),
  ])
  const profiles = scheduler.derive('ProxyProfile', graph.gateways, (gateway) => gateway.profile)
  const listener = scheduler.group(
    'Listener resource',
    byPort,
    (_key, reads, members) => {
      const first = members[0]
      const binding = first && reads.get(graph.bindings, first.gateway)
      const profile = first && reads.get(profiles, first.gateway)
      if (!first || !binding || !profile || binding.portProblems[String(first.port)] !== undefined) return undefined
      const bucketsOf = (table: string) => reads.get(forms, resourceKey(first.gateway, table))?.buckets ?? 1
      const tracing = reads.get(tracings, first.gateway)
      const { bytes, secrets } = buildListener(members, {
        binding,
        profile,
        ...(tracing && { tracing }),
        bucketsOf,
        serverNamesOf: (l) => reads.get(serverNames, l.key) ?? [],
      })
      const sources = members.map(({ owner }) =>
        formatObjectKey({ group: gatewayGroup, kind: owner.kind, ...splitNamespacedName(owner.key) }),
      )
      return buildResource(typeUrls.listener, first.gateway, listenerName(first), bytes, mergeLists([sources]), {
        secrets,
      })
    },
    sameContent,
  )
  return { listener, secretUsers }
}
