import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import { formatObjectKey, type NamespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import type { Graph } from '../graph/graph.ts'
import type { TracingNode } from '../graph/x-telemetry-policy.ts'
import { resourceKey } from '../xds/resource.ts'
import {
  type Backends,
  buildClusterResource,
  buildEndpointResource,
  buildSecretUser,
  type ClientCertificates,
  findBackend,
} from './backends.ts'
import { collectorClusterName } from './names.ts'
import { sameContent } from './resource.ts'

/**
 * Wires the derivations from whom the proxies of a Gateway tell what they do, to a cluster with its endpoints. It is
 * made as those of backends are, and has a name of its own, so that routes to the same backend neither share it nor
 * carry its headers.
 */
export function createCollectors(
  scheduler: Scheduler,
  graph: Graph,
  tracings: Collection<NamespacedName, TracingNode>,
  clientCertificates: ClientCertificates,
): Backends {
  const name = collectorClusterName
  const cluster = scheduler.deriveMany(
    'Cluster of a collector',
    tracings,
    function* ({ collector, headers, policy }, reads, gateway) {
      const backend = findBackend(reads, graph, collector)
      if (!backend) return
      const source = formatObjectKey({
        group: experimentalGroup,
        kind: 'XTelemetryPolicy',
        ...splitNamespacedName(policy),
      })
      const place = { scope: gateway, name }
      yield [
        resourceKey(gateway, name),
        buildClusterResource(place, backend, { reads, clientCertificates, headers, source }),
      ]
    },
    sameContent,
  )
  const endpoint = scheduler.deriveMany(
    'ClusterLoadAssignment of a collector',
    tracings,
    function* ({ collector }, reads, gateway) {
      const backend = findBackend(reads, graph, collector)
      const resource = backend && buildEndpointResource({ scope: gateway, name }, backend, reads, graph)
      if (resource) yield [resourceKey(gateway, name), resource]
    },
    sameContent,
  )
  const secretUsers = scheduler.deriveMany(
    'SecretUser of a collector',
    tracings,
    function* ({ collector }, reads, gateway) {
      const backend = findBackend(reads, graph, collector)
      const user = backend?.tls && buildSecretUser(gateway, [backend])
      if (user) yield [resourceKey(gateway, name), user]
    },
  )
  return { cluster, endpoint, secretUsers }
}
