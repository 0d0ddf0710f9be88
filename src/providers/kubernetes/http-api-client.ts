import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import { createSecureContext } from 'node:tls'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { ApiAccess, ApiAccessSource } from './api-access.ts'
import {
  type ApiClient,
  ApiError,
  type ApiErrorCause,
  type ApiListRequest,
  type ApiRequest,
  type ApiWatchRequest,
} from './api-client.ts'
import { asList, asObject, type JsonObject } from './json.ts'
import { LineSplitter } from './line-splitter.ts'
import { ListSplitter } from './list-splitter.ts'

export interface HttpApiClientOptions {
  readonly access: ApiAccessSource
  readonly clock?: Clock
  readonly userAgent?: string
  /** Bytes of an answer; 64 MiB unless given. */
  readonly maxAnswer?: number
  /** Bytes of a line of a watch, or of an item of a list; 8 MiB unless given. Objects in etcd have 1.5 MiB at most. */
  readonly maxLine?: number
}

/** An import would load all that the module has, WebSockets too: 7 MB and 60 ms. */
const http = process.getBuiltinModule('node:http')

/** Milliseconds. */
const callTimeout = 30_000
/**
 * The kernel asks after a silent peer from then on, every second, and gives up after ten. Milliseconds.
 * It finds dead machines; a dead server behind a living proxy is found by the limits of the requests.
 */
const keepAliveDelay = 10_000
/** Less than the 90 s after which the API server closes connections that nobody uses. Milliseconds. */
const idleLimit = 30_000
/** Milliseconds of work with a list or a watch between two pauses for other events: a fast server sends without an end. */
const turn = 5
/** Of an answer that is an error: enough for any Status object. Bytes. */
const maxErrorAnswer = 256 * 1024
/** Of a line or an item. Bytes. */
const defaultMaxLine = 8 * 1024 * 1024
/** Of one refusal. */
const maxCauses = 256

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>> | undefined
  readonly accept: string | undefined
  readonly contentType: string | undefined
  readonly body: unknown
  readonly signal: AbortSignal | undefined
}

/** Ends an exchange, with an error or well. Only the first call counts. */
type Finish = (error?: unknown) => void

/** Who reads an answer while it comes. */
interface StreamReader {
  /** A throw ends the exchange with that error. */
  readonly take: (chunk: Buffer) => void
  /** The answer has come to its end; a throw says that it has not. */
  readonly end: () => void
  readonly finish: Finish
  /** To be told that something has come, and when. */
  readonly stirred: (now: number) => void
}

/**
 * The API over HTTP/1.1 with connections that are kept. Each call in flight has a connection of its own.
 * The caller calls `close` at the end.
 */
export class HttpApiClient implements ApiClient {
  readonly #options: HttpApiClientOptions
  readonly #clock: Clock
  readonly #connections: ConnectionPool
  readonly #open = new Set<Finish>()
  #isClosed = false

  constructor(options: HttpApiClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#connections = new ConnectionPool()
  }

