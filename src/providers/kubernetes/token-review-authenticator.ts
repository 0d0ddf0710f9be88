import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { type Authenticator, type Peer, parseBearerToken } from '../../xds/authenticator.ts'
import { parseTokenClaims } from './token-claims.ts'
import type { TokenReviewer } from './token-reviewer.ts'
import type { WaitingRoom } from './waiting-room.ts'

export interface TokenReviewAuthenticatorOptions {
  readonly reviewer: TokenReviewer
  /** Where proxies wait until service accounts are known; open from the beginning unless given. */
  readonly waitingRoom?: WaitingRoom
  /** The Gateway whose proxies run under a service account; asked when the room is open. */
  readonly scopeOf: (namespace: string, serviceAccount: string) => NamespacedName | undefined
}

/**
 * Knows proxies by the service account tokens that the kubelet gives their pods. The service account decides whose
 * configuration a stream sees; the pod decides its node id, `<namespace>/<pod name>`.
 */
export function createTokenReviewAuthenticator(options: TokenReviewAuthenticatorOptions): Authenticator {
  const { reviewer, scopeOf, waitingRoom } = options
  return {
    async authenticate(peer) {
      const bearer = parseBearerToken(peer)
      if (bearer.token === undefined) return { allowed: false, reason: bearer.reason }
      const claims = parseTokenClaims(bearer.token)
      const isKnown = waitingRoom?.isOpen ?? true
      // No proxy of ours says of itself that it is somebody else: the API server need not be asked.
      if (isKnown && claims !== undefined && scopeOf(claims.namespace, claims.serviceAccount) === undefined)
        return { allowed: false, reason: 'no Gateway has a service account as the token claims' }
      const review = await reviewer.review(bearer.token)
      if (!review.valid) return { allowed: false, reason: review.reason }
      // Only who is a pod for sure takes a seat.
      await waitingRoom?.enter()
      const { namespace, serviceAccount, podName, expiresAt } = review.subject
      const scope = scopeOf(namespace, serviceAccount)
      if (scope === undefined)
        return { allowed: false, reason: `no Gateway has the service account ${namespace}/${serviceAccount}` }
      return { allowed: true, scope, nodeId: `${namespace}/${podName}`, expiresAt }
    },
  }
}

/**
 * Knows the other replicas of this control plane by their service account.
 * @returns for `XdsServerOptions.isReplica`; rejects when the API server cannot be asked
 */
export function createReplicaCheck(
  reviewer: TokenReviewer,
  self: { readonly namespace: string; readonly serviceAccount: string },
): (peer: Peer) => Promise<boolean> {
  const isSelf = (other: { readonly namespace: string; readonly serviceAccount: string }) =>
    other.namespace === self.namespace && other.serviceAccount === self.serviceAccount
  return async (peer) => {
    const bearer = parseBearerToken(peer)
    if (bearer.token === undefined) return false
    const claims = parseTokenClaims(bearer.token)
    if (claims === undefined || !isSelf(claims)) return false
    const review = await reviewer.review(bearer.token)
    return review.valid && isSelf(review.subject)
  }
}
