import process from 'node:process'
import { eventually } from './eventually.ts'
import { find, type LiveObject, list } from './kubectl.ts'

export const gatewayClass = 'gatewright'
export const controllerName = 'gatewright.dev/gateway-controller'
/** Namespace of the control plane. */
export const systemNamespace = process.env['GATEWRIGHT_E2E_NAMESPACE'] ?? 'gatewright-system'
/** Official echo server: answers every request with what it saw. */
export const echoImage = process.env['GATEWRIGHT_E2E_ECHO_IMAGE'] ?? ''
/** Any Node.js. */
export const nodeImage = process.env['GATEWRIGHT_E2E_NODE_IMAGE'] ?? ''

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

/** Undefined unless it speaks of the object's current generation. */
export function conditionOf(object: LiveObject | undefined, type: string): Condition | undefined {
  const conditions = object?.['status']?.conditions as readonly Condition[] | undefined
  return conditions?.find((c) => c.type === type && c.observedGeneration === object?.metadata.generation)
}

/** Our entry of a route for its first parent. */
export function parentConditionOf(route: LiveObject | undefined, type: string): Condition | undefined {
  const parents = (route?.['status']?.parents ?? []) as readonly {
    readonly controllerName: string
    readonly conditions: readonly Condition[]
  }[]
  const own = parents.find((parent) => parent.controllerName === controllerName)
  return own?.conditions.find((c) => c.type === type && c.observedGeneration === route?.metadata.generation)
}

/** @returns its first address, IPv4 where it has both */
export async function programmedAddress(gateway: string, namespace: string, limit = 30_000): Promise<string> {
  return await eventually(`Gateway ${namespace}/${gateway} to be Programmed`, limit, async () => {
    const live = await find('gateway', gateway, namespace)
    if (conditionOf(live, 'Programmed')?.status !== 'True') return undefined
    const addresses = (live?.['status'].addresses ?? []) as readonly { readonly value: string }[]
    return (addresses.find((a) => !a.value.includes(':')) ?? addresses[0])?.value
  })
}

/** What was made for a Gateway, by kind. */
export async function infrastructureOf(kind: string, gateway: string, namespace: string): Promise<LiveObject[]> {
  return await list(kind, namespace, '-l', `gateway.networking.k8s.io/gateway-name=${gateway}`)
}

/** The one of this kind that was made for a Gateway. @throws if there is none or there are several */
export async function soleInfrastructureOf(kind: string, gateway: string, namespace: string): Promise<LiveObject> {
  const found = await infrastructureOf(kind, gateway, namespace)
  const [sole] = found
  if (found.length !== 1 || !sole) throw new Error(`${found.length} objects of kind ${kind} for Gateway ${gateway}`)
  return sole
}
