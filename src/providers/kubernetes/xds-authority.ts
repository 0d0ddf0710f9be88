import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type CertifiedKey, issueAuthority } from '../../base/certificate.ts'
import { asObject, type JsonObject } from './json.ts'

/**
 * The authority that signs the certificates of the xDS server, and those before and after it. A change takes three
 * steps, so that at each moment every proxy trusts what every replica shows: the next one is published; when
 * it has reached all proxies it signs; the last one stays published until it expires.
 */
export interface AuthorityState {
  readonly current: CertifiedKey
  readonly next: CertifiedKey | undefined
  /** PEM; its key is gone. */
  readonly previous: string | undefined
}

/** Milliseconds. */
export interface AuthorityPolicy {
  readonly life: number
  /** From publishing the next authority to using it: replicas look, ConfigMaps travel, Envoy reads. */
  readonly publishDelay: number
}

/** Clocks of others may be behind ours by so much. */
export const backdate = 3_600_000

/**
 * Makes the next step if it is time.
 * @param state undefined: there is no authority
 * @returns the same state if there is nothing to do
 */
export function advanceAuthority(
  state: AuthorityState | undefined,
  now: Date,
  policy: AuthorityPolicy,
): AuthorityState {
  if (state === undefined || expiryOf(state.current.certificate) <= now.getTime()) return startAuthority(now, policy)
  const { current, next, previous } = state
  const created = creationOf(current.certificate)
  if (next === undefined) {
    const isOld = now.getTime() >= created + (expiryOf(current.certificate) - created) / 2
    if (isOld) return { ...state, next: createAuthority(now, policy) }
  } else if (now.getTime() >= creationOf(next.certificate) + policy.publishDelay) {
    return { current: next, next: undefined, previous: current.certificate }
  }
  return previous !== undefined && expiryOf(previous) <= now.getTime() ? { ...state, previous: undefined } : state
}

/** Makes an authority that nobody trusts yet. */
export function startAuthority(now: Date, policy: AuthorityPolicy): AuthorityState {
  return { current: createAuthority(now, policy), next: undefined, previous: undefined }
}

/** What proxies have to trust: PEM certificates one after another. */
export function bundleOf({ current, next, previous }: AuthorityState): string {
  return [current.certificate, next?.certificate, previous].filter((certificate) => certificate !== undefined).join('')
}

/** `data` of the Secret. */
export function encodeAuthority({ current, next, previous }: AuthorityState): JsonObject {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return {
    'ca.crt': base64(current.certificate),
    'ca.key': base64(current.key),
    ...(next && { 'next-ca.crt': base64(next.certificate), 'next-ca.key': base64(next.key) }),
    ...(previous !== undefined && { 'previous-ca.crt': base64(previous) }),
  }
}

/**
 * Reads `data` of the Secret.
 * @returns 'empty' if there is nothing, 'unreadable' if something is not what it should be
 */
export function parseAuthority(data: unknown): AuthorityState | 'empty' | 'unreadable' {
  const fields = asObject(data)
  if (Object.keys(fields).length === 0) return 'empty'
  const text = (name: string) => {
    const value = fields[name]
    return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : undefined
  }
  try {
    const current = parsePair(text('ca.crt'), text('ca.key'))
    if (current === undefined) return 'unreadable'
    const previous = text('previous-ca.crt')
    if (previous !== undefined) new X509Certificate(previous)
    return { current, next: parsePair(text('next-ca.crt'), text('next-ca.key')), previous }
  } catch {
    // Nothing of the error is told: OpenSSL may quote a key.
    return 'unreadable'
  }
}

/** @throws if the two are not a pair */
function parsePair(certificate: string | undefined, key: string | undefined): CertifiedKey | undefined {
  if (certificate === undefined && key === undefined) return undefined
  if (!new X509Certificate(certificate ?? '').checkPrivateKey(createPrivateKey(key ?? '')))
    throw new Error('not the key of the certificate')
  return { certificate: certificate as string, key: key as string }
}

function createAuthority(now: Date, { life }: AuthorityPolicy): CertifiedKey {
  // The name tells authorities apart for people; certificates find theirs by its key.
  const name = `Gatewright xDS CA ${now.toISOString().slice(0, 16)}Z`
  return issueAuthority(name, {
    notBefore: new Date(now.getTime() - backdate),
    notAfter: new Date(now.getTime() + life),
  })
}

/** Milliseconds since 1970. */
export function expiryOf(certificate: string): number {
  return new Date(new X509Certificate(certificate).validTo).getTime()
}

/** Milliseconds since 1970: when it was made, which is not when it begins. */
export function creationOf(certificate: string): number {
  return new Date(new X509Certificate(certificate).validFrom).getTime() + backdate
}
