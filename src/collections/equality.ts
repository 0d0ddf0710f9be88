const isPlain = (prototype: unknown): boolean => prototype === Object.prototype || prototype === null

/**
 * Whether nobody can tell two immutable values apart: the default equality of every collection.
 *
 * - Identity decides at once, so values that share their parts compare fast.
 * - Plain objects, arrays, Maps, Sets and Uint8Arrays compare by content; everything else by `Object.is`.
 * - The order of object keys, of Map entries and of Set members counts, because bytes may be written in that order.
 * - An absent field is not a field set to undefined. Symbol keys are not looked at.
 * - Values must not contain themselves.
 */
export function isStructurallyEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && areListsEqual(a, b)
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Map) return b instanceof Map && a.size === b.size && areListsEqual([...a].flat(), [...b].flat())
  if (a instanceof Set) return b instanceof Set && a.size === b.size && areListsEqual([...a], [...b])
  if (!isPlain(Object.getPrototypeOf(a)) || !isPlain(Object.getPrototypeOf(b))) return false
  return areFieldsEqual(a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>)
}

function areListsEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (!isStructurallyEqual(a[i], b[i])) return false
  }
  return true
}

function areFieldsEqual(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const names = Object.keys(a)
  const others = Object.keys(b)
  if (names.length !== others.length) return false
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    if (name !== others[i] || !isStructurallyEqual(a[name], b[name])) return false
  }
  return true
}
