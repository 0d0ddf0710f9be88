import { parseArgs } from 'node:util'

/** One flag: declared once, with what help, parsing and documentation need. */
export interface Option<T> {
  /** Long name without dashes, e.g. "listen-address". */
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** What stands for the value in help, e.g. "DIR"; none for a switch. */
  readonly value?: string
  /** May be given several times; `parse` gets all of them. */
  readonly repeated?: boolean
  /** One or two sentences: meaning, unit, sensible values. */
  readonly help: string
  /** Shown in help. */
  readonly defaultText?: string
  /** @throws UsageError with a sentence that names the fix */
  readonly parse: (given: readonly string[]) => T
}

/** A wrong command line. The message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The values of a set of options. */
export type OptionValues<O extends Readonly<Record<string, Option<unknown>>>> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never
}

/** A switch: false unless given. */
export function switchOption(name: string, help: string, short?: string): Option<boolean> {
  return { name, help, ...(short !== undefined && { short }), parse: (given) => given.length > 0 }
}

/** A text with a default. */
export function textOption(name: string, value: string, fallback: string, help: string): Option<string> {
  return { name, value, help, defaultText: fallback, parse: (given) => given.at(-1) ?? fallback }
}

/** One of a few words. */
export function choiceOption<const W extends readonly string[]>(
  name: string,
  words: W,
  fallback: W[number],
  help: string,
  short?: string,
): Option<W[number]> {
  const parse = (given: readonly string[]): W[number] => {
    const word = given.at(-1) ?? fallback
    if (!words.includes(word)) throw new UsageError(`--${name} "${word}" is unknown: use ${words.join(', ')}`)
    return word
  }
  return { name, value: words.join('|'), help, defaultText: fallback, parse, ...(short !== undefined && { short }) }
}

/** A whole number in a range. */
export function integerOption(
  name: string,
  value: string,
  range: readonly [number, number],
  fallback: number,
  help: string,
): Option<number> {
  const parse = (given: readonly string[]): number => {
    const text = given.at(-1)
    if (text === undefined) return fallback
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= range[0] && number <= range[1]))
      throw new UsageError(`--${name} "${text}" is not a whole number from ${range[0]} to ${range[1]}`)
    return number
  }
  return { name, value, help, defaultText: String(fallback), parse }
}

/** Reads a command line by its declared options. */
export function parseOptions<O extends Readonly<Record<string, Option<unknown>>>>(
  options: O,
  argv: readonly string[],
): OptionValues<O> {
  const declared = Object.fromEntries(
    Object.values(options).map((o) => [
      o.name,
      {
        type: o.value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(o.short !== undefined && { short: o.short }),
      },
    ]),
  )
  let values: Readonly<Record<string, unknown>>
  try {
    values = parseArgs({ args: [...argv], options: declared, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error))
  }
  const result: Record<string, unknown> = {}
  for (const [key, option] of Object.entries(options)) {
    const given = ((values[option.name] as readonly unknown[] | undefined) ?? []).map(String)
    if (given.length > 1 && !option.repeated && option.value !== undefined)
      throw new UsageError(`--${option.name} is given ${given.length} times: give it once`)
    result[key] = option.parse(given)
  }
  return result as OptionValues<O>
}

/** An IP address with a port, as servers listen on it. */
export function addressOption(name: string, fallback: string, help: string): Option<string> {
  return {
    ...textOption(name, 'ADDRESS:PORT', fallback, help),
    parse: (given) => {
      const address = given.at(-1) ?? fallback
      const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})$/.exec(address)?.[1] ?? Number.NaN)
      if (!(port >= 0 && port <= 65_535))
        throw new UsageError(`--${name} "${address}" is not an IP address with a port, such as 0.0.0.0:18000`)
      return address
    },
  }
}
