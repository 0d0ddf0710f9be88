import type { JsonObject } from './json.ts'
import { differsOnlyIn } from './status-difference.ts'
import type { WriteEntry } from './write-queue.ts'

/** Milliseconds between writes of one object while changes go on: the last of many is to be seen within a second. */
const [firstPace, longestPace] = [250, 900]
/** Counts that have not changed for so long are told. */
const quietTime = 500
/** While they go on changing, they are told so often. */
const longestCountPace = 10_000
const counts: ReadonlySet<string> = new Set(['attachedRoutes', 'attachedListenerSets'])

/** How long a write has to wait, and whether a change in the meantime may be reason not to wait. */
export interface Pause {
  readonly milliseconds: number
  readonly reason: 'pace' | 'quiet'
}

/**
 * Keeps the writes of one object apart. A thousand routes that are applied one after another change a count a
 * thousand times, for as long as a busy API server takes, and nobody reads the numbers in between: their writes are
 * bounded by the time that it takes, not by how many routes there are. A condition is told with less delay, because
 * somebody may wait for it.
 */
export function findPause(entry: WriteEntry, wanted: JsonObject, live: JsonObject, now: number): Pause | undefined {
  const pace = entry.lastWrite + entry.pause - now
  if (pace > 0) return { milliseconds: pace, reason: 'pace' }
  const quiet = Math.min(entry.lastTouch + quietTime, entry.lastWrite + longestCountPace) - now
  return quiet > 0 && differsOnlyIn(wanted, live, counts) ? { milliseconds: quiet, reason: 'quiet' } : undefined
}

/** While changes go on the pauses grow; the first change after a quiet time is written at once. */
export function notePace(entry: WriteEntry, now: number): void {
  const isBusy = now - entry.lastWrite < entry.pause * 2
  entry.pause = isBusy ? Math.min(entry.pause * 2, longestPace) : firstPace
  entry.lastWrite = now
}
