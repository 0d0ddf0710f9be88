import { constants } from 'node:crypto'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { IssuedCertificate } from './certificates.ts'

/** What a backend saw of the TLS that it was spoken to with. */
export interface TlsAnswer {
  readonly serverName: string
  /** What ALPN came to. */
  readonly protocol: string
  /** E.g. "TLSv1.3". */
  readonly version: string
  /** Subject of the client's certificate; '' where it showed none. */
  readonly client: string
}

export interface TlsEcho {
  readonly address: string
  readonly port: number
  /** Connections so far, also such as came to nothing. */
  readonly connections: number
  close(): Promise<void>
}

/** Answers each request, of HTTP/1.1 or HTTP/2, with a {@link TlsAnswer}. Asks for a certificate and takes any. */
export function startTlsEcho({ certificate, privateKey }: IssuedCertificate): Promise<TlsEcho> {
  let connections = 0
  const server = createSecureServer(
    {
      cert: certificate,
      key: privateKey,
      allowHTTP1: true,
      requestCert: true,
      rejectUnauthorized: false,
      // Node does not know the server name of a resumed session.
      secureOptions: constants.SSL_OP_NO_TICKET,
    },
    (request, response) => {
      const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket
      const answer: TlsAnswer = {
        serverName: socket.servername || '',
        protocol: socket.alpnProtocol || '',
        version: socket.getProtocol() ?? '',
        client: socket.getPeerX509Certificate()?.subject ?? '',
      }
      // Each request of HTTP/1.1 is one handshake, so that a test sees what counts now.
      const fields = request.httpVersionMajor === 1 ? { connection: 'close' } : {}
      response.writeHead(200, { 'content-type': 'application/json', ...fields })
      response.end(JSON.stringify(answer))
    },
  )
  const open = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    connections++
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () =>
      resolve({
        address: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        get connections() {
          return connections
        },
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            for (const socket of open) socket.destroy()
          }),
      }),
    )
  })
}
