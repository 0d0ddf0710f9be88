import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BucketCount, bucketCounts, bucketOf, buildBucketMutation, listBuckets } from './bucket-expression.ts'

const labels = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?$/)
const hostnames = fc.array(labels, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'))

/** The value as Envoy gets it: CEL calls in per cent signs. */
function formatOf(count: BucketCount): string {
  const text = Buffer.from((buildBucketMutation(count).typedConfig as { value: Uint8Array }).value).toString()
  return text.slice(text.indexOf('%CEL('), text.lastIndexOf(')%') + 2)
}

const regexesOf = (format: string) => [...format.matchAll(/matches\('([^']*)'\)/g)].map(([, regex]) => regex as string)

/**
 * RE2 needs an instruction for each run of a character class, both cases in one, one for each choice and
 * repetition, and some for the rest. Not less than what google-re2 counts, which is 36 to 52 for most
 * and 85 and 89 for the two in which places count.
 */
function estimateProgram(regex: string): number {
  const classes = [...regex.matchAll(/\[([^\]]*)\]/g)].map(([, characters = '']) => characters)
  const choices = regex.replaceAll(/\[[^\]]*\]|\(\?:/g, '').match(/[*?|]/g)?.length ?? 0
  return classes.reduce((size, text) => size + countRuns(text), choices + 8)
}

function countRuns(characters: string): number {
  if (characters === '!-9;-~') return 2
  const text = characters.replace(/[A-Z]+$/, '')
  return [...text].filter((_, i) => i === 0 || text.charCodeAt(i) !== text.charCodeAt(i - 1) + 1).length
}

/** What CEL makes of nested questions; regular expressions mean the same in JavaScript. */
function evaluate(format: string, host: string): string {
  return format
    .split('%')
    .filter((command) => command !== '')
    .map((command) => {
      let rest = command.slice('CEL('.length, -1)
      for (;;) {
        const inner = /\(request\.host\.matches\('([^']*)'\)\?'(\w)':'(\w)'\)/.exec(rest)
        if (!inner) return rest.slice(1, -1)
        const [all, regex = '', yes = '', no = ''] = inner
        rest = rest.replace(all, () => `'${new RegExp(regex).test(host) ? yes : no}'`)
      }
    })
    .join('')
}

describe.each(bucketCounts)('the bucket among %i', (count) => {
  const format = formatOf(count)

  it('is the same in the expression and here, in either case, with a port and without', () => {
    const port = fc.constantFrom('', ':80', ':8443', ':')
    fc.assert(
      fc.property(hostnames, port, fc.boolean(), (hostname, suffix, isUpper) => {
        const host = `${isUpper ? hostname.toUpperCase() : hostname}${suffix}`
        expect(evaluate(format, host)).toBe(bucketOf(hostname, count))
      }),
    )
  })

  it('is one of those listed, for whatever a client sends', () => {
    const listed = new Set(listBuckets(count))
    expect(listed.size).toBe(count)
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (host) => {
        expect(listed).toContain(evaluate(format, host))
        expect(listed).toContain(bucketOf(host, count))
      }),
    )
  })

  it('is asked of regular expressions that Envoy takes: at most 100 instructions', () => {
    const sizes = [...new Set(regexesOf(format))].map(estimateProgram)
    expect(sizes).toHaveLength(Math.log2(count))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100)
  })

  it('is shared by about as many hosts as any other, whatever tells them apart', () => {
    const number = count * 200
    const names: Record<string, (i: number) => string> = {
      numbers: (i) => `host-${i}.example.com`,
      padded: (i) => `t${String(i).padStart(6, '0')}.tenants.test`,
      hexadecimal: (i) =>
        `${Math.imul(i + 1, 2654435761 | 0)
          .toString(16)
          .replace('-', '')}.preview.dev`,
      letters: (i) => `${Number(i + 36 ** 4).toString(36)}.shop.io`,
    }
    for (const [kind, name] of Object.entries(names)) {
      const sizes = new Map<string, number>()
      for (let i = 0; i < number; i++) {
        const bucket = bucketOf(name(i), count)
        sizes.set(bucket, (sizes.get(bucket) ?? 0) + 1)
      }
      expect(sizes.size, kind).toBe(count)
      expect(Math.max(...sizes.values()), kind).toBeLessThan(500)
    }
  })
})

it('a bucket stays what it is: another one would be sent to every proxy again', () => {
  expect(['shop.example.com', 'a.test', 'xn--mnchen-3ya.de'].map((name) => bucketOf(name, 64))).toEqual([
    '51',
    'e1',
    '62',
  ])
  expect(['shop.example.com', 'a.test', 'xn--mnchen-3ya.de'].map((name) => bucketOf(name, 256))).toEqual([
    '5d',
    'e5',
    '6a',
  ])
  expect(bucketOf('xn--mnchen-3ya.de', 16)).toBe('6')
})
