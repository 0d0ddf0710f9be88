import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** Agrees to every upgrade, as WebSocket begins, and then sends back what it gets. */
export interface UpgradeEcho {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

export function startUpgradeEcho(): Promise<UpgradeEcho> {
  const server = createServer()
  const sockets = new Set<Socket>()
  server.on('upgrade', (_request, socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  const address = '127.0.0.1'
  return new Promise((resolve) => {
    server.listen(0, address, () =>
      resolve({
        address,
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy()
            server.close(() => closed())
          }),
      }),
    )
  })
}

/** A client's end of an upgraded connection. */
export class HeldUpgrade {
  readonly #socket: Socket
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => {
      this.#isOpen = false
    })
  }

  /** Whether nobody has ended it. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** @returns when the other side has agreed */
  static async open(url: string, host: string, path: string): Promise<HeldUpgrade> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.setEncoding('latin1')
    const held = new HeldUpgrade(socket)
    const answer = await held.exchange(
      `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    if (!answer.startsWith('HTTP/1.1 101')) throw new Error(`the upgrade is answered by ${answer}`)
    return held
  }

  /** Sends a text, and gives what comes back. */
  exchange(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error('the connection is closed'))
      this.#socket.once('close', fail)
      this.#socket.once('error', reject)
      this.#socket.once('data', (data) => {
        this.#socket.off('close', fail)
        this.#socket.off('error', reject)
        resolve(String(data))
      })
      this.#socket.write(text)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}
