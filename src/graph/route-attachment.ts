import { compactList, none } from '../base/compact-list.ts'
import type { Collection, Index, Reads } from '../collections/collection.ts'
import { type HostnameIntersection, intersectHostnames } from '../gatewayapi/hostname.ts'
import { matchesLabels } from '../gatewayapi/label-selector.ts'
import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import type { Namespace } from '../gatewayapi/objects/namespace.ts'
import { gatewayGroup, type ParentReference } from '../gatewayapi/objects/reference.ts'
import type { GatewayNode } from './gateway.ts'
import type { ListenerKey, ListenerNode, ListenerOwner } from './listener.ts'
import type { Problem } from './problem.ts'
import type { RouteKey, RouteKindName, RouteNode } from './route.ts'

/**
 * One parentRef of a route that names a Gateway of ours or a ListenerSet of one, or one of its default Gateways: the
 * unit of status.parents.
 */
export interface RouteParentNode {
  readonly key: string
  readonly route: RouteKey
  readonly routeKind: RouteKindName
  /** As written, or as somebody would write it who knew the default Gateway. */
  readonly ref: ParentReference
  /** Position in spec.parentRefs; default Gateways come after those. */
  readonly index: number
  readonly gateway: NamespacedName
  /** Listeners that it attached to. */
  readonly attachments: readonly RouteAttachment[]
  readonly problems: readonly Problem[]
}

/** A route on a listener: the unit of translation and of attachedRoutes. */
export interface RouteAttachment {
  /** The route's and the listener's key: a route is once on a listener, whatever led it there. */
  readonly key: string
  readonly gateway: NamespacedName
  readonly listener: ListenerKey
  readonly route: RouteNode
  /** Never empty. */
  readonly hostnames: readonly HostnameIntersection[]
}

/** What attachment depends on of a listener: a rotated certificate must not make every route attach again. */
export type AttachableListener = Pick<
  ListenerNode,
  'key' | 'name' | 'port' | 'protocol' | 'hostname' | 'supportedKinds' | 'allowedNamespaces' | 'verdict'
>

/** The part of a Gateway or ListenerSet that routes see. */
export interface ParentNode {
  readonly kind: ListenerOwner['kind']
  readonly key: NamespacedName
  /** Whose proxies serve it; the Gateway itself, or the set's. */
  readonly gateway: NamespacedName
  readonly listeners: readonly AttachableListener[]
  /** Routes that ask for default Gateways attach to it (GEP-3793). */
  readonly isDefault: boolean
}

/** "Kind/namespace/name". */
export type ParentKey = string & { readonly __brand: 'ParentKey' }

function parentKey(kind: string, key: NamespacedName): ParentKey {
  return `${kind}/${key}` as ParentKey
}

/** A Gateway and its ListenerSets, each with its own listeners. */
export function listParents(gateway: GatewayNode): (readonly [ParentKey, ParentNode])[] {
  const view = (kind: ParentNode['kind'], { key, listeners }: Pick<GatewayNode, 'key' | 'listeners'>) => {
    const isDefault = kind === 'Gateway' && gateway.source.spec.defaultScope === 'All'
    const parent = { kind, key, gateway: gateway.key, listeners: listeners.map(viewListener), isDefault }
    return [parentKey(kind, key), parent] as const
  }
  return [view('Gateway', gateway), ...gateway.sets.map((set) => view('ListenerSet', set))]
}

function viewListener({
  key,
  name,
  port,
  protocol,
  hostname,
  supportedKinds,
  allowedNamespaces,
  verdict,
}: ListenerNode): AttachableListener {
  return { key, name, port, protocol, hostname, supportedKinds, allowedNamespaces, verdict }
}

/** The Gateways that routes get which ask for default ones. */
export type DefaultParents = Index<'All', ParentKey, ParentNode>

export interface AttachContext {
  readonly reads: Reads
  readonly parents: Collection<ParentKey, ParentNode>
  readonly defaultParents: DefaultParents
  readonly namespaces: Collection<NamespacedName, Namespace>
}

/** Attaches a route to each Gateway of ours and each ListenerSet of one that it names. Other parents yield nothing: their status is not ours. */
export function attachRoute(route: RouteNode, context: AttachContext): RouteParentNode[] {
  const { namespace } = route.source.metadata
  const nodes: RouteParentNode[] = []
  for (const [index, ref] of (route.source.spec.parentRefs ?? none).entries()) {
    if (ref.group !== gatewayGroup || (ref.kind !== 'Gateway' && ref.kind !== 'ListenerSet')) continue
    const key = parentKey(ref.kind, namespacedName(ref.namespace ?? namespace, ref.name))
    const parent = context.reads.get(context.parents, key)
    if (parent) nodes.push(attachToParent(route, ref, index, parent, context))
  }
  if (route.source.spec.useDefaultGateways === 'All') nodes.push(...attachToDefaults(route, nodes, context))
  return nodes
}

