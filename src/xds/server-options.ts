import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Collection, Source } from '../collections/collection.ts'
import type { ResourceAck } from './acks.ts'
import type { Authenticator, Peer } from './authenticator.ts'
import type { XdsCounters } from './counters.ts'
import type { ProxyNode } from './request.ts'
import type { EnvoyResource } from './resource.ts'
import type { StreamState } from './stream-state.ts'

/** What the server needs of the Scheduler: sources to fill, in batches of its own. */
export interface XdsScheduler {
  source<K extends string, V>(name: string): Source<K, V>
  batch<T>(run: () => T): T
}

/** One collection per type, each keyed by `resourceKey(scope, name)`. */
export interface XdsCollections {
  readonly cluster: Collection<string, EnvoyResource>
  readonly endpoint: Collection<string, EnvoyResource>
  readonly secret: Collection<string, EnvoyResource>
  readonly listener: Collection<string, EnvoyResource>
  readonly route: Collection<string, EnvoyResource>
  readonly scopedRoute?: Collection<string, EnvoyResource>
  readonly extension?: Collection<string, EnvoyResource>
}

/** PEM. With `clientCa`, clients must show a certificate that it signed. */
export interface XdsTls {
  readonly certificate: string
  readonly key: string
  readonly clientCa?: string
}

/**
 * TLS that changes while the server runs. The provider calls the listener after `current` has changed; the server
 * uses it for handshakes from then on. Whether clients need a certificate is decided once.
 */
export interface XdsTlsProvider {
  current(): XdsTls
  /** @returns ends the subscription */
  subscribe(listener: () => void): () => void
}

export interface XdsServerOptions {
  /** The server makes the sources `xds.acks` and `xds.streams` in it. */
  readonly scheduler: XdsScheduler
  readonly collections: XdsCollections
  readonly authenticator: Authenticator
  readonly logger: Logger
  readonly clock: Clock
  /** TLS 1.3. Plaintext unless given, which is for local sockets. */
  readonly tls?: XdsTls | XdsTlsProvider
  /** Whether a caller is another replica of this control plane, which may hear the acks; nobody may unless given. */
  readonly isReplica?: (peer: Peer) => Promise<boolean>
  /** @returns why this proxy cannot be served (e.g. its version), if so */
  readonly admitNode?: (node: ProxyNode) => string | undefined
  /** Which acks become entries of `acks`; all unless given. What nobody reads is not worth an entry for each resource. */
  readonly publishes?: (key: string, ack: ResourceAck) => boolean
  /** How long an unwanted resource stays after the last table that used it was accepted. Default 30 s. */
  readonly linger?: number
  /** How long it stays after a listener changed or went: Envoy's `--drain-time-s`. Default 60 s. */
  readonly drainTime?: number
  /** How long a table waits for the clusters in its `awaits`. Default 2 s. */
  readonly awaitLimit?: number
  /** When a proxy that reads nothing is cut off. Default 30 s. */
  readonly stallLimit?: number
  /** Resources are spread over messages of at most this size, where each fits. Default 256 KiB. */
  readonly maxMessageBytes?: number
  /** No further message is begun while this much waits for a proxy to read. Default 4 MiB. */
  readonly maxWaitingBytes?: number
  /** Runs a task after the current one; for tests. Default `setImmediate`. */
  readonly defer?: (run: () => void) => void
}

/** One resource as one proxy has it. */
export interface HeldResource {
  readonly typeUrl: string
  readonly name: string
  /** Sent last, answered or not. */
  readonly sent?: string
  readonly accepted?: string
  readonly refused?: string
}

/**
 * Promises: nothing is answered before `markSynced` or `markClustersKnown`; nothing is sent to a stream but
 * resources of the scope that its authenticator gave; `acks` and `streams` change in batches and only when they differ.
 */
export interface XdsServer {
  /** Key: `ackKey(typeUrl, scope, name)`. The entries of a scope lose `ackedVersion` with its last stream. */
  readonly acks: Source<string, ResourceAck>
  /** Key: stream id. */
  readonly streams: Source<string, StreamState>
  readonly counters: XdsCounters
  /**
   * @param address `127.0.0.1:18000`, `127.0.0.1:0` or `unix:/path/to/socket`
   * @returns the address with the real port
   * @throws if it cannot be bound
   */
  listen(address: string): Promise<string>
  /**
   * The clusters are complete, and the other collections not yet: a proxy that has no configuration (delta) gets its
   * clusters, and may build them while it waits for the rest. All others wait for `markSynced`, which may also come
   * without this before it.
   */
  markClustersKnown(): void
  /** The collections are complete: from now on requests are answered. */
  markSynced(): void
  /** What one connected proxy has, sorted; undefined when it is gone. */
  inspect(streamId: string): readonly HeldResource[] | undefined
  /**
   * Makes the proxy let go of its clients, e.g. because its pod is terminating: on the streams of this node
   * all listeners are removed, so that Envoy refuses new connections and drains old ones, and none is sent
   * again. Tables, clusters and everything else stay and stay current. Lasts as long as the stream: a proxy
   * that reconnects has listeners again, and the caller, who sees the new stream in `streams` with
   * `isDraining: false`, asks again if it still means it. The node is what a proxy says of itself: one that
   * takes the name of another has itself drained, and harms nobody else.
   * @returns how many streams there were of that node; 0 is no error
   */
  drain(nodeId: string): number
  /** Ends all streams and frees the addresses. */
  close(): Promise<void>
}
