import { Writer } from 'protobufjs/minimal.js'
import { contentVersion } from '../base/hash.ts'
import { packBytes } from '../base/packed-bytes.ts'
import type { Collection, Reads } from '../collections/collection.ts'
import { anyHostname, intersectHostname } from '../gatewayapi/hostname.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { envoy } from '../gen/envoy.js'
import type { ListenerFacts, PortHostnames } from './route-fragment.ts'
import { type TableTracing, traceRoute } from './tracing.ts'
import { type EncodedVirtualHost, type HostKey, hostKey, routesTag } from './virtual-host.ts'

const { Route, VirtualHost } = envoy.config.route.v3

/** Each hostname of a port stands in the tables of all others: beyond this they would be what fills them. */
const mostOutsiders = 200

const misdirectedRoute = Route.encode({ match: { prefix: '/' }, directResponse: { status: 421 } }).finish()

/**
 * The hosts that belong to other HTTPS listeners of the port: a request for one of them on a connection
 * to this listener is answered with 421, so that a client opens a connection of its own (RFC 9110,
 * 15.5.20). Hosts of no listener stay unknown, which is 404.
 */
export function* listMisdirectedHosts(
  listener: ListenerFacts,
  reads: Reads,
  portHostnames: PortHostnames,
  tracings: Collection<NamespacedName, TableTracing>,
): Iterable<readonly [HostKey, EncodedVirtualHost]> {
  if (listener.protocol !== 'HTTPS') return
  const { gateway, place, table, hostname: own } = listener
  const hostnames = reads.get(portHostnames, place) ?? []
  const isInside = (hostname: string) => intersectHostname(own, hostname) === hostname
  const others = hostnames.filter((hostname) => hostname !== own).map((hostname) => hostname || anyHostname)
  // A listener for every host owns whatever the others do not, so that it stands for all that are outside.
  const all = others.includes(anyHostname)
  const few = others.length <= mostOutsiders
  const listed = others.filter((hostname) => isInside(hostname) || (all ? hostname === anyHostname : few))
  const tracing = listed.length > 0 ? reads.get(tracings, gateway) : undefined
  for (const hostname of listed) {
    const bytes = VirtualHost.encode({ name: hostname, domains: [hostname], ...tracing?.virtualHost }, Writer.create())
      .uint32(routesTag)
      .bytes(traceRoute(misdirectedRoute, tracing))
      .finish()
    const content = { packed: packBytes(bytes), version: contentVersion(bytes), awaits: [], sources: [] }
    yield [hostKey(gateway, table, hostname), { gateway, table, hostname, ...content }]
  }
}
