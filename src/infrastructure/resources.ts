import { type ProxyParameters, parseAmountOf } from '../graph/proxy-parameters.ts'

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
  return {
    cpuRequest: renderCpu(cpuRequest),
    memoryRequest: renderMemory(memoryRequest),
    memoryLimit: renderMemory(memoryLimit),
    ...(cpuLimit !== undefined && { cpuLimit: renderCpu(cpuLimit) }),
  }
}

/** As the API server writes it back, so that what it has is seen to be what was wanted: 1000m is 1. */
function renderCpu(text: string): string {
  const thousandths = Math.round(parseAmountOf(text) * 1000)
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`
}

/** The same: 2048Mi is 2Gi. A quantity stays in powers of 1024, or of 1000, as it was written. */
function renderMemory(text: string): string {
  const units = text.endsWith('i') ? binaryUnits : decimalUnits
  const bytes = parseAmountOf(text)
  const unit = units.find(({ size }) => bytes % size === 0)
  return unit ? `${bytes / unit.size}${unit.name}` : String(bytes)
}

const binaryUnits = [
  { name: 'Ti', size: 2 ** 40 },
  { name: 'Gi', size: 2 ** 30 },
  { name: 'Mi', size: 2 ** 20 },
  { name: 'Ki', size: 2 ** 10 },
] as const
const decimalUnits = [
  { name: 'T', size: 1e12 },
  { name: 'G', size: 1e9 },
  { name: 'M', size: 1e6 },
  { name: 'k', size: 1e3 },
] as const
