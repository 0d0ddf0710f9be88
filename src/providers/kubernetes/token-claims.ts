import { asObject, type JsonObject } from './json.ts'

/** What a service account token says of itself. Nobody has verified it: good for refusing, never for admitting. */
export interface TokenClaims {
  readonly audiences: readonly string[]
  readonly namespace: string
  readonly serviceAccount: string
  /** Seconds since 1970; undefined if it does not say. */
  readonly expiresAt: number | undefined
  readonly issuedAt: number | undefined
}

/** @returns undefined if the text is no service account token */
export function parseTokenClaims(token: string): TokenClaims | undefined {
  const [, payload, , ...rest] = token.split('.')
  if (payload === undefined || rest.length > 0) return undefined
  let claims: JsonObject
  try {
    claims = asObject(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return undefined
  }
  const { aud, sub, exp, iat } = claims
  const account = typeof sub === 'string' ? parseServiceAccount(sub) : undefined
  if (account === undefined) return undefined
  const audiences = Array.isArray(aud) ? aud.filter((name) => typeof name === 'string') : []
  return {
    ...account,
    audiences: typeof aud === 'string' ? [aud] : audiences,
    expiresAt: typeof exp === 'number' ? exp : undefined,
    issuedAt: typeof iat === 'number' ? iat : undefined,
  }
}

/** `system:serviceaccount:<namespace>:<name>`; names of either can contain no colon. */
export function parseServiceAccount(
  username: string,
): { readonly namespace: string; readonly serviceAccount: string } | undefined {
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? []
  return namespace === undefined || serviceAccount === undefined ? undefined : { namespace, serviceAccount }
}
