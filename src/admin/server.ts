import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import type { Logger } from '../base/logger.ts'
import type { CollectionDump, Explanation } from '../collections/inspection.ts'
import type { ProxyStatus } from '../xds/proxy-status.ts'
import { type MetricFamily, renderMetrics } from './metric.ts'
import { redactSecrets } from './redact.ts'

/** An answer to "may this replica get work?"; the reasons, one sentence each, say why not. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

/** What can be looked at in the engine; a Scheduler is one. */
export interface Inspectable {
  dump(): { readonly collections: readonly CollectionDump[] }
  explainNamed(name: string, key: string): Explanation | undefined
  keysNamed(name: string): Iterable<string> | undefined
}

export interface AdminOptions {
  /** IP address and port, e.g. `[::]:19001`; port 0 takes a free one. */
  readonly address: string
  /** Names under which the port is asked beside IP addresses and localhost, e.g. that of its Service. */
  readonly hosts?: readonly string[]
  /** Whether the process should go on living. That it answers at all shows that the event loop turns. */
  readonly health?: () => Readiness
  /** Synced once, and proxies can connect. */
  readonly ready: () => Readiness
  readonly metrics: readonly MetricFamily[]
  readonly collections: Inspectable
  /** The proxies that are connected, for `gatewright proxy-status`. */
  readonly proxies?: () => readonly ProxyStatus[]
  readonly logger: Logger
}

/**
 * A port to look at this process, never to change it: only GET and HEAD, no bodies, no secrets.
 * /healthz, /readyz and /metrics answer everybody; /debug answers only callers on the loopback interface,
 * which in a pod means those whom Kubernetes lets forward its ports.
 */
export interface AdminServer {
  /**
   * @returns the address with the real port
   * @throws if it cannot be bound
   */
  listen(): Promise<string>
  /** Resolves when the port is closed; calls under way are cut. */
  close(): Promise<void>
}

/** Most keys of one collection that are told at once. */
const maxKeys = 10_000

/** What a caller is told. */
interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** One page; what follows the question mark is in `query`. */
type Page = (query: URLSearchParams) => Answer

export function createAdminServer(options: AdminOptions): AdminServer {
  const pages = listPages(options)
  const hosts = new Set(['localhost', ...(options.hosts ?? [])].map((host) => host.toLowerCase()))
  const server = createServer(
    { maxHeaderSize: 8_192, requestTimeout: 5_000, keepAliveTimeout: 10_000 },
    (request, response) => {
      let answer: Answer
      try {
        answer = answerRequest(request, pages, hosts)
      } catch (error) {
        options.logger.error('An admin request failed', { error })
        answer = refuse(500, 'This is a bug of Gatewright; the log has the details.')
      }
      send(response, answer)
    },
  )
  server.setTimeout(10_000)
  // Who opens more has the others wait; probes come from few sockets.
  server.maxConnections = 256
  return {
    async listen() {
      const { host, port } = splitAddress(options.address)
      await once(server.listen({ host, port }), 'listening')
      const { address, family, port: bound } = server.address() as AddressInfo
      return `${family === 'IPv6' ? `[${address}]` : address}:${bound}`
    },
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function answerRequest(
  { method, url = '', headers, socket }: IncomingMessage,
  pages: ReadonlyMap<string, Page>,
  hosts: ReadonlySet<string>,
): Answer {
  // A page in somebody's browser reaches us by a name of its own (DNS rebinding); no name of ours is its.
  if (!isOwnHost(headers.host, hosts)) return refuse(403, 'This Host is not served here.')
  if (headers.origin !== undefined) return refuse(403, 'Pages of browsers are not served here.')
  if (method !== 'GET' && method !== 'HEAD') return refuse(405, 'Only GET and HEAD are answered.')
  const path = decodePath(url)
  const page = path === undefined ? undefined : pages.get(path)
  // Compared with what was found: "//debug" and "/%64ebug" are the same as it or nothing.
  if (page && path?.startsWith('/debug/') && !isLoopback(socket.remoteAddress))
    return refuse(403, 'Only for callers on the loopback interface: use "kubectl port-forward".')
  return page?.(new URLSearchParams(url.replace(/^[^?]*/, ''))) ?? refuse(404, 'There is no such page.')
}

/** Without its query. */
function decodePath(url: string): string | undefined {
  try {
    return decodeURIComponent(url.replace(/\?.*$/, ''))
  } catch {
    return undefined
  }
}

function listPages({ health, ready, metrics, collections, proxies, logger }: AdminOptions): ReadonlyMap<string, Page> {
  return new Map<string, Page>([
    ['/healthz', () => tellReadiness(health?.() ?? { ready: true, reasons: [] })],
    ['/readyz', () => tellReadiness(ready())],
    [
      '/metrics',
      () => {
        const body = renderMetrics(metrics, ({ name }, error) =>
          logger.error('A metric could not be read', { metric: name, error }),
        )
        return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body }
      },
    ],
    ['/debug/collections', (query) => showCollections(collections, query.get('name'), query.get('key'))],
    ...(proxies ? [['/debug/proxies', () => tell({ proxies: proxies() })] as const] : []),
  ])
}

function showCollections(collections: Inspectable, name: string | null, key: string | null): Answer {
  if (name === null) return tell(redactDump(collections.dump()))
  const keys = collections.keysNamed(name)
  if (!keys) return refuse(404, 'There is no collection of this name.')
  if (key !== null) return tell(redactExplanation(collections.explainNamed(name, key)))
  const list = [...keys]
  return tell({ name, size: list.length, keys: list.slice(0, maxKeys) })
}

function tellReadiness({ ready, reasons }: Readiness): Answer {
  return tell({ ready, reasons }, ready ? 200 : 503)
}

function tell(value: unknown, status = 200): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

function refuse(status: number, sentence: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${sentence}\n` }
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'",
  })
  response.end(body)
}

/** Collections whose values, and so the messages of what threw over them, may quote a secret. */
const secretCollection = /Secret|Certificate/i

function redactDump({ collections }: ReturnType<Inspectable['dump']>): unknown {
  return {
    collections: collections.map((collection) => ({
      ...collection,
      failing: Object.fromEntries(
        Object.entries(collection.failing).map(([key, message]) => [key, redactFailure(collection.name, message)]),
      ),
    })),
  }
}

function redactExplanation(explanation: Explanation | undefined): unknown {
  if (!explanation) return {}
  const { collection, failure } = explanation
  return {
    ...explanation,
    value: redactSecrets(explanation.value),
    failure: failure === undefined ? undefined : redactFailure(collection, failure),
  }
}

function redactFailure(collection: string, message: string): unknown {
  return secretCollection.test(collection) ? '[redacted]' : redactSecrets(message)
}

function isOwnHost(host: string | undefined, hosts: ReadonlySet<string>): boolean {
  if (host === undefined) return false
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return hosts.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/.test(address)
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const end = address.lastIndexOf(':')
  return { host: address.slice(0, end).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(end + 1)) }
}