  async call(request: ApiRequest): Promise<unknown> {
    const { method, path, query, accept, contentType, body, signal, timeout = callTimeout } = request
    let answer: unknown
    const outgoing = { method, path, query, accept, contentType, body, signal }
    await this.#exchange(outgoing, timeout, (response, finish) => {
      this.#readAnswer(response, this.#options.maxAnswer ?? 64 * 1024 * 1024, finish, (text) => {
        answer = text === '' ? undefined : parseJson(text)
      })
    })
    return answer
  }

  async list(request: ApiListRequest): Promise<unknown> {
    const { path, query, accept, signal, inactivityLimit, onItem } = request
    const tell = (item: Buffer) => signal.aborted || onItem(item)
    const items = new ListSplitter(tell, this.#options.maxLine ?? defaultMaxLine)
    let rest: unknown
    await this.#exchange(askFor(path, query, accept, signal), inactivityLimit, (response, finish, stirred) => {
      const take = (chunk: Buffer) => items.write(chunk)
      const end = () => {
        rest = parseJson(items.end())
      }
      this.#readStream(response, { take, end, finish, stirred })
    })
    return rest
  }

  async watch(request: ApiWatchRequest): Promise<void> {
    const { path, query, accept, signal, inactivityLimit, onLine, onOpen } = request
    const outgoing = askFor(path, { ...query, watch: 'true' }, accept, signal)
    const tell = (line: Buffer) => {
      if (!signal.aborted) onLine(line)
    }
    const lines = new LineSplitter(tell, this.#options.maxLine ?? defaultMaxLine)
    await this.#exchange(outgoing, inactivityLimit, (response, finish, stirred) => {
      onOpen?.()
      const take = (chunk: Buffer) => lines.write(chunk)
      const end = () => {
        if (lines.isOpen) throw new ApiError('malformed', 'the watch ended in the middle of a line')
      }
      this.#readStream(response, { take, end, finish, stirred })
    })
  }

  /** Ends whatever is under way, with `aborted`, and whatever is begun later. */
  close(): void {
    this.#isClosed = true
    for (const finish of [...this.#open]) finish(new ApiError('aborted', 'the client is closed'))
    this.#connections.close()
  }

  /**
   * One request with its answer.
   * @param limit milliseconds until the end; a call of `stirred` begins them anew
   * @param receive gets an answer with a status below 400
   */
  async #exchange(
    outgoing: Outgoing,
    limit: number,
    receive: (response: IncomingMessage, finish: Finish, stirred: (now: number) => void) => void,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // It may fail while the credential is still being read, when nobody waits for it yet: that ended the process.
    promise.catch(() => {})
    const { signal } = outgoing
    let request: ClientRequest | undefined
    let isDone = false
    const finish: Finish = (error) => {
      if (isDone) return
      isDone = true
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      this.#open.delete(finish)
      if (error === undefined) resolve()
      else {
        request?.destroy()
        reject(error)
      }
    }
    const code = outgoing.query?.['watch'] === undefined ? 'timeout' : 'inactive'
    let stirredAt = this.#clock.now()
    // Looks again when its time is up, because a fast server stirs thousands of times a second.
    const arm = (wait: number): (() => void) =>
      this.#clock.after(wait, () => {
        const rest = stirredAt + limit - this.#clock.now()
        if (rest > 0) cancelTimer = arm(rest)
        else finish(new ApiError(code, `no answer within ${limit} ms`))
      })
    let cancelTimer = arm(limit)
    const onAbort = () => finish(new ApiError('aborted', 'given up by the caller'))
    signal?.addEventListener('abort', onAbort)
    this.#open.add(finish)
    if (signal?.aborted) onAbort()
    if (this.#isClosed) finish(new ApiError('aborted', 'the client is closed'))

    try {
      const access = await this.#options.access.current()
      if (!isDone) request = this.#send(outgoing, access)
    } catch (error) {
      finish(error instanceof ApiError ? error : new ApiError('network', describe(error)))
    }
    // After its end a request may still err.
    request?.on('error', (error) => finish(new ApiError('network', describe(error))))
    request?.on('response', (response: IncomingMessage) => {
      response.on('error', (error) => finish(new ApiError('network', describe(error))))
      const stirred = (now: number) => {
        stirredAt = now
      }
      if ((response.statusCode ?? 0) < 400) receive(response, finish, stirred)
      else this.#readRefusal(response, finish)
    })
    return promise.catch((error: unknown) => {
      if (error instanceof ApiError) throw nameRequest(error, outgoing)
      throw error
    })
  }

  #send(outgoing: Outgoing, access: ApiAccess): ClientRequest {
    const { method, path, query, accept, contentType, body } = outgoing
    const search = new URLSearchParams(query).toString()
    const url = new URL(`${access.server}${path}${search === '' ? '' : `?${search}`}`)
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const headers = {
      accept: accept ?? 'application/json',
      'user-agent': this.#options.userAgent ?? 'gatewright',
      ...(payload && { 'content-type': contentType ?? 'application/json', 'content-length': payload.length }),
      ...access.headers,
    }
    const agent = access.agent ?? this.#connections.agentFor(access)
    const start = url.protocol === 'https:' ? requestHttps : http.request
    const request = start(url, { method, headers, agent })
    request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveDelay))
    request.end(payload)
    return request
  }

  #readAnswer(response: IncomingMessage, max: number, finish: Finish, take: (text: string) => void): void {
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > max) finish(new ApiError('malformed', `an answer of more than ${max} bytes`))
      else chunks.push(chunk)
    })
    response.on('close', () => finish(new ApiError('network', 'the connection broke in the middle of an answer')))
    response.on('end', () => {
      try {
        take(Buffer.concat(chunks, size).toString('utf8'))
        finish()
      } catch (error) {
        finish(error)
      }
    })
  }

  /** Reads until the end, no faster than what comes is taken. */
  #readStream(response: IncomingMessage, { take, end, finish, stirred }: StreamReader): void {
    let turnEnd = this.#clock.now() + turn
    let isOver = false
    const fail = (error: unknown) => {
      isOver = true
      finish(error)
    }
    // Not an iterator: each part of a fast answer would cost it some promises.
    response.on('data', (chunk: Buffer) => {
      if (isOver) return
      const now = this.#clock.now()
      stirred(now)
      try {
        take(chunk)
      } catch (error) {
        fail(error)
        return
      }
      if (now < turnEnd) return
      response.pause()
      setImmediate(() => {
        turnEnd = this.#clock.now() + turn
        response.resume()
      })
    })
    response.on('close', () => finish(new ApiError('network', 'the connection broke in the middle of an answer')))
    response.on('end', () => {
      if (isOver) return
      try {
        end()
        finish()
      } catch (error) {
        fail(error)
      }
    })
  }

  #readRefusal(response: IncomingMessage, finish: Finish): void {
    const status = response.statusCode ?? 0
    if (status === 401) this.#options.access.invalidate()
    const retryAfter = parseRetryAfter(response.headers['retry-after'])
    this.#readAnswer(response, maxErrorAnswer, finish, (text) => {
      const { reason, message, causes } = parseStatus(text)
      throw new ApiError('http', message.slice(0, 1024), { status, reason, retryAfter, causes })
    })
  }
}

