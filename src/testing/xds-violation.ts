/** Throws are what the model found; the fuzz test adds the seed and the trace. */
export class Violation extends Error {}

export function check(condition: boolean, sentence: string): void {
  if (!condition) throw new Violation(sentence)
}
