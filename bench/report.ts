import { loadavg } from 'node:os'

let failures = 0

/** One line of a measurement, with the bound that it must keep if there is one. */
export function report(what: string, value: number, unit: string, bound?: number): void {
  const isKept = bound === undefined || value <= bound
  if (!isKept) failures++
  const verdict = bound === undefined ? '' : isKept ? `  ok, at most ${bound}` : `  FAILED, at most ${bound}`
  console.log(`  ${what.padEnd(58)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit}${verdict}`)
}

/** How many bounds were not kept so far. */
export function countFailures(): number {
  return failures
}

/** Numbers of a machine that is busy with something else mean little. */
export function reportMachine(): void {
  console.log(`load average before: ${loadavg()[0]?.toFixed(2)} (numbers are worth something below 1)\n`)
}

/** @param share e.g. 0.99 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
