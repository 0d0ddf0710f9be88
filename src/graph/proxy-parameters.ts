import { ipVersion } from '../base/ip-version.ts'

/** In CIDR notation, e.g. 10.0.0.0 and 8. */
export interface AddressRange {
  readonly addressPrefix: string
  readonly prefixLength: number
}

/** How proxies present themselves; data of the class, so that different habits can be kept beside each other. */
export interface ProxyProfile {
  /**
   * quiet: the backend sees only x-forwarded-*, x-request-id and x-envoy-external-address; the client sees
   * the backend's own headers. verbose: Envoy's usual headers, with `server: envoy` and x-envoy-upstream-service-time.
   */
  readonly headers: 'quiet' | 'verbose'
  /** Clients that count as internal; none unless given. */
  readonly internalAddresses?: readonly AddressRange[]
}

/** What runs the proxies of a Gateway in a cluster. What is absent is for the renderers to choose. */
export interface ProxyParameters {
  readonly replicas?: number
  readonly minReplicas?: number
  /** An autoscaler exists when this is given. */
  readonly maxReplicas?: number
  /** Percent of the requested CPU. */
  readonly targetCPUUtilization?: number
  /** Pods, or a percentage of them. */
  readonly maxUnavailable?: number | string
  readonly serviceType?: 'LoadBalancer' | 'NodePort' | 'ClusterIP'
  readonly serviceAnnotations?: Readonly<Record<string, string>>
  readonly cpuRequest?: string
  readonly cpuLimit?: string
  readonly memoryRequest?: string
  readonly memoryLimit?: string
  /** Worker threads of each Envoy. */
  readonly concurrency?: number
  readonly drainSeconds?: number
  readonly logLevel?: string
  readonly envoyImage?: string
}

/** Everything that a parametersRef may say. */
export interface ProxySettings {
  readonly profile: ProxyProfile
  readonly parameters: ProxyParameters
}

export const defaultProfile: ProxyProfile = { headers: 'quiet' }
export const defaultSettings: ProxySettings = { profile: defaultProfile, parameters: {} }

/** Who may set a parameter: the owner of the class only, or of a Gateway too. */
export type ParameterLevel = 'class' | 'gateway'

type Parsed<T> = { readonly value: T } | { readonly fix: string }

interface Parameter<T> {
  /** For people: what it does, and what applies when it is absent. */
  readonly help: string
  /** For people: what may be written. */
  readonly values: string
  readonly level: ParameterLevel
  /** @returns the value, or how to put the text right, as an imperative */
  readonly parse: (text: string) => Parsed<T>
}

type Table<T> = { readonly [K in keyof T]-?: Parameter<Exclude<T[K], undefined>> }

const parseWord = <const W extends readonly string[]>(...words: W) => ({
  values: words.map((w) => `\`${w}\``).join(', '),
  parse: (text: string): Parsed<W[number]> =>
    words.includes(text)
      ? { value: text as W[number] }
      : { fix: `use ${words.length > 1 ? `${words.slice(0, -1).join(', ')} or ` : ''}${words.at(-1)}` },
})

const parseInteger = (min: number, max: number) => ({
  values: `${min} to ${max}`,
  parse: (text: string): Parsed<number> => {
    const value = Number(text)
    if (/^[0-9]{1,9}$/.test(text) && value >= min && value <= max) return { value }
    return { fix: `use a whole number from ${min} to ${max}` }
  },
})

const parseAmount = (values: string, pattern: RegExp) => ({
  values: `a quantity such as ${values}`,
  parse: (text: string): Parsed<string> =>
    pattern.test(text) && !/^0+(?:\.0*)?\D*$/.test(text)
      ? { value: text }
      : { fix: `use a quantity such as ${values}` },
})
const cpu = parseAmount('250m or 2', /^(?:[0-9]{1,6}m|[0-9]{1,4}(?:\.[0-9]{1,3})?)$/)
const memory = parseAmount('512Mi or 2Gi', /^[0-9]{1,12}(?:[KMG]i|[kMG])?$/)

/** The keys that change what clients and backends see. */
const profileTable: Table<ProxyProfile> = {
  headers: {
    help: '`quiet`: backends see `x-forwarded-*`, `x-request-id` and `x-envoy-external-address` only, and clients the headers of the backend. `verbose`: Envoy’s own habit, with `server: envoy` and `x-envoy-upstream-service-time`. Default `quiet`.',
    level: 'gateway',
    ...parseWord('quiet', 'verbose'),
  },
  internalAddresses: {
    help: 'Clients from these addresses are internal: backends see `x-envoy-internal: true` instead of `x-envoy-external-address`, and their `x-envoy-*` headers are believed. Default: nobody.',
    values: 'up to 64 ranges such as `10.0.0.0/8`, separated by commas or blanks',
    level: 'gateway',
    parse: parseRanges,
  },
}

