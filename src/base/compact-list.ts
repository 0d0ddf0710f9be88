/** The one empty list: thousands of nodes have nothing to say in several fields, and lists of their own cost memory. */
export const none: readonly never[] = Object.freeze([])

/**
 * The same items in a list that is no longer than it must be, for values that are kept. V8 gives a
 * list that was built by `push` or `filter` room for 17 items with the first one.
 */
export function compactList<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? none : list.slice()
}
