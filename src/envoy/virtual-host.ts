import { Writer } from 'protobufjs/minimal.js'
import { contentVersion } from '../base/hash.ts'
import type { Index, Reads } from '../collections/collection.ts'
import { compareHostedMatches, type HostedMatch } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import type { RouteFragment } from './route-fragment.ts'

const { VirtualHost } = envoy.config.route.v3

/** Field number of VirtualHost.routes, as a tag of wire type 2. */
const routesTag = (3 << 3) | 2

/** Where a virtual host stands: "gateway\ntable\nhostname". */
export type HostKey = string & { readonly __brand: 'HostKey' }

export function hostKey(gateway: NamespacedName, table: string, hostname: string): HostKey {
  return `${gateway}\n${table}\n${hostname}` as HostKey
}

export interface EncodedVirtualHost {
  readonly gateway: NamespacedName
  readonly table: string
  readonly hostname: string
  readonly bytes: Uint8Array
  /** Content hash of `bytes`. */
  readonly version: string
  readonly awaits: readonly string[]
  readonly sources: readonly string[]
}

/** Two virtual hosts with the same bytes and origin need not be told apart. */
export function sameVirtualHost(a: EncodedVirtualHost, b: EncodedVirtualHost): boolean {
  return a.version === b.version && sameList(a.awaits, b.awaits) && sameList(a.sources, b.sources)
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}

interface Candidate extends HostedMatch {
  readonly bytes: Uint8Array
}

/**
 * The virtual host of one hostname of a table: the routes attached under it, then those of wider
 * hostnames on the same listener, because the specification lets a request fall through to the rules
 * of a less specific hostname and Envoy does not (ADR 1).
 */
export function buildVirtualHost(
  key: HostKey,
  reads: Reads,
  fragments: Index<HostKey, string, RouteFragment>,
): EncodedVirtualHost | undefined {
  const [gateway, table, hostname] = key.split('\n') as [NamespacedName, string, string]
  const own = reads.lookup(fragments, key)
  const listenerHostname = own[0]?.listenerHostname
  if (listenerHostname === undefined) return undefined
  const awaits = new Set<string>()
  const sources = new Set<string>()
  const sections = listCoveringHostnames(hostname, listenerHostname).map((covering) => {
    const candidates: Candidate[] = []
    for (const fragment of reads.lookup(fragments, hostKey(gateway, table, covering))) {
      if (fragment.listenerHostname !== listenerHostname) continue
      const original = fragment.hostnames.find((h) => h.hostname === covering)?.original ?? ''
      for (const { rank, bytes } of fragment.routes) candidates.push({ original, rank, bytes })
      for (const name of fragment.awaits) awaits.add(name)
      for (const source of fragment.sources) sources.add(source)
    }
    return candidates.sort(compareHostedMatches)
  })
  const writer = VirtualHost.encode({ name: hostname, domains: [hostname] }, Writer.create())
  for (const { bytes } of sections.flat()) writer.uint32(routesTag).bytes(bytes)
  const bytes = writer.finish()
  return {
    gateway,
    table,
    hostname,
    bytes,
    version: contentVersion(bytes),
    awaits: [...awaits].sort(),
    sources: [...sources].sort(),
  }
}

/** The hostname itself, then the wildcards that cover it, down to the hostname of the listener. */
export function listCoveringHostnames(hostname: string, listenerHostname: string): string[] {
  const found = [hostname]
  const stop = listenerHostname === '' ? '*' : listenerHostname
  let rest = hostname.startsWith('*.') ? hostname.slice(2) : hostname
  while (found.at(-1) !== stop) {
    const dot = rest.indexOf('.')
    rest = dot < 0 ? '' : rest.slice(dot + 1)
    found.push(rest === '' ? '*' : `*.${rest}`)
    if (rest === '') break
  }
  return found
}
