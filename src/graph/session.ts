import { contentVersion } from '../base/hash.ts'
import { parseDuration } from '../gatewayapi/duration.ts'
import type { SessionPersistence } from '../gatewayapi/objects/session-persistence.ts'

/** How a client is kept at one endpoint. */
export type SessionNode =
  | {
      readonly type: 'cookie'
      readonly name: string
      readonly path: string
      /** Milliseconds until it ends; 0 = when the browser does. */
      readonly lifetime: number
    }
  | { readonly type: 'header'; readonly name: string }

/** What is wrong with a session, and where in it. */
export interface SessionProblem {
  readonly field: string
  readonly message: string
}

/** What Set-Cookie has room for. */
const cookiePath = /^[\x20-\x3a\x3c-\x7e]*$/

/**
 * @param owner what the name of a cookie without one is made from: equal for rules that should share sessions
 * @param report is told what cannot be honoured
 */
export function resolveSession(
  persistence: SessionPersistence,
  owner: string,
  report: (problem: SessionProblem) => void,
): SessionNode {
  const timeout = persistence.absoluteTimeout
  if (persistence.type === 'Header') {
    const message =
      'absoluteTimeout has no effect on a session by header, which Envoy cannot end: remove it, or use a cookie'
    if (timeout !== undefined) report({ field: 'absoluteTimeout', message })
    return { type: 'header', name: persistence.header.name.toLowerCase() }
  }
  const { name, path, lifetimeType } = persistence.cookie
  const lifetime = timeout === undefined ? 0 : (parseDuration(timeout) ?? 0)
  if (lifetimeType === 'Session' && lifetime > 0) {
    const message =
      'absoluteTimeout makes the cookie a permanent one, because Envoy ends sessions by the lifetime of their cookies: set lifetimeType: Permanent, or remove it'
    report({ field: 'absoluteTimeout', message })
  }
  const isUsable = cookiePath.test(path)
  if (!isUsable)
    report({
      field: 'cookie.path',
      message: 'the path of the cookie has characters that no cookie path has, so that "/" is used: remove them',
    })
  return {
    type: 'cookie',
    name: name ?? `gatewright-session-${contentVersion(owner)}`,
    path: isUsable ? path : '/',
    lifetime,
  }
}
