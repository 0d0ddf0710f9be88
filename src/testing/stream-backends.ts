import { createSocket } from 'node:dgram'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls'
import type { IssuedCertificate } from './certificates.ts'

/** Who answers on the other side of a stream. */
export interface StreamBackend {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/**
 * Says its name to each connection, and whether it came with TLS and for which server name, then repeats
 * what it hears.
 * @param certificate to be spoken to with TLS
 */
export function startTcpBackend(name: string, certificate?: IssuedCertificate): Promise<StreamBackend> {
  const open = new Set<Socket>()
  const greet = (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    const tls = certificate ? ` tls ${(socket as TLSSocket).servername || '-'}` : ''
    socket.write(`${name}${tls}\n`)
    socket.pipe(socket)
  }
  const server: Server = certificate
    ? createTlsServer({ cert: certificate.certificate, key: certificate.privateKey }, greet)
    : createServer(greet)
  server.on('tlsClientError', () => undefined)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () =>
      resolve({
        address: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            for (const socket of open) socket.destroy()
          }),
      }),
    )
  })
}

/** Answers each datagram with its name. */
export function startUdpBackend(name: string): Promise<StreamBackend> {
  const socket = createSocket('udp4')
  socket.on('message', (_message, from) => socket.send(name, from.port, from.address))
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, '127.0.0.1', () =>
      resolve({
        address: '127.0.0.1',
        port: socket.address().port,
        close: () => new Promise((closed) => socket.close(() => closed())),
      }),
    )
  })
}

/** A connection as a client sees it. */
export class StreamClient {
  readonly #socket: Socket
  /** What came so far. */
  received = ''
  /** How it ended: 'open', 'EOF', or the code of an error such as ECONNRESET. */
  state = 'open'
  readonly #waiting = new Set<() => void>()

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#change(() => (this.received += text)))
    socket.on('end', () => this.#change(() => (this.state = this.state === 'open' ? 'EOF' : this.state)))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#change(() => (this.state = error.code ?? error.message)))
    socket.on('close', () => this.#change(() => (this.state = this.state === 'open' ? 'EOF' : this.state)))
  }

  /** @param url such as "tcp://127.0.0.1:5432" */
  static open(url: string, tls?: ConnectionOptions): StreamClient {
    const { hostname: host, port } = new URL(url)
    const target = { host, port: Number(port) }
    return new StreamClient(tls ? connectTls({ ...target, ...tls }) : connect(target))
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  /** Waits until a line has come or the connection has ended. @returns the first line, or how it ended */
  async firstLine(): Promise<string> {
    await this.until(() => this.received.includes('\n') || this.state !== 'open')
    return this.received.includes('\n') ? (this.received.split('\n')[0] ?? '') : this.state
  }

  /** Waits until it is so. @throws an error after 10 s */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`still ${this.state}, received "${this.received}"`)), 10_000)
      const check = () => {
        if (!condition()) return
        this.#waiting.delete(check)
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #change(apply: () => void): void {
    apply()
    for (const check of this.#waiting) check()
  }
}

/** The first line of a new connection, or how it ended. */
export async function greetingOf(url: string, tls?: ConnectionOptions): Promise<string> {
  const client = StreamClient.open(url, tls)
  try {
    return await client.firstLine()
  } finally {
    client.close()
  }
}

/** The answer to one datagram from a socket of its own; 'nothing' after half a second. */
export function askUdp(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    const done = (answer: string) => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(() => done('nothing'), 500)
    socket.once('message', (message) => done(message.toString()))
    socket.send('?', Number(port), hostname)
  })
}

/** A Service with one EndpointSlice that leads to these backends. */
export function streamServiceYaml(
  name: string,
  backends: readonly StreamBackend[],
  { port = 3000, protocol = 'TCP', more = '' }: { port?: number; protocol?: 'TCP' | 'UDP'; more?: string } = {},
): string {
  const slices = backends.map(
    (backend, index) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${index}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [${backend.address}], conditions: {ready: true}}]
ports: [{name: main, port: ${backend.port}, protocol: ${protocol}}]
---
`,
  )
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{name: main, port: ${port}, protocol: ${protocol}${more}}]}
---
${slices.join('')}`
}

/** A TLSRoute, TCPRoute or UDPRoute. @param spec lines of its spec, indented by two */
export function streamRouteYaml(
  kind: 'TLSRoute' | 'TCPRoute' | 'UDPRoute',
  name: string,
  spec: string,
  { created = '' } = {},
): string {
  const time = created === '' ? '' : `, creationTimestamp: '${created}'`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}${time}}
spec:
${spec}
---
`
}
