const whole = /^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/
const part = /([0-9]+)(h|ms|m|s)/g
const unitMilliseconds = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const

/**
 * Reads a duration of Gateway API (GEP-2257): one to four numbers of at most five digits, each with
 * the unit h, m, s or ms, in any order; equal units add up.
 * @returns milliseconds, or undefined when the text is no such duration
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 32 || !whole.test(text)) return undefined
  let milliseconds = 0
  for (const [, digits, unit] of text.matchAll(part))
    milliseconds += Number(digits) * unitMilliseconds[unit as keyof typeof unitMilliseconds]
  return milliseconds
}
