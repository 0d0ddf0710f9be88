import { compareBy, compareStrings } from '../base/compare.ts'
import { ipVersion } from '../base/ip-version.ts'
import type { Endpoint, EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'

/** One address of a backend. */
export interface SocketEndpoint {
  readonly address: string
  readonly port: number
}

/** Node accepts a zone ("fe80::1%eth0") as part of an address. */
export function isPlainAddress(address: string): boolean {
  return ipVersion(address) !== 0 && !address.includes('%')
}

/**
 * The usable endpoints of a Service, sorted. Those that are terminating but still serve are used only
 * when no other is left (KEP-1669). A dual-stack Service lists each pod once per address family:
 * IPv4 is taken where there is any.
 * @param slices those of the Service, in any order
 */
export function collectEndpoints(
  portName: string,
  transport: 'TCP' | 'UDP',
  slices: readonly EndpointSlice[],
): SocketEndpoint[] {
  for (const isUsable of [isReady, isServingToTheEnd]) {
    for (const family of ['IPv4', 'IPv6'] as const) {
      const found: SocketEndpoint[] = []
      for (const slice of slices) {
        if (slice.addressType !== family) continue
        const port = slice.ports.find((p) => p.name === portName && p.protocol === transport)?.port
        if (port === undefined) continue
        for (const endpoint of slice.endpoints) {
          const address = endpoint.addresses[0]
          if (address !== undefined && isPlainAddress(address) && isUsable(endpoint)) found.push({ address, port })
        }
      }
      if (found.length > 0) return found.sort(bySocket).filter((own, i) => i === 0 || !isEqual(own, found[i - 1]))
    }
  }
  return []
}

function isReady({ conditions }: Endpoint): boolean {
  return conditions.ready !== false
}

function isServingToTheEnd({ conditions }: Endpoint): boolean {
  return conditions.serving === true && conditions.terminating === true
}

function isEqual(a: SocketEndpoint, b: SocketEndpoint | undefined): boolean {
  return a.address === b?.address && a.port === b.port
}

const bySocket = compareBy<SocketEndpoint>(
  (a, b) => compareStrings(a.address, b.address),
  (a, b) => a.port - b.port,
)
