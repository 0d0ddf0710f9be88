import type { z } from 'zod'
import { Backend, envoyGatewayGroup } from './objects/backend.ts'
import { BackendTLSPolicy } from './objects/backend-tls-policy.ts'
import { ClusterTrustBundle, clusterTrustBundleGroup } from './objects/cluster-trust-bundle.ts'
import { ConfigMap } from './objects/config-map.ts'
import { EndpointSlice } from './objects/endpoint-slice.ts'
import { Gateway } from './objects/gateway.ts'
import { GatewayClass } from './objects/gateway-class.ts'
import { GRPCRoute } from './objects/grpc-route.ts'
import { HTTPRoute } from './objects/http-route.ts'
import { ListenerSet } from './objects/listener-set.ts'
import { Namespace } from './objects/namespace.ts'
import { apiVersionOf } from './objects/object-meta.ts'
import { experimentalGroup, gatewayGroup } from './objects/reference.ts'
import { ReferenceGrant } from './objects/reference-grant.ts'
import { Secret } from './objects/secret.ts'
import { Service } from './objects/service.ts'
import { TCPRoute, TLSRoute, UDPRoute } from './objects/stream-route.ts'
import { XBackend } from './objects/x-backend.ts'
import { XBackendTrafficPolicy } from './objects/x-backend-traffic-policy.ts'
import { XTelemetryPolicy } from './objects/x-telemetry-policy.ts'

/** What providers need to know of a kind. */
export interface KindDefinition<S extends z.ZodType = z.ZodType> {
  readonly group: string
  readonly kind: string
  /** Lower case, as in URLs of the API server. */
  readonly plural: string
  /** Versions that are read, newest first. All have one shape; objects leave validation as the newest. */
  readonly versions: readonly string[]
  readonly clusterScoped: boolean
  readonly schema: S
}

/** Every kind that Gatewright reads. A new one is a schema in objects/ and a line here. */
export const kinds = {
  GatewayClass: {
    group: gatewayGroup,
    kind: 'GatewayClass',
    plural: 'gatewayclasses',
    versions: ['v1', 'v1beta1'],
    clusterScoped: true,
    schema: GatewayClass,
  },
  Gateway: {
    group: gatewayGroup,
    kind: 'Gateway',
    plural: 'gateways',
    versions: ['v1', 'v1beta1'],
    clusterScoped: false,
    schema: Gateway,
  },
  ListenerSet: {
    group: gatewayGroup,
    kind: 'ListenerSet',
    plural: 'listenersets',
    versions: ['v1'],
    clusterScoped: false,
    schema: ListenerSet,
  },
  HTTPRoute: {
    group: gatewayGroup,
    kind: 'HTTPRoute',
    plural: 'httproutes',
    versions: ['v1', 'v1beta1'],
    clusterScoped: false,
    schema: HTTPRoute,
  },
  GRPCRoute: {
    group: gatewayGroup,
    kind: 'GRPCRoute',
    plural: 'grpcroutes',
    versions: ['v1'],
    clusterScoped: false,
    schema: GRPCRoute,
  },
  TLSRoute: {
    group: gatewayGroup,
    kind: 'TLSRoute',
    plural: 'tlsroutes',
    versions: ['v1', 'v1alpha3', 'v1alpha2'],
    clusterScoped: false,
    schema: TLSRoute,
  },
  TCPRoute: {
    group: gatewayGroup,
    kind: 'TCPRoute',
    plural: 'tcproutes',
    versions: ['v1', 'v1alpha2'],
    clusterScoped: false,
    schema: TCPRoute,
  },
  UDPRoute: {
    group: gatewayGroup,
    kind: 'UDPRoute',
    plural: 'udproutes',
    versions: ['v1', 'v1alpha2'],
    clusterScoped: false,
    schema: UDPRoute,
  },
  BackendTLSPolicy: {
    group: gatewayGroup,
    kind: 'BackendTLSPolicy',
    plural: 'backendtlspolicies',
    versions: ['v1', 'v1alpha3'],
    clusterScoped: false,
    schema: BackendTLSPolicy,
  },
  ReferenceGrant: {
    group: gatewayGroup,
    kind: 'ReferenceGrant',
    plural: 'referencegrants',
    versions: ['v1', 'v1beta1'],
    clusterScoped: false,
    schema: ReferenceGrant,
  },
  Service: {
    group: '',
    kind: 'Service',
    plural: 'services',
    versions: ['v1'],
    clusterScoped: false,
    schema: Service,
  },
  EndpointSlice: {
    group: 'discovery.k8s.io',
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    versions: ['v1'],
    clusterScoped: false,
    schema: EndpointSlice,
  },
  Secret: {
    group: '',
    kind: 'Secret',
    plural: 'secrets',
    versions: ['v1'],
    clusterScoped: false,
    schema: Secret,
  },
  ConfigMap: {
    group: '',
    kind: 'ConfigMap',
    plural: 'configmaps',
    versions: ['v1'],
    clusterScoped: false,
    schema: ConfigMap,
  },
  ClusterTrustBundle: {
    group: clusterTrustBundleGroup,
    kind: 'ClusterTrustBundle',
    plural: 'clustertrustbundles',
    versions: ['v1', 'v1beta1', 'v1alpha1'],
    clusterScoped: true,
    schema: ClusterTrustBundle,
  },
  Namespace: {
    group: '',
    kind: 'Namespace',
    plural: 'namespaces',
    versions: ['v1'],
    clusterScoped: true,
    schema: Namespace,
  },
  XBackend: {
    group: experimentalGroup,
    kind: 'XBackend',
    plural: 'xbackends',
    versions: ['v1alpha1'],
    clusterScoped: false,
    schema: XBackend,
  },
  XBackendTrafficPolicy: {
    group: experimentalGroup,
    kind: 'XBackendTrafficPolicy',
    plural: 'xbackendtrafficpolicies',
    versions: ['v1alpha1'],
    clusterScoped: false,
    schema: XBackendTrafficPolicy,
  },
  XTelemetryPolicy: {
    group: experimentalGroup,
    kind: 'XTelemetryPolicy',
    plural: 'xtelemetrypolicies',
    versions: ['v1alpha1'],
    clusterScoped: false,
    schema: XTelemetryPolicy,
  },
  Backend: {
    group: envoyGatewayGroup,
    kind: 'Backend',
    plural: 'backends',
    versions: ['v1alpha1'],
    clusterScoped: false,
    schema: Backend,
  },
} as const satisfies Record<string, KindDefinition>

