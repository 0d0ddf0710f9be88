import { Worker } from 'node:worker_threads'

/** Closed loop: each client sends its next request when it has the answer to the last. */
export interface LoadOptions {
  readonly url: string
  /** Host header. */
  readonly host: string
  /** PEM of the authority of an https URL; the host is the server name. */
  readonly ca?: string
  /** Clients that keep their connection. */
  readonly keepAliveClients: number
  /** Clients that open a connection for each request. */
  readonly newConnectionClients: number
}

export interface LoadResult {
  readonly requests: number
  /** Answers by status, and "error" for those that never came. */
  readonly statuses: Readonly<Record<string, number>>
  /** Answers with 200 by the service that gave them. */
  readonly services: Readonly<Record<string, number>>
  /** What the first failures said. */
  readonly failures: readonly string[]
}

/** The longest that a load may last, whatever its owner forgets. */
export const longestLoad = 120_000

/** Load from a thread of its own, so that it does not slow down what it is sent to. */
export class Load {
  readonly #worker: Worker
  readonly #result: Promise<LoadResult>

  constructor(options: LoadOptions) {
    this.#worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData: options })
    this.#result = new Promise((resolve, reject) => {
      this.#worker.once('message', resolve)
      this.#worker.once('error', reject)
    })
  }

  /** Lets the requests in flight finish and tells what happened. */
  async stop(): Promise<LoadResult> {
    this.#worker.postMessage('stop')
    return this.#result
  }
}