/**
 * A default Gateway that lets the route in has an entry in its status; one that does not was never asked for. One
 * that the route names itself is not a default for it, whatever part of it is named.
 */
function attachToDefaults(
  route: RouteNode,
  named: readonly RouteParentNode[],
  context: AttachContext,
): RouteParentNode[] {
  const count = route.source.spec.parentRefs?.length ?? 0
  return context.reads
    .lookup(context.defaultParents, 'All')
    .filter(({ gateway }) => !named.some((node) => node.ref.kind === 'Gateway' && node.gateway === gateway))
    .map((parent, index) => {
      const ref = { group: gatewayGroup, kind: 'Gateway', ...splitNamespacedName(parent.key) }
      return attachToParent(route, ref, count + index, parent, context)
    })
    .filter(({ attachments }) => attachments.length > 0)
}

function attachToParent(
  route: RouteNode,
  ref: ParentReference,
  index: number,
  parent: ParentNode,
  context: AttachContext,
): RouteParentNode {
  const own = route.routeKey
  const attachments: RouteAttachment[] = []
  const refusals: Problem[] = []
  const refuse = (reason: string, message: string) =>
    refusals.push({ on: 'Accepted', reason, message, path: `spec.parentRefs[${index}]` })
  const candidates = parent.listeners.filter(
    (l) =>
      (ref.sectionName === undefined || l.name === ref.sectionName) && (ref.port === undefined || l.port === ref.port),
  )
  if (candidates.length === 0) refuse('NoMatchingParent', describeMissingListener(ref, parent))
  // A route that cannot be accepted for what it says itself is on no listener and counted by none.
  const acceptable = !route.problems.some((p) => p.on === 'Accepted')
  for (const listener of acceptable ? candidates : []) {
    const refusal = checkListener(route, listener, parent, context)
    if (refusal) {
      refuse(refusal.reason, refusal.message)
      continue
    }
    const hostnames = intersectHostnames(listener.hostname, route.hostnames)
    if (hostnames.length === 0) {
      const message = `no hostname of the route is within "${listener.hostname}" of listener "${listener.name}"`
      refuse('NoMatchingListenerHostname', message)
      continue
    }
    const attachment = {
      key: `${own}/${listener.key}`,
      gateway: parent.gateway,
      listener: listener.key,
      route,
      hostnames,
    }
    attachments.push(attachment)
  }
  // A route that reaches one of several listeners is accepted; refusals count only when nothing is left.
  const problems = attachments.length > 0 ? none : refusals
  return {
    key: `${own}/${index}`,
    route: own,
    routeKind: route.kind,
    ref,
    index,
    gateway: parent.gateway,
    attachments: compactList(attachments),
    problems,
  }
}

function describeMissingListener(ref: ParentReference, parent: ParentNode): string {
  const wanted = [
    ...(ref.sectionName === undefined ? [] : [`named "${ref.sectionName}"`]),
    ...(ref.port === undefined ? [] : [`on port ${ref.port}`]),
  ].join(' ')
  const known = parent.listeners.map((l) => `"${l.name}" on port ${l.port}`).join(', ')
  return `${parent.kind} "${parent.key}" has no listener ${wanted}: it has ${known}`
}

function checkListener(
  route: RouteNode,
  listener: AttachableListener,
  parent: ParentNode,
  { reads, namespaces }: AttachContext,
): { reason: string; message: string } | undefined {
  if (listener.verdict === 'rejected')
    return {
      reason: 'NoMatchingParent',
      message: `listener "${listener.name}" of ${parent.kind} "${parent.key}" is not accepted itself`,
    }
  if (!listener.supportedKinds.some((k) => k.group === gatewayGroup && k.kind === route.kind))
    return { reason: 'NotAllowedByListeners', message: `listener "${listener.name}" allows no ${route.kind}` }
  const { namespace } = route.source.metadata
  const allowed = listener.allowedNamespaces
  const refused = (which: string) => ({
    reason: 'NotAllowedByListeners',
    message: `listener "${listener.name}" allows no routes from namespace ${namespace}: ${which}`,
  })
  if (allowed.from === 'None') return refused('it allows none')
  if (allowed.from === 'Same' && namespace !== splitNamespacedName(parent.key).namespace)
    return refused('it allows only those of its own (allowedRoutes.namespaces.from: Same)')
  if (allowed.from === 'Selector') {
    const labels = reads.get(namespaces, namespacedName('', namespace))?.metadata.labels
    if (!labels || !matchesLabels(allowed.selector, labels))
      return refused('its labels do not match allowedRoutes.namespaces.selector')
  }
  return undefined
}
