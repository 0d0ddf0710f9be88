import type { JsonObject } from './json.ts'

/** What the CRDs of the Gateway API allow in a status; characters of texts, items of lists. */
export const sizeLimits = {
  message: 32_768,
  reason: 1_024,
  conditions: 8,
  addresses: 16,
  supportedFeatures: 64,
  listeners: 64,
  supportedKinds: 8,
} as const

const limitedLists = ['addresses', 'supportedFeatures', 'listeners', 'supportedKinds'] as const

/** The first `max` items; what had to go is told. */
export function clipList<T>(items: readonly T[], max: number, what: string, clipped: string[]): readonly T[] {
  if (items.length <= max) return items
  clipped.push(`${what}: ${items.length - max} of ${items.length} left out`)
  return items.slice(0, max)
}

/** Shortens those lists of a status, or of a listener in one, that the API server would refuse. */
export function clipFields(fields: JsonObject, clipped: string[], what = ''): JsonObject {
  let result = fields
  for (const name of limitedLists) {
    const items = result[name]
    if (Array.isArray(items) && items.length > sizeLimits[name])
      result = { ...result, [name]: clipList(items, sizeLimits[name], what + name, clipped) }
  }
  return result
}

/** Shortens the texts of a condition that the API server would refuse. */
export function clipCondition(condition: JsonObject, what: string, clipped: string[]): JsonObject {
  let result = condition
  for (const name of ['message', 'reason'] as const) {
    const text = result[name]
    if (typeof text !== 'string' || text.length <= sizeLimits[name]) continue
    clipped.push(`${what}condition "${String(condition['type'])}": ${name} of ${text.length} characters cut`)
    result = { ...result, [name]: clipText(text, sizeLimits[name]) }
  }
  return result
}

function clipText(text: string, max: number): string {
  const clipped = text.slice(0, max)
  // Half a character would come back from the server as another one.
  return /[\ud800-\udbff]$/.test(clipped) ? clipped.slice(0, -1) : clipped
}
