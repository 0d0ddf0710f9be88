import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Flags of V8 for a start, and what V8 has by itself.
 *
 * Nearly everything that a start makes stays, so that looking for garbage finds little: it would cost a fifth of the CPU.
 * V8 looks for it less often then, and therefore lets go sooner of code that only a start needs. New objects get all the
 * room that they may have when it is too little for the first time, not twice as much each time: most were moved in vain.
 * By default V8 waits half a minute after a look, and 8 s more, before it gives back what was left behind; here it does
 * so soon, in small steps.
 */
const flags = [
  { name: '--heap-growing-percent', ours: 300, usual: 0 },
  { name: '--bytecode-old-age', ours: 2, usual: 6 },
  { name: '--memory-reducer-delay-ms', ours: 2000, usual: 8000 },
  { name: '--gc-memory-reducer-start-delay-ms', ours: 2000, usual: 30_000 },
  { name: '--semi-space-growth-factor', ours: 16, usual: 2 },
]

/** To be called at the start. A version of V8 that does not know a flag says so, and goes on. */
export function configureHeap(): void {
  for (const { name, ours } of flags) setFlagsFromString(`${name}=${ours}`)
}

/** Does something while V8 has the flags that it has by itself, for what was compiled with these. */
export function withUsualFlags(work: () => void): void {
  for (const { name, usual } of flags) setFlagsFromString(`${name}=${usual}`)
  work()
  configureHeap()
}

/**
 * To be called before everything is read: V8 is not to begin saving memory by itself. Where it was free to, half of the
 * replicas in a cluster gave nothing back afterwards, as if V8 had done so before there was anything to give.
 */
export function fillHeap(): void {
  setFlagsFromString('--no-memory-saver-mode')
}

/**
 * To be called when everything was read that stays: little is made from then on, so that looking often costs little.
 * Each look then also moves together what is left, and gives back the pages between. By itself V8 does so only while it
 * takes the program for idle, which it may not for minutes after thousands of objects were made one by one: a quarter
 * of the heap was holes.
 *
 * New objects have more room while everything is read, because most of them stay, and are moved less often then. V8
 * gives it back at the next look that comes without haste, and is not to take it again.
 */
export function settleHeap(): void {
  setFlagsFromString('--heap-growing-percent=10')
  setFlagsFromString('--memory-saver-mode')
  setFlagsFromString('--semi-space-growth-factor=1')
  lookForGarbage()
}

/**
 * Begins to look for garbage, which goes on beside the program. By itself V8 does so some seconds after it has looked for
 * the last time during a start, if it has not until then: one in five replicas kept 180 MiB instead of 130.
 */
function lookForGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  setFlagsFromString('--incremental-marking-hard-trigger=1')
  if (typeof collect === 'function') collect({ type: 'minor' })
  setFlagsFromString('--incremental-marking-hard-trigger=0')
}
