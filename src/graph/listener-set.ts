import { compareBy } from '../base/compare.ts'
import type { Collection, Reads } from '../collections/collection.ts'
import { matchesLabels } from '../gatewayapi/label-selector.ts'
import { buildRouteRank, compareRouteRanks } from '../gatewayapi/match-precedence.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { Gateway } from '../gatewayapi/objects/gateway.ts'
import type { ListenerSet } from '../gatewayapi/objects/listener-set.ts'
import type { Namespace } from '../gatewayapi/objects/namespace.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import { type ListenerContext, type ListenerNode, resolveListener } from './listener.ts'
import type { Problem } from './problem.ts'

/** A ListenerSet by itself, before its Gateway has let it in. */
export interface DeclaredListenerSet {
  readonly key: NamespacedName
  readonly gateway: NamespacedName
  readonly source: ListenerSet
  readonly listeners: readonly ListenerNode[]
}

/** A ListenerSet whose parentRef names a Gateway of ours. */
export interface ListenerSetNode extends DeclaredListenerSet {
  /** Compared with those of the Gateway and of other sets; all rejected where the Gateway does not let the set in. */
  readonly listeners: readonly ListenerNode[]
  readonly problems: readonly Problem[]
}

/** @returns nothing for a set whose parent is no Gateway: somebody else's */
export function declareListenerSet(source: ListenerSet, context: ListenerContext): DeclaredListenerSet | undefined {
  const { group, kind, name, namespace = source.metadata.namespace } = source.spec.parentRef
  if (group !== gatewayGroup || kind !== 'Gateway') return undefined
  const key = namespacedName(source.metadata.namespace, source.metadata.name)
  const gateway = namespacedName(namespace, name)
  const owner = { kind: 'ListenerSet', key } as const
  const listeners = source.spec.listeners.map((spec, index) => resolveListener(gateway, owner, index, spec, context))
  return { key, gateway, source, listeners }
}

/** The oldest first, then by "namespace/name": who comes first wins conflicts. */
const bySeniority = compareBy<DeclaredListenerSet>((a, b) =>
  compareRouteRanks(
    buildRouteRank(a.key, a.source.metadata.creationTimestamp),
    buildRouteRank(b.key, b.source.metadata.creationTimestamp),
  ),
)

/**
 * Which ListenerSets a Gateway lets in (spec.allowedListeners; none unless told).
 * @param problems of the Gateway: one that is not accepted accepts nobody
 * @returns in the order of their precedence
 */
export function admitListenerSets(
  gateway: Gateway,
  problems: readonly Problem[],
  sets: readonly DeclaredListenerSet[],
  reads: Reads,
  namespaces: Collection<NamespacedName, Namespace>,
): ListenerSetNode[] {
  const isAccepted = !problems.some((p) => p.on === 'Accepted')
  return [...sets].sort(bySeniority).map((set): ListenerSetNode => {
    const refusal = findRefusal(gateway, set.source.metadata.namespace, reads, namespaces)
    if (refusal) return refuse(set, 'NotAllowed', refusal)
    if (isAccepted) return { ...set, problems: [] }
    return refuse(set, 'ParentNotAccepted', `Gateway "${set.gateway}" is not accepted itself`)
  })
}

function findRefusal(
  { metadata, spec }: Gateway,
  namespace: string,
  reads: Reads,
  namespaces: Collection<NamespacedName, Namespace>,
): string | undefined {
  const { from, selector } = spec.allowedListeners?.namespaces ?? { from: 'None' as const }
  const gateway = `Gateway "${metadata.namespace}/${metadata.name}"`
  if (from === 'All' || (from === 'Same' && namespace === metadata.namespace)) return undefined
  if (from === 'None') return `${gateway} lets no ListenerSets in: set allowedListeners.namespaces.from in it`
  if (from === 'Same')
    return `${gateway} lets in only ListenerSets of its own namespace (allowedListeners.namespaces.from: Same)`
  const labels = reads.get(namespaces, namespacedName('', namespace))?.metadata.labels
  if (selector && labels && matchesLabels(selector, labels)) return undefined
  return `the labels of namespace ${namespace} do not match allowedListeners.namespaces.selector of ${gateway}`
}

/** The reason of the set stands on all of its listeners: who looks at one need not look further. */
function refuse(set: DeclaredListenerSet, reason: string, message: string): ListenerSetNode {
  const problem = { on: 'Accepted', reason, message, path: 'spec.parentRef' }
  const listeners = set.listeners.map(
    (listener): ListenerNode => ({ ...listener, verdict: 'rejected', problems: [problem, ...listener.problems] }),
  )
  return { ...set, listeners, problems: [problem] }
}
