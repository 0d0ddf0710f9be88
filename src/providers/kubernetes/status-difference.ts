import { isObject, type JsonObject } from './json.ts'

/**
 * What the API server makes of a status that we send: old CRDs drop fields that they do not know, others fill in
 * defaults. By place, e.g. "listeners[].attachedListenerSets", because it is the schema that decides, not the item.
 */
export interface ServerEdits {
  readonly dropped: ReadonlySet<string>
  readonly added: ReadonlySet<string>
  /** The whole status, where the server has changed more than that. */
  readonly rewritten: JsonObject | undefined
}

interface Difference {
  readonly place: string
  readonly how: 'only-first' | 'only-second' | 'other'
}

/**
 * Compares what was sent with what came back; the order of fields in an object does not count.
 * @returns undefined if the server took it as it was
 */
export function findServerEdits(sent: JsonObject, answered: JsonObject): ServerEdits | undefined {
  const differences = listDifferences(sent, answered, '')
  if (differences.length === 0) return undefined
  const places = (how: Difference['how']) => new Set(differences.flatMap((d) => (d.how === how ? [d.place] : [])))
  const isRewritten = differences.some(({ how }) => how === 'other')
  return {
    dropped: places('only-first'),
    added: places('only-second'),
    rewritten: isRewritten ? answered : undefined,
  }
}

/**
 * Whether writing `wanted` where `live` is would change nothing.
 * @param edits what the server did when the same was wanted before
 */
export function isSettled(wanted: JsonObject, live: JsonObject, edits?: ServerEdits): boolean {
  const differences = listDifferences(wanted, live, '')
  if (edits === undefined) return differences.length === 0
  if (edits.rewritten !== undefined && listDifferences(edits.rewritten, live, '').length === 0) return true
  return differences.every(
    ({ place, how }) =>
      (how === 'only-first' && edits.dropped.has(place)) || (how === 'only-second' && edits.added.has(place)),
  )
}

/** Whether they differ, and only in fields of these names. */
export function differsOnlyIn(first: JsonObject, second: JsonObject, names: ReadonlySet<string>): boolean {
  const differences = listDifferences(first, second, '')
  return (
    differences.length > 0 &&
    differences.every(({ place, how }) => how === 'other' && names.has(place.slice(place.lastIndexOf('.') + 1)))
  )
}

function listDifferences(first: unknown, second: unknown, place: string): Difference[] {
  if (first === second) return []
  if (Array.isArray(first) && Array.isArray(second) && first.length === second.length)
    return first.flatMap((item, index) => listDifferences(item, second[index], `${place}[]`))
  if (!isObject(first) || !isObject(second)) return [{ place, how: 'other' }]
  const differences: Difference[] = []
  for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
    const inside = place === '' ? name : `${place}.${name}`
    // JSON has no undefined: such a field is not sent.
    if (fieldOf(second, name) === undefined) {
      if (fieldOf(first, name) !== undefined) differences.push({ place: inside, how: 'only-first' })
    } else if (fieldOf(first, name) === undefined) differences.push({ place: inside, how: 'only-second' })
    else differences.push(...listDifferences(first[name], second[name], inside))
  }
  return differences
}

function fieldOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
