import { intersectHostname } from '../gatewayapi/hostname.ts'
import type { CertificateNode } from './certificate.ts'
import type { ListenerNode } from './listener.ts'
import type { Problem } from './problem.ts'

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
  if (listener.port !== other.port || (listener.protocol === 'UDP') !== (other.protocol === 'UDP')) return undefined
  const families = [listener, other].map((l) => familyOf.get(l.protocol))
  const named = `listener "${other.name}"`
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

function reject(listener: ListenerNode, { reason, message }: Conflict): ListenerNode {
  const problem = { on: 'Conflicted', reason, message, path: `spec.listeners[${listener.index}]` }
  return { ...listener, verdict: 'rejected', problems: [...listener.problems, problem] }
}

/**
 * Rejects listeners that cannot be told apart on one port: protocols that do not go together, or the same
 * hostname. Within a set all of a conflicting group lose, because the specification knows no winner
 * there; between sets those that come first win.
 * @param sets the Gateway's own listeners, then those of its ListenerSets in the order of their precedence
 */
export function rejectConflicts(sets: readonly (readonly ListenerNode[])[]): ListenerNode[][] {
  const winners: ListenerNode[] = []
  return sets.map((set) => {
    const distinct = set.map((listener) => {
      if (listener.verdict === 'rejected') return listener
      const others = [...winners, ...set.filter((l) => l !== listener && l.verdict !== 'rejected')]
      // A port that speaks another protocol is the greater obstacle.
      const conflicts = others.flatMap((other) => findConflict(listener, other) ?? [])
      const conflict = conflicts.find((c) => c.reason === 'ProtocolConflict') ?? conflicts[0]
      return conflict ? reject(listener, conflict) : listener
    })
    winners.push(...distinct.filter((l) => l.verdict !== 'rejected'))
    return distinct
  })
}

/**
 * Reports listeners that a client might confuse on a shared connection: names or certificates that
 * overlap let it send requests for one on a connection to another. Those are answered with 421.
 * @param listeners all of a Gateway; those that conflict have been rejected
 */
export function reportOverlaps(listeners: readonly ListenerNode[]): ListenerNode[] {
  const secure = listeners.filter((l) => l.verdict !== 'rejected' && familyOf.get(l.protocol) === 'secure')
  return listeners.map((listener) => {
    if (!secure.includes(listener)) return listener
    const neighbours = secure.filter((l) => l !== listener && l.port === listener.port)
    const problem = describeOverlap(listener, neighbours)
    return problem ? { ...listener, problems: [...listener.problems, problem] } : listener
  })
}

function describeOverlap(listener: ListenerNode, neighbours: readonly ListenerNode[]): Problem | undefined {
  const names = (overlapping: readonly ListenerNode[]) => overlapping.map((l) => `"${l.name}"`).join(', ')
  const path = `spec.listeners[${listener.index}]`
  const certificates = neighbours.filter((other) =>
    dnsNamesOf(listener).some((name) => dnsNamesOf(other).some((n) => intersectHostname(name, n) !== undefined)),
  )
  if (certificates.length > 0) {
    const message = `certificates are valid for names of listener ${names(certificates)} too: clients may reuse connections, and requests that belong to another listener get 421`
    return { on: 'OverlappingTLSConfig', reason: 'OverlappingCertificates', message, path }
  }
  const hostnames = neighbours.filter((other) => intersectHostname(listener.hostname, other.hostname) !== undefined)
  if (hostnames.length === 0) return undefined
  const message = `the hostname overlaps with that of listener ${names(hostnames)}: clients may reuse connections, and requests that belong to another listener get 421`
  return { on: 'OverlappingTLSConfig', reason: 'OverlappingHostnames', message, path }
}

function dnsNamesOf({ certificates }: { readonly certificates: readonly CertificateNode[] }): readonly string[] {
  return certificates.flatMap((c) => c.dnsNames)
}
