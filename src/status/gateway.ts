import type { Collection, Reads } from '../collections/collection.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GatewayNode } from '../graph/gateway.ts'
import type { GatewayAddress, GatewayBinding } from '../graph/gateway-binding.ts'
import type { Graph } from '../graph/graph.ts'
import type { ListenerNode, RouteKind } from '../graph/listener.ts'
import type { Problem } from '../graph/problem.ts'
import { type PortProgramming, portKey, transportOf } from '../graph/programming.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'

export interface ListenerStatus {
  readonly name: string
  readonly supportedKinds: readonly RouteKind[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

export interface GatewayStatus {
  readonly addresses: readonly GatewayAddress[]
  readonly conditions: readonly Condition[]
  readonly listeners: readonly ListenerStatus[]
}

const gatewayRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The Gateway is accepted' },
    rank: ['InvalidParameters', 'UnsupportedAddress', 'ListenersNotValid'],
  },
  {
    type: 'Programmed',
    success: { status: 'True', reason: 'Programmed', message: 'Envoy has accepted the current configuration' },
    rank: ['Invalid', 'AddressNotAssigned', 'AddressNotUsable', 'NoResources', 'Pending'],
  },
]

const listenerRules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The listener is accepted' },
    rank: ['UnsupportedProtocol', 'UnsupportedValue', 'PortUnavailable', 'ProtocolConflict', 'HostnameConflict'],
  },
  {
    type: 'Conflicted',
    success: { status: 'False', reason: 'NoConflicts', message: 'No other listener has the same port and hostname' },
    rank: ['ProtocolConflict', 'HostnameConflict'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: ['InvalidRouteKinds', 'RefNotPermitted', 'InvalidCertificateRef'],
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

export interface GatewayStatusContext {
  readonly reads: Reads
  readonly graph: Graph
  readonly programming: Collection<string, PortProgramming>
}

/** Everything that is known of a Gateway: what its author must mend, and how far its proxies have come. */
export function deriveGatewayStatus(node: GatewayNode, context: GatewayStatusContext): GatewayStatus {
  const generation = node.source.metadata.generation ?? 0
  const binding = context.reads.get(context.graph.bindings, node.key)
  const listeners = node.listeners.map((listener) => {
    const problems = [...listener.problems, ...findListenerProblems(node, listener, binding, context)]
    return {
      name: listener.name,
      supportedKinds: listener.supportedKinds,
      attachedRoutes: context.reads.count(context.graph.attachmentsByListener, listener.key),
      conditions: buildConditions(listenerRules, problems, generation, true),
    }
  })
  const problems = [
    ...node.problems,
    ...(binding?.problems ?? []),
    ...findGatewayProblems(node.key, listeners, binding),
  ]
  const conditions = buildConditions(gatewayRules, problems, generation, true)
  return { addresses: binding?.addresses ?? [], conditions: mentionInvalidListeners(conditions, listeners), listeners }
}

function findListenerProblems(
  gateway: GatewayNode,
  listener: ListenerNode,
  binding: GatewayBinding | undefined,
  { reads, programming }: GatewayStatusContext,
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
    problems.push({
      on: 'Programmed',
      reason: 'Invalid',
      message: 'the listener cannot serve: see its other conditions',
      path,
    })
    return problems
  }
  // Nobody runs proxies for such a Gateway, so that waiting would have no end.
  if (gateway.problems.some((p) => p.on === 'Accepted')) {
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

function isTrue(listener: ListenerStatus, type: string): boolean {
  return listener.conditions.some((c) => c.type === type && c.status === 'True')
}

/** What its listeners and its binding mean for the Gateway as a whole. */
function findGatewayProblems(
  key: NamespacedName,
  listeners: readonly ListenerStatus[],
  binding: GatewayBinding | undefined,
): Problem[] {
  const problems: Problem[] = []
  const accepted = listeners.filter((l) => isTrue(l, 'Accepted'))
  if (accepted.length === 0)
    problems.push({ on: 'Accepted', reason: 'ListenersNotValid', message: `no listener of Gateway "${key}" is valid` })
  const programmed = listeners.flatMap((l) => l.conditions.filter((c) => c.type === 'Programmed'))
  const unknown = programmed.find((c) => c.status === 'Unknown')
  if (unknown) {
    problems.push({ on: 'Programmed', reason: 'Pending', message: unknown.message, unknown: true })
    return problems
  }
  if (binding === undefined || binding.addresses.length === 0)
    problems.push({ on: 'Programmed', reason: 'AddressNotAssigned', message: 'no address has been assigned yet' })
  const serving = listeners.filter((l) => isTrue(l, 'Programmed'))
  if (serving.length === 0) {
    const reason = programmed.every((c) => c.reason === 'Invalid') ? 'Invalid' : 'Pending'
    const told = [...new Set(programmed.map((c) => c.message))].join('; ')
    problems.push({ on: 'Programmed', reason, message: `no listener serves yet: ${told}` })
  } else {
    const waiting = listeners.filter((l) => l.conditions.some((c) => c.type === 'Programmed' && c.reason === 'Pending'))
    if (waiting.length > 0)
      problems.push({
        on: 'Programmed',
        reason: 'Pending',
        message: `waiting for listeners ${waiting.map((l) => `"${l.name}"`).join(', ')}`,
      })
  }
  return problems
}

/** Some bad listeners among good ones leave the Gateway accepted, and the reason says so. */
function mentionInvalidListeners(
  conditions: readonly Condition[],
  listeners: readonly ListenerStatus[],
): readonly Condition[] {
  const bad = listeners.filter((l) => !isTrue(l, 'Accepted'))
  if (bad.length === 0) return conditions
  return conditions.map((c) =>
    c.type === 'Accepted' && c.status === 'True'
      ? {
          ...c,
          reason: 'ListenersNotValid',
          message: `not valid: ${bad.map((l) => `listener "${l.name}"`).join(', ')}`,
        }
      : c,
  )
}
