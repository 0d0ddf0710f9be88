import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export type LoadProtocol = 'http1' | 'http2'

/** Closed loop: each client sends its next request when it has the answer to the last. */
export interface LoadOptions {
  readonly url: string
  /** Host header. */
  readonly host: string
  /** Of the clients, in turn; HTTP/1.1 unless given. HTTP/2 with prior knowledge, or as TLS agrees on it. */
  readonly protocols?: readonly LoadProtocol[]
  /** PEM of the authority of an https URL; the host is the server name. */
  readonly ca?: string
  /** Clients that keep their connection. */
  readonly keepAliveClients: number
  /** Clients that open a connection for each request. */
  readonly newConnectionClients: number
  /** What may be answered, by path; the paths are asked in turn. Any 200 to the path of `url` unless given. */
  readonly allowed?: AllowedOutcomes
}

/**
 * Paths to outcomes. The outcome of an answer with 200 is the service that gave it, with ":" and the value of
 * the `x-mark` request header if the service has seen one; of any other answer it is the status.
 */
export type AllowedOutcomes = Readonly<Record<string, readonly string[]>>

export interface LoadResult {
  readonly requests: number
  /** The answers by the protocol of the client. */
  readonly answers: Readonly<Record<LoadProtocol, number>>
  /** Answers by status, and "error" for those that never came. */
  readonly statuses: Readonly<Record<string, number>>
  /** Answers with 200 by the service that gave them. */
  readonly services: Readonly<Record<string, number>>
  /** How many requests got no answer, or another status than 200 that was not allowed. */
  readonly failed: number
  /** How many were answered with 200 by a service that was not allowed for their path. */
  readonly misrouted: number
  /** What the first of either said. */
  readonly failures: readonly string[]
}

/** The longest that a load may last, whatever its owner forgets, milliseconds. */
export const longestLoad = 300_000

/** Load from a thread of its own, so that it does not slow down what it is sent to. */
export class Load {
  readonly #worker: Worker
  readonly #result: Promise<LoadResult>
  /** Resolves when every client has had its first answer, good or bad. */
  readonly running: Promise<void>

  constructor(options: LoadOptions) {
    this.#worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData: options })
    const { promise: running, resolve: resolveRunning, reject: rejectRunning } = Promise.withResolvers<void>()
    this.running = running
    this.#result = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: LoadResult | 'allowed' | 'running') => {
        if (message === 'running') resolveRunning()
        else if (message !== 'allowed') resolve(message)
      })
      this.#worker.once('error', (error) => {
        rejectRunning(error)
        reject(error)
      })
    })
    // Whoever waits for them hears of it; nobody has to.
    for (const waited of [this.#result, running]) waited.catch(() => {})
  }

  /**
   * From now on something else may be answered to these paths. A request is judged by everything that was
   * allowed at some time between its beginning and its end.
   */
  async allow(allowed: AllowedOutcomes): Promise<void> {
    await this.running
    this.#worker.postMessage({ allowed })
    await Promise.race([once(this.#worker, 'message'), this.#result])
  }

  /**
   * Lets the requests in flight finish and tells what happened.
   * @throws if it has ended by itself before: what came after that was without load
   */
  async stop(): Promise<LoadResult> {
    this.#worker.postMessage('stop')
    return this.#result
  }
}
