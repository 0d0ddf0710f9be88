import { isIP } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
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

/** No page has a schema. What would compile one costs 8 MiB at each start unless something stands in its place. */
function refuseSchema(): never {
  throw new Error('a page of the admin port has a schema')
}

export function createAdminServer(options: AdminOptions): AdminServer {
  const server = Fastify({
    bodyLimit: 1,
    requestTimeout: 5_000,
    connectionTimeout: 10_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    http: { maxHeaderSize: 8_192 },
    schemaController: { compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema } },
  })
  // Who opens more has the others wait; probes come from few sockets.
  server.server.maxConnections = 256
  const hosts = new Set(['localhost', ...(options.hosts ?? [])].map((host) => host.toLowerCase()))
  server.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
    reply.header('content-security-policy', "default-src 'none'")
    // A page in somebody's browser reaches us by a name of its own (DNS rebinding); no name of ours is its.
    if (!isOwnHost(request.headers.host, hosts)) return refuse(reply, 403, 'This Host is not served here.')
    if (request.headers.origin !== undefined) return refuse(reply, 403, 'Pages of browsers are not served here.')
    // Compared with the route, not the URL: "//debug" and "/%64ebug" are the same to the router or nothing.
    if (request.routeOptions.url?.startsWith('/debug') && !isLoopback(request.socket.remoteAddress))
      return refuse(reply, 403, 'Only for callers on the loopback interface: use "kubectl port-forward".')
  })
  server.setErrorHandler((error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    if (status >= 500) options.logger.error('An admin request failed', { error })
    return refuse(
      reply,
      status,
      status >= 500 ? 'This is a bug of Gatewright; the log has the details.' : 'Bad request.',
    )
  })
  server.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'There is no such page.'))
  addRoutes(server, options)
  return {
    async listen() {
      const { host, port } = splitAddress(options.address)
      return (await server.listen({ host, port })).replace(/^http:\/\//, '')
    },
    close: () => server.close(),
  }
}

function addRoutes(
  server: FastifyInstance,
  { health, ready, metrics, collections, proxies, logger }: AdminOptions,
): void {
  server.get('/healthz', (_request, reply) => sendReadiness(reply, health?.() ?? { ready: true, reasons: [] }))
  server.get('/readyz', (_request, reply) => sendReadiness(reply, ready()))
  server.get('/metrics', (_request, reply) => {
    const text = renderMetrics(metrics, ({ name }, error) =>
      logger.error('A metric could not be read', { metric: name, error }),
    )
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text)
  })
  if (proxies) server.get('/debug/proxies', (_request, reply) => sendJson(reply, { proxies: proxies() }))
  server.get('/debug/collections', (request, reply) => {
    const { name, key } = queryOf(request)
    if (name === undefined) return sendJson(reply, redactDump(collections.dump()))
    const keys = collections.keysNamed(name)
    if (!keys) return refuse(reply, 404, 'There is no collection of this name.')
    if (key !== undefined) return sendJson(reply, redactExplanation(collections.explainNamed(name, key)))
    const list = [...keys]
    return sendJson(reply, { name, size: list.length, keys: list.slice(0, maxKeys) })
  })
}

function sendReadiness(reply: FastifyReply, { ready, reasons }: Readiness): FastifyReply {
  return sendJson(reply.code(ready ? 200 : 503), { ready, reasons })
}

function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(`${JSON.stringify(value, undefined, 2)}\n`)
}

function refuse(reply: FastifyReply, status: number, sentence: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').send(`${sentence}\n`)
}

function queryOf(request: FastifyRequest): { readonly name: string | undefined; readonly key: string | undefined } {
  const query = new URL(request.raw.url ?? '/', 'http://admin').searchParams
  return { name: query.get('name') ?? undefined, key: query.get('key') ?? undefined }
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
