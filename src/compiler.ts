import { setFlagsFromString } from 'node:v8'

/** Of calls of a function as V8 counts them: how much of it has run. */
const callsBeforeTurboFan = { atStart: 100_000, usual: 3_000 }

/**
 * To be called at the start. TurboFan makes the best code in threads of its own, which take a core from what a start
 * waits for; most of what it would compile is of no use after the start. Maglev, which is quicker, goes on. A function
 * that runs far more than any does during a start is compiled all the same: `--no-turbofan` would exclude those that
 * Maglev has compiled for good.
 */
export function holdBackTurboFan(): void {
  setFlagsFromString(`--invocation-count-for-turbofan=${callsBeforeTurboFan.atStart}`)
}

/** To be called after the start. */
export function releaseTurboFan(): void {
  setFlagsFromString(`--invocation-count-for-turbofan=${callsBeforeTurboFan.usual}`)
}
