import type { StringMap } from '../gatewayapi/objects/schema.ts'

/** What TLS may be spoken, as `tls.options` of a listener or `options` of a BackendTLSPolicy say. */
export interface TlsVersions {
  readonly min?: TlsVersion
  readonly max?: TlsVersion
}

/** Older ones are broken (RFC 8996). */
const known = ['1.2', '1.3'] as const
export type TlsVersion = (typeof known)[number]

const keys = { min: 'gatewright.dev/tls-min-version', max: 'gatewright.dev/tls-max-version' } as const

export interface ResolvedTlsOptions {
  /** Absent where nothing of it is said. */
  readonly versions?: TlsVersions
  /** A limit that cannot be understood must not be ignored. */
  readonly problems: readonly { readonly field: string; readonly message: string }[]
  /** Whatever else is written: it is for other implementations, or a typing error, and has no effect here. */
  readonly notes: readonly string[]
}

/** @param path of the options */
export function resolveTlsOptions(options: StringMap | undefined, path: string): ResolvedTlsOptions {
  const problems: { field: string; message: string }[] = []
  const notes: string[] = []
  const versions: { min?: TlsVersion; max?: TlsVersion } = {}
  for (const [key, value] of Object.entries(options ?? {})) {
    const end = key === keys.min ? 'min' : key === keys.max ? 'max' : undefined
    const version = known.find((v) => v === value)
    if (end === undefined)
      notes.push(`${path}: "${key}" is not known and has no effect: use ${keys.min} or ${keys.max}, or remove it`)
    else if (version === undefined)
      problems.push({ field: `${path}["${key}"]`, message: `"${value}" is no version of TLS: use 1.2 or 1.3` })
    else versions[end] = version
  }
  if (versions.min === '1.3' && versions.max === '1.2') {
    const message = 'no version of TLS is left between 1.3 and 1.2: exchange them, or remove one'
    problems.push({ field: path, message })
  }
  const isSaid = versions.min !== undefined || versions.max !== undefined
  return { ...(isSaid && { versions }), problems, notes }
}
