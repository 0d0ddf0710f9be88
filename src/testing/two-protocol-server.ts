import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import process from 'node:process'
import type { Duplex } from 'node:stream'

/** What both protocols have of requests and of responses. */
export type EitherRequest = IncomingMessage | Http2ServerRequest
export type EitherResponse = ServerResponse | Http2ServerResponse

export interface TwoProtocolServer {
  readonly port: number
  /** Takes requests of HTTP/1.1 that ask for another protocol. */
  onUpgrade(take: (request: IncomingMessage, socket: Duplex) => void): void
  close(): Promise<void>
}

/** Speaks HTTP/1.1 and HTTP/2 on one port of 127.0.0.1, in the clear: whichever the client begins with. */
export function startTwoProtocolServer(
  answer: (request: EitherRequest, response: EitherResponse) => void,
): Promise<TwoProtocolServer> {
  const http1 = createHttpServer(answer)
  http1.keepAliveTimeout = 0
  const http2 = createHttp2Server(answer)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.once('data', (data) => {
      socket.pause()
      socket.unshift(data)
      // Every HTTP/2 connection begins with "PRI * HTTP/2.0", and no method does.
      const chosen = data.toString('latin1', 0, 3) === 'PRI' ? http2 : http1
      chosen.emit('connection', socket)
      process.nextTick(() => socket.resume())
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        onUpgrade: (take) => void http1.on('upgrade', take),
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            for (const socket of sockets) socket.destroy()
          }),
      }),
    )
  })
}
