import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { idleLimit, keepAliveDelay, type Receiver, type SentRequest, type WireRequest } from './wire-request.ts'

/** Milliseconds until there is a connection, or none. */
const openLimit = 5_000
/** Milliseconds in which a server has to say that it is there. */
const pingLimit = 5_000
/** Requests under way on a connection, even if the server would take more. */
const maxStreams = 100
/** Bytes that a server may send of one answer, and of all together, before we have read them. */
const streamWindow = 1024 * 1024
const sessionWindow = 8 * streamWindow

/** Where to connect, and how. */
export type TlsTarget = ConnectionOptions & { readonly host: string; readonly port: number }

/** One server over HTTP/2: one connection for many requests, and one more whenever they are more than it takes. */
export class Http2Connections {
  readonly #target: TlsTarget
  readonly #clock: Clock
  readonly #connections = new Set<Http2Connection>()
  /** The connection that is being made: undefined when the server speaks something else. */
  #opening: Promise<Http2Connection | undefined> | undefined
  #socket: TLSSocket | undefined

  constructor(target: TlsTarget, clock: Clock) {
    this.#target = target
    this.#clock = clock
  }

  /**
   * Sends a request as soon as there is room for it.
   * @returns undefined: the server does not speak HTTP/2
   * @throws when there is no way to the server
   */
  async send(request: WireRequest, receiver: Receiver): Promise<SentRequest | undefined> {
    while (receiver.isWaiting()) {
      for (const connection of this.#connections) if (connection.hasRoom) return connection.send(request, receiver)
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined
      })
      if ((await this.#opening) === undefined) return undefined
    }
    return unsent
  }

  close(): void {
    this.#socket?.destroy()
    for (const connection of this.#connections) connection.close()
  }

  async #open(): Promise<Http2Connection | undefined> {
    const socket = await this.#connect()
    this.#socket = undefined
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy()
      return undefined
    }
    const connection = new Http2Connection(socket, this.#clock, () => this.#connections.delete(connection))
    this.#connections.add(connection)
    return connection
  }

  #connect(): Promise<TLSSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
    const socket = connectTls({ ...this.#target, ALPNProtocols: ['h2', 'http/1.1'] })
    this.#socket = socket
    socket.setKeepAlive(true, keepAliveDelay)
    socket.setNoDelay(true)
    const cancel = this.#clock.after(openLimit, () => socket.destroy(new Error(`no connection within ${openLimit} ms`)))
    socket.once('secureConnect', () => resolve(socket))
    // Once there is a connection, its requests are told of its end.
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed before it was made')))
    return promise.finally(cancel)
  }
}

const unsent: SentRequest = { cancel() {}, doubt() {} }

/** A connection that many requests share. */
class Http2Connection {
  readonly #session: ClientHttp2Session
  readonly #clock: Clock
  #streams = 0
  /** It has left a request without an answer, and is asked whether it is there. */
  #isDoubted = false
  #cancelIdle = () => {}
  #cancelPing = () => {}

  constructor(socket: TLSSocket, clock: Clock, onClose: () => void) {
    this.#clock = clock
    const settings = { enablePush: false, initialWindowSize: streamWindow }
    const session = connect('https://api.invalid', { createConnection: () => socket, settings })
    this.#session = session
    session.once('connect', () => session.setLocalWindowSize(sessionWindow))
    // Its requests are told.
    session.on('error', () => {})
    session.once('close', () => {
      this.#cancelIdle()
      this.#cancelPing()
      onClose()
    })
  }

  /** Whether it may be given one more request. */
  get hasRoom(): boolean {
    const { closed, destroyed, remoteSettings } = this.#session
    if (closed || destroyed || this.#isDoubted) return false
    return this.#streams < Math.min(maxStreams, remoteSettings?.maxConcurrentStreams ?? maxStreams)
  }

  send({ url, method, headers, payload }: WireRequest, receiver: Receiver): SentRequest {
    const place = { ':method': method, ':path': url.pathname + url.search, ':authority': url.host }
    const stream = this.#session.request({ ...place, ...headers }, { endStream: payload === undefined })
    this.#cancelIdle()
    this.#streams++
    if (payload !== undefined) stream.end(payload)
    let isAnswered = false
    stream.on('response', (head) => {
      isAnswered = true
      // A connection that breaks cancels its requests, and lets their answers come to an end.
      const isWhole = () => stream.rstCode === constants.NGHTTP2_NO_ERROR
      receiver.answered({ status: head[':status'] ?? 0, headers: head, body: stream, isWhole })
    })
    stream.on('error', (error: Error) => receiver.failed(error))
    stream.on('close', () => {
      this.#streams--
      if (this.#streams === 0 && !this.#session.destroyed)
        this.#cancelIdle = this.#clock.after(idleLimit, () => this.#session.close())
      if (!isAnswered) receiver.failed(new Error('the connection broke before the answer'))
    })
    return { cancel: () => stream.close(constants.NGHTTP2_CANCEL), doubt: () => this.#doubt() }
  }

  close(): void {
    this.#session.destroy()
  }

  #doubt(): void {
    if (this.#isDoubted || this.#session.destroyed) return
    this.#isDoubted = true
    this.#cancelPing = this.#clock.after(pingLimit, () => this.#session.destroy(new Error('the connection is dead')))
    this.#session.ping((error) => {
      if (error) return
      this.#cancelPing()
      this.#isDoubted = false
    })
  }
}
