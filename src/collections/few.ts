/**
 * A set of objects that mostly has one member or none: a million of them must not cost a million Sets.
 * The members themselves are neither arrays nor Sets. Treat as a value: use what the functions return.
 */
export type Few<T extends object> = undefined | T | readonly T[] | Set<T>

/** A list that mostly has one item or none, made as a whole by `pack`. It is a `Few` as well. */
export type Packed<T extends object> = undefined | T | readonly T[]

/** From here on a Set is cheaper than looking through an array. */
const many = 9

/** Adding what is there already changes nothing. */
export function addToFew<T extends object>(few: Few<T>, item: T): Few<T> {
  if (few === undefined || few === item) return item
  if (few instanceof Set) return few.add(item)
  if (!Array.isArray(few)) return [few as T, item]
  if (few.includes(item)) return few
  // Not spread: such an array would keep room for 16 more.
  return few.length + 1 < many ? few.concat(item) : new Set<T>(few).add(item)
}

/** @returns undefined when nothing is left */
export function removeFromFew<T extends object>(few: Few<T>, item: T): Few<T> {
  if (few === undefined || few === item) return undefined
  if (few instanceof Set) {
    few.delete(item)
    return few.size === 0 ? undefined : few
  }
  if (!Array.isArray(few)) return few
  const at = few.indexOf(item)
  const rest: T[] = at < 0 ? few : few.toSpliced(at, 1)
  return rest.length > 1 ? rest : rest[0]
}

export function forEachOfFew<T extends object>(few: Few<T>, visit: (item: T) => void): void {
  if (few === undefined) return
  if (few instanceof Set || Array.isArray(few)) few.forEach((item: T) => void visit(item))
  else visit(few as T)
}

export function countFew(few: Few<object>): number {
  if (few === undefined) return 0
  if (few instanceof Set) return few.size
  return Array.isArray(few) ? few.length : 1
}

/**
 * Copies several, because an array that was pushed to keeps room for more.
 * @param count the first of them; all unless given
 */
export function pack<T extends object>(items: readonly T[], count = items.length): Packed<T> {
  if (count === 0) return undefined
  return count > 1 ? items.slice(0, count) : items[0]
}

/** The items in their order. Only several are kept as an array; otherwise it is a new one each time. */
export function unpack<T extends object>(packed: Packed<T>): readonly T[] {
  if (packed === undefined) return []
  return Array.isArray(packed) ? packed : [packed as T]
}
