import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { pause } from '../testing/eventually.ts'

/** How often it is tried to reach somebody who is not there yet, milliseconds. */
const retryPause = 10

export interface Target {
  readonly host: string
  readonly port: number
}

/**
 * A TCP port of this machine (127.0.0.1) whose connections wait until it is said where they go, and until somebody
 * answers there: who connects here asks at the first moment at which he can be heard, whatever his pause between two
 * attempts.
 */
export class HeldForwarder {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #target = Promise.withResolvers<Target>()

  private constructor() {
    this.#server = createServer((client) => void this.#pass(client))
  }

  static async listen(): Promise<HeldForwarder> {
    const forwarder = new HeldForwarder()
    await new Promise<void>((resolve) => forwarder.#server.listen(0, '127.0.0.1', resolve))
    return forwarder
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on connections go there, those that wait first. */
  sendTo(target: Target): void {
    this.#target.resolve(target)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #pass(client: Socket): Promise<void> {
    this.#keep(client)
    const target = await this.#target.promise
    while (!client.destroyed) {
      const upstream = await reach(target)
      if (upstream) {
        this.#keep(upstream)
        client.on('close', () => upstream.destroy())
        upstream.on('close', () => client.destroy())
        client.pipe(upstream).pipe(client)
        return
      }
      await pause(retryPause)
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // Its end is the end of both; why does not matter here.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

/** @returns undefined when nobody is there */
function reach(target: Target): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(target)
    socket.setNoDelay(true)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/** Resolves when nobody listens there (any more). @param limit milliseconds */
export async function untilDeaf(target: Target, limit: number): Promise<void> {
  for (const deadline = performance.now() + limit; performance.now() < deadline; ) {
    const socket = await reach(target)
    if (!socket) return
    socket.destroy()
    await pause(retryPause)
  }
  throw new Error(`${target.host}:${target.port} is still listening after ${limit} ms`)
}
