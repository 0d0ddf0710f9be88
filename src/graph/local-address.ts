import { BlockList } from 'node:net'
import { ipVersion } from '../base/ip-version.ts'

const local = new BlockList()
// The proxy itself, its admin port among it; the machine it runs on, and what clouds tell machines about themselves.
local.addSubnet('0.0.0.0', 8)
local.addSubnet('127.0.0.0', 8)
local.addSubnet('169.254.0.0', 16)
local.addAddress('::', 'ipv6')
local.addAddress('::1', 'ipv6')
local.addSubnet('fe80::', 10, 'ipv6')

/**
 * Whether an address or a name means the machine of whoever connects: loopback, unspecified or link-local. Such an
 * address leads a proxy to itself, and with it everybody who may write routes.
 */
export function isLocalHost(host: string): boolean {
  const version = ipVersion(host)
  // It also finds IPv4 addresses that are written as IPv6 ones.
  if (version !== 0) return local.check(host, version === 4 ? 'ipv4' : 'ipv6')
  const name = host.toLowerCase().replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost')
}
