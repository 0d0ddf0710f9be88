import type { AddressRange, ProxyProfile } from '../graph/proxy-parameters.ts'

/** What Envoy tells about itself, and whom it believes. A habit of a class is data, so that several can be kept. */
export interface HeaderPolicy {
  /** Whether responses carry `server: envoy`; otherwise `server` is the backend's own, or absent. */
  readonly namesServer: boolean
  /** Whether Envoy adds x-envoy-* to requests and responses (times, the original path). */
  readonly addsEnvoyHeaders: boolean
  /**
   * Clients that get `x-envoy-internal: true` where others get x-envoy-external-address, and that may
   * steer Envoy by x-envoy-* headers. None by default, so that no client is believed for its address alone.
   */
  readonly internalAddresses: readonly AddressRange[]
}

/**
 * Nobody: an empty list would leave loopback addresses believed, and no connection comes from the
 * broadcast address.
 */
const nobody: readonly AddressRange[] = [{ addressPrefix: '255.255.255.255', prefixLength: 32 }]

/**
 * quiet is what a backend behind a plain reverse proxy sees (journeys 9 and 28); verbose is Envoy's
 * own habit (journey 64).
 */
const headerPolicies: Readonly<Record<ProxyProfile['headers'], HeaderPolicy>> = {
  quiet: { namesServer: false, addsEnvoyHeaders: false, internalAddresses: nobody },
  verbose: { namesServer: true, addsEnvoyHeaders: true, internalAddresses: nobody },
}

export function buildHeaderPolicy({ headers, internalAddresses }: ProxyProfile): HeaderPolicy {
  const policy = headerPolicies[headers]
  return internalAddresses === undefined ? policy : { ...policy, internalAddresses }
}
