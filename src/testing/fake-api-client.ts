import type { Clock } from '../base/clock.ts'
import {
  type ApiClient,
  ApiError,
  type ApiErrorCause,
  type ApiRequest,
  type ApiWatchRequest,
} from '../providers/kubernetes/api-client.ts'
import type { FakeApi } from './fake-api.ts'

interface Exchange {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly accept?: string
  readonly contentType?: string
  readonly body?: unknown
  readonly limit: number
  readonly signal?: AbortSignal | undefined
  readonly onStart: (status: number, headers: Readonly<Record<string, string>>) => void
  readonly onText: (text: string) => void
}

/**
 * A client of a fake API server in the same process, so that tests run on a clock of their own. What a network
 * does to requests, the faults of the server do.
 */
export class FakeApiClient implements ApiClient {
  readonly #api: FakeApi
  readonly #clock: Clock

  constructor(api: FakeApi, clock: Clock) {
    this.#api = api
    this.#clock = clock
  }

  async call(request: ApiRequest): Promise<unknown> {
    const { query = {}, timeout = 30_000, ...rest } = request
    let [status, retryAfter, text] = [0, undefined as number | undefined, '']
    await this.#exchange({
      ...rest,
      query,
      limit: timeout,
      onStart(code, headers) {
        status = code
        retryAfter = headers['retry-after'] === undefined ? undefined : Number(headers['retry-after']) * 1000
      },
      onText: (part) => {
        text += part
      },
    })
    if (status >= 400) throw refusal(status, text, retryAfter)
    return text === '' ? undefined : parse(text)
  }

  async watch(request: ApiWatchRequest): Promise<void> {
    const { path, accept, signal, inactivityLimit, onLine, onOpen } = request
    let [status, retryAfter, text] = [0, undefined as number | undefined, '']
    await this.#exchange({
      method: 'GET',
      path,
      query: { ...request.query, watch: 'true' },
      ...(accept !== undefined && { accept }),
      signal,
      limit: inactivityLimit,
      onStart(code, headers) {
        status = code
        retryAfter = headers['retry-after'] === undefined ? undefined : Number(headers['retry-after']) * 1000
        if (code < 400) onOpen?.()
      },
      onText: (part) => {
        text += part
        if (status >= 400) return
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const line = text.slice(0, end)
          text = text.slice(end + 1)
          onLine(Buffer.from(line))
        }
      },
    })
    if (status >= 400) throw refusal(status, text, retryAfter)
    if (text !== '') throw new ApiError('malformed', 'the watch ended in the middle of a line')
  }

  #exchange(exchange: Exchange): Promise<void> {
    const { method, path, query, accept = '', contentType = 'application/json', body, limit, signal } = exchange
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const isWatch = query['watch'] === 'true'
    let isDone = false
    const closers: (() => void)[] = []
    const finish = (error?: unknown) => {
      if (isDone) return
      isDone = true
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      for (const run of closers) run()
      if (error === undefined) resolve()
      else reject(error)
    }
    const arm = () =>
      this.#clock.after(limit, () => finish(new ApiError(isWatch ? 'inactive' : 'timeout', `nothing in ${limit} ms`)))
    let cancelTimer = arm()
    const onAbort = () => finish(new ApiError('aborted', 'given up by the caller'))
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort()
    const take = (run: () => void) => {
      if (isDone) return
      if (isWatch) {
        cancelTimer()
        cancelTimer = arm()
      }
      try {
        run()
      } catch (error) {
        finish(error)
      }
    }
    const url = `${path}?${new URLSearchParams(query)}`
    if (!isDone)
      this.#api.handle(
        { method, url, accept, contentType, authorization: '', body },
        {
          start: (status, headers) => take(() => exchange.onStart(status, headers)),
          write: (text) => take(() => exchange.onText(text)),
          end: () => finish(),
          reset: () => finish(new ApiError('network', 'the connection broke')),
          onClose: (run) => void closers.push(run),
        },
      )
    return promise
  }
}

function refusal(status: number, text: string, retryAfter: number | undefined): ApiError {
  const { message, reason, details } = parse(text) as {
    message: string
    reason: string
    details?: { causes?: readonly ApiErrorCause[] }
  }
  const causes = details?.causes ?? []
  return new ApiError('http', `${status} ${reason}: ${message}`, { status, reason, retryAfter, causes })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError('malformed', 'the answer is not JSON')
  }
}
