import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { BackendIdentity, BackendTarget } from '../graph/backend.ts'
import type { CaBundleKey } from '../graph/ca-bundle.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { BucketCount } from './bucket-expression.ts'

/*
 * Every name on the wire. Names are unique within the scope of a Gateway, say nothing of the position
 * of a rule or of the rest of an object, and are injective: "/" cannot be part of a Kubernetes name.
 */

/**
 * The cluster of a backend, and of its ClusterLoadAssignment: never of a route or a rule, so that
 * reordering rules cannot send a request to another rule's Service.
 */
export function clusterName({ target, protocol, tls }: Omit<BackendIdentity, 'key'>): string {
  return `${backendPath(target)}/${protocol}${tls === undefined ? '' : `@${tls}`}`
}

/** "Service/shop/cart/80": what a backendRef names. */
export function backendPath({ group, kind, namespace, name, port }: BackendTarget): string {
  return `${group === '' ? kind : `${group}/${kind}`}/${namespace}/${name}/${port}`
}

/** Whether a cluster's name, as of {@link clusterName}, says that TLS is spoken. */
export function speaksTls(cluster: string): boolean {
  return cluster.includes('@')
}

/** What operators see in statistics instead of the cluster's name: "namespace/name/port". */
export function clusterStatName({ target }: Omit<BackendIdentity, 'key'>): string {
  const { namespace, name, port } = target
  return port === 0 ? `${namespace}/${name}` : `${namespace}/${name}/${port}`
}

/** Stands for backends that do not exist; no cluster ever has this name, since theirs contain "/". */
export const missingCluster = 'missing-backend'

/**
 * The cluster that spans go to, whatever it leads to: another collector is no change of a listener. Envoy's
 * exports carry it as their `:authority`.
 */
export const collectorClusterName = 'telemetry-collector'

/** The certificate of a Secret. */
export function secretName(secret: NamespacedName): string {
  return `Secret/${secret}`
}

/** The certificates of authorities of one or several objects. Their names contain no "+". */
export function authoritiesName(bundles: readonly CaBundleKey[]): string {
  return bundles.join('+')
}

/** The Listener of a port, as users write it. */
export function listenerName({ port, protocol }: Pick<ListenerNode, 'port' | 'protocol'>): string {
  return protocol === 'UDP' ? `port-${port}/udp` : `port-${port}`
}

/**
 * The cluster that the connections of a TCP or TLS listener, or the datagrams of a UDP listener, go to. It belongs
 * to the listener, because which backends it leads to, and with what weights, is a matter of its
 * endpoints: an edit of a route never changes a filter chain (ADR 7).
 * @param serverName of a TLS listener's chain; "" for every name
 */
export function streamClusterName(
  { port, protocol }: Pick<ListenerNode, 'port' | 'protocol'>,
  serverName = '',
): string {
  return protocol === 'TLS' ? `TLS/${port}/${serverName || '*'}` : `${protocol}/${port}`
}

/**
 * The RouteConfiguration that serves a listener: one for an HTTP port, one for each HTTPS listener,
 * whose hostname is unique on its port.
 */
export function tableName({ protocol, port, hostname }: Pick<ListenerNode, 'protocol' | 'port' | 'hostname'>): string {
  return protocol === 'HTTPS' ? `port-${port}/${hostname === '' ? '*' : hostname}` : `port-${port}`
}

const scopes = 'xdstp:///envoy.config.route.v3.ScopedRouteConfiguration'

/**
 * One bucket of a table as a ScopedRouteConfiguration. The number of buckets is part of the name, because
 * while connections drain a table may be there in two divisions, whose keys mean different things.
 */
export function scopeName(table: string, count: BucketCount, bucket: string): string {
  return `${scopes}/${table}/${count}/${bucket}`
}

/** The reverse of {@link scopeName}. */
export function parseScopeName(name: string): { readonly table: string; readonly bucket: string } {
  const parts = name.slice(scopes.length + 1).split('/')
  return { table: parts.slice(0, -2).join('/'), bucket: parts.at(-1) ?? '' }
}

/** All buckets of a table. */
export function scopeCollectionName(table: string, count: BucketCount): string {
  return `${scopes}/${table}/${count}/*`
}