/** Connections are kept as long as nothing about the access changes but headers. */
class ConnectionPool {
  #agents: { readonly id: string; readonly agent: Agent }[] = []

  agentFor({ server, tls }: ApiAccess): Agent {
    const id = JSON.stringify([server, tls.ca, tls.cert, tls.key, tls.serverName, tls.insecure])
    const known = this.#agents.find((entry) => entry.id === id)
    if (known) return known.agent
    const agent = createAgent(server, tls)
    this.#agents.push({ id, agent })
    // Calls under way may end on the connections of the last credential, not on those before.
    while (this.#agents.length > 2) this.#agents.shift()?.agent.destroy()
    return agent
  }

  close(): void {
    for (const { agent } of this.#agents) agent.destroy()
    this.#agents = []
  }
}

function createAgent(server: string, { ca, cert, key, serverName, insecure }: ApiAccess['tls']): Agent {
  const options = { keepAlive: true, scheduling: 'lifo', timeout: idleLimit } as const
  if (!server.startsWith('https:')) return new http.Agent(options)
  // Made once: parsing certificates anew costs each connection a millisecond.
  const secureContext = createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: 'TLSv1.2',
  })
  return new TlsAgent({
    ...options,
    secureContext,
    ...(serverName !== undefined && { servername: serverName }),
    ...(insecure === true && { rejectUnauthorized: false }),
  })
}

function askFor(
  path: string,
  query: Readonly<Record<string, string>>,
  accept: string | undefined,
  signal: AbortSignal,
): Outgoing {
  return { method: 'GET', path, query, accept, contentType: undefined, body: undefined, signal }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError('malformed', 'the answer is not JSON')
  }
}

/** What the Status object of a refusal says. Proxies answer in their own words. */
function parseStatus(text: string): { reason: string; message: string; causes: readonly ApiErrorCause[] } {
  try {
    const status = asObject(JSON.parse(text))
    const { reason, message } = status
    const causes = asList(asObject(status['details'])['causes']).slice(0, maxCauses)
    if (typeof message === 'string') return { reason: readText(reason), message, causes: causes.map(readCause) }
  } catch {}
  return { reason: '', message: text.trim().slice(0, 200), causes: [] }
}

function readCause({ reason, message, field }: JsonObject): ApiErrorCause {
  return { reason: readText(reason), message: readText(message), field: readText(field) }
}

function readText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** @returns milliseconds */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,6}$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds * 1000)
}

function nameRequest(
  { code, message, status, reason, retryAfter, causes }: ApiError,
  { method, path }: Outgoing,
): ApiError {
  const refusal = status === 0 ? '' : `${status} ${reason}: `
  return new ApiError(code, `${method} ${path}: ${refusal}${message}`, { status, reason, retryAfter, causes })
}

function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return message || code || String(error)
}
