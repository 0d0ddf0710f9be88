import { Agent, get } from 'node:http'
import { connect } from 'node:http2'
import { get as getSecure, Agent as SecureAgent } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface HeldOptions {
  readonly url: string
  /** Host header, and the server name of an https URL. */
  readonly host: string
  /** PEM of the authority of an https URL. */
  readonly ca?: string
  /** What is asked for all the time. */
  readonly path: string
}

interface Channel {
  /** @returns the status */
  ask(path: string): Promise<number>
  /** Whether it is still the connection of the beginning, and nobody has asked to end it. */
  isUntouched(): boolean
  close(): void
}

/** What became of a connection while it was held. */
export interface HeldResult {
  readonly answers: number
  /** What was not answered with 200. */
  readonly failures: readonly string[]
  /** It is still open, and the proxy has not asked for its end. */
  readonly isUntouched: boolean
}

/** A client that keeps one connection: one request after the other, and one that takes long beside them over HTTP/2. */
export class HeldConnection {
  readonly #channel: Channel
  readonly #path: string
  readonly #failures: string[] = []
  readonly #loop: Promise<void>
  #answers = 0
  #isEnding = false
  #long: Promise<void> | undefined

  private constructor(channel: Channel, path: string) {
    this.#channel = channel
    this.#path = path
    this.#loop = this.#askOn()
  }

  /** @returns when the first answer is there */
  static async open(protocol: 'http1' | 'http2', options: HeldOptions): Promise<HeldConnection> {
    const channel = protocol === 'http1' ? openHttp1(options) : openHttp2(options)
    const status = await channel.ask(options.path)
    if (status !== 200) throw new Error(`the first answer is ${status}`)
    return new HeldConnection(channel, options.path)
  }

  /** Begins a request that is answered after so many milliseconds; over HTTP/1.1 in place of the others. */
  beginLong(delay: number): void {
    this.#long = this.#askOnce(`${this.#path}?delay=${delay}`)
  }

  /** Ends after the requests under way. */
  async release(): Promise<HeldResult> {
    this.#isEnding = true
    await this.#loop
    await this.#long
    const isUntouched = this.#channel.isUntouched()
    this.#channel.close()
    return { answers: this.#answers, failures: this.#failures, isUntouched }
  }

  async #askOn(): Promise<void> {
    while (!this.#isEnding) {
      await this.#askOnce(this.#path)
      await sleep(2)
    }
  }

  async #askOnce(path: string): Promise<void> {
    const outcome = await this.#channel.ask(path).catch(String)
    this.#answers++
    if (outcome !== 200) this.#failures.push(`${path}: ${outcome}`)
  }
}

function openHttp1({ url, host, ca }: HeldOptions): Channel {
  const isSecure = url.startsWith('https:')
  const agent = isSecure
    ? new SecureAgent({ keepAlive: true, maxSockets: 1, servername: host, ...(ca && { ca }) })
    : new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<Socket>()
  let isAsked = false
  return {
    ask: (path) =>
      new Promise((resolve, reject) => {
        const options = { agent, headers: { host }, timeout: 20_000 }
        const request = (isSecure ? getSecure : get)(`${url}${path}`, options, (response) => {
          if (response.headers.connection === 'close') isAsked = true
          response.resume()
          response.once('end', () => resolve(response.statusCode ?? 0))
          response.once('error', reject)
        })
        request.once('socket', (socket) => void sockets.add(socket))
        request.once('timeout', () => request.destroy(new Error('no answer within 20 s')))
        request.once('error', reject)
      }),
    isUntouched: () => sockets.size === 1 && !isAsked && [...sockets].every((socket) => !socket.destroyed),
    close: () => agent.destroy(),
  }
}

/** With prior knowledge, or as TLS agrees on it. When it is asked to end, the next requests take another one. */
function openHttp2({ url, host, ca }: HeldOptions): Channel {
  const begin = () => {
    const session = connect(url, url.startsWith('https:') ? { servername: host, ...(ca && { ca }) } : {})
    session.on('error', () => undefined)
    return session
  }
  let session = begin()
  let isAsked = false
  const watch = () =>
    session.once('goaway', () => {
      isAsked = true
    })
  watch()
  return {
    ask: (path) =>
      new Promise((resolve, reject) => {
        if (session.closed || session.destroyed) {
          session = begin()
          isAsked = true
        }
        const stream = session.request({ ':path': path, ':authority': host })
        let status = 0
        stream.once('response', (headers) => {
          status = headers[':status'] ?? 0
        })
        stream.once('error', reject)
        stream.once('close', () => resolve(status))
        stream.resume()
        stream.end()
      }),
    isUntouched: () => !isAsked && !session.closed && !session.destroyed,
    close: () => session.close(),
  }
}
