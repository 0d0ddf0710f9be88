/** A condition that only a bug of ours can break; the sentence says what was believed. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(`Bug in Gatewright: ${sentence}`)
}

/** For the end of an exhaustive switch. */
export function assertNever(value: never, sentence: string): never {
  throw new Error(`Bug in Gatewright: ${sentence}: ${String(value)}`)
}
