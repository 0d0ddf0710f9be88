/** A condition that only a bug of ours can break; the sentence says what was believed. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(`Bug in Gatewright: ${sentence}`)
}
