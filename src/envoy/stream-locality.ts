import type { envoy } from '../gen/envoy.js'

type LbEndpoint = envoy.config.endpoint.v3.LbEndpoint
type LocalityLbEndpoints = envoy.config.endpoint.v3.LocalityLbEndpoints

/** A backend of a stream with the part of the connections that it is to have. */
export interface WeightedEndpoints {
  /** Unique among those of one cluster. */
  readonly name: string
  /** More than 0. */
  readonly weight: number
  /** Not empty. */
  readonly endpoints: readonly LbEndpoint[]
  /** Its endpoints say how they are spoken to: with TLS, where others of the same address may be without. */
  readonly isMarked: boolean
}

/** What weights add up to where they are divided among addresses: to one part in a million. */
const whole = 1_000_000

/**
 * Localities that give each backend its weight, and each of its endpoints an equal part of that. Envoy has nothing
 * but the locality to tell backends apart by, merges those of one name, and knows an address once in a cluster. So
 * addresses that several backends have (two Services that select the same pods) stand in localities of their own,
 * which have the sum of what the backends would give them.
 */
export function buildLocalities(backends: readonly WeightedEndpoints[]): LocalityLbEndpoints[] {
  const owners = new Map<string, Set<WeightedEndpoints>>()
  for (const backend of backends)
    for (const address of backend.endpoints.map(addressOf))
      owners.set(address, (owners.get(address) ?? new Set()).add(backend))
  if ([...owners.values()].every(({ size }) => size === 1))
    return backends.map(({ name, weight, endpoints }) => buildLocality(name, weight, endpoints))
  const total = backends.reduce((sum, { weight }) => sum + weight, 0)
  const groups = new Map<string, { readonly endpoints: LbEndpoint[]; weight: number }>()
  for (const [address, those] of owners) {
    const sharers = [...those]
    // What is to be encrypted is never sent in the clear, whichever backend led to it.
    const speaker = sharers.find(({ isMarked }) => isMarked) ?? sharers[0]
    const endpoint = speaker?.endpoints.find((e) => addressOf(e) === address)
    if (!endpoint) continue
    const name = sharers.map((backend) => backend.name).join('+')
    const group = groups.get(name) ?? { endpoints: [], weight: 0 }
    groups.set(name, group)
    group.endpoints.push(endpoint)
    group.weight += sharers.reduce((sum, { weight, endpoints }) => sum + weight / endpoints.length, 0)
  }
  return [...groups].map(([name, { weight, endpoints }]) =>
    buildLocality(name, Math.max(1, Math.round((weight / total) * whole)), endpoints),
  )
}

function buildLocality(zone: string, weight: number, lbEndpoints: readonly LbEndpoint[]): LocalityLbEndpoints {
  return { locality: { zone }, loadBalancingWeight: { value: weight }, lbEndpoints }
}

function addressOf({ endpoint }: LbEndpoint): string {
  const { socketAddress, pipe } = endpoint?.address ?? {}
  return pipe ? `unix:${pipe.path}` : `${socketAddress?.address} ${socketAddress?.portValue}`
}
