import type { Collection } from '../collections/collection.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Backend } from '../gatewayapi/objects/backend.ts'
import type { BackendTLSPolicy } from '../gatewayapi/objects/backend-tls-policy.ts'
import type { ClusterTrustBundle } from '../gatewayapi/objects/cluster-trust-bundle.ts'
import type { ConfigMap } from '../gatewayapi/objects/config-map.ts'
import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import type { Gateway } from '../gatewayapi/objects/gateway.ts'
import type { GatewayClass } from '../gatewayapi/objects/gateway-class.ts'
import type { GRPCRoute } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPRoute } from '../gatewayapi/objects/http-route.ts'
import type { ListenerSet } from '../gatewayapi/objects/listener-set.ts'
import type { Namespace } from '../gatewayapi/objects/namespace.ts'
import type { ReferenceGrant } from '../gatewayapi/objects/reference-grant.ts'
import type { Secret } from '../gatewayapi/objects/secret.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { TCPRoute, TLSRoute, UDPRoute } from '../gatewayapi/objects/stream-route.ts'
import type { XBackend } from '../gatewayapi/objects/x-backend.ts'
import type { XBackendTrafficPolicy } from '../gatewayapi/objects/x-backend-traffic-policy.ts'
import type { XTelemetryPolicy } from '../gatewayapi/objects/x-telemetry-policy.ts'
import type { GatewayBinding } from './gateway-binding.ts'

type Objects<T> = Collection<NamespacedName, T>

/** What the graph is made from: the user's objects as received, and what is known of the proxies. */
export interface GraphSources {
  readonly gatewayClasses: Objects<GatewayClass>
  readonly gateways: Objects<Gateway>
  readonly listenerSets: Objects<ListenerSet>
  readonly httpRoutes: Objects<HTTPRoute>
  readonly grpcRoutes: Objects<GRPCRoute>
  readonly tlsRoutes: Objects<TLSRoute>
  readonly tcpRoutes: Objects<TCPRoute>
  readonly udpRoutes: Objects<UDPRoute>
  readonly backendTLSPolicies: Objects<BackendTLSPolicy>
  readonly xBackends: Objects<XBackend>
  readonly xBackendTrafficPolicies: Objects<XBackendTrafficPolicy>
  readonly xTelemetryPolicies: Objects<XTelemetryPolicy>
  readonly referenceGrants: Objects<ReferenceGrant>
  readonly services: Objects<Service>
  readonly endpointSlices: Objects<EndpointSlice>
  readonly secrets: Objects<Secret>
  readonly configMaps: Objects<ConfigMap>
  readonly clusterTrustBundles: Objects<ClusterTrustBundle>
  readonly namespaces: Objects<Namespace>
  readonly backends: Objects<Backend>
  /** By Gateway. */
  readonly bindings: Objects<GatewayBinding>
}
