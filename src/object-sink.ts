import { setImmediate as yieldToEvents } from 'node:timers/promises'
import type { EarlyCollection } from './collections/scheduler.ts'
import type { ControlPlane } from './control-plane.ts'
import type { ObjectChange, ObjectSink } from './providers/object-sink.ts'
import { sourcesByKind } from './sources.ts'

/** Milliseconds of work between two pauses for other events: renewals of the Lease and probes do not wait for a load. */
const turn = 5

/**
 * Puts what a provider finds into the sources, one batch for each set of changes.
 * @param early what somebody waits for during a load
 */
export function createSink(
  { scheduler, sources }: Pick<ControlPlane, 'scheduler' | 'sources'>,
  early?: EarlyCollection,
): Required<ObjectSink> {
  const sourceOf = sourcesByKind(sources)
  const write = (changes: readonly ObjectChange[]) => {
    for (const { kind, key, object } of changes) {
      const source = sourceOf(kind)
      if (object === undefined) source.delete(key)
      else source.set(key, object)
    }
  }
  return {
    apply: (changes) => scheduler.batch(() => write(changes)),
    load: (changes) => scheduler.batchInTurns(() => write(changes), createPauses(), { ...(early && { early }) }),
  }
}

/** Of work that is done in turns. @returns what to call between its pieces */
export function createPauses(): () => Promise<void> | undefined {
  let end = performance.now() + turn
  return () => {
    if (performance.now() < end) return undefined
    return yieldToEvents().then(() => {
      end = performance.now() + turn
    })
  }
}

/** So many times events are heard while the rest of a load stands back: proxies are admitted, asked and answered in some. */
const turnsForOthers = 6

/** In the middle of a load: lets others do at once what they have been waiting for. Takes no time if they have not. */
export async function standBack(): Promise<void> {
  for (let turns = 0; turns < turnsForOthers; turns++) await yieldToEvents()
}
