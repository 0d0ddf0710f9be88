/**
 * The xdstp collection that a resource name belongs to, with `*` as its last segment, e.g.
 * `xdstp:///envoy.config.route.v3.ScopedRouteConfiguration/http-80/*`; undefined for plain names.
 */
export function collectionOf(name: string): string | undefined {
  if (!name.startsWith('xdstp:')) return undefined
  return `${name.slice(0, name.lastIndexOf('/'))}/*`
}

/** Whether a requested name asks for all members of an xdstp collection. */
export function isCollectionName(name: string): boolean {
  return name.startsWith('xdstp:') && name.endsWith('/*')
}
