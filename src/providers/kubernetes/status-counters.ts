/** How writes ended; see StatusOutcome. */
export const writeResults = ['written', 'conflict', 'gone', 'denied', 'refused', 'unavailable', 'failed'] as const
export type WriteResult = (typeof writeResults)[number]

/** What the status writer has done since it was made. */
export class StatusCounters {
  /** Calls that the API server answered, or should have, by kind. */
  readonly writes = new Map<string, Record<WriteResult, number>>()
  /** Looks at an object whose status was right already. */
  skipped = 0
  /** Statuses that had to be shortened to what the API server takes. */
  clipped = 0

  count(kind: string, result: WriteResult): void {
    const counts = this.writes.get(kind) ?? {
      written: 0,
      conflict: 0,
      gone: 0,
      denied: 0,
      refused: 0,
      unavailable: 0,
      failed: 0,
    }
    counts[result]++
    this.writes.set(kind, counts)
  }

  /** Of all kinds. */
  total(result: WriteResult): number {
    let total = 0
    for (const counts of this.writes.values()) total += counts[result]
    return total
  }
}
