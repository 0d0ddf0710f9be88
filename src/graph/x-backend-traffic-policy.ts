import type { Index, Reads } from '../collections/collection.ts'
import { parseDuration } from '../gatewayapi/duration.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { RetryConstraint, XBackendTrafficPolicy } from '../gatewayapi/objects/x-backend-traffic-policy.ts'
import { type BackendNode, type RetryBudget, supportsBackend } from './backend.ts'
import { type TargetKey, targetKey } from './backend-tls-policy.ts'
import { compareSeniority } from './policy-seniority.ts'
import type { Problem } from './problem.ts'
import { resolveSession } from './session.ts'
import { isXBackend } from './x-backend.ts'

/** An XBackendTrafficPolicy by itself. */
export interface TrafficPolicyNode {
  readonly key: NamespacedName
  readonly source: XBackendTrafficPolicy
  readonly problems: readonly Problem[]
  /** What is used otherwise than it is written. */
  readonly notes: readonly string[]
}

/** By what they are about. */
export type TrafficPolicies = Index<TargetKey, NamespacedName, TrafficPolicyNode>

export function trafficTargetsOf({ source }: Pick<TrafficPolicyNode, 'source'>): TargetKey[] {
  const { namespace } = source.metadata
  return source.spec.targetRefs.map(({ group, kind, name }) => targetKey({ group, kind, namespace, name }))
}

/** Checks a policy. One that cannot be honoured in part is honoured in the rest. */
export function resolveTrafficPolicy(source: XBackendTrafficPolicy): TrafficPolicyNode {
  const { namespace, name } = source.metadata
  const problems: Problem[] = []
  for (const [index, target] of source.spec.targetRefs.entries()) {
    if (supportsBackend(target) || isXBackend(target)) continue
    const message = `${target.kind} "${target.name}" cannot be a backend: use a Service, a Backend or an XBackend`
    problems.push({ on: 'Accepted', reason: 'Invalid', message, path: `spec.targetRefs[${index}]` })
  }
  const notes: string[] = []
  const { sessionPersistence } = source.spec
  if (sessionPersistence)
    resolveSession(sessionPersistence, '', (problem) =>
      notes.push(`spec.sessionPersistence.${problem.field}: ${problem.message}`),
    )
  return { key: namespacedName(namespace, name), source, problems, notes }
}

function findWinner(reads: Reads, policies: TrafficPolicies, target: TargetKey): TrafficPolicyNode | undefined {
  const rivals = reads.lookup(policies, target)
  return rivals.length < 2 ? rivals[0] : rivals.toSorted(compareSeniority)[0]
}

/**
 * What the policy of a backend adds to it, whichever way it was resolved.
 * @param about the backend
 */
export function applyTrafficPolicy(
  backend: BackendNode,
  about: TargetKey,
  reads: Reads,
  policies: TrafficPolicies,
): BackendNode {
  const policy = findWinner(reads, policies, about)
  if (policy === undefined) return backend
  const { retryConstraint, sessionPersistence } = policy.source.spec
  // Who has written the policy is told by its status, not those who use the backend.
  const session = sessionPersistence && resolveSession(sessionPersistence, backend.key, () => undefined)
  return {
    ...backend,
    ...(retryConstraint && { retryBudget: resolveBudget(retryConstraint) }),
    // What an XBackend says of itself counts before what a policy says of it.
    ...(session && !backend.session && { session }),
  }
}

const second = 1000
const defaultRate = 10

/**
 * Envoy counts the requests that are active now, where the policy counts those of an interval, and allows a number
 * of retries at a time, where the policy allows a rate. A retry that takes a second makes one of the other.
 */
function resolveBudget({ budget, minRetryRate }: RetryConstraint): RetryBudget {
  const seconds = Math.max(1, (parseDuration(minRetryRate.interval ?? '1s') ?? second) / second)
  return { percent: budget.percent, atLeast: Math.ceil((minRetryRate.count ?? defaultRate) / seconds) }
}

/** Tells a policy that does not count for any of its targets, because an older one does. */
export function findTrafficConflicts(node: TrafficPolicyNode, reads: Reads, policies: TrafficPolicies): Problem[] {
  const winners = trafficTargetsOf(node).map((target) => findWinner(reads, policies, target)?.key)
  if (winners.includes(node.key)) return []
  const names = [...new Set(winners)].map((winner) => `"${winner}"`).join(', ')
  const message = `XBackendTrafficPolicy ${names} is older and has the same targets: remove one of them`
  return [{ on: 'Accepted', reason: 'Conflicted', message, path: 'spec.targetRefs' }]
}
