import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { GatewaySpecAddress } from '../gatewayapi/objects/gateway.ts'
import { assignAddresses } from '../graph/address-assignment.ts'
import { allowsInsecureFallback } from '../graph/client-validation.ts'
import type { GatewayNode } from '../graph/gateway.ts'
import type { GatewayAddress, GatewayBinding } from '../graph/gateway-binding.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { Problem } from '../graph/problem.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'
import { deriveListenerStatus, isTrue, type ListenerStatus, type ListenerStatusContext } from './listener.ts'
import { isSetAccepted } from './listener-set.ts'

export interface GatewayStatus {
  readonly addresses: readonly GatewayAddress[]
  readonly conditions: readonly Condition[]
  readonly listeners: readonly ListenerStatus[]
  /** How many ListenerSets are accepted. */
  readonly attachedListenerSets: number
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
    rank: ['Invalid', 'AddressNotUsable', 'AddressNotAssigned', 'NoResources', 'Pending'],
  },
  {
    type: 'ResolvedRefs',
    success: { status: 'True', reason: 'ResolvedRefs', message: 'All references are resolved' },
    rank: ['RefNotPermitted', 'InvalidClientCertificateRef', 'ListenersNotResolved'],
  },
  {
    type: 'AddressesAssigned',
    success: { status: 'True', reason: 'AddressesAssigned', message: 'The Gateway has all addresses that it asks for' },
    rank: ['NotAssigned', 'PartiallyAssigned'],
  },
  {
    type: 'InsecureFrontendValidationMode',
    success: { status: 'False', reason: 'Secure', message: '' },
    rank: ['ConfigurationChanged'],
    optional: true,
  },
]

/** Everything that is known of a Gateway: what its author must mend, and how far its proxies have come. */
export function deriveGatewayStatus(node: GatewayNode, context: ListenerStatusContext): GatewayStatus {
  const generation = node.source.metadata.generation ?? 0
  const binding = context.reads.get(context.graph.bindings, node.key)
  const isAccepted = !node.problems.some((p) => p.on === 'Accepted')
  const derive = (listener: ListenerNode) =>
    deriveListenerStatus(listener, { generation, binding, isAccepted }, context)
  const listeners = node.listeners.map(derive)
  const attached = node.sets.filter(isSetAccepted)
  const ofSets = attached.flatMap((set) => set.listeners).map(derive)
  const requests = node.source.spec.addresses ?? []
  const { assigned, unsatisfied } = assignAddresses(requests, binding ?? { addresses: [] })
  const isAssigning = isAssigned(requests, binding)
  const problems = [
    ...node.problems,
    ...(isAssigning ? findAddressProblems(requests, assigned, unsatisfied) : []),
    ...(binding?.problems ?? []),
    ...findGatewayProblems(node.key, listeners, ofSets, isAssigning),
    ...findReferenceProblems(listeners),
    ...findFallback(node),
  ]
  const rules = gatewayRules.filter((rule) => rule.type !== 'AddressesAssigned' || isAssigning)
  const conditions = buildConditions(rules, problems, generation, true)
  return {
    addresses: assigned.map(({ type, value, routability = '' }) => ({ type, value, routability })),
    conditions: mentionInvalidListeners(conditions, listeners),
    listeners,
    attachedListenerSets: attached.length,
  }
}

/** What its listeners and its binding mean for the Gateway as a whole. */
function findGatewayProblems(
  key: NamespacedName,
  listeners: readonly ListenerStatus[],
  ofSets: readonly ListenerStatus[],
  isAssigning: boolean,
): Problem[] {
  const problems: Problem[] = []
  if (![...listeners, ...ofSets].some((l) => isTrue(l, 'Accepted')))
    problems.push({ on: 'Accepted', reason: 'ListenersNotValid', message: `no listener of Gateway "${key}" is valid` })
  const programmed = listeners.flatMap((l) => l.conditions.filter((c) => c.type === 'Programmed'))
  const unknown = programmed.find((c) => c.status === 'Unknown')
  if (unknown) {
    problems.push({ on: 'Programmed', reason: 'Pending', message: unknown.message, unknown: true })
    return problems
  }
  if (!isAssigning)
    problems.push({ on: 'Programmed', reason: 'AddressNotAssigned', message: 'no address has been assigned yet' })
  if (![...listeners, ...ofSets].some((l) => isTrue(l, 'Programmed'))) {
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

/**
 * Whether it is known which addresses there are: before those that are usual are there, the others of a Service
 * (which come first) say nothing, unless somebody asks for one of them.
 */
function isAssigned(requests: readonly GatewaySpecAddress[], binding: GatewayBinding | undefined): boolean {
  if (!binding || binding.addresses.length === 0) return false
  if (requests.length > 0 && requests.every(({ routability }) => routability !== undefined)) return true
  return assignAddresses([], binding).assigned.length > 0
}

/** An address that somebody asks for by its value, or by a routability, is not replaced by another one. */
function findAddressProblems(
  requests: readonly GatewaySpecAddress[],
  assigned: readonly GatewayAddress[],
  unsatisfied: readonly number[],
): Problem[] {
  const reason = assigned.length === 0 ? 'NotAssigned' : 'PartiallyAssigned'
  return unsatisfied.flatMap((index): Problem[] => {
    const { type, value = '', routability } = requests[index] ?? { type: '' }
    const scope = routability ? ` of routability ${routability}` : ''
    const message = `no ${type}${value && ` ${value}`}${scope} has been assigned`
    const entry = { message, path: `spec.addresses[${index}]` }
    const problem: Problem = { on: 'AddressesAssigned', reason, ...entry }
    if (value !== '') return [problem, { on: 'Programmed', reason: 'AddressNotUsable', ...entry }]
    return assigned.length === 0 ? [problem, { on: 'Programmed', reason: 'AddressNotAssigned', ...entry }] : [problem]
  })
}

/** A summary of what stands on the listeners. */
function findReferenceProblems(listeners: readonly ListenerStatus[]): Problem[] {
  const bad = listeners.filter((l) => !isTrue(l, 'ResolvedRefs')).map((l) => `listener "${l.name}"`)
  if (bad.length === 0) return []
  return [{ on: 'ResolvedRefs', reason: 'ListenersNotResolved', message: `see the conditions of ${bad.join(', ')}` }]
}

function findFallback({ source }: GatewayNode): Problem[] {
  if (!allowsInsecureFallback(source)) return []
  const message = 'clients without a good certificate are let in: only backends can tell them apart'
  const path = 'spec.tls.frontend'
  return [{ on: 'InsecureFrontendValidationMode', reason: 'ConfigurationChanged', message, path }]
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
