/** A value that changes, and whoever wants to be told. */
export class ObservableValue<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  current(): T {
    return this.#value
  }

  /**
   * Calls the listener after each change.
   * @returns ends the subscription
   */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Setting what is there already tells nobody. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of this.#listeners) listener()
  }
}
