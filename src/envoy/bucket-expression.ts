import { envoy } from '../gen/envoy.js'
import { packAny } from './any.ts'

const { HeaderMutation } = envoy.extensions.http.early_header_mutation.header_mutation.v3
const { OVERWRITE_IF_EXISTS_OR_ADD } = envoy.config.core.v3.HeaderValueOption.HeaderAppendAction

/*
 * Envoy picks the table of a request by the exact value of a header, and can compute that header from the
 * host with what CEL offers to it: regular expressions and `?:`, no hash and no arithmetic on strings.
 * So a bucket is made of parity bits. Bit i is "even" when the host has an even number of characters from
 * set i, which is a regular language; of the last two sets only characters at the first, third, fifth... place
 * count, because numbers in names have too few digits for more bits than six. Only what Envoy's own virtual host lookup would find by an exact domain
 * must land in the right bucket; every other host may land anywhere, since every bucket has the wildcards.
 */

/** How many tables a port may be divided into. Each bucket becomes four in the next larger division. */
export const bucketCounts = [16, 64, 256] as const
export type BucketCount = (typeof bucketCounts)[number]

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
  '1278acepqrstvy',
  '02389adjklmqrtwxyz',
] as const
/** From this set on only every other character counts. */
const firstPlaced = 6
const alphabet = '-.0123456789abcdefghijklmnopqrstuvwxyz'

/** Parities as bits, by the code of the character: at an odd place, where all sets count, and at an even one. */
const parities: (readonly [odd: number, even: number] | undefined)[] = Array.from({ length: 128 }, (_, code) => {
  const c = String.fromCharCode(code)
  const odd = sets.reduce((bits, set, i) => bits | (+set.includes(c) << i), 0)
  return alphabet.includes(c) ? [odd, odd & ((1 << firstPlaced) - 1)] : undefined
})

/** The header's value for a host that Envoy finds under this domain, which is in lower case: one hexadecimal digit for 16 buckets, otherwise two. */
export function bucketOf(hostname: string, count: BucketCount): string {
  let bits = 0
  for (let place = 0; place < hostname.length; place++) {
    const parity = parities[hostname.charCodeAt(place)]
    // What no expression matches has every bit set.
    if (parity === undefined) return nameBucket(count - 1, count)
    bits ^= parity[place & 1] as number
  }
  return nameBucket(bits, count)
}

function nameBucket(bits: number, count: BucketCount): string {
  const low = (bits & 15).toString(16)
  return count === 16 ? low : `${low}${((bits & (count - 1)) >> 4).toString(16)}`
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
  const tests = sets.map((set, i) => (i < firstPlaced ? evenly(set) : evenlyPlaced(set)))
  const low = `%CEL(${nest(tests.slice(0, 4), 0)})%`
  return count === 16 ? low : `${low}%CEL(${nest(tests.slice(4, Math.log2(count)), 0)})%`
}

/** Asks for the last parity first; a leaf is a hexadecimal digit. */
function nest(rest: readonly string[], bits: number): string {
  const even = rest.at(-1)
  if (even === undefined) return `'${bits.toString(16)}'`
  const others = rest.slice(0, -1)
  const odd = bits | (1 << others.length)
  return `(request.host.matches('${even}')?${nest(others, bits)}:${nest(others, odd)})`
}

/**
 * Matches hosts with an even number of characters from the set, up to a port if there is one, as Envoy's
 * `ignore_port_in_host_matching` reads it. Both cases are written out, because `(?i)` also folds letters
 * beyond ASCII. RE2 makes at most 100 instructions of it, which is Envoy's limit.
 */
function evenly(set: string): string {
  const [inside, outside] = buildClasses(set)
  return `^(?:${outside}|${inside}${outside}*${inside})*(?::|$)`
}

/** The same of the first, third, fifth... character alone. Any character of a host but the colon may stand between them. */
function evenlyPlaced(set: string): string {
  const any = '[!-9;-~]'
  const [inside, outside] = buildClasses(set)
  const between = `${inside}${any}(?:${outside}${any})*${inside}`
  return `^(?:${outside}${any}|${between}${any})*(?:${outside}|${between})?(?::|$)`
}

/** What is in a set, and the rest of the alphabet. */
function buildClasses(set: string): readonly [inside: string, outside: string] {
  const characters = [...alphabet]
  return [buildClass(characters.filter((c) => set.includes(c))), buildClass(characters.filter((c) => !set.includes(c)))]
}

/** A character class for lower-case characters in the order of the alphabet, with their upper case. */
function buildClass(characters: readonly string[]): string {
  const letters = characters.filter((c) => c >= 'a').join('')
  // The hyphen comes first in the alphabet, where it stands for itself.
  return `[${characters.join('')}${letters.toUpperCase()}]`
}
