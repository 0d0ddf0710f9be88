import { envoy } from '../gen/envoy.js'
import { packAny } from './any.ts'

const { HeaderMutation } = envoy.extensions.http.early_header_mutation.header_mutation.v3
const { OVERWRITE_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction

/*
 * Envoy picks the table of a request by the exact value of a header, and can compute that header from the
 * host with what CEL offers to it: regular expressions and `?:`, no hash and no arithmetic on strings.
 * So a bucket is made of parity bits. Bit i is "even" when the host has an even number of characters from
 * set i, which is a regular language. Only what Envoy's own virtual host lookup would find by an exact domain
 * must land in the right bucket; every other host may land anywhere, since every bucket has the wildcards.
 */

/** How many tables a port may be divided into. Each bucket of 16 becomes four of 64. */
export type BucketCount = 16 | 64

/** Set by Envoy for itself: a client's own is replaced, and backends never see it. */
export const bucketHeader = 'x-gw-bucket'

/**
 * The character sets, found by a random search: whichever of digits, hexadecimal digits or letters tells
 * hostnames apart, the buckets have about the same size. They are part of what proxies hold: changing one
 * replaces every bucket of every large port.
 */
const sets = [
  '023567dehijknqrsuvxyz',
  '0249acdfghijklmptuz',
  '13459defhijloprtvxy',
  '025789abdfghjkoqtuvyz',
  '015678ghmoprswxy',
  '024789abceijlmoqtuxyz',
] as const
const alphabet = '-.0123456789abcdefghijklmnopqrstuvwxyz'

/** Parities as bits, by character. */
const parities = new Map(
  [...alphabet].map((c) => [c, sets.reduce((bits, set, i) => bits | (+set.includes(c) << i), 0)]),
)

/** The header's value for a host that Envoy finds under this domain, which is in lower case: one digit, or two for 64 buckets. */
export function bucketOf(hostname: string, count: BucketCount): string {
  let bits = 0
  for (const character of hostname) {
    const parity = parities.get(character)
    // What no expression matches has every bit set.
    if (parity === undefined) return nameBucket(count - 1, count)
    bits ^= parity
  }
  return nameBucket(bits, count)
}

function nameBucket(bits: number, count: BucketCount): string {
  const low = (bits & 15).toString(16)
  return count === 16 ? low : `${low}${(bits >> 4) & 3}`
}

/** Every value that {@link bucketOf} can have. */
export function listBuckets(count: BucketCount): string[] {
  return Array.from({ length: count }, (_, bits) => nameBucket(bits, count)).sort()
}

/** Computes the bucket of a request before its table is looked up. */
export function buildBucketMutation(count: BucketCount): envoy.config.core.v3.TypedExtensionConfig {
  const value = buildBucketFormat(count)
  return {
    name: 'envoy.http.early_header_mutation.header_mutation',
    typedConfig: packAny(HeaderMutation, {
      mutations: [{ append: { header: { key: bucketHeader, value }, appendAction: OVERWRITE_IF_EXISTS_OR_ADD } }],
    }),
  }
}

/** The header's value as an Envoy format: one expression for the first digit, one for the second. */
function buildBucketFormat(count: BucketCount): string {
  const low = `%CEL(${nest(sets.slice(0, 4), 0)})%`
  return count === 16 ? low : `${low}%CEL(${nest(sets.slice(4), 0)})%`
}

/** Asks for the parity of the last set first; a leaf is a hexadecimal digit. */
function nest(rest: readonly string[], bits: number): string {
  const set = rest.at(-1)
  if (set === undefined) return `'${bits.toString(16)}'`
  const others = rest.slice(0, -1)
  const odd = bits | (1 << others.length)
  return `(request.host.matches('${evenly(set)}')?${nest(others, bits)}:${nest(others, odd)})`
}

/**
 * Matches hosts with an even number of characters from the set, up to a port if there is one, as Envoy's
 * `ignore_port_in_host_matching` reads it. Both cases are written out, because `(?i)` also folds letters
 * beyond ASCII. RE2 makes at most 100 instructions of it, which is Envoy's limit.
 */
function evenly(set: string): string {
  const inside = buildClass([...alphabet].filter((c) => set.includes(c)))
  const outside = buildClass([...alphabet].filter((c) => !set.includes(c)))
  return `^(?:${outside}|${inside}${outside}*${inside})*(?::|$)`
}

/** A character class for lower-case characters in the order of the alphabet, with their upper case. */
function buildClass(characters: readonly string[]): string {
  const letters = characters.filter((c) => c >= 'a').join('')
  // The hyphen comes first in the alphabet, where it stands for itself.
  return `[${characters.join('')}${letters.toUpperCase()}]`
}
