import { timingSafeEqual } from 'node:crypto'

/** What the transport knows for certain about who opened a stream; nothing in it comes from an xDS message. */
export interface Peer {
  /** The values of a request metadata key (lower case), e.g. `authorization`. */
  metadata(key: string): readonly string[]
  /** Subject alternative names of the client certificate that TLS verified, e.g. `URI:spiffe://…`, `DNS:…`. */
  readonly certificateNames: readonly string[]
}

export type Identity =
  | {
      readonly allowed: true
      /** The only scope whose resources this stream will ever see. */
      readonly scope: string
      /** If given, the `node.id` of the first message must be this one. */
      readonly nodeId?: string
      /** When the credential runs out, on the server's clock. The stream ends a minute later. */
      readonly expiresAt?: number
    }
  | { readonly allowed: false; readonly reason: string }

/**
 * Decides, before the first message is read, which scope a stream belongs to.
 *
 * The implementation promises: the scope follows from the verified credential alone, never from
 * what a proxy says about itself; it does not throw for a bad credential but refuses.
 * The server promises: it asks once per stream, reads nothing before the answer, ends a refused
 * stream with UNAUTHENTICATED without telling the reason to the peer (it is logged), and treats a
 * throw or a rejected promise as UNAVAILABLE, so that the proxy tries again.
 */
export interface Authenticator {
  authenticate(peer: Peer): Identity | Promise<Identity>
}

const refuse = (reason: string): Identity => ({ allowed: false, reason })

/** The token of `authorization: Bearer <token>`, or why there is none. */
export function parseBearerToken(
  peer: Peer,
): { readonly token: string } | { readonly token: undefined; readonly reason: string } {
  const given = peer.metadata('authorization')
  if (given.length !== 1) return { token: undefined, reason: given.length === 0 ? 'no token' : 'more than one token' }
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(given[0] as string)?.[1]
  return token === undefined ? { token, reason: 'the authorization metadata is no bearer token' } : { token }
}

/**
 * For proxies that were handed a random token at start: `authorization: Bearer <token>`.
 * @param scopeOf token by scope; read at each connection, so that tokens may come and go
 */
export function createTokenAuthenticator(tokenOf: () => ReadonlyMap<string, string>): Authenticator {
  return {
    authenticate(peer) {
      const bearer = parseBearerToken(peer)
      if (bearer.token === undefined) return refuse(bearer.reason)
      let found: string | undefined
      // All are compared, in constant time each, so that the time tells nothing about a near miss.
      for (const [scope, expected] of tokenOf()) if (isSameSecret(bearer.token, expected)) found = scope
      return found === undefined ? refuse('unknown token') : { allowed: true, scope: found }
    },
  }
}

/** Mutual TLS: the first certificate name that `scopeOf` knows decides. Needs a server with `tls.clientCa`. */
export function createCertificateAuthenticator(scopeOf: (name: string) => string | undefined): Authenticator {
  return {
    authenticate(peer) {
      if (peer.certificateNames.length === 0) return refuse('no client certificate')
      for (const name of peer.certificateNames) {
        const scope = scopeOf(name)
        if (scope !== undefined) return { allowed: true, scope }
      }
      return refuse('the client certificate names no known proxy')
    },
  }
}

function isSameSecret(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && a.length > 0 && timingSafeEqual(a, b)
}

/**
 * The names of Node's `subjectaltname` text. Node quotes a name that could be mistaken for a list
 * (CVE-2021-44532); no proxy of ours has such a name, so those are left out rather than unquoted.
 */
export function parseCertificateNames(subjectAltName: string | undefined): readonly string[] {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return []
  return subjectAltName.split(', ').filter((name) => name !== '')
}
