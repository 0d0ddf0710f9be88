/**
 * Storms against the xDS server, with the bounds that it promises; exit status 1 if one is not kept.
 * node --expose-gc bench/xds.bench.ts [clients=1000] [stopped readers=300]
 *
 * The proxies are simulated in a process of their own, by code that shares nothing with the server.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { AdsClient, SimulatedProxy } from '../src/testing/ads-client.ts'
import { makeResource } from '../src/testing/xds-bed.ts'
import { XdsServerBed } from '../src/testing/xds-server.ts'
import { typeUrls } from '../src/xds/resource.ts'
import { countFailures, report, reportMachine } from './report.ts'

const mebibyte = 1024 * 1024
const groups = 100
const self = fileURLToPath(import.meta.url)

/** A cluster, its endpoints, and for every tenth a listener with its table: about 1 KiB each, tables 20. */
function makeGroup(index: number, text: string) {
  const name = `namespace-${index % 10}/service-${index}/http/8080`
  const filler = 'x'.repeat(1_000)
  const resources = [makeResource('cluster', name, text + filler), makeResource('endpoint', name, text + filler)]
  if (index % 10 > 0) return resources
  const table = makeResource('route', name, text + filler.repeat(20))
  return [...resources, makeResource('listener', name, text + filler), table]
}

// ---- the process with the proxies ----------------------------------------------------------------

interface Order {
  readonly run: 'connect' | 'reconnect' | 'watch' | 'idle' | 'count'
  readonly address: string
  readonly count: number
}

function startClients(): void {
  let proxies: { readonly client: AdsClient; readonly proxy: SimulatedProxy }[] = []
  const expected = groups * 2 + groups / 5
  const isComplete = (proxy: SimulatedProxy): boolean =>
    [...proxy.held.values()].reduce((sum, held) => sum + held.size, 0) >= expected
  const children = (type: string, name: string) =>
    [[type === typeUrls.cluster ? typeUrls.endpoint : typeUrls.route, name]] as const
  const nameOf = (_type: string, value: Buffer) => value.toString().split('=')[0] as string
  const roots = [typeUrls.cluster, typeUrls.listener]

  async function waitForAll(isDone: (proxy: SimulatedProxy) => boolean): Promise<number> {
    const start = performance.now()
    while (!proxies.every(({ proxy }) => isDone(proxy))) await new Promise((resolve) => setTimeout(resolve, 20))
    return performance.now() - start
  }

  process.on('message', async (order: Order) => {
    if (order.run === 'connect') {
      proxies = Array.from({ length: order.count }, (_, i) => ({
        client: new AdsClient(order.address, { token: 'token-a' }),
        proxy: new SimulatedProxy({ variant: 'delta', nodeId: `n${i}`, children, nameOf }, roots),
      }))
      for (const { client, proxy } of proxies) proxy.connect(client)
      process.send?.({ milliseconds: await waitForAll(isComplete) })
    } else if (order.run === 'reconnect') {
      const before = new Map(proxies.map(({ proxy }) => [proxy, proxy.responses]))
      for (const { proxy } of proxies) proxy.stream?.cancel()
      await new Promise((resolve) => setTimeout(resolve, 500))
      for (const { client, proxy } of proxies) proxy.connect(client)
      // Every proxy misses the same change, so it hears something when it is back.
      process.send?.({ milliseconds: await waitForAll((proxy) => proxy.responses > (before.get(proxy) ?? 0)) })
    } else if (order.run === 'watch') {
      const client = new AdsClient(order.address, { token: 'token-a' })
      const proxy = new SimulatedProxy({ variant: 'delta', nodeId: 'watcher', children, nameOf }, roots)
      proxy.connect(client)
      while (!isComplete(proxy)) await new Promise((resolve) => setTimeout(resolve, 20))
      process.send?.({ ready: true })
      const table = () =>
        [...(proxy.held.get(typeUrls.route)?.values() ?? [])].some(({ value }) => value.includes('marked'))
      while (!table()) await new Promise((resolve) => setTimeout(resolve, 5))
      process.send?.({ seen: Date.now() })
    } else if (order.run === 'count') {
      process.send?.({ responses: proxies.reduce((sum, { proxy }) => sum + proxy.responses, 0) })
    } else {
      for (let i = 0; i < order.count; i++) {
        const stream = new AdsClient(order.address, { token: 'token-a' }).open('delta')
        stream.send({ node: { id: `idle${i}` }, type_url: typeUrls.cluster })
        await stream.next(undefined, 60_000)
        stream.send({ type_url: typeUrls.route, resource_names_subscribe: ['table'] })
        await stream.next(undefined, 60_000)
      }
      process.send?.({ ready: true })
    }
  })
}

