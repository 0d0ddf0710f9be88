import { RE2JS } from 're2js'
import { checkEscapes } from './regular-expression-escape.ts'

/** In characters. Paths are at most 1,024 long by the API; longer header patterns are no use to anybody. */
export const maxRegularExpressionLength = 1024

/**
 * In instructions of the program that Envoy's RE2 makes of a pattern, as estimated by
 * {@link estimateProgramSize}. Envoy's own default is 100, which refuses ordinary patterns; our bootstrap sets it
 * to this number. Without a limit one tenant's `(\pL{30}){30}` (a million instructions, tens of megabytes) would be
 * everybody's. `\p{L}` alone is 1,200; `[^/]{500}` is 4,004.
 */
export const maxRegularExpressionSize = 5000

/**
 * Checks a pattern that a tenant wrote before it goes to Envoy, which refuses the whole table for one bad
 * pattern. The syntax is RE2's: no look-around, no back-references. The time is bounded (a few
 * milliseconds) because patterns that would expand to large programs are refused before they are compiled.
 * @returns what is wrong and how to put it right, undefined when nothing is
 */
export function checkRegularExpression(pattern: string): string | undefined {
  // Envoy refuses it, and it could match nothing that a request has.
  if (pattern === '') return 'the pattern is empty and matches nothing: write one, or remove the match'
  if (pattern.length > maxRegularExpressionLength)
    return `the pattern has ${pattern.length} characters: use at most ${maxRegularExpressionLength}`
  if (estimateProgramSize(pattern) > maxRegularExpressionSize)
    return 'the pattern is too costly: use smaller repeat counts and fewer Unicode classes'
  try {
    RE2JS.compile(pattern)
    return checkEscapes(pattern)
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error)
    return `not an RE2 regular expression: ${reason}`
  }
}

/** Bytes of UTF-8 make one instruction each: what one character outside ASCII may cost. */
const wideCost = 4
/** Any character at all, or all but a few: an instruction for each form of UTF-8 sequence. */
const anyCost = 9
/** The largest Unicode class, with some room for later versions of Unicode. */
const unicodeClassCost = 1250
/** Without case, "k" is also "K" and the Kelvin sign. */
const foldCost = 4

/**
 * An upper bound for the instructions of a pattern's program in the C++ library RE2, found in one pass
 * and without building anything. It knows groups, repeats and classes; on text that is no pattern it
 * still ends, with any number.
 */
export function estimateProgramSize(pattern: string): number {
  const fold = /\(\?[a-zA-Z]*i/.test(pattern) ? foldCost : 1
  /** Instructions of the enclosing groups, outermost first, up to where the inner group began. */
  const outer: number[] = []
  let total = 4
  let last = 0
  const add = (cost: number) => {
    total += cost
    last = cost
  }
  let at = 0
  while (at < pattern.length) {
    const character = pattern[at] as string
    const flags = character === '(' ? /^\(\?[-a-zA-Z]{1,16}\)/.exec(pattern.slice(at, at + 20)) : null
    if (flags) {
      // No group: a repeat after it applies to what stands before it.
      at += flags[0].length
    } else if (character === '(') {
      outer.push(total)
      total = 0
      last = 0
      at += 1
    } else if (character === ')') {
      const group = total + 2
      total = outer.pop() ?? 0
      add(group)
      at += 1
    } else if (character === '[') {
      const [cost, end] = estimateClass(pattern, at, fold)
      add(cost)
      at = end
    } else if (character === '{') {
      const repeat = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(pattern.slice(at, at + 24))
      if (repeat) {
        // x{n,} is n copies and a star; x{n,m} is m copies, m - n of them optional.
        const copies = Math.max(Number(repeat[1]) + (repeat[2] === undefined ? 0 : 1), Number(repeat[3] ?? 0), 1)
        const repeated = (last + (repeat[2] === undefined ? 0 : 2)) * copies
        total += repeated - last
        last = repeated
      } else add(fold)
      at += repeat ? repeat[0].length : 1
    } else if (character === '\\') {
      const [cost, end] = estimateEscape(pattern, at, fold)
      // "\Q\E" is nothing: a repeat after it applies to what stands before it.
      if (cost > 0) add(cost)
      at = end
    } else {
      if (character === '*' || character === '+' || character === '?' || character === '|') {
        total += 2
        last += 2
      } else if (character === '.') add(anyCost)
      else add(character > '\x7f' ? wideCost * fold : fold)
      at += 1
    }
    if (total > Number.MAX_SAFE_INTEGER / 4096) return Number.POSITIVE_INFINITY
  }
  return outer.reduce((sum, size) => sum + size, total)
}

/** @returns the cost of the class that begins at `start`, and where it ends */
function estimateClass(pattern: string, start: number, fold: number): [cost: number, end: number] {
  let at = start + 1
  let cost = 1
  if (pattern[at] === '^') {
    cost += anyCost
    at += 1
  }
  for (let first = true; at < pattern.length; first = false) {
    const character = pattern[at] as string
    if (character === ']' && !first) return [cost, at + 1]
    if (character === '\\') {
      const [escaped, end] = estimateEscape(pattern, at, fold)
      cost += escaped + wideCost * 2
      at = end
    } else {
      const posix = pattern.startsWith('[:', at) ? pattern.indexOf(':]', at) : -1
      cost += posix >= 0 ? (anyCost + 4) * fold : (character > '\x7f' ? wideCost * 2 : 1) * fold
      at = posix >= 0 ? posix + 2 : at + 1
    }
  }
  return [cost, at]
}

/** @returns the cost of the escape that begins at `start`, and where it ends */
function estimateEscape(pattern: string, start: number, fold: number): [cost: number, end: number] {
  const kind = pattern[start + 1] ?? ''
  if (kind === 'p' || kind === 'P') {
    const end = pattern[start + 2] === '{' ? pattern.indexOf('}', start) : start + 2
    return [unicodeClassCost * (fold > 1 ? 2 : 1), end < 0 ? pattern.length : end + 1]
  }
  if (kind === 'E') return [0, start + 2]
  if (kind === 'Q') {
    const end = pattern.indexOf('\\E', start)
    const text = pattern.slice(start + 2, end < 0 ? pattern.length : end)
    return [text.length * wideCost * fold, end < 0 ? pattern.length : end + 2]
  }
  if (kind === 'D' || kind === 'S' || kind === 'W') return [anyCost + 4, start + 2]
  return [wideCost * fold, start + 2]
}
