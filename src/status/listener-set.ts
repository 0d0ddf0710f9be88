import type { ListenerSetNode } from '../graph/listener-set.ts'
import type { Problem } from '../graph/problem.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'
import { deriveListenerStatus, isTrue, type ListenerStatus, type ListenerStatusContext } from './listener.ts'

export interface ListenerSetStatus {
  readonly conditions: readonly Condition[]
  readonly listeners: readonly ListenerStatus[]
}

const rules: readonly ConditionRule[] = [
  {
    type: 'Accepted',
    success: { status: 'True', reason: 'Accepted', message: 'The listeners are part of the Gateway' },
    rank: ['NotAllowed', 'ParentNotAccepted', 'ListenersNotValid'],
  },
  {
    type: 'Programmed',
    success: { status: 'True', reason: 'Programmed', message: 'Envoy has accepted the current configuration' },
    rank: ['NotAllowed', 'ParentNotAccepted', 'ListenersNotValid', 'Invalid', 'Pending'],
  },
]

/** Whether a set counts in its Gateway: it is let in, and at least one of its listeners can serve. */
export function isSetAccepted({ problems, listeners }: ListenerSetNode): boolean {
  return problems.length === 0 && listeners.some((l) => l.verdict === 'accepted')
}

export function deriveListenerSetStatus(node: ListenerSetNode, context: ListenerStatusContext): ListenerSetStatus {
  const { reads, graph } = context
  const generation = node.source.metadata.generation ?? 0
  const binding = reads.get(graph.bindings, node.gateway)
  // A set is let in only by a Gateway that is accepted.
  const surroundings = { generation, binding, isAccepted: true }
  const listeners = node.listeners.map((listener) => deriveListenerStatus(listener, surroundings, context))
  const problems = [...node.problems, ...(node.problems.length > 0 ? repeat(node) : findSetProblems(node, listeners))]
  const conditions = buildConditions(rules, problems, generation, true)
  return { conditions: mentionInvalidListeners(conditions, node), listeners }
}

/** What is not accepted is not programmed, for the same reason. */
function repeat({ problems }: ListenerSetNode): Problem[] {
  return problems.map((problem) => ({ ...problem, on: 'Programmed' }))
}

function findSetProblems(node: ListenerSetNode, listeners: readonly ListenerStatus[]): Problem[] {
  if (!isSetAccepted(node)) {
    const message = `no listener of ListenerSet "${node.key}" is valid`
    return ['Accepted', 'Programmed'].map((on) => ({ on, reason: 'ListenersNotValid', message }))
  }
  if (listeners.some((l) => isTrue(l, 'Programmed'))) return []
  const programmed = listeners.flatMap((l) => l.conditions.filter((c) => c.type === 'Programmed'))
  const waiting = programmed.find((c) => c.reason === 'Pending')
  const message = [...new Set(waiting ? [waiting.message] : programmed.map((c) => c.message))].join('; ')
  const unknown = waiting?.status === 'Unknown'
  return [{ on: 'Programmed', reason: waiting ? 'Pending' : 'Invalid', message, unknown }]
}

/** Some bad listeners among good ones leave the set accepted, and the reason says so. */
function mentionInvalidListeners(conditions: readonly Condition[], node: ListenerSetNode): readonly Condition[] {
  const bad = node.listeners.filter((l) => l.verdict !== 'accepted').map((l) => `listener "${l.name}"`)
  if (bad.length === 0) return conditions
  return conditions.map((c) =>
    c.type === 'Accepted' && c.status === 'True'
      ? { ...c, reason: 'ListenersNotValid', message: `not valid: ${bad.join(', ')}` }
      : c,
  )
}
