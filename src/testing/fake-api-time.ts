import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FakeClock } from './xds-clock.ts'

/** Lets what is under way in this process come to rest; no time passes. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn()
}

/** Lets time pass in small steps, with everything that happens meanwhile. Milliseconds. */
export async function pass(clock: FakeClock, milliseconds: number, step = 50): Promise<void> {
  const until = clock.now() + milliseconds
  while (clock.now() < until) {
    clock.advance(Math.min(step, until - clock.now()))
    await settle()
  }
}
