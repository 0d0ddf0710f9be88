/** How often a condition is looked at, milliseconds. */
const interval = 100

/**
 * Looks until `look` returns something other than undefined and false, and returns it.
 * A throw counts as "not yet", and is told if time runs out.
 * @param limit milliseconds
 */
export async function eventually<T>(
  what: string,
  limit: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + limit
  let last: unknown
  do {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      last = error
    }
    await pause(interval)
  } while (performance.now() < deadline)
  throw new Error(`gave up waiting for ${what} after ${limit / 1000} s`, { cause: last })
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
