import type { Clock } from '../../base/clock.ts'

export interface BackoffRange {
  /** Milliseconds: the longest first wait. */
  readonly base: number
  /** Milliseconds: the longest wait of all. */
  readonly max: number
}

/**
 * Full jitter: somewhere between nothing and a limit that doubles with each failure, so that many clients
 * of a server that comes back do not come all at once.
 * @param failures in a row, from 1
 * @returns milliseconds
 */
export function chooseBackoff(failures: number, { base, max }: BackoffRange, random: () => number): number {
  return random() * Math.min(max, base * 2 ** Math.min(failures - 1, 30))
}

/** Waits, but no longer than until the signal is raised. */
export function wait(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(milliseconds, done)
    signal.addEventListener('abort', done)
  })
}
