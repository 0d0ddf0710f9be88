import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
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
import { ApiConnections } from './api-connections.ts'
import { asList, asObject, type JsonObject } from './json.ts'
import { LineSplitter } from './line-splitter.ts'
import { ListSplitter } from './list-splitter.ts'
import type { Receiver, SentRequest, WireAnswer, WireRequest } from './wire-request.ts'

export interface HttpApiClientOptions {
  readonly access: ApiAccessSource
  readonly clock?: Clock
  readonly userAgent?: string
  /** Bytes of an answer; 64 MiB unless given. */
  readonly maxAnswer?: number
  /** Bytes of a line of a watch, or of an item of a list; 8 MiB unless given. Objects in etcd have 1.5 MiB at most. */
  readonly maxLine?: number
}

/** Milliseconds. */
const callTimeout = 30_000
/** Milliseconds of work with a list or a watch between two pauses for other events: a fast server sends without an end. */
const turn = 5
/** Of an answer that is an error: enough for any Status object. Bytes. */
const maxErrorAnswer = 256 * 1024
/** Of a line or an item. Bytes. */
const defaultMaxLine = 8 * 1024 * 1024
/** Of an answer that comes compressed. Bytes. */
const unpackedChunk = 64 * 1024
/** Of one refusal. */
const maxCauses = 256

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>> | undefined
  readonly accept: string | undefined
  readonly encoding?: 'gzip'
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
  /** Nothing is taken before. */
  readonly after?: Promise<void> | undefined
}

/**
 * The API over HTTP, with connections that are kept. The caller calls `close` at the end.
 */
export class HttpApiClient implements ApiClient {
  readonly #options: HttpApiClientOptions
  readonly #clock: Clock
  readonly #connections: ApiConnections
  readonly #open = new Set<Finish>()
  #isClosed = false

  constructor(options: HttpApiClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#connections = new ApiConnections(this.#clock)
  }

