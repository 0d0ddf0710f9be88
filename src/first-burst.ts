import type { Clock } from './base/clock.ts'

/** Milliseconds without a byte to any proxy after which they are taken to have what they waited for. */
const quiet = 100
/** So long at most, in milliseconds: where there are many proxies, or much that changes, it is never quiet. */
const limit = 2_000

/** Resolves when the proxies that waited for a start have been served: what can wait does so until then. */
export function firstBurst(sent: { readonly bytesSent: number }, clock: Clock): Promise<void> {
  const end = clock.now() + limit
  return new Promise((resolve) => {
    const look = (before: number): void => {
      clock.after(quiet, () => {
        if (sent.bytesSent === before || clock.now() >= end) resolve()
        else look(sent.bytesSent)
      })
    }
    look(sent.bytesSent)
  })
}
