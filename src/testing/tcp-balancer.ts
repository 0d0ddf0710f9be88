import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/**
 * As kube-proxy balances: each new connection goes to one of the present endpoints, and stays with it when
 * the endpoint is withdrawn. In a thread of its own.
 */
export class TcpBalancer {
  readonly port: number
  readonly #worker: Worker

  private constructor(worker: Worker, port: number) {
    this.#worker = worker
    this.port = port
  }

  static async start(): Promise<TcpBalancer> {
    const worker = new Worker(new URL('./tcp-balancer-worker.ts', import.meta.url))
    const [port] = (await once(worker, 'message')) as [number]
    return new TcpBalancer(worker, port)
  }

  /** @param ports on loopback */
  setTargets(ports: readonly number[]): void {
    this.#worker.postMessage(ports)
  }

  async stop(): Promise<void> {
    this.#worker.postMessage('stop')
    await once(this.#worker, 'exit')
  }
}