// ---- the process with the server -------------------------------------------------------------------

const children: ChildProcess[] = []

function startProcess(): ChildProcess {
  const child = fork(self, ['clients'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  return child
}

async function answerOf<T>(child: ChildProcess, order?: Order): Promise<T> {
  if (order) child.send(order)
  const [message] = await once(child, 'message')
  return message as T
}

const rss = (): number => process.memoryUsage.rss() / mebibyte

function collect(): void {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
}

/** Samples the resident memory and the delay of the event loop while something runs. */
function startSampling() {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let highest = rss()
  const timer = setInterval(() => {
    highest = Math.max(highest, rss())
  }, 50)
  return () => {
    clearInterval(timer)
    delay.disable()
    return { highest: Math.max(highest, rss()), delay: delay.percentile(99) / 1e6 }
  }
}

async function measureStorm(count: number): Promise<void> {
  const bed = await XdsServerBed.start()
  bed.put(...Array.from({ length: groups }, (_, i) => makeGroup(i, 'v1')).flat())
  const watcher = startProcess()
  await answerOf(watcher, { run: 'watch', address: bed.address, count: 1 })
  const clients = startProcess()
  collect()
  const before = rss()

  console.log(`${count} proxies connect at once, ${groups * 2 + groups / 5} resources each`)
  let stop = startSampling()
  const connected = answerOf<{ milliseconds: number }>(clients, { run: 'connect', address: bed.address, count })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const changedAt = Date.now()
  bed.put(...makeGroup(0, 'marked'))
  const { seen } = await answerOf<{ seen: number }>(watcher)
  const { milliseconds } = await connected
  let { highest, delay } = stop()
  report('all have converged', milliseconds / 1000, 's', 30)
  report('a route change in the middle of it is served', (seen - changedAt) / 1000, 's', 5)
  report('event loop delay p99', delay, 'ms', 200)
  report('resident memory, highest', highest, 'MiB', 1024)
  collect()
  report('resident memory per stream afterwards', (rss() - before) / count, 'MiB')

  console.log(`the ${count} proxies reconnect at once, having missed one change`)
  const sent = () => [...bed.server.counters.resourcesSent.values()].reduce((a, b) => a + b, 0)
  await expectSettled(bed, count + 1)
  const sentBefore = sent()
  stop = startSampling()
  const again = answerOf<{ milliseconds: number }>(clients, { run: 'reconnect', address: bed.address, count })
  while (bed.server.counters.streams > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  bed.put(makeResource('cluster', 'namespace-1/service-1/http/8080', 'missed'))
  const reconnected = await again
  ;({ highest, delay } = stop())
  await new Promise((resolve) => setTimeout(resolve, 500))
  report('all have converged', reconnected.milliseconds / 1000, 's', 30)
  report(
    'resources sent to each beyond the change (1 cluster, endpoints)',
    (sent() - sentBefore) / (count + 1) - 2,
    '',
    0,
  )
  report('event loop delay p99', delay, 'ms', 200)
  report('resident memory, highest', highest, 'MiB', 1024)
  for (const child of children.splice(0)) child.kill()
  await bed.stop()
}

async function expectSettled(bed: XdsServerBed, streams: number): Promise<void> {
  for (;;) {
    const settled = [...bed.server.streams.entries()].filter(([, stream]) => stream.isSettled)
    if (settled.length >= streams) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function measureStoppedReaders(count: number): Promise<void> {
  const bed = await XdsServerBed.start({ stallLimit: 8_000 })
  bed.put(makeResource('route', 'table', 'x'.repeat(500_000)))
  const clients = startProcess()
  await answerOf(clients, { run: 'idle', address: bed.address, count })
  collect()
  const before = rss()
  console.log(`${count} readers stop while 4 MiB of clusters and a table of 0.5 MiB change ten times a second`)
  clients.kill('SIGSTOP')
  const stop = startSampling()
  for (let round = 0; round < 60; round++) {
    const text = `${round} ${'x'.repeat(40_000)}`
    bed.put(...Array.from({ length: 100 }, (_, i) => makeResource('cluster', `c${i}`, text)))
    bed.put(makeResource('route', 'table', `${round} ${'x'.repeat(500_000)}`))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { highest, delay } = stop()
  report('resident memory per stopped reader, highest', (highest - before) / count, 'MiB', 1)
  report('event loop delay p99', delay, 'ms', 200)
  for (let i = 0; i < 200 && bed.server.counters.streams > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  report('readers that are not cut off in time', bed.server.counters.streams, '', 0)
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await bed.stop()
}

/** As many proxies as a large installation has, and more changes than any has. */
async function measureResponses(count: number): Promise<void> {
  const seconds = 5
  const bed = await XdsServerBed.start()
  bed.put(...Array.from({ length: groups }, (_, i) => makeGroup(i, 'v1')).flat())
  const clients = startProcess()
  await answerOf(clients, { run: 'connect', address: bed.address, count })
  await expectSettled(bed, count)
  const responses = () => [...bed.server.counters.responses.values()].reduce((a, b) => a + b, 0)
  const { responses: receivedBefore } = await answerOf<{ responses: number }>(clients, {
    run: 'count',
    address: '',
    count,
  })
  const [sentBefore, cpuBefore, from] = [responses(), process.cpuUsage(), performance.now()]
  let turn = 0
  while (performance.now() - from < seconds * 1000) {
    turn++
    bed.put(makeResource('endpoint', `namespace-${turn % 10}/service-${turn % groups}/http/8080`, `turn ${turn}`))
    // As fast as proxies answer: what comes meanwhile is gathered.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { responses: received } = await answerOf<{ responses: number }>(clients, { run: 'count', address: '', count })
  const { user, system } = process.cpuUsage(cpuBefore)
  const elapsed = (performance.now() - from) / 1000
  console.log(`endpoints change without pause for ${seconds} s, ${count} proxies`)
  report('responses sent per second', (responses() - sentBefore) / elapsed, '/s')
  report('responses that were answered, per second', (received - receivedBefore) / elapsed, '/s')
  report('CPU time per response', (user + system) / (responses() - sentBefore), 'µs')
  for (const child of children.splice(0)) child.kill()
  await bed.stop()
}

/** One proxy in this process: what one change costs on its way to the wire and back. */
async function measureLatency(): Promise<void> {
  const bed = await XdsServerBed.start()
  for (const size of [1_000, 100_000, 1_000_000]) {
    const name = `table-${size}`
    const make = (round: number) => makeResource('route', name, `${round} ${'x'.repeat(size)}`)
    bed.put(make(0))
    const stream = bed.client().open('delta')
    stream.send({ node: { id: name }, type_url: typeUrls.route, resource_names_subscribe: [name] })
    const times: number[] = []
    let response = await stream.next()
    for (let round = 1; round <= 300; round++) {
      stream.send({ type_url: typeUrls.route, response_nonce: response.nonce })
      await new Promise((resolve) => setTimeout(resolve, 2))
      const resource = make(round)
      const start = performance.now()
      bed.put(resource)
      response = await stream.next()
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    console.log(`one table of ${size} bytes changes`)
    report('Source event to the client (in this process), p50', times[150] as number, 'ms')
    report('p99', times[297] as number, 'ms')
  }
  await bed.stop()
}

if (process.argv[2] === 'clients') startClients()
else {
  reportMachine()
  await measureLatency()
  await measureResponses(100)
  await measureStoppedReaders(Number(process.argv[3] ?? 300))
  await measureStorm(Number(process.argv[2] ?? 1000))
  process.exit(countFailures() > 0 ? 1 : 0)
}
