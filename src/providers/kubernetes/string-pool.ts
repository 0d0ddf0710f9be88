/**
 * Lets equal texts of many objects be one text in memory. Every object that is parsed brings its own
 * "gateway.networking.k8s.io", "PathPrefix" and names of its neighbours.
 */
export class StringPool {
  readonly #texts = new Map<string, string>()
  readonly #maxTexts: number

  /** @param maxTexts forgets all when there are more: then texts are shared among what comes later */
  constructor(maxTexts = 100_000) {
    this.#maxTexts = maxTexts
  }

  internText(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    if (this.#texts.size >= this.#maxTexts) this.#texts.clear()
    this.#texts.set(text, text)
    return text
  }

  /**
   * Replaces the texts of a value in place; the caller owns it and nobody else has seen it.
   * @returns the same value
   */
  intern<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value
    const holder = value as Record<string, unknown>
    for (const key of Object.keys(holder)) {
      const field = holder[key]
      if (typeof field === 'object') this.intern(field)
      else if (typeof field === 'string' && field.length <= maxLength && !unique.has(key))
        holder[key] = this.internText(field)
    }
    return value
  }
}

/** Long texts are seldom equal. */
const maxLength = 128
/** Texts that no other object has. */
const unique: ReadonlySet<string> = new Set(['uid'])
