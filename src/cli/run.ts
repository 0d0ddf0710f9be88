import type { OptionValues } from '../config/option.ts'
import { runOptions } from '../config/options.ts'
import { defineCommand, exitCodes } from './command.ts'
import type { PrintedStatus } from './offline.ts'
import { isBad } from './status.ts'
import { formatTable, printable, styled, type Terminal } from './terminal.ts'

/** One listener of a running Gateway. */
export interface RunningListener {
  readonly name: string
  readonly protocol: string
  readonly hostname: string
  /** The listener's port in the manifest. */
  readonly port: number
  /** Where clients reach it; undefined while it cannot be reached. */
  readonly url: string | undefined
  readonly attachedRoutes: number
  readonly programmed: boolean
  /** Still on its way: nobody has to do anything. */
  readonly pending: boolean
  /** Why not, or that the port has moved. */
  readonly note: string
}

export interface RunningGateway {
  readonly namespace: string
  readonly name: string
  readonly programmed: boolean
  readonly listeners: readonly RunningListener[]
  /** Envoy's admin page. */
  readonly adminUrl: string | undefined
}

export interface RunningRoute {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly accepted: boolean
  readonly urls: readonly string[]
}

/** What `run` shows. */
export interface RunView {
  readonly gateways: readonly RunningGateway[]
  readonly routes: readonly RunningRoute[]
  readonly statuses: readonly PrintedStatus[]
}

/** A running standalone control plane with its Envoys. */
export interface Standalone {
  view(): RunView
  /** Called after each change of what {@link view} returns. */
  onChange(listener: () => void): void
  /** Drains the Envoys, lets requests finish, ends everything. */
  stop(): Promise<void>
}

export interface RunPorts {
  /** @throws an error with a sentence when it cannot start (no Envoy, unsupported version, nothing to read) */
  readonly start: (options: OptionValues<typeof runOptions>, terminal: Terminal) => Promise<Standalone>
  /** Resolves when the user or the system wants us to end. */
  readonly untilSignal: () => Promise<void>
  readonly writeFile: (path: string, text: string) => void
}

/** Serves manifests with a local Envoy until it is interrupted. */
export function runCommand({ start, untilSignal, writeFile }: RunPorts) {
  return defineCommand({
    name: 'run',
    summary: 'Serve manifests with a local stock Envoy, and reload when they change.',
    description:
      'Watches Gateway API manifests, starts a stock Envoy for each Gateway, and keeps both in step: an edit takes effect at once and no request fails because of it. Prints Gateways, listeners, routes and URLs, and every status that changes. Ctrl-C drains the Envoys and ends.',
    examples: [
      ['Serve a directory', 'gatewright run -f examples/quickstart'],
      ['Be reached from other machines', 'gatewright run -f manifests --listen-address 0.0.0.0'],
      [
        'With the headers that Envoy adds by itself: a GatewayClass whose parametersRef names a ConfigMap',
        'gatewright run -f examples/verbose-headers',
      ],
    ],
    options: runOptions,
    run: async (options, terminal) => {
      let standalone: Standalone
      try {
        standalone = await start(options, terminal)
      } catch (error) {
        terminal.err(`gatewright run: ${printable(error instanceof Error ? error.message : String(error))}\n`)
        return exitCodes.problems
      }
      const reporter = new Reporter(standalone, terminal)
      const report = () => {
        reporter.report()
        if (options.readyFile !== undefined) writeFile(options.readyFile, formatReadyFile(standalone.view()))
      }
      standalone.onChange(report)
      report()
      await untilSignal()
      terminal.out('Draining: requests in flight finish, no new ones are taken.\n')
      await standalone.stop()
      return exitCodes.success
    },
  })
}

/** Reasons that are the way, not a problem: the table that is still to come tells how they end. */
const onTheWay = new Set(['Pending', 'AddressNotAssigned'])

