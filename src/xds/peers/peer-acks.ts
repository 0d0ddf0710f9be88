import { type ChannelCredentials, Client, type ClientReadableStream, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Source } from '../../collections/collection.ts'
import { type AckReport, type PeerAck, peerService } from './peer-protocol.ts'

export interface PeerAcksOptions {
  /** Filled here; the key is the replica's address and the ack's key. */
  readonly into: Source<string, PeerAck>
  readonly batch: (run: () => void) => void
  /** Asked for each connection, so that a renewed CA is used. */
  readonly credentials: () => ChannelCredentials
  /** The name that replicas' certificates have. */
  readonly serverName: string
  /** Bearer token of this replica, asked for each connection. */
  readonly token: () => Promise<string>
  readonly clock: Clock
  readonly logger: Logger
  /** How long a replica's acks count after it was lost: its proxies connect to another one meanwhile. Default 5 s. */
  readonly grace?: number
  /** Milliseconds until a lost replica is called again. Default 1 s. */
  readonly retryAfter?: number
}

/**
 * Hears from the other replicas what their proxies have accepted, so that whoever writes statuses knows
 * of all proxies. A replica that cannot be reached makes statuses late, never false: what is not heard is not acked.
 */
export class PeerAcks {
  readonly #options: PeerAcksOptions
  readonly #peers = new Map<string, Connection>()

  constructor(options: PeerAcksOptions) {
    this.#options = options
  }

  /** @param addresses `host:port` of every other replica */
  setPeers(addresses: Iterable<string>): void {
    const wanted = new Set(addresses)
    for (const [address, connection] of this.#peers) {
      if (wanted.has(address)) continue
      this.#peers.delete(address)
      connection.close()
    }
    for (const address of wanted)
      if (!this.#peers.has(address)) this.#peers.set(address, new Connection(address, this.#options))
  }

  /** Replicas whose acks are completely known, of how many. */
  get state(): { readonly peers: number; readonly complete: number } {
    const complete = [...this.#peers.values()].filter((c) => c.isComplete).length
    return { peers: this.#peers.size, complete }
  }

  close(): void {
    this.setPeers([])
  }
}

/** One replica: called again and again, for as long as it is one. */
class Connection {
  readonly #address: string
  readonly #options: PeerAcksOptions
  #client: Client | undefined
  #stream: ClientReadableStream<AckReport> | undefined
  #cancelRetry: (() => void) | undefined
  #cancelGrace: (() => void) | undefined
  /** What this connection has told, to find what an earlier one told and this one does not. */
  #seen = new Set<string>()
  #known = new Set<string>()
  #closed = false
  /** Somebody was told that it is not heard. */
  #isTold = false
  isComplete = false

  constructor(address: string, options: PeerAcksOptions) {
    this.#address = address
    this.#options = options
    void this.#connect()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
    this.#hangUp()
    this.#forgetLater()
  }

  async #connect(): Promise<void> {
    const { credentials, serverName, token } = this.#options
    const metadata = new Metadata()
    try {
      metadata.set('authorization', `Bearer ${await token()}`)
      if (this.#closed) return
      this.#client = new Client(this.#address, credentials(), {
        'grpc.ssl_target_name_override': serverName,
        'grpc.default_authority': serverName,
        'grpc.keepalive_time_ms': 10_000,
        'grpc.keepalive_timeout_ms': 5_000,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.max_receive_message_length': 16 * 1024 * 1024,
      })
    } catch (error) {
      this.#tellLost(error instanceof Error ? error.message : String(error))
      this.#retry()
      return
    }
    const { path, requestSerialize, responseDeserialize } = peerService.WatchAcks
    this.#seen = new Set()
    const stream = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.alloc(0),
      metadata,
    )
    this.#stream = stream
    stream.on('data', (report: AckReport) => this.#take(report))
    stream.on('error', (error: ServiceError) => {
      if (this.#stream === stream && !this.#closed) this.#tellLost(error.details)
    })
    stream.on('close', () => {
      if (this.#stream !== stream) return
      this.#hangUp()
      this.#forgetLater()
      this.#retry()
    })
  }

  #take({ changes, complete }: AckReport): void {
    const { into, batch } = this.#options
    batch(() => {
      for (const [key, ack] of changes) {
        const entry = `${this.#address}\n${key}`
        if (ack === undefined) {
          this.#seen.delete(key)
          this.#known.delete(key)
          into.delete(entry)
        } else {
          this.#seen.add(key)
          this.#known.add(key)
          into.set(entry, { key, ack })
        }
      }
      if (!complete || this.isComplete) return
      this.isComplete = true
      if (this.#isTold) this.#options.logger.info('The acks of a replica are heard again', { peer: this.#address })
      this.#isTold = false
      this.#cancelGrace?.()
      this.#cancelGrace = undefined
      for (const key of this.#known) if (!this.#seen.has(key)) into.delete(`${this.#address}\n${key}`)
      this.#known = new Set(this.#seen)
    })
  }

  /** It is called about every second: once is enough to say. */
  #tellLost(error: string): void {
    const { logger } = this.#options
    const fields = { peer: this.#address, error }
    if (this.#isTold) logger.debug('The acks of a replica are still not heard', fields)
    else logger.warn('The acks of a replica are not heard: the proxies that it serves count as not programmed', fields)
    this.#isTold = true
  }

  #hangUp(): void {
    const stream = this.#stream
    this.#stream = undefined
    this.isComplete = false
    stream?.cancel()
    this.#client?.close()
    this.#client = undefined
  }

  #forgetLater(): void {
    if (this.#cancelGrace !== undefined) return
    const { clock, into, batch, grace = 5_000 } = this.#options
    this.#cancelGrace = clock.after(grace, () => {
      this.#cancelGrace = undefined
      batch(() => {
        for (const key of this.#known) into.delete(`${this.#address}\n${key}`)
      })
      this.#known.clear()
    })
  }

  #retry(): void {
    if (this.#closed) return
    const { clock, retryAfter = 1_000 } = this.#options
    this.#cancelRetry = clock.after(retryAfter * (0.5 + Math.random()), () => void this.#connect())
  }
}
