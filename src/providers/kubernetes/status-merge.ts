import { gatewayGroup } from '../../gatewayapi/objects/reference.ts'
import { asList, asObject, type JsonObject } from './json.ts'
import { clipCondition, clipFields, clipList, sizeLimits } from './status-limit.ts'
import type { EntriesShape, OwnerShape, StatusShape } from './status-shape.ts'

/** What a merge needs to know beside the two statuses. */
export interface MergeContext {
  /** Marks our entries in lists that we share with others. */
  readonly controllerName: string
  /** Of the object: where a reference without a namespace points. */
  readonly namespace: string
  /** RFC 3339: lastTransitionTime of conditions whose status changes now. */
  readonly now: string
}

export interface MergedStatus {
  readonly status: JsonObject
  /** What the API server's size limits made us leave out, for the log. */
  readonly clipped: readonly string[]
}

/**
 * The status as we would have it: ours replaced, everything of others as it is, in the order it is in.
 * Merging the result once more with the same desired status changes nothing.
 * @param live as the API server has it; nothing in it is relied upon
 * @param desired undefined: nothing in the object is ours any more. Our entries in shared lists go then; a status
 * that has one owner is left to its next one.
 */
export function mergeStatus(
  shape: StatusShape,
  live: JsonObject,
  desired: JsonObject | undefined,
  context: MergeContext,
): MergedStatus {
  const clipped: string[] = []
  if (shape.form === 'entries') return { status: mergeEntries(shape, live, desired ?? {}, context, clipped), clipped }
  if (desired === undefined) return { status: live, clipped }
  return { status: mergeOwner(shape, live, desired, context, clipped), clipped }
}

function mergeOwner(
  shape: OwnerShape,
  live: JsonObject,
  given: JsonObject,
  { now }: MergeContext,
  clipped: string[],
): JsonObject {
  const desired = clipFields(given, clipped)
  const conditions = mergeConditions(shape.conditionTypes, live['conditions'], desired['conditions'], now, '', clipped)
  const status = { ...live, ...desired, conditions }
  if (desired['listeners'] === undefined) return status
  const liveByName = new Map(asList(live['listeners']).map((listener) => [listener['name'], listener]))
  const listeners = asList(desired['listeners']).map((listener) => {
    const before = liveByName.get(listener['name']) ?? {}
    const what = `listener "${String(listener['name'])}" `
    const types = shape.listenerConditionTypes
    const conditions = mergeConditions(types, before['conditions'], listener['conditions'], now, what, clipped)
    return { ...before, ...clipFields(listener, clipped, what), conditions }
  })
  return { ...status, listeners: orderAs(asList(live['listeners']), listeners, (listener) => listener['name']) }
}

function mergeEntries(
  shape: EntriesShape,
  live: JsonObject,
  desired: JsonObject,
  context: MergeContext,
  clipped: string[],
): JsonObject {
  const { list, reference, max } = shape
  const keyOf = (entry: JsonObject) => referenceKey(asObject(entry[reference]), context.namespace)
  const wanted = new Map(asList(desired[list]).map((entry) => [keyOf(entry), entry]))
  const isOurs = (entry: JsonObject) => entry['controllerName'] === context.controllerName
  const before = asList(live[list])
  const room = max - before.filter((entry) => !isOurs(entry)).length
  const ours = clipList([...wanted], Math.max(0, room), list, clipped)
  const left = new Map(ours)
  const merge = (entry: JsonObject, old: JsonObject): JsonObject => {
    const what = `${list} "${keyOf(entry)}" `
    const types = shape.conditionTypes
    const conditions = mergeConditions(types, old['conditions'], entry['conditions'], context.now, what, clipped)
    return { ...old, ...entry, conditions }
  }
  const merged = before.flatMap((entry) => {
    if (!isOurs(entry)) return [entry]
    const key = keyOf(entry)
    const next = left.get(key)
    // A second entry of ours about one thing goes, too.
    left.delete(key)
    return next === undefined ? [] : [merge(next, entry)]
  })
  for (const entry of left.values()) merged.push(merge(entry, {}))
  // An object whose status nobody ever wrote stays as it is.
  if (merged.length === 0 && live[list] === undefined) return live
  return { ...live, [list]: merged }
}

/** Two references are about one thing if they are the same once defaults are filled in. */
function referenceKey(reference: JsonObject, namespace: string): string {
  const { group = gatewayGroup, kind = 'Gateway', namespace: given = namespace, name, sectionName, port } = reference
  const section = sectionName === undefined ? '' : `/${String(sectionName)}`
  return `${String(group)}/${String(kind)}/${String(given)}/${String(name)}${section}${port === undefined ? '' : `:${String(port)}`}`
}

function mergeConditions(
  ownTypes: ReadonlySet<string>,
  liveConditions: unknown,
  desiredConditions: unknown,
  now: string,
  what: string,
  clipped: string[],
): readonly JsonObject[] {
  const live = asList(liveConditions)
  const isForeign = (condition: JsonObject) => !ownTypes.has(String(condition['type']))
  const desired = new Map(asList(desiredConditions).map((condition) => [condition['type'], condition]))
  const foreign = live.filter((condition) => isForeign(condition) && !desired.has(condition['type']))
  const room = Math.max(0, sizeLimits.conditions - foreign.length)
  const left = new Map(clipList([...desired], room, `${what}conditions`, clipped))
  const merged = live.flatMap((condition) => {
    const type = condition['type']
    const next = left.get(type)
    left.delete(type)
    if (next !== undefined) return [mergeCondition(condition, next, now, what, clipped)]
    return desired.has(type) || !isForeign(condition) ? [] : [condition]
  })
  for (const condition of left.values()) merged.push(mergeCondition({}, condition, now, what, clipped))
  return merged
}

/** What the CRDs write in before any controller has spoken. */
const beginningOfTime = '1970-01-01T00:00:00Z'

function mergeCondition(
  live: JsonObject,
  desired: JsonObject,
  now: string,
  what: string,
  clipped: string[],
): JsonObject {
  const since = live['lastTransitionTime']
  const isUnchanged = live['status'] === desired['status'] && typeof since === 'string' && since !== beginningOfTime
  const condition = clipCondition(desired, what, clipped)
  return { ...live, ...condition, lastTransitionTime: isUnchanged ? since : now }
}

/** In the order of the old list, so that equal content is an equal list; new items come last. */
function orderAs<T>(old: readonly T[], items: readonly T[], nameOf: (item: T) => unknown): readonly T[] {
  const position = new Map(old.map((item, index) => [nameOf(item), index]))
  const place = (item: T) => position.get(nameOf(item)) ?? old.length
  return [...items].sort((a, b) => place(a) - place(b))
}
