import { LruMap } from '../../base/lru-map.ts'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import type { LiveStatus } from './api-client.ts'
import { isOlderVersion } from './resource-version.ts'

/** What became of the status of one object; `live` is undefined when the object is gone. */
export interface LiveStatusChange {
  readonly kind: string
  readonly key: NamespacedName
  readonly live: LiveStatus | undefined
}

/** Thousands of routes have the same status, written in the same second: so many texts are kept only once. */
const sharedTexts = 256

/**
 * The statuses of all objects as the API server has them, as far as we know: filled by the reflectors, and by the
 * answers to our own writes, which come earlier. What is known already is never overwritten by something older.
 */
export class LiveStatuses {
  readonly #byKind = new Map<string, Map<NamespacedName, LiveStatus>>()
  readonly #texts = new LruMap<string, string>(sharedTexts)
  readonly #listeners = new Set<(changes: readonly LiveStatusChange[]) => void>()

  get(kind: string, key: NamespacedName): LiveStatus | undefined {
    return this.#byKind.get(kind)?.get(key)
  }

  keys(kind: string): Iterable<NamespacedName> {
    return this.#byKind.get(kind)?.keys() ?? []
  }

  /** For providers: what they have seen, in order. */
  applyStatus(changes: readonly LiveStatusChange[]): void {
    const effective = changes.filter((change) => {
      const known = this.get(change.kind, change.key)
      if (change.live === undefined) return known !== undefined
      if (known === undefined) return true
      const { resourceVersion } = change.live
      return resourceVersion !== known.resourceVersion && !isOlderVersion(resourceVersion, known.resourceVersion)
    })
    this.#put(effective)
  }

  /** Whatever was known is wrong: this is what the API server has now. */
  replace(change: LiveStatusChange): void {
    this.#put([change])
  }

  /**
   * Calls the listener with what has changed, after it did.
   * @returns ends the subscription
   */
  subscribe(listener: (changes: readonly LiveStatusChange[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #put(changes: readonly LiveStatusChange[]): void {
    if (changes.length === 0) return
    for (const { kind, key, live } of changes) {
      if (live === undefined) this.#byKind.get(kind)?.delete(key)
      else {
        let ofKind = this.#byKind.get(kind)
        if (ofKind === undefined) {
          ofKind = new Map()
          this.#byKind.set(kind, ofKind)
        }
        const { resourceVersion, generation } = live
        const before = ofKind.get(key)?.uid
        // The object in force has the text of the first event, too.
        const uid = before === live.uid ? before : live.uid
        ofKind.set(key, { resourceVersion, generation, uid, status: this.#share(live.status) })
      }
    }
    for (const listener of this.#listeners) listener(changes)
  }

  #share(text: string): string {
    const known = this.#texts.get(text)
    if (known === undefined) this.#texts.set(text, text)
    return known ?? text
  }
}
