/**
 * What one edited route costs on its way out of the process: from the change of a Source to the bytes in the
 * hands of a client of the real server, and how many bytes that are.
 * node bench/wire.bench.ts [edits=200]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'
import { envoy } from '../src/gen/discovery.js'
import { applyObjects } from '../src/testing/builders.ts'
import { startServingControlPlane, testToken } from '../src/testing/serving-fixture.ts'
import { splitResourceKey, typeUrls } from '../src/xds/resource.ts'
import { quantile, report, reportMachine } from './report.ts'
import { makeGatewayObjects, makeHostRoute } from './route-objects.ts'

const { DeltaDiscoveryRequest, DeltaDiscoveryResponse } = envoy.service.discovery.v3
const edits = Number(process.argv[2] ?? 200)
const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/** Gives the bytes of responses as they come; decodes only what it has to, when nobody measures. */
class RawClient {
  readonly #client: Client
  readonly #call: ClientDuplexStream<Uint8Array, Buffer>
  #isFirst = true
  #receive: (bytes: Buffer) => void = () => {}

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 })
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${testToken}`)
    const send = (bytes: Uint8Array) => Buffer.from(bytes)
    const receive = (bytes: Buffer) => bytes
    this.#call = this.#client.makeBidiStreamRequest(method, send, receive, metadata)
    this.#call.on('data', (bytes: Buffer) => this.#receive(bytes))
    this.#call.on('error', () => {})
  }

  send(request: Parameters<typeof DeltaDiscoveryRequest.encode>[0]): void {
    const node = this.#isFirst ? { node: { id: 'bench' } } : {}
    this.#isFirst = false
    this.#call.write(DeltaDiscoveryRequest.encode({ ...node, ...request }).finish())
  }

  next(): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#receive = resolve
    })
  }

  acknowledge(bytes: Buffer): void {
    const { typeUrl, nonce } = DeltaDiscoveryResponse.decode(bytes)
    this.send({ typeUrl: typeUrl ?? '', responseNonce: nonce ?? '' })
  }

  close(): void {
    this.#call.cancel()
    this.#client.close()
  }
}

async function measure(hosts: number, tables: 'never' | 'always'): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'gatewright-bench-'))
  const socket = join(directory, 'xds.sock')
  const controlPlane = await startServingControlPlane({ socket, listenAddress: '127.0.0.1', tables })
  const routes = Array.from({ length: hosts }, (_, i) => makeHostRoute(i))
  applyObjects(controlPlane, [...makeGatewayObjects('127.0.0.1', 80), ...routes])
  controlPlane.xds.markSynced()
  const client = new RawClient(socket)
  const isWhole = tables === 'never'
  const typeUrl = isWhole ? typeUrls.route : typeUrls.scopedRoute
  const all = isWhole ? controlPlane.resources.route : controlPlane.resources.scopedRoute
  const names = [...all.entries()].map(([key]) => splitResourceKey(key)[1])
  let left = names.length
  client.send({ typeUrl, resourceNamesSubscribe: names })
  while (left > 0) {
    const bytes = await client.next()
    left -= DeltaDiscoveryResponse.decode(bytes).resources?.length ?? 0
    client.acknowledge(bytes)
  }
  // The acknowledgements are on their way.
  await new Promise((resolve) => setTimeout(resolve, 200))
  const times: number[] = []
  let sent = 0
  for (let i = 0; i < edits; i++) {
    const route = makeHostRoute((i * 7919) % hosts, i + 1)
    const from = performance.now()
    applyObjects(controlPlane, [route])
    const bytes = await client.next()
    times.push(performance.now() - from)
    sent += bytes.length
    client.acknowledge(bytes)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  console.log(
    `${hosts} routes on one port, ${isWhole ? 'in one table' : `in ${names.length} scoped tables`}: one is edited`,
  )
  report('Source event to the bytes at a client (in this process), p50', quantile(times, 0.5), 'ms')
  report('p99', quantile(times, 0.99), 'ms')
  report('bytes sent for one edit', sent / edits, 'B')
  client.close()
  await controlPlane.xds.close()
  await rm(directory, { recursive: true, force: true })
}

reportMachine()
for (const hosts of [1_000, 5_000, 20_000]) {
  await measure(hosts, 'never')
  await measure(hosts, 'always')
}
process.exit(0)
