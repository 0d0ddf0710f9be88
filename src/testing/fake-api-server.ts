import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { type Clock, systemClock } from '../base/clock.ts'
import type { ApiAccess } from '../providers/kubernetes/api-access.ts'
import { type IssuedCertificate, issueCertificate } from './certificates.ts'
import { FakeApi, type FakeApiOptions } from './fake-api.ts'
import type { FakeConnection } from './fake-api-connection.ts'

export interface FakeApiServerOptions extends FakeApiOptions {
  /** How long a second of the server takes, in seconds: 0.01 lets time-outs pass a hundred times as fast. */
  readonly timeScale?: number
  /** https: HTTP/2 over TLS, as API servers speak; http: HTTP/1.1 without, as `kubectl proxy` does. https unless given. */
  readonly protocol?: 'http' | 'https'
}

/** In the certificate of the server. */
const serverName = 'localhost'

/**
 * An HTTP server that answers as the API server of Kubernetes does, and that errs when told so:
 * list (paged), watch (bookmarks, WatchList, history), get, create, update, merge patch, server-side apply,
 * delete, /status, discovery. Objects need no schema, and nobody has to log in.
 *
 * ```ts
 * const server = await FakeApiServer.start()
 * server.put({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'a', name: 'b' }, spec: {} })
 * server.faults.once({ verb: 'update', resource: 'httproutes/status' }, { status: 409, reason: 'Conflict' })
 * server.requests.count({ verb: 'update' })
 * await server.close()
 * ```
 */
export class FakeApiServer extends FakeApi {
  readonly #server: Server | Http2SecureServer
  readonly #certificate: IssuedCertificate | undefined
  readonly #sockets = new Set<Socket>()

  private constructor(protocol: 'http' | 'https', options: FakeApiOptions) {
    super(options)
    if (protocol === 'https') {
      this.#certificate = issueCertificate({ dnsNames: [serverName], isAuthority: true })
      const { certificate: cert, privateKey: key } = this.#certificate
      this.#server = createSecureServer({ cert, key, allowHTTP1: true }, (request, response) =>
        this.#serve(request, response),
      )
    } else {
      const server = createServer((request, response) => this.#serve(request, response))
      server.keepAliveTimeout = 90_000
      this.#server = server
    }
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(options: FakeApiServerOptions = {}) {
    const { timeScale = 1, clock = systemClock, protocol = 'https', ...more } = options
    const server = new FakeApiServer(protocol, { ...more, clock: scaleClock(clock, timeScale) })
    await server.listen(0)
    return server
  }

  /** Where it listens; no slash at the end. */
  get url(): string {
    return `${this.#certificate ? 'https' : 'http'}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How to reach it. */
  get access(): ApiAccess {
    const tls = this.#certificate ? { ca: this.#certificate.certificate, serverName } : {}
    return { server: this.url, headers: {}, tls }
  }

  /** Text of a kubeconfig file that leads to it. */
  get kubeconfig(): string {
    const authority = this.#certificate && {
      'certificate-authority-data': Buffer.from(this.#certificate.certificate).toString('base64'),
      'tls-server-name': serverName,
    }
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      clusters: [{ name: 'c', cluster: { server: this.url, ...authority } }],
      users: [{ name: 'u', user: { token: 'of-the-control-plane' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    })
  }

  /** Open connections, idle ones too. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Listens again after {@link close}, at the port it had then. */
  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
  }

  /** Breaks all connections and listens no more. The objects stay. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #serve(
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return // The client has gone.
    }
    const text = Buffer.concat(chunks).toString()
    const { 'content-type': contentType = '', accept = '', authorization = '' } = request.headers
    const acceptsGzip = request.headers['accept-encoding'] === 'gzip'
    const { method = 'GET', url = '/' } = request
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    this.handle({ method, url, accept, contentType, authorization, body }, connectionOf(response, acceptsGzip))
  }
}

function connectionOf(answer: ServerResponse | Http2ServerResponse, acceptsGzip: boolean): FakeConnection {
  // Over HTTP/2 it has the same methods, of which the types know half.
  const response = answer as ServerResponse
  return {
    acceptsGzip,
    start(status, headers) {
      response.writeHead(status, headers)
      response.flushHeaders()
    },
    write: (piece) => void response.write(piece),
    end: () => void response.end(),
    reset() {
      if ('stream' in answer) answer.stream?.session?.destroy()
      else response.socket?.resetAndDestroy()
    },
    onClose: (run) => void response.on('close', run),
  }
}

/** A clock on which time passes faster, for whoever counts in real seconds. */
export function scaleClock(clock: Clock, scale: number): Clock {
  return {
    now: () => clock.now() / scale,
    after: (milliseconds, run) => clock.after(milliseconds * scale, run),
  }
}