/** Keys of the table {@link kinds}. */
export type KindName = keyof typeof kinds

/** The object of a kind as it leaves validation. Values are immutable by convention. */
export type ObjectOf<K extends KindName> = z.output<(typeof kinds)[K]['schema']>

/** Any object as it leaves validation; narrow by `kind`. */
export type KubernetesObject = { [K in KindName]: ObjectOf<K> }[KindName]

/** Why an object's apiVersion and kind are not read, or the kind's definition. */
export type KindLookup =
  | { readonly found: 'supported'; readonly definition: KindDefinition & { readonly kind: KindName } }
  /** The kind is read, but not in this version. */
  | { readonly found: 'unsupported-version'; readonly definition: KindDefinition & { readonly kind: KindName } }
  | { readonly found: 'unknown' }

const byGroupKind = new Map(
  Object.values(kinds).map((definition) => [`${definition.group}/${definition.kind}`, definition]),
)

/** The kinds of each apiVersion. */
const byVersion = new Map<string, Map<string, (typeof kinds)[KindName]>>()
for (const definition of Object.values(kinds))
  for (const version of definition.versions) {
    const apiVersion = apiVersionOf(definition.group, version)
    const ofVersion = byVersion.get(apiVersion) ?? new Map<string, (typeof kinds)[KindName]>()
    byVersion.set(apiVersion, ofVersion.set(definition.kind, definition))
  }

/** Finds the kind of an object by what stands in its apiVersion and kind. */
export function findKind(apiVersion: string, kind: string): KindLookup {
  const definition = byVersion.get(apiVersion)?.get(kind)
  return definition ? { found: 'supported', definition } : findUnsupported(apiVersion, kind)
}

function findUnsupported(apiVersion: string, kind: string): KindLookup {
  const slash = apiVersion.lastIndexOf('/')
  const definition = byGroupKind.get(`${apiVersion.slice(0, Math.max(slash, 0))}/${kind}`)
  return definition === undefined ? { found: 'unknown' } : { found: 'unsupported-version', definition }
}
