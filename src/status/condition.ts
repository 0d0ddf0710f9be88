import { compactList } from '../base/compact-list.ts'
import { LruMap } from '../base/lru-map.ts'
import type { Problem } from '../graph/problem.ts'

/**
 * A Kubernetes condition without lastTransitionTime, which is not derived: whoever writes the status
 * keeps the live one where status has not changed and sets it where it has.
 */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

/** How one condition type of one kind follows from problems. */
export interface ConditionRule {
  readonly type: string
  /** What it says without a problem. */
  readonly success: { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string }
  /** Problem reasons, the most important first; one that is not listed comes last. */
  readonly rank: readonly string[]
  /** Absent without a problem. */
  readonly optional?: boolean
}

const maxMessageLength = 1024
/** Most objects have nothing wrong with them and a low generation: so many lists of each table are kept only once. */
const sharedGenerations = 32
const successes = new WeakMap<readonly ConditionRule[], LruMap<number, readonly Condition[]>>()

/**
 * Turns problems into the conditions of a table: the most important reason wins, and all messages
 * of that reason are told.
 * @param withPaths names the field in front of each message
 */
export function buildConditions(
  rules: readonly ConditionRule[],
  problems: readonly Problem[],
  observedGeneration: number,
  withPaths: boolean,
): readonly Condition[] {
  if (problems.length > 0) return judge(rules, problems, observedGeneration, withPaths)
  let shared = successes.get(rules)
  if (shared === undefined) {
    shared = new LruMap(sharedGenerations)
    successes.set(rules, shared)
  }
  const known = shared.get(observedGeneration)
  if (known !== undefined) return known
  const conditions = judge(rules, problems, observedGeneration, withPaths)
  shared.set(observedGeneration, conditions)
  return conditions
}

function judge(
  rules: readonly ConditionRule[],
  problems: readonly Problem[],
  observedGeneration: number,
  withPaths: boolean,
): readonly Condition[] {
  const conditions: Condition[] = []
  for (const rule of rules) {
    const own = problems.filter((p) => p.on === rule.type)
    if (own.length === 0) {
      if (!rule.optional) conditions.push({ type: rule.type, ...rule.success, observedGeneration })
      continue
    }
    const position = (p: Problem) => (rule.rank.indexOf(p.reason) + rule.rank.length + 1) % (rule.rank.length + 1)
    const reason = own.reduce((best, p) => (position(p) < position(best) ? p : best)).reason
    const told = own.filter((p) => p.reason === reason)
    const messages = told.map((p) => (withPaths && p.path ? `${p.path}: ${p.message}` : p.message))
    const failure = rule.success.status === 'True' ? 'False' : 'True'
    const message = truncateMessage([...new Set(messages)].join('; '))
    const status = told.every((p) => p.unknown) ? 'Unknown' : failure
    conditions.push({ type: rule.type, status, reason, message, observedGeneration })
  }
  return compactList(conditions)
}

/**
 * Tells in a condition, where it has no problem, what has no effect or is used otherwise than it is written: its
 * author should know, and nothing is refused for it.
 */
export function addNotes(
  rules: readonly ConditionRule[],
  type: string,
  notes: readonly string[],
): readonly ConditionRule[] {
  if (notes.length === 0) return rules
  return rules.map((rule) => {
    if (rule.type !== type) return rule
    const message = truncateMessage([rule.success.message, ...notes].join('; '))
    return { ...rule, success: { ...rule.success, message } }
  })
}

/** Objects have a size limit, and a status must never be what exceeds it. */
export function truncateMessage(message: string): string {
  return message.length <= maxMessageLength ? message : `${message.slice(0, maxMessageLength - 3)}...`
}
