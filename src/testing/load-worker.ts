/** The thread behind `Load`. */
import { get as getHttp, Agent as HttpAgent } from 'node:http'
import { get as getHttps, Agent as HttpsAgent } from 'node:https'
import { parentPort, workerData } from 'node:worker_threads'
import { type LoadOptions, type LoadResult, longestLoad } from './load.ts'

const { url, host, ca, keepAliveClients, newConnectionClients } = workerData as LoadOptions
const secure = url.startsWith('https:')
const get = secure ? getHttps : getHttp

/** TLS sessions are not resumed: each new connection meets the certificate of its time. */
function makeAgent(keepAlive: boolean): HttpAgent {
  if (!secure) return new HttpAgent({ keepAlive, maxSockets: 1 })
  return new HttpsAgent({
    keepAlive,
    maxSockets: 1,
    maxCachedSessions: 0,
    servername: host,
    ...(ca !== undefined && { ca }),
  })
}

const statuses: Record<string, number> = {}
const services: Record<string, number> = {}
const failures: string[] = []
let requests = 0
let running = true

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1
}

function fail(text: string): void {
  if (failures.length < 10) failures.push(`${new Date().toISOString()} ${text}`)
}

function ask(agent: HttpAgent): Promise<void> {
  return new Promise((resolve) => {
    requests += 1
    const sent = get(url, { agent, headers: { host }, timeout: 10_000 }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('end', () => {
        count(statuses, String(response.statusCode))
        if (response.statusCode === 200) count(services, (JSON.parse(body) as { service: string }).service)
        else fail(`status ${response.statusCode}: ${body.slice(0, 200)}`)
        resolve()
      })
      response.on('error', (error) => {
        count(statuses, 'error')
        fail(`in the answer: ${error.message}`)
        resolve()
      })
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')))
    sent.on('error', (error) => {
      count(statuses, 'error')
      fail(error.message)
      resolve()
    })
  })
}

async function client(keepAlive: boolean): Promise<void> {
  const agent = makeAgent(keepAlive)
  while (running) await ask(agent)
  agent.destroy()
}

const deadline = setTimeout(() => {
  running = false
}, longestLoad)
parentPort?.on('message', () => {
  running = false
})

const clients = [
  ...Array.from({ length: keepAliveClients }, () => client(true)),
  ...Array.from({ length: newConnectionClients }, () => client(false)),
]
await Promise.all(clients)
clearTimeout(deadline)
const result: LoadResult = { requests, statuses, services, failures }
parentPort?.postMessage(result)
parentPort?.close()
