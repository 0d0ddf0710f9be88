import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Order, Reply } from './control-plane-process.ts'

/**
 * A control plane in a process of its own, for one that is to die while its proxies live on. It has loaded
 * its code when `start` resolves and does nothing until `serve`: what is measured is the gap, not Node's start.
 */
export class DetachedControlPlane {
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#process = child
    this.#exited = once(child, 'exit')
  }

  /** @param cacheDirectory for compiled code, so that the second start takes a third of the time */
  static async start(cacheDirectory: string): Promise<DetachedControlPlane> {
    const controlPlane = new DetachedControlPlane(
      fork(fileURLToPath(new URL('./control-plane-process.ts', import.meta.url)), {
        execArgv: [],
        env: { ...process.env, NODE_COMPILE_CACHE: cacheDirectory },
      }),
    )
    await controlPlane.report()
    return controlPlane
  }

  async serve(options: Omit<Extract<Order, { run: 'serve' }>, 'run'>): Promise<void> {
    await this.#order({ run: 'serve', ...options })
  }

  /** Resolves when the change is in the sources; it may not have left the process yet. */
  async apply(yaml: string): Promise<void> {
    await this.#order({ run: 'apply', yaml })
  }

  report(): Promise<Reply> {
    return this.#order({ run: 'report' })
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  /** One at a time. @throws when the process ends instead of answering */
  async #order(order: Order): Promise<Reply> {
    const answer = once(this.#process, 'message')
    this.#process.send(order)
    const gone = this.#exited.then(() => {
      throw new Error(`the control plane ended instead of "${order.run}"`)
    })
    const [reply] = (await Promise.race([answer, gone])) as [Reply]
    return reply
  }
}