  async call(request: ApiRequest): Promise<unknown> {
    const { method, path, query, accept, contentType, body, signal, timeout = callTimeout } = request
    let answer: unknown
    const outgoing = { method, path, query, accept, contentType, body, signal }
    await this.#exchange(outgoing, timeout, (answered, finish) => {
      this.#readAnswer(answered, this.#options.maxAnswer ?? 64 * 1024 * 1024, finish, (text) => {
        answer = text === '' ? undefined : parseJson(text)
      })
    })
    return answer
  }

  async list(request: ApiListRequest): Promise<unknown> {
    const { path, query, accept, signal, inactivityLimit, readsAfter: after, onItem } = request
    const tell = (item: Buffer) => signal.aborted || onItem(item)
    const items = new ListSplitter(tell, this.#options.maxLine ?? defaultMaxLine)
    let rest: unknown
    const outgoing: Outgoing = { ...askFor(path, query, accept, signal), encoding: 'gzip' }
    await this.#exchange(outgoing, inactivityLimit, (answer, finish, stirred) => {
      const take = (chunk: Buffer) => items.write(chunk)
      const end = () => {
        rest = parseJson(items.end())
      }
      this.#readStream(unpack(answer, finish), { take, end, finish, stirred, after })
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
    await this.#exchange(outgoing, inactivityLimit, (answer, finish, stirred) => {
      onOpen?.()
      const take = (chunk: Buffer) => lines.write(chunk)
      const end = () => {
        if (lines.isOpen) throw new ApiError('malformed', 'the watch ended in the middle of a line')
      }
      this.#readStream(answer, { take, end, finish, stirred })
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
    receive: (answer: WireAnswer, finish: Finish, stirred: (now: number) => void) => void,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // It may fail while the credential is still being read, when nobody waits for it yet: that ended the process.
    promise.catch(() => {})
    const { signal } = outgoing
    let sent: SentRequest | undefined
    let isDone = false
    const finish: Finish = (error) => {
      if (isDone) return
      isDone = true
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      this.#open.delete(finish)
      if (error === undefined) resolve()
      else {
        sent?.cancel()
        reject(error)
      }
    }
    const code = outgoing.query?.['watch'] === undefined ? 'timeout' : 'inactive'
    let stirredAt = this.#clock.now()
    // Looks again when its time is up, because a fast server stirs thousands of times a second.
    const arm = (wait: number): (() => void) =>
      this.#clock.after(wait, () => {
        const rest = stirredAt + limit - this.#clock.now()
        if (rest > 0) {
          cancelTimer = arm(rest)
          return
        }
        sent?.doubt()
        finish(new ApiError(code, `no answer within ${limit} ms`))
      })
    let cancelTimer = arm(limit)
    const onAbort = () => finish(new ApiError('aborted', 'given up by the caller'))
    signal?.addEventListener('abort', onAbort)
    this.#open.add(finish)
    if (signal?.aborted) onAbort()
    if (this.#isClosed) finish(new ApiError('aborted', 'the client is closed'))

    const receiver: Receiver = {
      isWaiting: () => !isDone,
      // After its end a request may still err.
      failed: (error) => finish(new ApiError('network', describe(error))),
      answered: (answer) => {
        const stirred = (now: number) => {
          stirredAt = now
        }
        if (answer.status < 400) receive(answer, finish, stirred)
        else this.#readRefusal(answer, finish)
      },
    }
    try {
      const access = await this.#options.access.current()
      if (!isDone) sent = await this.#connections.send(access, this.#write(outgoing, access), receiver)
      // Perhaps since it was sent, but before we were told.
      if (isDone) sent?.cancel()
    } catch (error) {
      finish(error instanceof ApiError ? error : new ApiError('network', describe(error)))
    }
    return promise.catch((error: unknown) => {
      if (error instanceof ApiError) throw nameRequest(error, outgoing)
      throw error
    })
  }

  #write(outgoing: Outgoing, access: ApiAccess): WireRequest {
    const { method, path, query, accept, encoding, contentType, body } = outgoing
    const search = new URLSearchParams(query).toString()
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    return {
      method,
      url: new URL(`${access.server}${path}${search === '' ? '' : `?${search}`}`),
      headers: {
        accept: accept ?? 'application/json',
        ...(encoding && { 'accept-encoding': encoding }),
        'user-agent': this.#options.userAgent ?? 'gatewright',
        ...(payload && { 'content-type': contentType ?? 'application/json', 'content-length': payload.length }),
        ...access.headers,
      },
      payload,
    }
  }

  #readAnswer({ body, isWhole }: WireAnswer, max: number, finish: Finish, take: (text: string) => void): void {
    const chunks: Buffer[] = []
    let size = 0
    body.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > max) finish(new ApiError('malformed', `an answer of more than ${max} bytes`))
      else chunks.push(chunk)
    })
    body.on('close', () => finish(brokenAnswer()))
    body.on('end', () => {
      try {
        checkWhole(isWhole)
        take(Buffer.concat(chunks, size).toString('utf8'))
        finish()
      } catch (error) {
        finish(error)
      }
    })
  }

  /** Reads until the end, no faster than what comes is taken. */
  #readStream({ body, isWhole }: WireAnswer, { take, end, finish, stirred, after }: StreamReader): void {
    let turnEnd = this.#clock.now() + turn
    let isOver = false
    const fail = (error: unknown) => {
      isOver = true
      finish(error)
    }
    // Not an iterator: each part of a fast answer would cost it some promises.
    body.on('data', (chunk: Buffer) => {
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
      body.pause()
      setImmediate(() => {
        turnEnd = this.#clock.now() + turn
        body.resume()
      })
    })
    body.on('close', () => finish(brokenAnswer()))
    body.on('end', () => {
      if (isOver) return
      try {
        checkWhole(isWhole)
        end()
        finish()
      } catch (error) {
        fail(error)
      }
    })
    if (after === undefined) return
    body.pause()
    void after.then(() => body.resume())
  }

  #readRefusal(answer: WireAnswer, finish: Finish): void {
    const { status, headers } = answer
    if (status === 401) this.#options.access.invalidate()
    const retryAfter = parseRetryAfter(headers['retry-after'])
    this.#readAnswer(answer, maxErrorAnswer, finish, (text) => {
      const { reason, message, causes } = parseStatus(text)
      throw new ApiError('http', message.slice(0, 1024), { status, reason, retryAfter, causes })
    })
  }
}

function brokenAnswer(): ApiError {
  return new ApiError('network', 'the connection broke in the middle of an answer')
}

function checkWhole(isWhole: () => boolean): void {
  if (!isWhole()) throw brokenAnswer()
}

function askFor(
  path: string,
  query: Readonly<Record<string, string>>,
  accept: string | undefined,
  signal: AbortSignal,
): Outgoing {
  return { method: 'GET', path, query, accept, contentType: undefined, body: undefined, signal }
}

/**
 * An answer that may be compressed, as the API server does with long ones: it comes in a tenth of the pieces then, each of
 * which costs us more than to unpack it.
 */
function unpack(answer: WireAnswer, finish: Finish): WireAnswer {
  if (answer.headers['content-encoding'] !== 'gzip') return answer
  const body = createGunzip({ chunkSize: unpackedChunk })
  body.on('error', (error: NodeJS.ErrnoException) =>
    finish(new ApiError(error.code?.startsWith('Z_') ? 'malformed' : 'network', describe(error))),
  )
  pipeline(answer.body, body, () => {})
  return { ...answer, body }
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
