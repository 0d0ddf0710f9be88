import type { UntypedHandleCall } from '@grpc/grpc-js'
import { type ServerWritableStream, status } from '@grpc/grpc-js'
import type { Logger } from '../../base/logger.ts'
import type { Collection } from '../../collections/collection.ts'
import type { ResourceAck } from '../acks.ts'
import type { Peer } from '../authenticator.ts'
import { peerOf } from '../grpc-call.ts'
import { type AckReport, isWorthTelling } from './peer-protocol.ts'

export interface AckFeedOptions {
  readonly acks: Collection<string, ResourceAck>
  /** Whether the caller is a replica of this control plane. A rejection asks it to try again. */
  readonly isReplica: (peer: Peer) => Promise<boolean>
  readonly logger: Logger
}

type Call = ServerWritableStream<Buffer, AckReport>

/** Entries in one message, so that none is too large. */
const mostChanges = 1000

/** Tells other replicas what the proxies connected to this one say: one report per batch, latest wins for who reads slowly. */
export function createAckFeed({ acks, isReplica, logger }: AckFeedOptions): UntypedHandleCall {
  const feed = (call: Call) => {
    const pending = new Set<string>()
    const told = new Set<string>()
    let isComplete = false
    let isFull = false
    const send = () => {
      while (!isFull && !call.destroyed && (pending.size > 0 || !isComplete)) {
        const changes: [string, ResourceAck | undefined][] = []
        for (const key of pending) {
          if (changes.length === mostChanges) break
          pending.delete(key)
          const ack = acks.get(key)
          const isTold = ack !== undefined && isWorthTelling(key, ack)
          if (isTold) told.add(key)
          else if (!told.delete(key)) continue
          changes.push([key, isTold ? ack : undefined])
        }
        const completes = !isComplete && pending.size === 0
        if (completes) isComplete = true
        if (changes.length > 0 || completes) isFull = !call.write({ changes, complete: isComplete })
      }
    }
    for (const [key] of acks.entries()) pending.add(key)
    const unsubscribe = acks.subscribe((changes) => {
      for (const { key } of changes) pending.add(key)
      send()
    })
    call.on('drain', () => {
      isFull = false
      send()
    })
    for (const event of ['cancelled', 'close', 'error']) call.on(event, unsubscribe)
    send()
  }
  let isTold = false
  return (call: Call) => {
    call.on('error', () => {})
    isReplica(peerOf(call)).then(
      (allowed) => {
        if (call.cancelled || call.destroyed) return
        if (allowed) return feed(call)
        logger.warn('A caller that is no replica of this control plane asked for acks', { peer: call.getPeer() })
        refuse(call, status.PERMISSION_DENIED, 'not allowed')
      },
      (error: unknown) => {
        const fields = { peer: call.getPeer(), error: String(error) }
        // It calls again every second.
        if (isTold) logger.debug('A replica could still not be authenticated', fields)
        else logger.warn('A replica could not be authenticated, and is told to try again', fields)
        isTold = true
        refuse(call, status.UNAVAILABLE, 'try again')
      },
    )
  }
}

function refuse(call: Call, code: number, details: string): void {
  call.emit('error', Object.assign(new Error(details), { code, details }))
}
