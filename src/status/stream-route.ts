import type { Reads } from '../collections/collection.ts'
import { anyHostname, compareHostnames } from '../gatewayapi/hostname.ts'
import type { Graph } from '../graph/graph.ts'
import type { Problem } from '../graph/problem.ts'
import type { RouteParentNode } from '../graph/route-attachment.ts'
import { isStreamRoute, streamPlace } from '../graph/stream-owner.ts'

/**
 * Tells a TLSRoute, TCPRoute or UDPRoute which of its connections another route gets. Both are accepted and
 * counted, as the specification wants it, and the one that gets nothing would look as if it served.
 */
export function findShadowing({ attachments }: RouteParentNode, reads: Reads, graph: Graph): Problem[] {
  const messages = attachments.flatMap(({ listener, hostnames, route }) => {
    if (!isStreamRoute(route)) return []
    const name = listener.slice(listener.lastIndexOf('/') + 1)
    return hostnames.flatMap(({ hostname, original }) => {
      const owner = reads.get(graph.streamOwners, streamPlace(listener, hostname))
      if (!owner || owner.route.key === route.key) return []
      const own = owner.route.hostnames.filter((h) => compareHostnames(h, original) < 0)
      const why = own.length > 0 ? 'whose hostname is more specific' : 'which is older'
      const where = `listener "${name}"${hostname === anyHostname ? '' : ` for "${hostname}"`}`
      return [`${owner.route.kind} "${owner.route.key}", ${why}, gets the traffic of ${where}`]
    })
  })
  return messages.map((message) => ({ on: 'Programmed', reason: 'Conflicted', message }))
}
