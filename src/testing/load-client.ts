import { get as getHttp, Agent as HttpAgent } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { get as getHttps, Agent as HttpsAgent } from 'node:https'
import type { LoadOptions, LoadProtocol } from './load.ts'

/** How long an answer may take, milliseconds. */
const patience = 10_000

export interface LoadAnswer {
  readonly status: number
  readonly body: string
}

/** One client of a load: one request at a time. */
export interface LoadClient {
  /** @throws when there is no whole answer */
  ask(path: string): Promise<LoadAnswer>
  close(): void
}

export type LoadTarget = Pick<LoadOptions, 'url' | 'host' | 'ca'>

/** TLS sessions are not resumed: each new connection meets the certificate of its time. */
export function createLoadClient(target: LoadTarget, protocol: LoadProtocol, keepsConnection: boolean): LoadClient {
  return protocol === 'http2' ? new Http2Client(target, keepsConnection) : new Http1Client(target, keepsConnection)
}

class Http1Client implements LoadClient {
  readonly #target: LoadTarget
  readonly #agent: HttpAgent
  readonly #get: typeof getHttp

  constructor(target: LoadTarget, keepAlive: boolean) {
    const { url, host, ca } = target
    this.#target = target
    const isSecure = url.startsWith('https:')
    this.#get = isSecure ? getHttps : getHttp
    const tls = { maxCachedSessions: 0, servername: host, ...(ca !== undefined && { ca }) }
    this.#agent = isSecure
      ? new HttpsAgent({ keepAlive, maxSockets: 1, ...tls })
      : new HttpAgent({ keepAlive, maxSockets: 1 })
  }

  ask(path: string): Promise<LoadAnswer> {
    const { url, host } = this.#target
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, headers: { host }, timeout: patience }
      const sent = this.#get(new URL(path, url), options, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
        response.on('error', (error) => reject(new Error(`in the answer: ${error.message}`)))
      })
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${patience} ms`)))
      sent.on('error', reject)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

class Http2Client implements LoadClient {
  readonly #target: LoadTarget
  readonly #keepsConnection: boolean
  #session: ClientHttp2Session | undefined

  constructor(target: LoadTarget, keepsConnection: boolean) {
    this.#target = target
    this.#keepsConnection = keepsConnection
  }

  async ask(path: string): Promise<LoadAnswer> {
    const session = this.#open()
    const { url, host } = this.#target
    const scheme = url.startsWith('https:') ? 'https' : 'http'
    try {
      return await readAnswer(session.request({ ':path': path, ':authority': host, ':scheme': scheme }))
    } finally {
      if (!this.#keepsConnection) this.close()
    }
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  /** The session of the last request, unless its server has said goodbye. */
  #open(): ClientHttp2Session {
    const old = this.#session
    if (old !== undefined && !old.closed && !old.destroyed) return old
    const { url, host, ca } = this.#target
    const session = connect(url, { servername: host, ALPNProtocols: ['h2'], ...(ca !== undefined && { ca }) })
    // The requests on it hear of it, too.
    session.on('error', () => {})
    session.on('goaway', () => session.close())
    this.#session = session
    return session
  }
}

function readAnswer(stream: ClientHttp2Stream): Promise<LoadAnswer> {
  return new Promise((resolve, reject) => {
    let status: number | undefined
    let isWhole = false
    let body = ''
    stream.setEncoding('utf8')
    stream.setTimeout(patience, () => stream.destroy(new Error(`no answer within ${patience} ms`)))
    stream.on('response', (headers) => {
      status = headers[':status']
    })
    stream.on('data', (text: string) => {
      body += text
    })
    stream.on('end', () => {
      isWhole = true
    })
    stream.on('error', reject)
    stream.on('close', () => {
      if (isWhole && status !== undefined && stream.rstCode === 0) resolve({ status, body })
      else reject(new Error(`the stream was reset with code ${stream.rstCode}`))
    })
    stream.end()
  })
}
