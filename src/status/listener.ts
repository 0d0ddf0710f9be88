import type { Collection, Reads } from '../collections/collection.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { Graph } from '../graph/graph.ts'
import type { ListenerNode, RouteKind } from '../graph/listener.ts'
import type { Problem } from '../graph/problem.ts'
import { type PortProgramming, portKey, transportOf } from '../graph/programming.ts'
import { addNotes, buildConditions, type Condition, type ConditionRule } from './condition.ts'

/** In the status of a Gateway and in that of a ListenerSet. */
export interface ListenerStatus {
  readonly name: string
  readonly supportedKinds: readonly RouteKind[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

const listenerRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The listener is accepted' },
    rank: [
      'UnsupportedProtocol',
      'UnsupportedValue',
      'PortUnavailable',
      'ProtocolConflict',
      'HostnameConflict',
      'NoValidCACertificate',
    ],
  },
  {
    type: 'Conflicted',
    success: { status: 'False', reason: 'NoConflicts', message: 'No other listener has the same port and hostname' },
    rank: ['ProtocolConflict', 'HostnameConflict'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: [
      'InvalidRouteKinds',
      'RefNotPermitted',
      'InvalidCertificateRef',
      'InvalidCACertificateRef',
      'InvalidCACertificateKind',
    ],
  },
  {
    type: 'OverlappingTLSConfig',
    success: { status: 'False', reason: 'NoOverlap', message: '' },
    rank: ['OverlappingCertificates', 'OverlappingHostnames'],
    optional: true,
  },
  {
    type: 'Programmed',
    success: { status: 'True', reason: 'Programmed', message: 'Envoy has accepted the current configuration' },
    rank: ['Invalid', 'Pending'],
  },
]

export interface ListenerStatusContext {
  readonly reads: Reads
  readonly graph: Graph
  readonly programming: Collection<string, PortProgramming>
}

/** What listeners have in common of the object in which they are written. */
export interface ListenerSurroundings {
  /** Of the owner. */
  readonly generation: number
  readonly binding: GatewayBinding | undefined
  /** Of the Gateway; nobody runs proxies for one that is not accepted. */
  readonly isAccepted: boolean
}

export function deriveListenerStatus(
  listener: ListenerNode,
  surroundings: ListenerSurroundings,
  context: ListenerStatusContext,
): ListenerStatus {
  const problems = [...listener.problems, ...findListenerProblems(listener, surroundings, context)]
  return {
    name: listener.name,
    supportedKinds: listener.supportedKinds,
    attachedRoutes: context.reads.count(context.graph.attachmentsByListener, listener.key),
    conditions: buildConditions(
      addNotes(listenerRules, 'Accepted', listener.notes),
      problems,
      surroundings.generation,
      true,
    ),
  }
}

/** Whether a condition of the type is True. */
export function isTrue({ conditions }: Pick<ListenerStatus, 'conditions'>, type: string): boolean {
  return conditions.some((c) => c.type === type && c.status === 'True')
}

function findListenerProblems(
  listener: ListenerNode,
  { binding, isAccepted }: ListenerSurroundings,
  { reads, programming }: ListenerStatusContext,
): Problem[] {
  const path = `spec.listeners[${listener.index}]`
  const unavailable = binding?.portProblems[String(listener.port)]
  const problems: Problem[] = []
  if (listener.verdict === 'rejected' && !listener.problems.some((p) => p.on === 'Accepted')) {
    const conflict = listener.problems.find((p) => p.on === 'Conflicted')
    problems.push({
      on: 'Accepted',
      reason: conflict?.reason ?? 'Invalid',
      message: conflict?.message ?? 'see the other conditions',
      path,
    })
  }
  if (unavailable)
    problems.push({ on: 'Accepted', reason: 'PortUnavailable', message: unavailable, path: `${path}.port` })
  if (listener.verdict !== 'accepted') {
    // A ListenerSet repeats its reason where a Gateway has one word for all.
    const conflict = listener.owner.kind === 'ListenerSet' && listener.problems.find((p) => p.on === 'Conflicted')
    const reason = conflict ? conflict.reason : 'Invalid'
    const message = conflict ? conflict.message : 'the listener cannot serve: see its other conditions'
    problems.push({ on: 'Programmed', reason, message, path })
    return problems
  }
  // Nobody runs proxies for such a Gateway, so that waiting would have no end.
  if (!isAccepted) {
    problems.push({ on: 'Programmed', reason: 'Invalid', message: 'the Gateway is not accepted', path })
    return problems
  }
  if (unavailable) {
    problems.push({ on: 'Programmed', reason: 'Invalid', message: unavailable, path: `${path}.port` })
    return problems
  }
  const port = reads.get(programming, portKey(listener.gateway, listener.port, transportOf(listener)))
  if (port?.state === 'programmed') return problems
  const reason = port?.state === 'rejected' ? 'Invalid' : 'Pending'
  const message = port?.message ?? 'waiting for a proxy'
  problems.push({ on: 'Programmed', reason, message, path, unknown: port?.state === 'unknown' })
  return problems
}
