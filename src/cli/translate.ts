import { stringify } from 'yaml'
import { translateOptions } from '../config/options.ts'
import { defineCommand, exitCodes } from './command.ts'
import type { TranslateOffline } from './offline.ts'
import { printable } from './terminal.ts'

/** Prints the Envoy configuration that manifests lead to. */
export function translateCommand(translate: TranslateOffline) {
  return defineCommand({
    name: 'translate',
    summary: 'Print the Envoy resources that manifests lead to.',
    description:
      'Translates Gateway API manifests into Envoy listeners, routes, clusters, endpoints and secrets, and prints them. Needs neither Envoy nor a cluster. Private keys are redacted.',
    examples: [
      ['Everything, as YAML', 'gatewright translate -f examples/quickstart'],
      ['Only the routes, as JSON', 'gatewright translate -f examples/quickstart --type route -o json'],
      ['From standard input', 'kubectl get gateways,httproutes,services -A -o yaml | gatewright translate -f -'],
    ],
    options: translateOptions,
    run: async ({ files, output, type, controllerNames }, terminal) => {
      const { problems, resources } = await translate(files, controllerNames)
      for (const problem of problems) terminal.err(`${printable(problem.text)}\n`)
      const wanted = type.length === 0 ? resources : resources.filter((r) => type.includes(r.type))
      const printed = wanted.map(({ type, gateway, name, sources, resource }) => ({
        type,
        gateway,
        name,
        sources,
        resource,
      }))
      terminal.out(
        output === 'json'
          ? `${JSON.stringify(printed, null, 2)}\n`
          : stringify(printed, { aliasDuplicateObjects: false }),
      )
      return problems.some((p) => p.severity === 'error') ? exitCodes.problems : exitCodes.success
    },
  })
}
