import type { Collection, Reads } from '../../collections/collection.ts'
import type { Scheduler } from '../../collections/scheduler.ts'
import type { ResourceAck } from '../acks.ts'
import { type EnvoyResource, typeUrls } from '../resource.ts'
import type { XdsCollections } from '../server-options.ts'
import type { PeerAck } from './peer-protocol.ts'

/**
 * What all proxies say, wherever they are connected: the acks of this replica and those heard from the others.
 * Replicas are deterministic, so the version of a resource is the same in all of them.
 */
export function createFleetAcks(
  scheduler: Scheduler,
  collections: XdsCollections,
  acks: Collection<string, ResourceAck>,
  peerAcks: Collection<string, PeerAck>,
): Collection<string, ResourceAck> {
  const byKey = scheduler.index('PeerAcks by resource', peerAcks, ({ key }) => [key])
  const ofPeers = scheduler.group('acks of peers', byKey, (_key, _reads, members) => members[0]?.ack)
  const any = scheduler.join('acks of any replica', [acks, ofPeers])
  const wantedOf = createWanted(collections)
  return scheduler.derive('FleetAck', any, (_any, reads, key) => {
    const own = reads.get(acks, key)
    const heard = reads.lookup(byKey, key).map(({ ack }) => ack)
    return mergeAcks(own === undefined ? heard : [own, ...heard], wantedOf(reads, key)?.version)
  })
}

/** @param wanted the version that proxies should have: what is known of it tells more than anything of another one */
export function mergeAcks(acks: readonly ResourceAck[], wanted: string | undefined): ResourceAck | undefined {
  if (wanted === undefined) return undefined
  const best = acks.find((a) => a.ackedVersion === wanted) ?? acks.find((a) => a.ackedVersion !== undefined)
  const rejected = acks.find((a) => a.rejected?.version === wanted)?.rejected
  const acked = best?.ackedVersion
  if (acked === undefined && rejected === undefined) return undefined
  return { ...(acked !== undefined && { ackedVersion: acked }), ...(rejected !== undefined && { rejected }) }
}

function createWanted(collections: XdsCollections): (reads: Reads, key: string) => EnvoyResource | undefined {
  const byType = new Map<string, Collection<string, EnvoyResource> | undefined>([
    [typeUrls.cluster, collections.cluster],
    [typeUrls.endpoint, collections.endpoint],
    [typeUrls.secret, collections.secret],
    [typeUrls.extension, collections.extension],
    [typeUrls.listener, collections.listener],
    [typeUrls.route, collections.route],
    [typeUrls.scopedRoute, collections.scopedRoute],
  ])
  return (reads, key) => {
    const end = key.indexOf('\n')
    const collection = byType.get(key.slice(0, end))
    return collection && reads.get(collection, key.slice(end + 1))
  }
}
