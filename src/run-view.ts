import { compareBy, compareStrings } from './base/compare.ts'
import type { RunningGateway, RunningListener, RunningRoute, RunView } from './cli/run.ts'
import type { ControlPlane } from './control-plane.ts'
import { type NamespacedName, splitNamespacedName } from './gatewayapi/object-key.ts'
import { type GatewayNode, listListeners } from './graph/gateway.ts'
import type { ListenerNode } from './graph/listener.ts'
import { type RouteNode, routeKey, routeKinds } from './graph/route.ts'
import type { RouteRuleNode } from './graph/route-rule.ts'
import { isStreamRoute } from './graph/stream-owner.ts'
import { listStatuses } from './printed-status.ts'
import type { Condition } from './status/condition.ts'

/** What `gatewright run` shows of a control plane. */
export function createRunView(
  controlPlane: ControlPlane,
  adminUrl: (gateway: NamespacedName) => string | undefined,
): RunView {
  const { graph } = controlPlane
  const gateways = [...graph.gateways.entries()]
    .sort(compareBy((a, b) => compareStrings(a[0], b[0])))
    .map(([key, gateway]) => viewGateway(controlPlane, gateway, adminUrl(key)))
  const routes = routeKinds.flatMap((kind) =>
    [...graph.routes[kind].entries()]
      .sort(compareBy((a, b) => compareStrings(a[0], b[0])))
      .flatMap(([, route]) => viewRoute(controlPlane, route)),
  )
  return { gateways, routes, statuses: listStatuses(controlPlane) }
}

function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((c) => c.type === type)
}

function viewGateway(controlPlane: ControlPlane, gateway: GatewayNode, adminUrl: string | undefined): RunningGateway {
  const status = controlPlane.statuses.gateways.get(gateway.key)
  const listeners = listListeners(gateway).map((listener): RunningListener => {
    const { kind, key } = listener.owner
    const ofOwner = kind === 'Gateway' ? status : controlPlane.statuses.listenerSets.get(key)
    const listenerStatus = ofOwner?.listeners.find((l) => l.name === listener.name)
    const programmed = findCondition(listenerStatus?.conditions, 'Programmed')
    const bound = boundPort(controlPlane, listener)
    const moved = bound !== undefined && bound !== listener.port ? `port ${listener.port} moved to ${bound}` : ''
    return {
      name: nameOf(listener),
      protocol: listener.protocol,
      hostname: listener.hostname,
      port: listener.port,
      url: urlOf(controlPlane, listener),
      attachedRoutes: listenerStatus?.attachedRoutes ?? 0,
      programmed: programmed?.status === 'True',
      pending: programmed?.status !== 'True' && programmed?.reason === 'Pending',
      note: programmed?.status === 'True' ? moved : (programmed?.message ?? ''),
    }
  })
  return {
    ...splitNamespacedName(gateway.key),
    programmed: findCondition(status?.conditions, 'Programmed')?.status === 'True',
    listeners,
    adminUrl,
  }
}

/** "set/listener" for one of a ListenerSet, with the set's namespace where that is another one. */
function nameOf({ name, owner, gateway }: ListenerNode): string {
  if (owner.kind === 'Gateway') return name
  const set = splitNamespacedName(owner.key)
  return `${set.namespace === splitNamespacedName(gateway).namespace ? set.name : owner.key}/${name}`
}

function boundPort({ graph }: ControlPlane, listener: ListenerNode): number | undefined {
  return graph.bindings.get(listener.gateway)?.ports[String(listener.port)]
}

/** @param host instead of the address, for a route's own hostname */
function urlOf(controlPlane: ControlPlane, listener: ListenerNode, host?: string): string | undefined {
  const binding = controlPlane.graph.bindings.get(listener.gateway)
  const port = boundPort(controlPlane, listener)
  if (!binding || port === undefined) return undefined
  const scheme = listener.protocol.toLowerCase()
  const any = binding.listenAddress === '0.0.0.0' || binding.listenAddress === '::'
  const address = any ? '127.0.0.1' : binding.listenAddress
  const authority = host ?? (address.includes(':') ? `[${address}]` : address)
  if (scheme !== 'http' && scheme !== 'https') return `${scheme}://${authority}:${port}`
  const isDefault = port === (scheme === 'https' ? 443 : 80)
  return `${scheme}://${authority}${isDefault ? '' : `:${port}`}/`
}

const mostUrls = 3

function viewRoute(controlPlane: ControlPlane, route: RouteNode): RunningRoute[] {
  const { kind, key } = route
  const path = isStreamRoute(route) ? '' : firstPath(route.rules)
  const parents = controlPlane.graph.routeParentsByRoute.lookup(routeKey(kind, key))
  if (parents.length === 0) return []
  const urls = new Set<string>()
  for (const attachment of parents.flatMap((p) => p.attachments)) {
    const listener = controlPlane.graph.listeners.get(attachment.listener)
    if (!listener) continue
    for (const { hostname } of attachment.hostnames) {
      const host = hostname === '*' ? undefined : hostname.replace(/^\*\./, 'any.')
      const url = urlOf(controlPlane, listener, host)
      if (url !== undefined) urls.add(url.replace(/\/$/, path))
    }
  }
  const status = controlPlane.statuses.routes[kind].get(key)
  const accepted = status?.parents.every((p) => findCondition(p.conditions, 'Accepted')?.status === 'True') ?? false
  return [{ kind, ...splitNamespacedName(key), accepted, urls: [...urls].slice(0, mostUrls) }]
}

/** A path that the route answers, so that the URL can be tried as it is. */
function firstPath(rules: readonly RouteRuleNode[]): string {
  for (const { matches } of rules)
    for (const { path } of matches.map((m) => m.match)) if (path.type !== 'RegularExpression') return path.value
  return '/'
}