/** Prints the whole table when the shape of what is served changes, and single lines for what changes in between. */
class Reporter {
  readonly #standalone: Standalone
  readonly #terminal: Terminal
  #table = ''
  #told = new Map<string, string>()

  constructor(standalone: Standalone, terminal: Terminal) {
    this.#standalone = standalone
    this.#terminal = terminal
  }

  report(): void {
    const view = this.#standalone.view()
    this.#reportProblems(view.statuses)
    const settled = view.gateways.every((g) => g.listeners.every((l) => !l.pending))
    const table = formatView(view, this.#terminal)
    if (!settled || table === this.#table) return
    this.#table = table
    this.#terminal.out(`\n${table}`)
  }

  #reportProblems(statuses: readonly PrintedStatus[]): void {
    const now = new Map<string, string>()
    for (const { kind, namespace, name, conditions } of statuses) {
      for (const { about, condition } of conditions) {
        if (!isBad(condition) || onTheWay.has(condition.reason)) continue
        const object = `${kind} ${namespace && `${namespace}/`}${name}${about && ` (${about})`}`
        now.set(
          `${object} ${condition.type}`,
          `${object}: ${condition.type}=${condition.status} ${condition.reason}: ${condition.message}`,
        )
      }
    }
    for (const [key, line] of now)
      if (this.#told.get(key) !== line) this.#terminal.out(`${styled(this.#terminal, 'red', '✗')} ${printable(line)}\n`)
    for (const key of this.#told.keys())
      if (!now.has(key)) this.#terminal.out(`${styled(this.#terminal, 'green', '✓')} ${printable(key)} is fine again\n`)
    this.#told = now
  }
}

/** Gateways with their listeners, then routes with a URL each. */
export function formatView(view: RunView, terminal: Terminal): string {
  if (view.gateways.length === 0) return 'No Gateway of a GatewayClass of this controller yet.\n'
  const listeners = view.gateways.flatMap((g) =>
    g.listeners.map((l) => [
      `${g.namespace}/${g.name}`,
      l.name,
      l.protocol,
      l.hostname || '*',
      l.programmed ? 'yes' : 'no',
      String(l.attachedRoutes),
      l.url ?? '-',
      l.note,
    ]),
  )
  const routes = view.routes.map((r) => [
    r.kind,
    `${r.namespace}/${r.name}`,
    r.accepted ? 'yes' : 'no',
    r.urls.join(' ') || '-',
  ])
  const curl = view.routes.flatMap((r) => r.urls).at(0)
  return [
    formatTable(['GATEWAY', 'LISTENER', 'PROTOCOL', 'HOSTNAME', 'PROGRAMMED', 'ROUTES', 'URL', ''], listeners),
    ...(routes.length > 0 ? ['\n', formatTable(['KIND', 'ROUTE', 'ACCEPTED', 'URL'], routes)] : []),
    ...(curl === undefined ? [] : ['\n', styled(terminal, 'cyan', formatCurl(curl, view)), '\n']),
    ...view.gateways.flatMap((g) =>
      g.adminUrl === undefined ? [] : [`Envoy admin of ${g.namespace}/${g.name}: ${g.adminUrl}\n`],
    ),
  ].join('')
}

/** A line to copy that works without DNS. */
function formatCurl(url: string, view: RunView): string {
  const { hostname, port, protocol } = new URL(url)
  const address = view.gateways
    .flatMap((g) => g.listeners)
    .map((l) => l.url)
    .find((u) => u !== undefined && new URL(u).port === port)
  const ip = address === undefined ? hostname : new URL(address).hostname
  const standardPort = port || (protocol === 'https:' ? '443' : '80')
  const resolve = hostname === ip ? '' : ` --resolve ${hostname}:${standardPort}:${ip}`
  return `curl -i${protocol === 'https:' ? 'k' : ''}${resolve} ${url}`
}

function formatReadyFile(view: RunView): string {
  return `${JSON.stringify({ gateways: view.gateways, routes: view.routes }, null, 2)}\n`
}
