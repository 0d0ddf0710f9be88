import { rm } from 'node:fs/promises'
import { Server, status } from '@grpc/grpc-js'
import { compareBy, compareStrings } from '../base/compare.ts'
import type { ResourceAck } from './acks.ts'
import { XdsCore } from './core.ts'
import { type AdsCall, adsService, createWire, peerOf } from './grpc-call.ts'
import { createAckFeed } from './peers/ack-feed.ts'
import { peerService } from './peers/peer-protocol.ts'
import { createServerTls, type ServerTls } from './server-credentials.ts'
import type { XdsServer, XdsServerOptions } from './server-options.ts'
import type { Variant } from './stream-context.ts'
import type { StreamState } from './stream-state.ts'

const mebibyte = 1024 * 1024

/** Serves the collections over ADS. See `XdsServer` for the contract. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  const { scheduler, logger } = options
  const acks = scheduler.source<string, ResourceAck>('xds.acks')
  const streams = scheduler.source<string, StreamState>('xds.streams')
  const core = new XdsCore(options, acks, streams)
  const server = new Server({
    // A reconnecting proxy names everything that it has.
    'grpc.max_receive_message_length': 64 * mebibyte,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': 100,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.keepalive_permit_without_calls': 1,
  })
  const handle = (variant: Variant) => (call: AdsCall) => serve(call, variant, core)
  server.addService(adsService, {
    DeltaAggregatedResources: handle('delta'),
    StreamAggregatedResources: handle('sotw'),
  })
  const { isReplica } = options
  if (isReplica) server.addService(peerService, { WatchAcks: createAckFeed({ acks, isReplica, logger }) })
  /** Made when it is needed: until then there may be no certificate. */
  let tls: ServerTls | undefined
  const sockets: string[] = []
  return {
    acks,
    streams,
    counters: core.counters,
    async listen(address) {
      const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined
      if (path !== undefined) {
        // What a killed process left behind would keep us from binding.
        await rm(path, { force: true })
        sockets.push(path)
      }
      tls ??= createServerTls(options.tls, logger)
      const { credentials } = tls
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
      })
      const bound = path === undefined ? address.replace(/:\d+$/, `:${port}`) : address
      logger.info('Serving xDS', { address: bound, tls: options.tls !== undefined })
      return bound
    },
    markClustersKnown: () => core.markClustersKnown(),
    markSynced: () => core.markSynced(),
    drain: (nodeId) => core.drain(nodeId),
    inspect(streamId) {
      const held = core.inspect(streamId)
      return held?.sort(
        compareBy(
          (a, b) => compareStrings(a.typeUrl, b.typeUrl),
          (a, b) => compareStrings(a.name, b.name),
        ),
      )
    },
    async close() {
      tls?.close()
      core.close()
      server.forceShutdown()
      for (const path of sockets) await rm(path, { force: true })
    },
  }
}

/** Joins one gRPC call to the core: nothing is read before the caller is known and there is something to say. */
function serve(call: AdsCall, variant: Variant, core: XdsCore): void {
  const wire = createWire(call)
  // Without a listener a failing stream would end the process.
  call.on('error', () => {})
  core
    .admit({ wire, variant, peer: peerOf(call), address: call.getPeer() })
    .then((admitted) => {
      if ('refused' in admitted) {
        wire.end(admitted.isTemporary ? status.UNAVAILABLE : status.UNAUTHENTICATED, admitted.refused)
        return
      }
      const { session } = admitted
      if (call.cancelled || call.destroyed) {
        session.close()
        return
      }
      call.on('data', (bytes: Buffer) => {
        const waiting = session.receive(bytes)
        if (waiting === undefined) return
        call.pause()
        void waiting.then(() => call.resume())
      })
      call.on('end', () => {
        session.close()
        wire.end(status.OK, '')
      })
      for (const event of ['cancelled', 'close', 'error']) call.on(event, () => session.close())
    })
    .catch((error: unknown) => core.report(error))
}
