import { asList, type JsonObject } from './json.ts'

/** Milliseconds that proxies have to accept a change, or to come back, before a status says that they have not. */
const patience = 5_000

/**
 * How long a status may be kept back. A Gateway that was programmed and waits for its proxies (after an edit, or
 * because they reconnect to another replica) is programmed again within a second as a rule: telling both would be
 * two writes and a flicker that sends people looking. What is kept back names the generation that it is about, so
 * what stands meanwhile is late, not false. Anything that somebody has to do something about is told at once.
 */
export function findPatience(live: JsonObject, desired: JsonObject | undefined): number {
  const before = findProgrammed(live)
  const after = findProgrammed(desired ?? {})
  const isOnTheWay = before?.['status'] === 'True' && after?.['status'] !== 'True' && after?.['reason'] === 'Pending'
  return isOnTheWay ? patience : 0
}

function findProgrammed(status: JsonObject): JsonObject | undefined {
  return asList(status['conditions']).find((condition) => condition['type'] === 'Programmed')
}
