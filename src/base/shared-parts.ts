/** Parts that were seen lately are remembered in so many places; a power of two. */
const places = 1024
/** Longer texts and lists are hardly ever the same, and looking at them takes long. */
const longText = 64
const manyItems = 8

/**
 * Thousands of objects say the same in many of their parts: the same Gateway, the same path, the same port. This keeps
 * one copy of them. It remembers a limited number of parts, so that it neither grows nor has to be told of the end of
 * any: the worst that can happen is that an equal part is kept twice.
 */
export class SharedParts {
  #seen: unknown[] | undefined
  readonly #constant: object | undefined
  /** Of what `#share` returned last. Equal values have equal ones. */
  #hash = 0

  /** @param constant a frozen value that may be met in others, and of which there is one anyway */
  constructor(constant?: object) {
    this.#constant = constant
  }

  /**
   * Exchanges parts of a plain value, as JSON gives them, for equal ones of values before. Nobody may change any of
   * them from then on.
   * @param except a member that stays as it is
   * @returns `value` itself; only what is in it is exchanged
   */
  shareWithin<T extends object>(value: T, except?: keyof T & string): T {
    this.#shareMembers(value as Record<string, unknown>, except)
    return value
  }

  /** @returns an equal text that was seen before, if it is remembered */
  shareText(text: string): string {
    return this.#shareText(text)
  }

  #share(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return this.#shareText(value)
      case 'number':
        this.#hash = value | 0
        return value
      case 'object':
        if (value === null) return this.#opaque(value)
        return Array.isArray(value) ? this.#shareList(value) : this.#shareObject(value as Record<string, unknown>)
      default:
        return this.#opaque(value)
    }
  }

  /** What is not looked into is equal to itself at most. */
  #opaque<T>(value: T): T {
    this.#hash = 7
    return value
  }

  #shareText(text: string): string {
    const { length } = text
    if (length > longText || length === 0) {
      this.#hash = length
      return text
    }
    // The beginnings of names are alike, their ends mostly differ.
    let hash = length
    for (let at = length - 1; at >= 0 && at >= length - 6; at--) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
    hash = (Math.imul(hash, 31) + text.charCodeAt(length >> 1)) | 0
    this.#hash = hash
    this.#seen ??= new Array(places).fill(undefined)
    const seen = this.#seen
    const at = placeOf(hash)
    const known = seen[at]
    if (known === text) return known as string
    seen[at] = text
    return text
  }

  #shareObject(value: Record<string, unknown>): unknown {
    if (value === this.#constant) return this.#opaque(value)
    return this.#shareMembers(value) > manyItems ? value : this.#remember(value)
  }

  #shareList(list: unknown[]): unknown {
    const { length } = list
    let hash = ~length
    for (let at = 0; at < length; at++) {
      const before = list[at]
      const shared = this.#share(before)
      if (shared !== before || typeof shared === 'string') list[at] = shared
      hash = (Math.imul(hash, 31) + this.#hash) | 0
    }
    this.#hash = hash
    return length > manyItems ? list : this.#remember(list)
  }

  /** @returns how many there are */
  #shareMembers(value: Record<string, unknown>, except?: string): number {
    let hash = 0
    let count = 0
    // Plain values inherit nothing that would be met here.
    for (const key in value) {
      if (key === except) continue
      const before = value[key]
      const shared = this.#share(before)
      if (shared !== before || typeof shared === 'string') value[key] = shared
      hash = (Math.imul(hash, 31) + this.#hash + key.length) | 0
      count++
    }
    this.#hash = (hash + count) | 0
    return count
  }

  /** @returns an equal one that was seen before, if it is remembered */
  #remember(value: object): object {
    this.#seen ??= new Array(places).fill(undefined)
    const seen = this.#seen
    const at = placeOf(this.#hash)
    const known = seen[at]
    if (typeof known === 'object' && known !== null && isSame(known, value)) return known
    seen[at] = value
    return value
  }
}

function placeOf(hash: number): number {
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (places - 1)
}

/** Whose members are shared already: of equal ones there is mostly one copy, so that looking deeper is not worth it. */
function isSame(a: object, b: object): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && isSameList(a, b)
  if (Array.isArray(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  const keys = Object.keys(a)
  const others = Object.keys(b)
  const { length } = keys
  if (length !== others.length) return false
  for (let at = 0; at < length; at++) {
    const key = keys[at] as string
    if (others[at] !== key || !Object.is(fieldOf(a, key), fieldOf(b, key))) return false
  }
  return true
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (!Object.is(a[at], b[at])) return false
  return true
}

function fieldOf(object: object, key: string): unknown {
  return (object as Readonly<Record<string, unknown>>)[key]
}
