/** The process behind `ControlPlaneProcess`: a control plane that can be killed. */
import process from 'node:process'
import { applyObjects, gatewayClassYaml, parseObjects } from './builders.ts'
import { type ServingControlPlane, startServingControlPlane } from './serving-fixture.ts'

export type Order =
  | { readonly run: 'serve'; readonly socket: string; readonly listenAddress: string; readonly yaml: string }
  | { readonly run: 'apply'; readonly yaml: string }
  | { readonly run: 'report' }

/** What became of the order. */
export interface Reply {
  /** Every connected proxy has all that it asked for, and there is one that asked for each type that is served. */
  readonly isSettled: boolean
  /** By type URL, since the process began. */
  readonly resourcesSent: Readonly<Record<string, number>>
  readonly resourcesRemoved: Readonly<Record<string, number>>
  readonly nacks: number
}

let controlPlane: ServingControlPlane | undefined

/** Clusters, endpoints, secrets, listeners and tables. */
const servedTypes = 5

function report(): Reply {
  if (controlPlane === undefined) return { isSettled: false, resourcesSent: {}, resourcesRemoved: {}, nacks: 0 }
  const { streams, counters } = controlPlane.xds
  const states = [...streams.entries()].map(([, state]) => state)
  return {
    isSettled: states.some((s) => s.types.length >= servedTypes) && states.every((s) => s.isSettled),
    resourcesSent: Object.fromEntries(counters.resourcesSent),
    resourcesRemoved: Object.fromEntries(counters.resourcesRemoved),
    nacks: [...counters.nacks.values()].reduce((a, b) => a + b, 0),
  }
}

process.on('message', async (order: Order) => {
  if (order.run === 'serve') {
    controlPlane = await startServingControlPlane(order)
    applyObjects(controlPlane, parseObjects(gatewayClassYaml + order.yaml))
    controlPlane.xds.markSynced()
  } else if (order.run === 'apply' && controlPlane !== undefined) {
    applyObjects(controlPlane, parseObjects(order.yaml))
  }
  process.send?.(report())
})
// Whoever started it is gone.
process.on('disconnect', () => process.exit())
