import { stringify } from 'yaml'
import { statusOptions } from '../config/options.ts'
import { defineCommand, exitCodes } from './command.ts'
import type { PrintedCondition, PrintedStatus, TranslateOffline } from './offline.ts'
import { formatTable, printable, styled, type Terminal } from './terminal.ts'

/** Prints the status that every object would get. */
export function statusCommand(translate: TranslateOffline) {
  return defineCommand({
    name: 'status',
    summary: 'Print the status that manifests would get, and what is wrong with them.',
    description:
      'Computes the conditions of every GatewayClass, Gateway and route in manifests, as they would be written into status. Needs neither Envoy nor a cluster; Programmed is Unknown, because no proxy can be asked.',
    examples: [
      ['A table with the problems below it', 'gatewright status -f examples/quickstart'],
      ['In a script: exit status 1 when something is wrong', 'gatewright status -f manifests -o json > status.json'],
    ],
    options: statusOptions,
    run: async ({ files, output, controllerNames }, terminal) => {
      const { problems, statuses } = await translate(files, controllerNames)
      for (const problem of problems) terminal.err(`${printable(problem.text)}\n`)
      if (output === 'table') terminal.out(formatStatuses(statuses, terminal))
      else {
        const printed = statuses.map(({ kind, namespace, name, status }) => ({ kind, namespace, name, status }))
        terminal.out(
          output === 'json'
            ? `${JSON.stringify(printed, null, 2)}\n`
            : stringify(printed, { aliasDuplicateObjects: false }),
        )
      }
      const bad =
        problems.some((p) => p.severity === 'error') ||
        statuses.some((s) => s.conditions.some((c) => isBad(c.condition)))
      return bad ? exitCodes.problems : exitCodes.success
    },
  })
}

const goodWhenFalse = new Set(['Conflicted', 'PartiallyInvalid'])

/** Whether a condition tells of something that somebody should mend. */
export function isBad({ type, status }: PrintedCondition): boolean {
  return status === (goodWhenFalse.has(type) ? 'True' : 'False')
}

/** One row per object, then every problem with its message. */
export function formatStatuses(statuses: readonly PrintedStatus[], terminal: Terminal): string {
  if (statuses.length === 0) return 'No GatewayClass of this controller, and so no Gateway or route, was found.\n'
  const rows = statuses.map((s) => [s.kind, s.namespace || '-', s.name, ...summarize(s)])
  const table = formatTable(['KIND', 'NAMESPACE', 'NAME', 'ACCEPTED', 'RESOLVED', 'PROGRAMMED'], rows)
  const problems = statuses.flatMap((s) =>
    s.conditions
      .filter((c) => isBad(c.condition))
      .map(({ about, condition: { type, status, reason, message } }) => {
        const object = `${s.kind} ${s.namespace && `${s.namespace}/`}${s.name}${about && ` (${about})`}`
        return `${styled(terminal, 'red', object)}: ${type}=${status} ${reason}: ${printable(message)}\n`
      }),
  )
  return problems.length === 0 ? table : `${table}\n${problems.join('')}`
}

/** The worst of each condition over everything the object has it for. */
function summarize(status: PrintedStatus): string[] {
  return ['Accepted', 'ResolvedRefs', 'Programmed'].map((type) => {
    const found = status.conditions.map((c) => c.condition).filter((c) => c.type === type)
    const worst = found.find(isBad) ?? found.find((c) => c.status === 'Unknown') ?? found[0]
    return worst === undefined ? '-' : isBad(worst) ? `${worst.status} (${worst.reason})` : worst.status
  })
}
