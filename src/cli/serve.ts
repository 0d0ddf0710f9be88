import type { OptionValues } from '../config/option.ts'
import { serveOptions } from '../config/serve-options.ts'
import { defineCommand, exitCodes } from './command.ts'
import { printable, type Terminal } from './terminal.ts'

/** A control plane that serves a cluster. */
export interface ClusterControlPlane {
  /** Gives the leadership back, ends streams and servers. */
  stop(): Promise<void>
}

export interface ServePorts {
  /** @throws an error with a sentence when it cannot start (no cluster, address in use) */
  readonly start: (options: OptionValues<typeof serveOptions>, terminal: Terminal) => Promise<ClusterControlPlane>
  readonly untilSignal: () => Promise<void>
}

/** Serves a Kubernetes cluster until it is ended. */
export function serveCommand({ start, untilSignal }: ServePorts) {
  return defineCommand({
    name: 'serve',
    summary: 'Serve the Gateways of a Kubernetes cluster; the Helm chart runs this.',
    description:
      'Watches Gateway API objects of a cluster, runs an Envoy Deployment and Service for each Gateway in its namespace, serves their configuration over ADS, and writes statuses that say what Envoy has accepted. Several replicas may run: all serve proxies, one writes.',
    examples: [
      ['In a pod, with everything from the environment', 'gatewright serve'],
      ['Only two namespaces', 'gatewright serve --watch-namespace shop --watch-namespace blog'],
    ],
    options: serveOptions,
    run: async (options, terminal) => {
      let controlPlane: ClusterControlPlane
      try {
        controlPlane = await start(options, terminal)
      } catch (error) {
        terminal.err(`gatewright serve: ${printable(error instanceof Error ? error.message : String(error))}\n`)
        return exitCodes.problems
      }
      await untilSignal()
      await controlPlane.stop()
      return exitCodes.success
    },
  })
}
