import { buildRouteRank, compareRouteRanks } from '../gatewayapi/match-precedence.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { ObjectMeta } from '../gatewayapi/objects/object-meta.ts'

interface Ranked {
  readonly key: NamespacedName
  readonly source: { readonly metadata: Pick<ObjectMeta, 'creationTimestamp'> }
}

const rankOf = ({ key, source }: Ranked) => buildRouteRank(key, source.metadata.creationTimestamp)

/** Which of several policies holds (GEP-713): the oldest first, then by "namespace/name". */
export function compareSeniority(a: Ranked, b: Ranked): number {
  return compareRouteRanks(rankOf(a), rankOf(b))
}
