import { type InstalledApi, ownApi } from '../gatewayapi/features.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { allowsInsecureFallback } from '../graph/client-validation.ts'
import type { GatewayNode } from '../graph/gateway.ts'
import type { GatewayAddress, GatewayBinding, MissingAddress } from '../graph/gateway-binding.ts'
import type { ListenerNode } from '../graph/listener.ts'
import type { Problem } from '../graph/problem.ts'
import { buildConditions, type Condition, type ConditionRule } from './condition.ts'
import { deriveListenerStatus, isTrue, type ListenerStatus, type ListenerStatusContext } from './listener.ts'
import { isSetAccepted } from './listener-set.ts'

export interface GatewayStatus {
  /** With `routability`, be it empty, where the CRD has the field. */
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
    type: 'InsecureFrontendValidationMode',
    success: { status: 'False', reason: 'Secure', message: '' },
    rank: ['ConfigurationChanged'],
    optional: true,
  },
  {
    type: 'gatewright.dev/InfrastructureComplete',
    success: { status: 'True', reason: 'Applied', message: '' },
    rank: ['NotApplied', 'Pending'],
    optional: true,
  },
]

/** Left out before anybody has seen to the addresses (GEP-5093). */
const addressesRule: ConditionRule = {
  type: 'AddressesAssigned',
  success: { status: 'True', reason: 'AddressesAssigned', message: 'The Gateway has all of its addresses' },
  rank: ['PartiallyAssigned', 'NotAssigned'],
}

/**
 * Everything that is known of a Gateway: what its author must mend, and how far its proxies have come.
 * @param installed what the CRDs have fields for
 */
export function deriveGatewayStatus(
  node: GatewayNode,
  context: ListenerStatusContext,
  installed: InstalledApi = ownApi,
): GatewayStatus {
  const generation = node.source.metadata.generation ?? 0
  const binding = context.reads.get(context.graph.bindings, node.key)
  const isAccepted = !node.problems.some((p) => p.on === 'Accepted')
  const derive = (listener: ListenerNode) =>
    deriveListenerStatus(listener, { generation, binding, isAccepted }, context)
  const listeners = node.listeners.map(derive)
  const attached = node.sets.filter(isSetAccepted)
  const ofSets = attached.flatMap((set) => set.listeners).map(derive)
  const problems = [
    ...node.problems,
    ...(binding?.problems ?? []),
    ...findGatewayProblems(node.key, listeners, ofSets, binding),
    ...findReferenceProblems(listeners),
    ...findFallback(node),
  ]
  const rules = binding?.assignment ? [...gatewayRules, addressesRule] : gatewayRules
  const conditions = buildConditions(rules, problems, generation, true)
  return {
    addresses: listAddresses(binding, installed),
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
  binding: GatewayBinding | undefined,
): Problem[] {
  const problems: Problem[] = []
  if (![...listeners, ...ofSets].some((l) => isTrue(l, 'Accepted')))
    problems.push({ on: 'Accepted', reason: 'ListenersNotValid', message: `no listener of Gateway "${key}" is valid` })
  const programmed = listeners.flatMap((l) => l.conditions.filter((c) => c.type === 'Programmed'))
  const unknown = programmed.find((c) => c.status === 'Unknown')
  if (unknown) {
    problems.push(...findAddressProblems(binding).filter(({ on }) => on === addressesRule.type))
    problems.push({ on: 'Programmed', reason: 'Pending', message: unknown.message, unknown: true })
    return problems
  }
  problems.push(...findAddressProblems(binding))
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
 * A Gateway that has some of its addresses serves there. It is programmed unless it was to have a certain address
 * that it has not.
 */
function findAddressProblems(binding: GatewayBinding | undefined): Problem[] {
  const { addresses = [], assignment } = binding ?? {}
  const none = { on: 'Programmed', reason: 'AddressNotAssigned', message: 'no address has been assigned yet' }
  if (assignment === undefined) return addresses.length === 0 ? [none] : []
  const { assigned, missing } = assignment
  const reason = assigned === 0 ? 'NotAssigned' : 'PartiallyAssigned'
  const problems: Problem[] = missing.map((address) => toProblem(address, addressesRule.type, reason))
  // Addresses of an earlier spec serve until others do.
  const isIdle = assigned === 0 && addresses.length === 0
  for (const address of missing) {
    if (isIdle) problems.push(toProblem(address, none.on, none.reason))
    else if (address.isStatic) problems.push(toProblem(address, 'Programmed', 'AddressNotUsable'))
  }
  return problems
}

function toProblem({ message, path }: MissingAddress, on: string, reason: string): Problem {
  return { on, reason, message, ...(path !== undefined && { path }) }
}

function listAddresses(
  binding: GatewayBinding | undefined,
  { channel, minor }: InstalledApi,
): readonly GatewayAddress[] {
  const hasField = channel === 'experimental' && minor >= 7
  return (binding?.addresses ?? []).map(({ type, value, routability = '' }) => ({
    type,
    value,
    ...(hasField && { routability }),
  }))
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
