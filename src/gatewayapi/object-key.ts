/** "namespace/name", or "/name" for a cluster-scoped object: the key of one object among those of its kind. */
export type NamespacedName = string & { readonly __brand: 'NamespacedName' }

/** Identifies an object among all kinds. */
export interface ObjectKey {
  /** API group; '' is the core group. */
  readonly group: string
  readonly kind: string
  /** '' for cluster-scoped kinds. */
  readonly namespace: string
  readonly name: string
}

/** `namespace` and `name` cannot contain "/", so the form is injective. */
export function namespacedName(namespace: string, name: string): NamespacedName {
  return `${namespace}/${name}` as NamespacedName
}

/** The reverse of {@link namespacedName}. */
export function splitNamespacedName(key: NamespacedName): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** The canonical text of a key, e.g. "gateway.networking.k8s.io/HTTPRoute/shop/web". Also what people read. */
export function formatObjectKey(key: ObjectKey): string {
  return `${key.group}/${key.kind}/${key.namespace}/${key.name}`
}
