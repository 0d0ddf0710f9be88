/**
 * Threads of envoy.bench.ts, so that none of them waits for the control plane's: the backend, the bystander who
 * asks all the time, and the probe who asks for a host until it is there.
 */
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

export type Role = { readonly role: 'backend' } | { readonly role: 'bystander' | 'probe'; readonly url: string }

/** To the bystander: tell the longest answer since the last time. To the probe: ask for this host. */
export type Order = { readonly tell: true } | { readonly host: string }

/** The same for all threads, milliseconds. */
const now = (): number => performance.timeOrigin + performance.now()

function ask(url: string, host: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: { host }, timeout: 10_000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
    request.on('error', reject)
  })
}

function serve(): void {
  const server = createServer((_request, response) => response.end('{"service":"echo","headers":{}}'))
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as AddressInfo).port))
}

/** Four connections, so that every thread of Envoy has one; a pause between requests, so that nobody else waits. */
async function watch(url: string): Promise<void> {
  let longest = 0
  parentPort?.on('message', () => {
    parentPort?.postMessage(longest)
    longest = 0
  })
  const clients = Array.from({ length: 4 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (;;) {
      const from = now()
      const status = await ask(url, 'host-0.example.com', agent)
      if (status !== 200) throw new Error(`a bystander was answered ${status}`)
      longest = Math.max(longest, now() - from)
      await sleep(1)
    }
  })
  await Promise.all(clients)
}

function probe(url: string): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  parentPort?.on('message', async ({ host }: { readonly host: string }) => {
    // The change is made when the probe is on its way.
    parentPort?.postMessage({ isAsking: true })
    for (;;) {
      const status = await ask(url, host, agent)
      if (status === 200) break
      if (status !== 404) throw new Error(`a new host was answered ${status}`)
      await sleep(1)
    }
    parentPort?.postMessage({ servedAt: now() })
  })
}

const role = workerData as Role
if (role.role === 'backend') serve()
else if (role.role === 'probe') probe(role.url)
else await watch(role.url)
