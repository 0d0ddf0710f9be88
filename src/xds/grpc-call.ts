import type { ServerHttp2Stream } from 'node:http2'
import { constants } from 'node:http2'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import { type Peer, parseCertificateNames } from './authenticator.ts'
import type { Wire } from './outlet.ts'
import type { WireMessage } from './wire.ts'

/** Requests come as bytes, so that malformed ones are our answer to give; responses are made when they go. */
export type AdsCall = ServerDuplexStream<Buffer, WireMessage>

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService'

function method(name: string) {
  return {
    path: `${service}/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (message: WireMessage) => message.encode(),
    responseDeserialize: (bytes: Buffer): WireMessage => ({ byteLength: bytes.length, encode: () => bytes }),
  } as const
}

/** The aggregated service only: separate and unary variants would be further doors to the same secrets. */
export const adsService = {
  DeltaAggregatedResources: method('DeltaAggregatedResources'),
  StreamAggregatedResources: method('StreamAggregatedResources'),
}

export function peerOf(call: Pick<AdsCall, 'getAuthContext' | 'metadata'>): Peer {
  const certificate = call.getAuthContext().sslPeerCertificate
  return {
    metadata: (key) => call.metadata.get(key).filter((value) => typeof value === 'string'),
    certificateNames: parseCertificateNames(certificate?.subjectaltname),
  }
}

/** One gRPC stream as the outlet sees it. */
export function createWire(call: AdsCall): Wire {
  return {
    write(message, flushed) {
      return call.write(message, (error: Error | null | undefined) => {
        if (!error) flushed()
      })
    },
    onDrain(run) {
      call.on('drain', run)
    },
    end(code, details) {
      if (code === status.OK) {
        call.end()
        return
      }
      // The way to a status in grpc-js: its own listener turns it into trailers.
      call.emit('error', Object.assign(new Error(details), { code, details }))
    },
    cut() {
      // A peer that reads nothing gets no trailers either, and grpc-js has no public way to reset a stream.
      const http2Stream = (call as { call?: { stream?: ServerHttp2Stream } }).call?.stream
      http2Stream?.close(constants.NGHTTP2_CANCEL)
      call.destroy()
    },
  }
}
