import type { CertificateNode } from './certificate.ts'
import { HostnameOverlaps } from './hostname-overlap.ts'
import type { ListenerNode } from './listener.ts'
import type { Problem } from './problem.ts'
import { transportOf } from './programming.ts'

/** Protocols that Envoy tells apart on one port, by what a connection begins with; others conflict there. */
const familyOf: ReadonlyMap<string, string> = new Map([
  ['HTTP', 'plain'],
  ['HTTPS', 'secure'],
  ['TLS', 'secure'],
  ['TCP', 'raw'],
  ['UDP', 'datagrams'],
])

interface Conflict {
  readonly reason: 'ProtocolConflict' | 'HostnameConflict'
  readonly message: string
}

/** Whether two listeners need the same traffic. Ports of TCP and of UDP have nothing to do with each other. */
function findConflict(listener: ListenerNode, other: ListenerNode): Conflict | undefined {
  if (listener.port !== other.port || transportOf(listener) !== transportOf(other)) return undefined
  const families = [listener, other].map((l) => familyOf.get(l.protocol))
  const named = nameFor(listener, other)
  if (families[0] !== families[1])
    return {
      reason: 'ProtocolConflict',
      message: `port ${listener.port} has protocol ${other.protocol} in ${named}: use another port`,
    }
  if (listener.hostname !== other.hostname) return undefined
  // The server name decides whether TLS ends here or is passed on, so that both need names of their own.
  if (listener.protocol !== other.protocol)
    return {
      reason: 'ProtocolConflict',
      message: `${named} has the same port and hostname with protocol ${other.protocol}: change one of them`,
    }
  const same = listener.protocol === 'TCP' || listener.protocol === 'UDP' ? 'port' : 'port and hostname'
  return { reason: 'HostnameConflict', message: `${named} has the same ${same}: change one of them` }
}

/** Of other ListenerSets nothing is told: who writes one need not know who else has one. */
function nameFor(reader: ListenerNode, { name, owner }: ListenerNode): string {
  if (owner.kind === reader.owner.kind && owner.key === reader.owner.key) return `listener "${name}"`
  return owner.kind === 'Gateway' ? `listener "${name}" of the Gateway` : 'a listener of another ListenerSet'
}

function reject(listener: ListenerNode, { reason, message }: Conflict): ListenerNode {
  const problem = { on: 'Conflicted', reason, message, path: `spec.listeners[${listener.index}]` }
  return { ...listener, verdict: 'rejected', problems: [...listener.problems, problem] }
}

/** What has been given away of one port. */
interface TakenPort {
  /** Any of them: they all go together. */
  readonly first: ListenerNode
  readonly byHostname: Map<string, ListenerNode>
}

function takenKey(listener: ListenerNode): string {
  return `${listener.port}/${transportOf(listener)}`
}

/**
 * Rejects listeners that cannot be told apart on one port: protocols that do not go together, or the same
 * hostname. Within a set all of a conflicting group lose, because the specification knows no winner
 * there; between sets those that come first win.
 * @param sets the Gateway's own listeners, then those of its ListenerSets in the order of their precedence
 */
export function rejectConflicts(sets: readonly (readonly ListenerNode[])[]): ListenerNode[][] {
  const taken = new Map<string, TakenPort>()
  return sets.map((set) => {
    const rivalsOf = (listener: ListenerNode): ListenerNode[] => {
      const port = taken.get(takenKey(listener))
      return port ? [port.first, port.byHostname.get(listener.hostname) ?? port.first] : []
    }
    // Whoever loses to an earlier set takes nothing away from its neighbours.
    const left = rejectThose(set, rivalsOf)
    const distinct = rejectThose(left, (listener) => left.filter((l) => l !== listener && l.verdict !== 'rejected'))
    for (const listener of distinct) {
      if (listener.verdict === 'rejected') continue
      const port = taken.get(takenKey(listener)) ?? { first: listener, byHostname: new Map() }
      taken.set(takenKey(listener), port)
      port.byHostname.set(listener.hostname, listener)
    }
    return distinct
  })
}

/** Rejects those that conflict with any of their rivals. */
function rejectThose(
  listeners: readonly ListenerNode[],
  rivalsOf: (listener: ListenerNode) => readonly ListenerNode[],
): ListenerNode[] {
  return listeners.map((listener) => {
    if (listener.verdict === 'rejected') return listener
    const conflicts = rivalsOf(listener).flatMap((rival) => findConflict(listener, rival) ?? [])
    // A port that speaks another protocol is the greater obstacle.
    const conflict = conflicts.find((c) => c.reason === 'ProtocolConflict') ?? conflicts[0]
    return conflict ? reject(listener, conflict) : listener
  })
}

/**
 * Reports listeners that a client might confuse on a shared connection: names or certificates that
 * overlap let it send requests for one on a connection to another. Those are answered with 421.
 * @param listeners all of a Gateway; those that conflict have been rejected
 */
export function reportOverlaps(listeners: readonly ListenerNode[]): ListenerNode[] {
  const ports = new Map<number, { hostnames: HostnameOverlaps<ListenerNode>; names: HostnameOverlaps<ListenerNode> }>()
  const isSecure = (l: ListenerNode) => l.verdict !== 'rejected' && l.tls !== 'none'
  for (const listener of listeners.filter(isSecure)) {
    const port = ports.get(listener.port) ?? { hostnames: new HostnameOverlaps(), names: new HostnameOverlaps() }
    ports.set(listener.port, port)
    port.hostnames.add(listener.hostname, listener)
    for (const name of dnsNamesOf(listener)) port.names.add(name, listener)
  }
  return listeners.map((listener) => {
    const port = ports.get(listener.port)
    if (!port || !isSecure(listener)) return listener
    const byCertificate = new Set<ListenerNode>()
    for (const name of dnsNamesOf(listener))
      for (const other of port.names.find(name, listener, mostNamed + 1)) byCertificate.add(other)
    const problem =
      byCertificate.size > 0
        ? describeOverlap(listener, 'OverlappingCertificates', 'certificates are valid for names of', [
            ...byCertificate,
          ])
        : describeOverlap(listener, 'OverlappingHostnames', 'the hostname overlaps with that of', [
            ...port.hostnames.find(listener.hostname, listener, mostNamed + 1),
          ])
    return problem ? { ...listener, problems: [...listener.problems, problem] } : listener
  })
}

/** Beyond this a message would be a list. */
const mostNamed = 3

function describeOverlap(
  listener: ListenerNode,
  reason: string,
  what: string,
  others: readonly ListenerNode[],
): Problem | undefined {
  if (others.length === 0) return undefined
  const names = new Set(others.slice(0, mostNamed).map((l) => nameFor(listener, l)))
  const more = others.length > mostNamed ? ' and others' : ''
  const message = `${what} ${[...names].join(', ')}${more}: clients may reuse connections, and requests that belong to another listener get 421`
  return { on: 'OverlappingTLSConfig', reason, message, path: `spec.listeners[${listener.index}]` }
}

function dnsNamesOf({ certificates }: { readonly certificates: readonly CertificateNode[] }): readonly string[] {
  return certificates.flatMap((c) => c.dnsNames)
}
