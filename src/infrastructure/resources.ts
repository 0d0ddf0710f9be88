import type { ProxyParameters } from '../graph/proxy-parameters.ts'

/** Kubernetes quantities, as in a container's resources. */
export interface ProxyResources {
  readonly cpuRequest: string
  readonly memoryRequest: string
  readonly memoryLimit: string
  /** No limit unless given: a throttled proxy answers late though the node has time. */
  readonly cpuLimit?: string
}

/** What one Envoy gets. An idle one with a few routes takes 40 MB and almost no CPU. */
export function resolveResources(parameters: ProxyParameters | undefined): ProxyResources {
  const { cpuRequest = '50m', memoryRequest = '64Mi', memoryLimit = '1Gi', cpuLimit } = parameters ?? {}
  return { cpuRequest, memoryRequest, memoryLimit, ...(cpuLimit !== undefined && { cpuLimit }) }
}
