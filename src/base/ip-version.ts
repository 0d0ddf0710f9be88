import { isIP, isIPv4 } from 'node:net'

/**
 * As `isIP` of Node.js, whose expression for IPv6 takes V8 10 ms to compile: nothing that has no colon needs it, and
 * most clusters have no such address.
 * @returns 4, 6, or 0 for what is no IP address
 */
export function ipVersion(text: string): number {
  if (text.includes(':')) return isIP(text)
  return isIPv4(text) ? 4 : 0
}
