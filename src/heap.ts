import { setFlagsFromString } from 'node:v8'

/**
 * Nearly everything that a start makes stays, so that looking for garbage finds little: it would cost a fifth of the CPU.
 * V8 looks for it less often then, and therefore lets go sooner of code that only a start needs. By default it waits
 * half a minute after that, and 8 s more, before it gives back what was left behind; here it does so soon, in small
 * steps.
 */
const flags = [
  '--heap-growing-percent=300',
  '--bytecode-old-age=2',
  '--memory-reducer-delay-ms=2000',
  '--gc-memory-reducer-start-delay-ms=2000',
  // Until the heap is settled. Said, because a code cache may be made by a run that has settled.
  '--no-memory-saver-mode',
  '--semi-space-growth-factor=2',
]

/** To be called at the start. A version of V8 that does not know a flag says so, and goes on. */
export function configureHeap(): void {
  for (const flag of flags) setFlagsFromString(flag)
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
}
