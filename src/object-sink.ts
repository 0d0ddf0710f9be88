import type { Source } from './collections/collection.ts'
import type { ControlPlane } from './control-plane.ts'
import type { KindName, KubernetesObject, ObjectOf } from './gatewayapi/kinds.ts'
import type { NamespacedName } from './gatewayapi/object-key.ts'
import type { ObjectSink } from './providers/object-sink.ts'

/** Puts what a provider finds into the sources, one batch for each set of changes. */
export function createSink({ scheduler, sources }: Pick<ControlPlane, 'scheduler' | 'sources'>): ObjectSink {
  const byKind: { readonly [K in KindName]: Source<NamespacedName, ObjectOf<K>> } = {
    GatewayClass: sources.gatewayClasses,
    Gateway: sources.gateways,
    HTTPRoute: sources.httpRoutes,
    ReferenceGrant: sources.referenceGrants,
    Service: sources.services,
    EndpointSlice: sources.endpointSlices,
    Secret: sources.secrets,
    ConfigMap: sources.configMaps,
    Namespace: sources.namespaces,
    Backend: sources.backends,
  }
  // The kind of a change and the type of its object belong together; only the type system does not know.
  const sourceOf = (kind: KindName) => byKind[kind] as unknown as Source<NamespacedName, KubernetesObject>
  return {
    apply(changes) {
      scheduler.batch(() => {
        for (const { kind, key, object } of changes) {
          if (object === undefined) sourceOf(kind).delete(key)
          else sourceOf(kind).set(key, object)
        }
      })
    },
  }
}
