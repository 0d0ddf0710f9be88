import type { Writer } from 'protobufjs/minimal.js'
import { none } from '../base/compact-list.ts'
import { contentVersion } from '../base/hash.ts'
import { type PackedBytes, packBytes, unpackBytes } from '../base/packed-bytes.ts'
import type { Index, Reads } from '../collections/collection.ts'
import { anyHostname } from '../gatewayapi/hostname.ts'
import { compareHostedMatches, type HostedMatch } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import { buildGate, closedRoute, lastRoute } from './gate.ts'
import type { RouteFragment } from './route-fragment.ts'
import { withWriter } from './spare-writer.ts'
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
  const [first] = reads.lookup(fragments, key)
  if (first === undefined) return undefined
  // Fragments are made for the owner of a hostname only, so all that stand here are of one listener.
  const { gateway, table, listenerHostname } = first
  const hostname = key.slice(key.lastIndexOf('\n') + 1)
  const awaits: (readonly string[])[] = []
  const sources: (readonly string[])[] = []
  const covering = listCoveringHostnames(hostname, listenerHostname)
  const keys = covering.map((each, i) => (i === 0 ? key : hostKey(gateway, table, each)))
  const claims = reads.lookup(fragments, keys.at(-1) ?? key)
  const claim = claims.find((own) => own.gate || own.tracing)
  const routes: PackedBytes[] = []
  for (const [i, each] of covering.entries()) {
    const candidates: Candidate[] = []
    for (const fragment of reads.lookup(fragments, keys[i] ?? key)) {
      if (fragment.listenerHostname !== listenerHostname) continue
      if (fragment.awaits.length > 0) awaits.push(fragment.awaits)
      if (fragment.sources.length > 0) sources.push(fragment.sources)
      if (fragment.routes.length === 0) continue
      const original = fragment.hostnames.find((h) => h.hostname === each)?.original ?? ''
      for (const { rank, packed } of fragment.routes) candidates.push({ original, rank, packed })
    }
    // A match that is several Envoy routes has them next to each other, in their order: sorting is stable.
    if (candidates.length > 1) candidates.sort(compareHostedMatches)
    for (const { packed } of candidates) routes.push(packed)
  }
  const [packed, version] = withWriter((writer) => {
    const bytes = writeVirtualHost(writer, hostname, routes, claim)
    return [packBytes(bytes), contentVersion(bytes)]
  })
  return { gateway, table, hostname, packed, version, awaits: joinLists(awaits), sources: joinLists(sources) }
}

/** @returns what the writer holds, no copy */
function writeVirtualHost(
  writer: Writer,
  hostname: string,
  routes: readonly PackedBytes[],
  { gate, tracing }: Pick<RouteFragment, 'gate' | 'tracing'> = {},
): Uint8Array {
  const head = { name: hostname, domains: [hostname], ...buildGate(gate), ...tracing?.virtualHost }
  VirtualHost.encode(head, writer)
  const add = (route: Uint8Array) => writer.uint32(routesTag).bytes(traceRoute(route, tracing))
  if (gate?.isClosed) add(closedRoute)
  else {
    for (const route of routes) add(unpackBytes(route))
    if (gate) add(lastRoute)
  }
  return writer.finish(true)
}

/** Every member once, sorted. Of a single list, which is that of most, it is that list. */
function joinLists(lists: readonly (readonly string[])[]): readonly string[] {
  const [first, ...others] = lists
  if (first === undefined) return none
  return others.length === 0 ? first : [...new Set(lists.flat())].sort()
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
