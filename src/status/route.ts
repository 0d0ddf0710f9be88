import { none } from '../base/compact-list.ts'
import type { ParentReference } from '../gatewayapi/objects/reference.ts'
import type { Problem } from '../graph/problem.ts'
import type { Refusal } from '../graph/programming.ts'
import type { RouteBase } from '../graph/route.ts'
import type { RouteParentNode } from '../graph/route-attachment.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'

/** One of our entries in status.parents. */
export interface RouteParentStatus {
  readonly parentRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface RouteStatus {
  readonly parents: readonly RouteParentStatus[]
}

const rules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The route is attached' },
    rank: ['UnsupportedValue', 'NoMatchingListenerHostname', 'NotAllowedByListeners', 'NoMatchingParent'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: ['RefNotPermitted', 'InvalidKind', 'BackendNotFound', 'UnsupportedProtocol', 'UnsupportedValue'],
  },
  {
    type: 'PartiallyInvalid',
    success: { status: 'False', reason: 'Valid', message: '' },
    rank: ['UnsupportedValue'],
    optional: true,
  },
  {
    // Not of the specification: told only when a proxy refused what the route is part of, or another route goes first.
    type: 'Programmed',
    success: { status: 'True', reason: 'Programmed', message: '' },
    rank: ['Invalid', 'Conflicted'],
    optional: true,
  },
]

export interface RouteStatusOptions {
  readonly controllerName: string
  /** What proxies refused of the route. */
  readonly refusals?: readonly Refusal[]
  /** What is known of a parent beside its own problems. */
  readonly problemsOf?: (parent: RouteParentNode) => readonly Problem[]
}

/** Status of a route towards each parent that is ours, in the order of its parentRefs. */
export function deriveRouteStatus(
  route: RouteBase,
  parents: readonly RouteParentNode[],
  { controllerName, refusals = [], problemsOf }: RouteStatusOptions,
): RouteStatus | undefined {
  if (parents.length === 0) return undefined
  const generation = route.source.metadata.generation ?? 0
  // With a single rule the path says nothing that the reader does not see.
  const withPaths = (route.source.spec.rules?.length ?? 0) > 1
  const refused = refusals.map(({ message }) => ({ on: 'Programmed', reason: 'Invalid', message }))
  const ordered = parents.length === 1 ? parents : parents.toSorted((a, b) => a.index - b.index)
  const statuses = ordered.map((parent): RouteParentStatus => {
    const problems = [...parent.problems, ...route.problems, ...refused, ...(problemsOf?.(parent) ?? none)]
    const conditions = buildConditions(rules, problems, generation, withPaths)
    return { parentRef: parent.ref, controllerName, conditions }
  })
  return { parents: statuses }
}
