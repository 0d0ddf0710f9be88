/** The thread behind `Load`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { EchoAnswer } from './echo-backend.ts'
import { type AllowedOutcomes, type LoadOptions, type LoadProtocol, type LoadResult, longestLoad } from './load.ts'
import { createLoadClient, type LoadAnswer } from './load-client.ts'

const options = workerData as LoadOptions
const { keepAliveClients, newConnectionClients, protocols = ['http1'] } = options

const statuses: Record<string, number> = {}
const services: Record<string, number> = {}
const failures: string[] = []
const answers: Record<LoadProtocol, number> = { http1: 0, http2: 0 }
/** Clients that have had no answer yet. */
let waiting = keepAliveClients + newConnectionClients
let requests = 0
let failed = 0
let misrouted = 0
let running = true

/** What was allowed, one entry for each `allow`: each path has all its outcomes in every entry. */
const moments: AllowedOutcomes[] = options.allowed === undefined ? [] : [options.allowed]
const { pathname, search } = new URL(options.url)
const paths = options.allowed === undefined ? [pathname + search] : Object.keys(options.allowed)

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1
}

function tell(text: string): void {
  if (failures.length < 10) failures.push(`${new Date().toISOString()} ${text}`)
}

function isAllowed(path: string, outcome: string, since: number): boolean {
  if (moments.length === 0) return !/^\d{3}$/.test(outcome)
  return moments.slice(since).some((moment) => moment[path]?.includes(outcome))
}

function judge(path: string, { status, body }: LoadAnswer, since: number): void {
  count(statuses, String(status))
  let outcome = String(status)
  if (status === 200) {
    const { service, headers } = JSON.parse(body) as EchoAnswer
    count(services, service)
    const mark = headers['X-Mark']?.[0]
    outcome = mark === undefined ? service : `${service}:${mark}`
  }
  if (isAllowed(path, outcome, since)) return
  const allowed = moments
    .slice(since)
    .map((moment) => moment[path]?.join(' or '))
    .join(', then ')
  if (status === 200) {
    misrouted += 1
    tell(`${path} was answered by ${outcome} instead of ${allowed}`)
  } else {
    failed += 1
    tell(`${path}: status ${status}: ${body.slice(0, 200)}`)
  }
}

async function run(keepsConnection: boolean, first: number): Promise<void> {
  const protocol = protocols[first % protocols.length] as LoadProtocol
  const client = createLoadClient(options, protocol, keepsConnection)
  for (let turn = first; running; turn++) {
    const path = paths[turn % paths.length] as string
    const since = Math.max(0, moments.length - 1)
    requests += 1
    try {
      judge(path, await client.ask(path), since)
      answers[protocol] += 1
    } catch (error) {
      count(statuses, 'error')
      failed += 1
      tell(error instanceof Error ? error.message : String(error))
    }
    if (turn === first && --waiting === 0) parentPort?.postMessage('running')
  }
  client.close()
}

let isOverdue = false
const deadline = setTimeout(() => {
  isOverdue = true
  running = false
}, longestLoad)
parentPort?.on('message', (message: 'stop' | { readonly allowed: AllowedOutcomes }) => {
  if (message === 'stop') running = false
  else {
    moments.push({ ...moments.at(-1), ...message.allowed })
    parentPort?.postMessage('allowed')
  }
})

const clients = [
  ...Array.from({ length: keepAliveClients }, (_, i) => run(true, i)),
  ...Array.from({ length: newConnectionClients }, (_, i) => run(false, i)),
]
await Promise.all(clients)
clearTimeout(deadline)
if (isOverdue) throw new Error(`nobody has stopped the load within ${longestLoad} ms`)
const result: LoadResult = { requests, answers, statuses, services, failed, misrouted, failures }
parentPort?.postMessage(result)
parentPort?.close()
