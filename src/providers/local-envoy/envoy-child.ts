import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * `$1` is a directory, the rest the command. A watcher reads descriptor 3, whose other end only we hold:
 * when we die, however we die, the system closes it, and the watcher kills Envoy and removes the directory.
 * A line on it says that Envoy has ended by itself and that there is nothing to do. Envoy takes the place
 * of the shell, so that its process id, its signals and its exit status are those of the child.
 */
const wrapper = `
directory=$1
shift
( read -r line <&3 || { kill -KILL $$; rm -rf -- "$directory"; } ) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
`

/** Milliseconds to wait for the end of standard error after the exit. */
const lastWords = 200

export interface EnvoyChildOptions {
  /** Path of the binary. */
  readonly binary: string
  readonly args: readonly string[]
  /** Removed if this process dies before the child does. */
  readonly directory: string
  /** Whole lines of standard error. */
  readonly onLine: (line: string) => void
  /** Called once, with the exit status or the signal in words, after the last line. */
  readonly onExit: (reason: string) => void
}

/** An Envoy process that cannot outlive this one. Its standard output is ours. */
export class EnvoyChild {
  readonly #process: ChildProcess
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>
  #alive = true

  constructor({ binary, args, directory, onLine, onExit }: EnvoyChildOptions) {
    this.#process = spawn('/bin/sh', ['-c', wrapper, 'sh', directory, binary, ...args], {
      stdio: ['ignore', 'inherit', 'pipe', 'pipe'],
      // Ctrl-C goes to every process of the terminal's group; Envoy is to be drained first.
      detached: true,
    })
    const [, , errors, watched] = this.#process.stdio as unknown as [null, null, Readable, Writable]
    // Either end may be gone when the other one is used; that is no reason to end.
    watched.on('error', () => {})
    const rest = readLines(errors, onLine)
    const said = new Promise((read) => errors.once('close', read))
    this.exited = new Promise((resolve) => {
      const end = (reason: string) => {
        if (!this.#alive) return
        this.#alive = false
        watched.end('\n')
        // What Envoy said last may be read after its exit is known. A process of its own could keep the pipe open.
        void Promise.race([said, sleep(lastWords)]).then(() => {
          rest()
          onExit(reason)
          resolve()
        })
      }
      this.#process.once('error', (error) => end(error.message))
      this.#process.once('exit', (status, signal) => end(signal ?? `status ${status}`))
    })
  }

  get alive(): boolean {
    return this.#alive
  }

  get pid(): number | undefined {
    return this.#alive ? this.#process.pid : undefined
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#alive) this.#process.kill(signal)
  }
}

/** @returns a function that hands over what has no line end yet */
function readLines(stream: Readable, onLine: (line: string) => void): () => void {
  let pending = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (pending + text).split('\n')
    pending = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  return () => {
    if (pending !== '') onLine(pending)
    pending = ''
  }
}
