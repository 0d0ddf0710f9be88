import type { Collection } from '../collections/collection.ts'
import type { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Graph } from '../graph/graph.ts'
import type { ListenerNode } from '../graph/listener.ts'
import { type PortProgramming, portKey, transportOf } from '../graph/programming.ts'
import { ackKey, type ResourceAck } from '../xds/acks.ts'
import { resourceKey, typeUrls } from '../xds/resource.ts'
import { listenerName, parseScopeName, tableName } from './names.ts'
import type { EnvoyResources } from './resources.ts'

/** What proxies have said about resources: the acks of the xDS server. */
export type ResourceVerdicts = Collection<string, ResourceAck>

/**
 * Joins what should be with what proxies have accepted, for each port of each Gateway.
 * @param ready the Gateways that have a proxy which takes connections; where nobody knows, whoever accepts also serves
 */
export function createProgramming(
  scheduler: Scheduler,
  graph: Graph,
  resources: EnvoyResources,
  verdicts: ResourceVerdicts,
  ready?: Collection<NamespacedName, true>,
): Collection<string, PortProgramming> {
  const byPort = scheduler.index('ListenerNodes by port', graph.listeners, (l) => [
    portKey(l.gateway, l.port, transportOf(l)),
  ])
  const scopesByTable = scheduler.index('ScopedRouteConfigurations by table', resources.scopedRoute, (r) => [
    resourceKey(r.scope, parseScopeName(r.name).table),
  ])
  return scheduler.group('PortProgramming', byPort, (_key, reads, members) => {
    const first = members[0]
    if (!first) return undefined
    const { gateway, port } = first
    const transport = transportOf(first)
    const result = (state: PortProgramming['state'], message: string): PortProgramming => ({
      gateway,
      port,
      transport,
      state,
      message,
    })
    const name = listenerName(first)
    const wanted = reads.get(resources.listener, resourceKey(gateway, name))
    if (!wanted) return result('pending', 'waiting for an address and a port to listen on')
    const verdict = reads.get(verdicts, ackKey(typeUrls.listener, gateway, name))
    if (verdict?.rejected?.version === wanted.version)
      return result('rejected', `Envoy refused the listener: ${verdict.rejected.message}`)
    // The same words as for the routes, which follow within moments: a status in between would help nobody.
    if (verdict?.ackedVersion !== wanted.version)
      return result('pending', 'waiting for Envoy to accept the configuration')
    // A listener starts when its tables are there; which version of them does not matter for that.
    const keysOf = (table: string): string[] => {
      const scopes = reads.lookup(scopesByTable, resourceKey(gateway, table))
      return scopes.length === 0
        ? [ackKey(typeUrls.route, gateway, table)]
        : scopes.map((scope) => ackKey(typeUrls.scopedRoute, gateway, scope.name))
    }
    const missing = members.some(
      (l) =>
        l.verdict === 'accepted' &&
        hasTable(l) &&
        keysOf(tableName(l)).some((key) => reads.get(verdicts, key)?.ackedVersion === undefined),
    )
    if (missing) return result('pending', 'waiting for Envoy to accept the configuration')
    // It is in the last moment of its start, or none is left.
    if (ready && !reads.get(ready, gateway)) return result('pending', 'waiting for Envoy to be ready for connections')
    return result('programmed', '')
  })
}

/** Only HTTP is routed by tables; connections are by their chain. */
function hasTable({ protocol }: ListenerNode): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS'
}

/** Offline: nobody can be asked. */
export function programmingUnknown(scheduler: Scheduler, graph: Graph): Collection<string, PortProgramming> {
  const byPort = scheduler.index('ListenerNodes by port', graph.listeners, (l: ListenerNode) => [
    portKey(l.gateway, l.port, transportOf(l)),
  ])
  return scheduler.group('PortProgramming', byPort, (_key, _reads, members) => {
    const first = members[0]
    return (
      first && {
        gateway: first.gateway,
        port: first.port,
        transport: transportOf(first),
        state: 'unknown',
        message: 'offline: there is no proxy to ask',
      }
    )
  })
}