/** The keys that change what runs. */
const parametersTable: Table<ProxyParameters> = {
  replicas: {
    help: 'Pods. Default: left to Kubernetes (1 at first) and to whoever scales the Deployment. Not together with `maxReplicas`.',
    level: 'gateway',
    ...parseInteger(1, 1000),
  },
  minReplicas: {
    help: 'The fewest pods that the autoscaler keeps. Default 1. Needs `maxReplicas`.',
    level: 'gateway',
    ...parseInteger(1, 1000),
  },
  maxReplicas: {
    help: 'The most pods that the autoscaler makes; creates a HorizontalPodAutoscaler. Default: none.',
    level: 'gateway',
    ...parseInteger(1, 1000),
  },
  targetCPUUtilization: {
    help: 'The autoscaler’s goal, in percent of `cpuRequest`. Default 80. Needs `maxReplicas`.',
    level: 'gateway',
    ...parseInteger(1, 1000),
  },
  maxUnavailable: {
    help: 'How many pods an eviction (node drain) may take at once; creates a PodDisruptionBudget. Default: 1 where at least two pods are asked for, else no budget.',
    values: 'a number of pods, or a percentage such as `25%`',
    level: 'gateway',
    parse: (text) => {
      const [, digits = '', percent] = /^([0-9]{1,4})(%)?$/.exec(text) ?? []
      const number = Number(digits)
      if (digits === '' || number === 0 || (percent && number > 100))
        return { fix: 'use a number of pods from 1 up, or a percentage from 1% to 100%' }
      return { value: percent ? `${number}%` : number }
    },
  },
  serviceType: {
    help: 'Type of the Service. Default `LoadBalancer`.',
    level: 'gateway',
    ...parseWord('LoadBalancer', 'NodePort', 'ClusterIP'),
  },
  serviceAnnotations: {
    help: 'Annotations of the Service alone, such as those that a cloud’s load balancer reads; they win over `infrastructure.annotations`.',
    values: 'up to 32 lines of `key: value`',
    level: 'gateway',
    parse: parseAnnotations,
  },
  cpuRequest: { help: 'CPU that each Envoy is sure of. Default `50m`.', level: 'gateway', ...cpu },
  cpuLimit: { help: 'CPU that each Envoy may not exceed. Default: no limit.', level: 'gateway', ...cpu },
  memoryRequest: { help: 'Memory that each Envoy is sure of. Default `64Mi`.', level: 'gateway', ...memory },
  memoryLimit: {
    help: 'Memory that each Envoy may not exceed; it sheds load before it is reached. Default `1Gi`.',
    level: 'gateway',
    ...memory,
  },
  concurrency: { help: 'Worker threads of each Envoy. Default 2.', level: 'gateway', ...parseInteger(1, 128) },
  drainSeconds: {
    help: 'How long a proxy that is being replaced goes on for requests and connections that it has, after new ones have gone elsewhere. Default 30.',
    level: 'gateway',
    ...parseInteger(1, 3600),
  },
  logLevel: {
    help: 'What Envoy says about itself. Default `warning`.',
    level: 'gateway',
    ...parseWord('trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'),
  },
  envoyImage: {
    help: 'Image of Envoy, instead of the one that this release is tested with. In the parameters of a GatewayClass only.',
    values: 'the name of an image',
    level: 'class',
    parse: (text) =>
      /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$/.test(text) ? { value: text } : { fix: 'use the name of an image' },
  },
}

/** What is known of each key, in the order of the documentation. */
export const parameterDocs: readonly {
  readonly key: string
  readonly help: string
  readonly values: string
  readonly level: ParameterLevel
}[] = [profileTable, parametersTable].flatMap((table) =>
  Object.entries(table as Record<string, Parameter<unknown>>).map(([key, { help, values, level }]) => ({
    key,
    help,
    values,
    level,
  })),
)

/**
 * Reads settings from the data of a ConfigMap.
 * @param data its keys are those of {@link parameterDocs}
 * @param level whose ConfigMap it is
 * @param base what applies where `data` says nothing
 * @returns the settings, or what is wrong, as the end of a sentence that begins with the ConfigMap
 */
