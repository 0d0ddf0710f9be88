import { podPorts } from './infrastructure-options.ts'

const firstUnprivileged = 1024
const movedBy = 10_000
const last = 65_535

/**
 * The port of the pod for each port of a Gateway: ports below 1024, which a process without privileges may
 * not bind, move by +10000; others stay. Where that port is another listener's, or one of the pod's own,
 * the next free one upwards is taken.
 */
export function planPorts(ports: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(ports)].sort((a, b) => a - b)
  const own: readonly number[] = Object.values(podPorts)
  const mustMove = (port: number) => port < firstUnprivileged || own.includes(port)
  // Whoever may stay stays, so that a listener's move never causes another's.
  const taken = new Set([...sorted.filter((port) => !mustMove(port)), ...own])
  const plan = new Map<number, number>()
  for (const port of sorted) {
    if (!mustMove(port)) {
      plan.set(port, port)
      continue
    }
    let found = port < firstUnprivileged ? port + movedBy : port
    while (taken.has(found)) found = found === last ? firstUnprivileged : found + 1
    taken.add(found)
    plan.set(port, found)
  }
  return plan
}
