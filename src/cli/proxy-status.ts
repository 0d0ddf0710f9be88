import { stringify } from 'yaml'
import { proxyStatusOptions } from '../config/options.ts'
import { defineCommand, exitCodes } from './command.ts'
import { formatTable, printable, styled, type Terminal } from './terminal.ts'

/** How one type of resource stands at one proxy; see `xds/proxy-status.ts`, which makes it. */
export interface PrintedProxyType {
  readonly type: string
  readonly resources: number
  readonly sent: number
  readonly acked: number
  readonly nacked: number
  /** Wanted in a form that proxies refuse. */
  readonly refused: number
  readonly lastRefusal?: string
  readonly waitsFor: readonly string[]
}

/** One connected proxy, as the control plane tells it. */
export interface PrintedProxy {
  readonly scope: string
  readonly node: string
  readonly agent: string
  /** ISO 8601. */
  readonly connectedSince: string
  readonly settled: boolean
  readonly draining: boolean
  readonly types: readonly PrintedProxyType[]
}

export interface ProxyStatusPorts {
  /** GET; gives status and body. @throws when there is no answer */
  readonly get: (url: string) => Promise<{ readonly status: number; readonly body: string }>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Where the control plane tells it. */
export const proxyStatusPath = '/debug/proxies'

/** Lists the proxies that are connected to a running control plane. */
export function proxyStatusCommand({ get, now }: ProxyStatusPorts) {
  return defineCommand({
    name: 'proxy-status',
    summary: 'List the proxies of a running control plane, and what each still waits for.',
    description:
      'Asks the admin port of a running "gatewright run" or "gatewright serve" which proxies are connected: since when, with which version, what was sent to each and accepted or refused, and what it waits for. In a cluster, each replica of the control plane tells of its own proxies.',
    examples: [
      ['Of "gatewright run" on this machine', 'gatewright proxy-status'],
      [
        'Of a replica in a cluster, beside "kubectl -n gatewright-system port-forward POD 19001"',
        'gatewright proxy-status --server http://127.0.0.1:19001',
      ],
      ['In a script: exit status 1 when a proxy has refused something', 'gatewright proxy-status -o json'],
    ],
    options: proxyStatusOptions,
    run: async ({ server, output }, terminal) => {
      let proxies: readonly PrintedProxy[]
      try {
        proxies = parseProxies(await get(`${server}${proxyStatusPath}`))
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        terminal.err(`gatewright proxy-status: ${server} does not tell: ${printable(reason)}\n`)
        return exitCodes.problems
      }
      if (output === 'json') terminal.out(`${JSON.stringify(proxies, null, 2)}\n`)
      else if (output === 'yaml') terminal.out(stringify(proxies, { aliasDuplicateObjects: false }))
      else terminal.out(formatProxies(proxies, now(), terminal))
      return proxies.some(({ types }) => types.some((type) => type.refused > 0))
        ? exitCodes.problems
        : exitCodes.success
    },
  })
}

/** @throws an error with a sentence if it is not a list of proxies */
function parseProxies({ status, body }: { readonly status: number; readonly body: string }): readonly PrintedProxy[] {
  if (status !== 200) throw new Error(`it answered ${status}: ${body.trim().slice(0, 200)}`)
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    throw new Error('the answer is no JSON: is that the admin port of Gatewright?')
  }
  const { proxies } = (parsed ?? {}) as { readonly proxies?: readonly PrintedProxy[] }
  if (!Array.isArray(proxies)) throw new Error('the answer lists no proxies: is that the admin port of Gatewright?')
  return proxies
}

/** One row per proxy, then one per type of each, then what was refused. */
export function formatProxies(proxies: readonly PrintedProxy[], now: number, terminal: Terminal): string {
  if (proxies.length === 0) return 'No proxy is connected.\n'
  const rows = proxies.map((p) => [p.scope, p.node, p.agent || '-', formatAge(p.connectedSince, now), formatState(p)])
  const types = proxies.flatMap((p) =>
    p.types.map((t) => [
      p.node,
      t.type,
      ...[t.resources, t.sent, t.acked, t.nacked].map(String),
      t.waitsFor.length === 0 ? '-' : t.waitsFor.join('; '),
    ]),
  )
  const refusals = proxies.flatMap((p) =>
    p.types.flatMap((t) =>
      t.lastRefusal === undefined || t.refused === 0
        ? []
        : [`${styled(terminal, 'red', printable(`${p.node} refused ${t.type}`))}: ${printable(t.lastRefusal)}\n`],
    ),
  )
  const sections = [
    formatTable(['GATEWAY', 'NODE', 'PROXY', 'CONNECTED', 'STATE'], rows),
    formatTable(['NODE', 'TYPE', 'HAS', 'SENT', 'ACKED', 'NACKED', 'WAITS FOR'], types),
    refusals.join(''),
  ]
  return sections.filter((section) => section !== '').join('\n')
}

function formatState({ settled, draining, types }: PrintedProxy): string {
  const waiting = types.filter((t) => t.waitsFor.length > 0).map((t) => t.type)
  const state = waiting.length > 0 ? `waits: ${waiting.join(', ')}` : settled ? 'settled' : 'starting'
  return draining ? `draining, ${state}` : state
}

/** "42s", "7m12s", "3h07m", "12d3h". */
function formatAge(since: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000))
  if (!Number.isFinite(seconds)) return '-'
  const pad = (value: number) => String(value).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3600)}h`
}
