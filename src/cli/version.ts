import { versionOptions } from '../config/options.ts'
import { defineCommand, exitCodes } from './command.ts'

export interface Versions {
  readonly gatewright: string
  readonly node: string
  /** Release of the Gateway API whose kinds are read. */
  readonly gatewayApi: string
  /** undefined when no binary was found. */
  readonly envoy: string | undefined
}

/** @param envoyPath the binary that the user names, if so */
export type FindVersions = (envoyPath: string | undefined) => Promise<Versions>

/** Prints the versions of everything that takes part. */
export function versionCommand(findVersions: FindVersions) {
  return defineCommand({
    name: 'version',
    summary: 'Print the versions of Gatewright, Envoy, Node.js and the Gateway API.',
    description:
      'Prints the versions of Gatewright, of the Envoy that "run" would start, of Node.js, and of the Gateway API.',
    examples: [
      ['For people', 'gatewright version'],
      ['For scripts', 'gatewright version -o json'],
    ],
    options: versionOptions,
    run: async ({ output, envoy }, terminal) => {
      const versions = await findVersions(envoy)
      if (output === 'json') terminal.out(`${JSON.stringify(versions)}\n`)
      else
        terminal.out(
          `gatewright  ${versions.gatewright}\nenvoy       ${versions.envoy ?? 'not found: run "make deps" or give --envoy'}\nnode        ${versions.node}\ngateway api ${versions.gatewayApi}\n`,
        )
      return exitCodes.success
    },
  })
}