export function parseSettings(
  data: Readonly<Record<string, string>>,
  level: ParameterLevel,
  base: ProxySettings,
): { readonly settings: ProxySettings } | { readonly error: string } {
  const found: Record<'profile' | 'parameters', Record<string, unknown>> = { profile: {}, parameters: {} }
  for (const [key, text] of Object.entries(data)) {
    const room = Object.hasOwn(profileTable, key) ? 'profile' : 'parameters'
    const table = (room === 'profile' ? profileTable : parametersTable) as Record<string, Parameter<unknown>>
    if (!Object.hasOwn(table, key)) {
      const known = parameterDocs.map((p) => p.key).join(', ')
      return { error: `has the unknown key "${key}": the known keys are ${known}` }
    }
    const parameter = table[key] as Parameter<unknown>
    if (parameter.level === 'class' && level === 'gateway')
      return { error: `has the key "${key}", which only the parameters of a GatewayClass may have: remove it` }
    const parsed = parameter.parse(text.trim())
    if ('fix' in parsed) return { error: `has ${key}: ${quoteText(text)}: ${parsed.fix}` }
    found[room][key] = parsed.value
  }
  const parameters: ProxyParameters = { ...dropRival(base.parameters, found.parameters), ...found.parameters }
  const error = checkTogether(parameters)
  if (error !== undefined) return { error }
  return { settings: { profile: { ...base.profile, ...found.profile }, parameters } }
}

/** A Gateway that asks for a number of pods ends the autoscaling of its class, and the reverse. */
function dropRival(base: ProxyParameters, own: ProxyParameters): ProxyParameters {
  const { replicas, minReplicas, maxReplicas, targetCPUUtilization, ...rest } = base
  if (own.replicas !== undefined && own.maxReplicas === undefined)
    return { ...rest, ...(replicas !== undefined && { replicas }) }
  if (own.maxReplicas === undefined || own.replicas !== undefined) return base
  return {
    ...rest,
    ...(minReplicas !== undefined && { minReplicas }),
    ...(maxReplicas !== undefined && { maxReplicas }),
    ...(targetCPUUtilization !== undefined && { targetCPUUtilization }),
  }
}

function checkTogether(p: ProxyParameters): string | undefined {
  if (p.maxReplicas === undefined) {
    for (const key of ['minReplicas', 'targetCPUUtilization'] as const)
      if (p[key] !== undefined) return `has ${key} without maxReplicas: add maxReplicas, or remove it`
  } else {
    if (p.replicas !== undefined)
      return 'has replicas and maxReplicas: remove replicas to have it autoscaled, or maxReplicas'
    if ((p.minReplicas ?? 1) > p.maxReplicas) return 'has minReplicas above maxReplicas: change one of them'
  }
  if (parseAmountOf(p.cpuRequest ?? '50m') > parseAmountOf(p.cpuLimit ?? '10000'))
    return 'has cpuRequest (50m unless given) above cpuLimit: change one of them'
  if (parseAmountOf(p.memoryRequest ?? '64Mi') > parseAmountOf(p.memoryLimit ?? '1Gi'))
    return 'has memoryRequest (64Mi unless given) above memoryLimit (1Gi unless given): change one of them'
  if (parseAmountOf(p.memoryLimit ?? '1Gi') < leastMemory) return 'has memoryLimit below 64Mi: use at least 64Mi'
  return undefined
}

const leastMemory = 64 * 1024 * 1024

const units: Readonly<Record<string, number>> = {
  '': 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
}

/** A Kubernetes quantity as a number of its unit: CPUs, bytes. NaN for what is none. */
export function parseAmountOf(text: string): number {
  const [, number = '', unit = ''] = /^([0-9.]+)([A-Za-z]*)$/.exec(text) ?? []
  return Number(number || 'NaN') * (units[unit] ?? Number.NaN)
}

function parseRanges(text: string): Parsed<readonly AddressRange[]> {
  const ranges: AddressRange[] = []
  const fix = 'use ranges such as 10.0.0.0/8 or fd00::/8, separated by commas'
  for (const word of text.split(/[\s,]+/).filter((w) => w !== '')) {
    const [, addressPrefix = '', length] = /^([0-9A-Fa-f.:]+)(?:\/([0-9]{1,3}))?$/.exec(word) ?? []
    const family = ipVersion(addressPrefix)
    const most = family === 4 ? 32 : 128
    const prefixLength = length === undefined ? most : Number(length)
    if (family === 0 || prefixLength > most) return { fix }
    ranges.push({ addressPrefix, prefixLength })
  }
  return ranges.length > 0 && ranges.length <= 64 ? { value: ranges } : { fix }
}

function parseAnnotations(text: string): Parsed<Readonly<Record<string, string>>> {
  const annotations: Record<string, string> = Object.create(null)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  for (const line of lines) {
    const [, key, value] =
      /^\s*([A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)?)\s*:(?:\s+(.*?))?\s*$/.exec(line) ?? []
    if (key === undefined || key.length > 316) return { fix: 'use one line "key: value" for each annotation' }
    annotations[key] = unquote(value ?? '')
  }
  return lines.length <= 32 ? { value: annotations } : { fix: 'use at most 32 annotations' }
}

/** Many write "true" in quotes, as the annotations of a manifest need it. */
function unquote(text: string): string {
  return /^(["']).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1) : text
}

function quoteText(text: string): string {
  return `"${text.length > 64 ? `${text.slice(0, 61)}...` : text}"`
}
