import type { ControlPlane } from './control-plane.ts'

/** Offline nobody binds ports: each Gateway listens on all addresses, on the ports as written. */
export function bindToOwnPorts({ scheduler, sources, fleets }: ControlPlane): void {
  const binding = { listenAddress: '0.0.0.0', ports: {}, addresses: [], portProblems: {} }
  fleets.subscribe((changes) => {
    scheduler.batch(() => {
      for (const { key, after } of changes) {
        if (after && !after.isHeld) sources.bindings.set(key, binding)
        else sources.bindings.delete(key)
      }
    })
  })
}
