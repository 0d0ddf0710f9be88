import { Writer } from 'protobufjs/minimal.js'
import { compactList } from '../base/compact-list.ts'
import { contentVersion } from '../base/hash.ts'
import { type PackedBytes, packBytes, unpackBytes } from '../base/packed-bytes.ts'
import type { Index, Reads } from '../collections/collection.ts'
import { anyHostname } from '../gatewayapi/hostname.ts'
import { compareHostedMatches, type HostedMatch } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import { buildGate, closedRoute, lastRoute } from './gate.ts'
import type { RouteFragment } from './route-fragment.ts'
import { traceRoute } from './tracing.ts'

const { VirtualHost } = envoy.config.route.v3

/** Field 3 of VirtualHost, `routes`, as a tag of wire type 2. */
export const routesTag = (3 << 3) | 2

/** Where a virtual host stands: "gateway\ntable\nhostname". */
export type HostKey = string & { readonly __brand: 'HostKey' }

export function hostKey(gateway: NamespacedName, table: string, hostname: string): HostKey {
  return `${gateway}\n${table}\n${hostname}` as HostKey
}

export interface EncodedVirtualHost {
  readonly gateway: NamespacedName
  readonly table: string
  readonly hostname: string
  /** An encoded envoy.config.route.v3.VirtualHost. */
  readonly packed: PackedBytes
  /** Content hash of it. */
  readonly version: string
  /** Names of slowly warming clusters that it routes to, sorted. */
  readonly awaits: readonly string[]
  /** Keys of the routes in it, sorted. */
  readonly sources: readonly string[]
  /** Stands for one that proxies refuse; never for what somebody wants. */
  readonly isOutOfOrder?: true
}

/** Whether nobody who reads them can tell the two apart. */
export function sameVirtualHost(a: EncodedVirtualHost, b: EncodedVirtualHost): boolean {
  return a.version === b.version && sameList(a.awaits, b.awaits) && sameList(a.sources, b.sources)
}

/** Whether Envoy finds the virtual host also for hosts that are not its domain. */
export function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*')
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}

interface Candidate extends HostedMatch {
  readonly packed: PackedBytes
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
  // Fragments are made for the owner of a hostname only, so all that stand here are of one listener.
  const listenerHostname = reads.lookup(fragments, key)[0]?.listenerHostname
  if (listenerHostname === undefined) return undefined
  const awaits = new Set<string>()
  const sources = new Set<string>()
  const covering = listCoveringHostnames(hostname, listenerHostname)
  const claim = hostKey(gateway, table, covering.at(-1) ?? hostname)
  const { gate, tracing } = reads.lookup(fragments, claim).find((own) => own.gate || own.tracing) ?? {}
  const writer = VirtualHost.encode(
    { name: hostname, domains: [hostname], ...buildGate(gate), ...tracing?.virtualHost },
    Writer.create(),
  )
  const add = (route: Uint8Array) => writer.uint32(routesTag).bytes(traceRoute(route, tracing))
  if (gate?.isClosed) add(closedRoute)
  for (const each of covering) {
    const candidates: Candidate[] = []
    for (const fragment of reads.lookup(fragments, hostKey(gateway, table, each))) {
      if (fragment.listenerHostname !== listenerHostname) continue
      const original = fragment.hostnames.find((h) => h.hostname === each)?.original ?? ''
      for (const { rank, packed } of fragment.routes) candidates.push({ original, rank, packed })
      for (const name of fragment.awaits) awaits.add(name)
      for (const source of fragment.sources) sources.add(source)
    }
    // A match that is several Envoy routes has them next to each other, in their order: sorting is stable.
    if (gate?.isClosed) continue
    for (const { packed } of candidates.sort(compareHostedMatches)) add(unpackBytes(packed))
  }
  if (gate && !gate.isClosed) add(lastRoute)
  const bytes = writer.finish()
  return {
    gateway,
    table,
    hostname,
    packed: packBytes(bytes),
    version: contentVersion(bytes),
    awaits: compactList([...awaits].sort()),
    sources: [...sources].sort(),
  }
}

/** The hostname itself, then the wildcards that cover it, up to the hostname of the listener ('' for all). */
export function listCoveringHostnames(hostname: string, listenerHostname: string): string[] {
  const last = listenerHostname === '' ? anyHostname : listenerHostname
  const found = [hostname]
  let rest = hostname.startsWith('*.') ? hostname.slice(2) : hostname
  while (found.at(-1) !== last && rest !== '') {
    const dot = rest.indexOf('.')
    rest = dot < 0 ? '' : rest.slice(dot + 1)
    found.push(rest === '' ? anyHostname : `*.${rest}`)
  }
  return found
}
