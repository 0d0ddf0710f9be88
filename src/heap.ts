import { setFlagsFromString } from 'node:v8'

/**
 * To be called at the start. Nearly everything that a start makes stays, so that looking for garbage finds little: the
 * heap may nearly triple before V8 looks again. More would make a start faster still, and leave more behind.
 * V8 by default waits half a minute after that, and 8 s more, before it gives back what a start has left behind; here
 * it does so soon, in small steps. A version of V8 that does not know a flag says so, and goes on.
 */
export function configureHeap(): void {
  const flags = ['heap-growing-percent=180', 'memory-reducer-delay-ms=2000', 'gc-memory-reducer-start-delay-ms=2000']
  for (const flag of flags) setFlagsFromString(`--${flag}`)
}

/** To be called when everything was read that stays: little is made from then on, so that looking often costs little. */
export function settleHeap(): void {
  setFlagsFromString('--heap-growing-percent=10')
}
