import type { Clock } from '../base/clock.ts'
import {
  type ApiClient,
  ApiError,
  type ApiErrorCause,
  type ApiListRequest,
  type ApiRequest,
  type ApiWatchRequest,
} from '../providers/kubernetes/api-client.ts'
import { ListSplitter } from '../providers/kubernetes/list-splitter.ts'
import type { FakeApi } from './fake-api.ts'

interface Request {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly accept?: string
  readonly contentType?: string
  readonly body?: unknown
  readonly limit: number
  readonly signal?: AbortSignal | undefined
}

interface Receiver {
  readonly onStart: (status: number, headers: Readonly<Record<string, string>>) => void
  readonly onText: (text: string) => void
}

interface Exchange extends Request {
  /** The server has agreed. */
  readonly onOpen?: () => void
  /** A part of an answer that is no refusal. */
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
    let text = ''
    await this.#exchange({
      ...rest,
      query,
      limit: timeout,
      onText: (part) => {
        text += part
      },
    })
    return text === '' ? undefined : parse(text)
  }

  async list(request: ApiListRequest): Promise<unknown> {
    const { inactivityLimit, readsAfter, onItem, ...rest } = request
    const items = new ListSplitter(onItem, Number.POSITIVE_INFINITY)
    const unread: string[] = []
    const read = (part: string) => items.write(Buffer.from(part))
    await this.#exchange({
      ...rest,
      method: 'GET',
      limit: inactivityLimit,
      onText: (part) => (readsAfter ? unread.push(part) : read(part)),
    })
    await readsAfter
    for (const part of unread) read(part)
    return parse(items.end())
  }

  async watch(request: ApiWatchRequest): Promise<void> {
    const { query, inactivityLimit, onLine, onOpen, ...rest } = request
    let text = ''
    await this.#exchange({
      ...rest,
      method: 'GET',
      query: { ...query, watch: 'true' },
      limit: inactivityLimit,
      ...(onOpen && { onOpen }),
      onText: (part) => {
        text += part
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const line = text.slice(0, end)
          text = text.slice(end + 1)
          onLine(Buffer.from(line))
        }
      },
    })
    if (text !== '') throw new ApiError('malformed', 'the watch ended in the middle of a line')
  }

  /** @throws ApiError also for an answer that refuses */
  async #exchange({ onOpen, onText, ...request }: Exchange): Promise<void> {
    let [status, retryAfter, refused] = [0, undefined as number | undefined, '']
    await this.#connect(request, {
      onStart(code, headers) {
        status = code
        retryAfter = headers['retry-after'] === undefined ? undefined : Number(headers['retry-after']) * 1000
        if (code < 400) onOpen?.()
      },
      onText(part) {
        if (status < 400) onText(part)
        else refused += part
      },
    })
    if (status >= 400) throw refusal(status, refused, retryAfter)
  }

  #connect(request: Request, { onStart, onText }: Receiver): Promise<void> {
    const { method, path, query, accept = '', contentType = 'application/json', body, limit, signal } = request
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
          acceptsGzip: false,
          start: (status, headers) => take(() => onStart(status, headers)),
          write: (piece) => take(() => onText(piece.toString())),
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
