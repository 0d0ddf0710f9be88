import { randomBytes } from 'node:crypto'
import type { ApiRequest } from '../providers/kubernetes/api-client.ts'
import type { FakeApiServer } from './fake-api-server.ts'

export interface TokenRequest {
  readonly namespace?: string
  readonly serviceAccount?: string
  /** null: not bound to a pod. */
  readonly pod?: string | null
  readonly audience?: string
  /** Seconds. */
  readonly lifetime?: number
  /** What the token says of itself, where that is not the truth. */
  readonly claims?: object
}

interface IssuedToken {
  readonly namespace: string
  readonly serviceAccount: string
  readonly pod: string | null
  readonly audience: string
  readonly expiresAt: number
}

/** Issues service account tokens and answers TokenReviews, as the API server does. */
export class FakeTokenIssuer {
  /** Seconds since 1970. */
  time: () => number = () => Date.now() / 1_000
  readonly #issued = new Map<string, IssuedToken>()

  issue(request: TokenRequest = {}): string {
    const { namespace = 'shop', serviceAccount = 'gw', pod = 'gw-1', audience = 'gatewright-xds' } = request
    const now = this.time()
    const expiresAt = now + (request.lifetime ?? 3_600)
    const claims = {
      aud: [audience],
      iat: now,
      exp: expiresAt,
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      ...request.claims,
    }
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${part({ alg: 'RS256' })}.${part(claims)}.${randomBytes(32).toString('base64url')}`
    this.#issued.set(token, { namespace, serviceAccount, pod, audience, expiresAt })
    return token
  }

  /** As when the pod is deleted. */
  revoke(token: string): void {
    this.#issued.delete(token)
  }

  /** Has a server answer TokenReviews. */
  answerAt(server: FakeApiServer): void {
    server.answer(({ url, body }) => {
      const review = this.answer({ path: url.replace(/\?.*/, ''), body })
      return review && { status: 201, body: review }
    })
  }

  /** Answers a call of `tokenreviews`; undefined for any other. */
  answer({ path, body }: Pick<ApiRequest, 'path' | 'body'>): object | undefined {
    if (!path.endsWith('/tokenreviews')) return undefined
    const { spec } = body as { spec: { token: string; audiences: string[] } }
    const token = this.#issued.get(spec.token)
    const isValid = token !== undefined && token.expiresAt > this.time() && spec.audiences.includes(token.audience)
    return { ...(body as object), status: isValid ? describe(token) : { error: `invalid bearer token ${spec.token}` } }
  }
}

function describe({ namespace, serviceAccount, pod, audience }: IssuedToken): object {
  const extra = {
    'authentication.kubernetes.io/pod-name': [pod],
    'authentication.kubernetes.io/pod-uid': [`uid-of-${pod}`],
  }
  const user = { username: `system:serviceaccount:${namespace}:${serviceAccount}`, ...(pod !== null && { extra }) }
  return { authenticated: true, audiences: [audience], user }
}
