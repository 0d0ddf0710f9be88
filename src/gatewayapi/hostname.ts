/**
 * Hostnames as the Gateway API matches them: without case, and with "*." as the first label standing for
 * one or more labels ("*.example.com" matches a.example.com and a.b.example.com, not example.com).
 * An absent or empty hostname and "*" stand for every host.
 */

/** Stands for every host, and is what Envoy calls the virtual host of all others. */
export const anyHostname = '*'

/** One hostname under which a route is reachable on a listener. */
export interface HostnameIntersection {
  /** Lower case; "*" for every host. */
  readonly hostname: string
  /** The hostname of the route that gave it, lower case; '' where the route has none. */
  readonly original: string
}

function normalizeHostname(hostname: string | undefined): string {
  return hostname === undefined || hostname === '' ? anyHostname : hostname.toLowerCase()
}

/** Whether every host of `narrow` is one of `wide`. Both are normalized. */
function covers(wide: string, narrow: string): boolean {
  if (wide === anyHostname || wide === narrow) return true
  if (!wide.startsWith('*.')) return false
  // "*.b" covers "a.b" and "*.a.b"; the part after "*" begins with the dot, so "xb" is not covered.
  return narrow.length > wide.length - 1 && narrow.endsWith(wide.slice(1)) && narrow !== anyHostname
}

/** @param host a host as a client sends it, without a port */
export function hostnameMatches(pattern: string | undefined, host: string): boolean {
  return covers(normalizeHostname(pattern), host.toLowerCase())
}

/** @returns the hosts that both stand for, "*" for every host, undefined when there is none */
export function intersectHostname(a: string | undefined, b: string | undefined): string | undefined {
  const left = normalizeHostname(a)
  const right = normalizeHostname(b)
  if (covers(left, right)) return right
  if (covers(right, left)) return left
  return undefined
}

/**
 * The hostnames of a route on a listener.
 * @param listener the listener's hostname
 * @param route the route's hostnames; none means every host
 * @returns in the order of `route`; empty when the route has no host in common with the listener. Where
 *   several hostnames of the route give the same intersection, the one that goes first by
 *   {@link compareHostnames} stands for all of them
 */
export function intersectHostnames(
  listener: string | undefined,
  route: readonly string[] | undefined,
): HostnameIntersection[] {
  const [first = '', ...others] = route ?? []
  if (others.length === 0) {
    const hostname = intersectHostname(listener, first)
    return hostname === undefined ? [] : [{ hostname, original: first.toLowerCase() }]
  }
  const byHostname = new Map<string, HostnameIntersection>()
  for (const own of [first, ...others]) {
    const hostname = intersectHostname(listener, own)
    if (hostname === undefined) continue
    const original = own.toLowerCase()
    const rival = byHostname.get(hostname)
    if (rival === undefined || compareHostnames(original, rival.original) < 0)
      byHostname.set(hostname, { hostname, original })
  }
  return [...byHostname.values()]
}

/**
 * Orders hostnames by specificity, the most specific first: exact ones before wildcards, then the longer
 * ones, every host last. Hostnames that are equally specific compare as equal.
 */
export function compareHostnames(a: string | undefined, b: string | undefined): number {
  const left = normalizeHostname(a)
  const right = normalizeHostname(b)
  const wildcards = Number(left.startsWith('*')) - Number(right.startsWith('*'))
  return wildcards !== 0 ? wildcards : right.length - left.length
}
