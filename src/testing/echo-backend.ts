import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'

export interface EchoOptions {
  /** What it calls itself in its answers. */
  readonly service: string
  readonly namespace?: string
  /** 127.0.0.1 unless given. */
  readonly address?: string
  /** Any free one unless given. */
  readonly port?: number
}

/** What it answers with. Header names are in the form that most people know, e.g. "X-Request-Id". */
export interface EchoAnswer {
  readonly path: string
  readonly host: string
  readonly method: string
  readonly proto: string
  readonly headers: { readonly [name: string]: readonly string[] }
  readonly namespace: string
  readonly ingress: string
  readonly service: string
  readonly pod: string
}

export interface EchoBackend {
  readonly address: string
  readonly port: number
  /** Requests answered so far, mirrored ones too. */
  readonly seen: readonly EchoAnswer[]
  close(): Promise<void>
}

/**
 * Answers every request with what it saw. `/status/503` answers with that status, `?delay=200` waits that
 * many milliseconds first. Idle connections stay open, so that a proxy never meets one that is closing.
 */
export function startEchoBackend(options: EchoOptions): Promise<EchoBackend> {
  const { service, namespace = 'default', address = '127.0.0.1', port = 0 } = options
  const seen: EchoAnswer[] = []
  const server = createServer((request, response) => {
    const answer = describe(request, service, namespace)
    seen.push(answer)
    if (seen.length > mostSeen) seen.shift()
    const url = new URL(request.url ?? '/', 'http://echo')
    request.resume()
    request.on('end', () => setTimeout(() => send(response, url, answer), Number(url.searchParams.get('delay') ?? 0)))
  })
  server.keepAliveTimeout = 0
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      resolve({
        address,
        port: (server.address() as AddressInfo).port,
        seen,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          }),
      })
    })
  })
}

/** Under load nobody looks at all of them. */
const mostSeen = 1000

function send(response: ServerResponse, url: URL, answer: EchoAnswer): void {
  const status = /^\/status\/(\d{3})$/.exec(url.pathname)?.[1]
  const body = `${JSON.stringify(answer, null, 1)}\n`
  // Exactly these, so that a test can tell what the proxy adds. `date` is Node's own.
  response.removeHeader('connection')
  response.writeHead(Number(status ?? 200), {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

function describe(request: IncomingMessage, service: string, namespace: string): EchoAnswer {
  // Without a prototype: a header may be called "__proto__".
  const headers: Record<string, string[]> = Object.create(null)
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = (request.rawHeaders[i] ?? '').toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
    if (name === 'Host') continue
    headers[name] = [...(headers[name] ?? []), request.rawHeaders[i + 1] ?? '']
  }
  return {
    path: request.url ?? '',
    host: request.headers.host ?? '',
    method: request.method ?? '',
    proto: `HTTP/${request.httpVersion}`,
    headers,
    namespace,
    ingress: '',
    service,
    pod: `${service}-${process.pid}`,
  }
}
