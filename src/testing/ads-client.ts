import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/*
 * An ADS client for tests that shares no code with the server: the messages are built from the .proto
 * files at run time by @grpc/proto-loader, and the rules are written down a second time, from the
 * client's side. It does what its caller says, also what no honest proxy would.
 */

const deps = join(dirname(fileURLToPath(import.meta.url)), '../../node_modules/@grpc/grpc-js-xds/deps')
const includeDirs = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((dir) => join(deps, dir))

interface WireAny {
  readonly type_url: string
  readonly value: Buffer
}

/** A response of either variant. */
export interface AdsResponse {
  readonly type_url: string
  readonly nonce: string
  /** State of the world. */
  readonly version_info?: string
  /** Delta. */
  readonly removed_resources?: readonly string[]
  readonly resources: readonly (
    | WireAny
    | { readonly name: string; readonly version: string; readonly resource: WireAny }
  )[]
}

type AdsRequest = Readonly<Record<string, unknown>>
type Call = grpc.ClientDuplexStream<AdsRequest, AdsResponse>

interface AdsStub extends grpc.Client {
  DeltaAggregatedResources(metadata: grpc.Metadata): Call
  StreamAggregatedResources(metadata: grpc.Metadata): Call
}

let stubClass: (new (address: string, credentials: grpc.ChannelCredentials, options?: object) => AdsStub) | undefined

function loadStub(): NonNullable<typeof stubClass> {
  if (stubClass !== undefined) return stubClass
  if (!existsSync(deps)) throw new Error(`no protos in ${deps}: run npm install`)
  const definition = loadSync('envoy/service/discovery/v3/ads.proto', {
    includeDirs,
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  })
  const service = definition['envoy.service.discovery.v3.AggregatedDiscoveryService']
  stubClass = grpc.makeGenericClientConstructor(service as grpc.ServiceDefinition, 'ads') as never
  return stubClass as NonNullable<typeof stubClass>
}

export interface AdsClientOptions {
  readonly token?: string
  readonly credentials?: grpc.ChannelCredentials
  readonly channelOptions?: grpc.ChannelOptions
}

/** One connection; streams are opened on it. */
export class AdsClient {
  readonly #stub: AdsStub
  readonly #metadata = new grpc.Metadata()

  constructor(address: string, options: AdsClientOptions = {}) {
    const Stub = loadStub()
    this.#stub = new Stub(address, options.credentials ?? grpc.credentials.createInsecure(), {
      // Clients of one test must not share a connection by accident.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      ...options.channelOptions,
    })
    if (options.token !== undefined) this.#metadata.set('authorization', `Bearer ${options.token}`)
  }

  open(variant: 'delta' | 'sotw'): AdsClientStream {
    const call =
      variant === 'delta'
        ? this.#stub.DeltaAggregatedResources(this.#metadata)
        : this.#stub.StreamAggregatedResources(this.#metadata)
    return new AdsClientStream(call)
  }

  close(): void {
    this.#stub.close()
  }
}

/** A stream worked by hand: sends what it is told, keeps what it gets. */
export class AdsClientStream {
  readonly responses: AdsResponse[] = []
  /** Set when the server has ended the stream. */
  status: grpc.StatusObject | undefined
  readonly ended: Promise<grpc.StatusObject>
  readonly #call: Call
  #waiting: (() => void)[] = []
  /** Called for each response as it comes, before `next` sees it. */
  onResponse: (response: AdsResponse) => void = () => {}

  constructor(call: Call) {
    this.#call = call
    call.on('data', (response: AdsResponse) => {
      this.responses.push(response)
      this.onResponse(response)
      for (const wake of this.#waiting.splice(0)) wake()
    })
    call.on('error', () => {})
    this.ended = new Promise((resolve) => {
      call.on('status', (status: grpc.StatusObject) => {
        this.status = status
        resolve(status)
        for (const wake of this.#waiting.splice(0)) wake()
      })
    })
  }

  send(request: AdsRequest): void {
    this.#call.write(request)
  }

  /** Reads nothing from now on; the connection's window fills and stays full. */
  stopReading(): void {
    this.#call.pause()
  }

  resumeReading(): void {
    this.#call.resume()
  }

  /** Removes and returns the next response of a type (or of any), in order. */
  async next(typeUrl?: string, timeout = 5_000): Promise<AdsResponse> {
    const deadline = Date.now() + timeout
    for (;;) {
      const index = this.responses.findIndex((r) => typeUrl === undefined || r.type_url === typeUrl)
      if (index >= 0) return this.responses.splice(index, 1)[0] as AdsResponse
      if (this.status !== undefined) throw new Error(`the stream ended: ${this.status.code} ${this.status.details}`)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no response of ${typeUrl ?? 'any type'} within ${timeout} ms`)
      await this.#wake(left)
    }
  }

  /** Whether nothing comes for a while. */
  async isQuiet(milliseconds = 50): Promise<boolean> {
    if (this.responses.length > 0) return false
    await new Promise((resolve) => setTimeout(resolve, milliseconds))
    return this.responses.length === 0
  }

  async #wake(timeout: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeout)
      }),
    ])
    clearTimeout(timer)
  }

  /** Half-closes, as a proxy that ends in order does. */
  end(): void {
    this.#call.end()
  }

  /** Breaks off, as a proxy that dies does. */
  cancel(): void {
    this.#call.cancel()
  }
}

export interface SimulatedProxyOptions {
  readonly variant: 'delta' | 'sotw'
  readonly nodeId: string
  /** What a resource makes the proxy ask for: endpoints of a cluster, tables of a listener, ... */
  readonly children: (
    typeUrl: string,
    name: string,
    value: Buffer,
  ) => readonly (readonly [typeUrl: string, name: string])[]
  /** Why a response is refused, if it is; checked before anything is applied. */
  readonly refuse?: (response: AdsResponse) => string | undefined
  /** State of the world does not name resources. */
  readonly nameOf: (typeUrl: string, value: Buffer) => string
}

export interface HeldByProxy {
  readonly version: string
  readonly value: Buffer
}

/**
 * Behaves as stock Envoy does: wildcard for clusters and listeners, everything else by name as it is
 * referred to, answers every response, keeps its state over reconnections.
 */
export class SimulatedProxy {
  readonly held = new Map<string, Map<string, HeldByProxy>>()
  readonly #wanted = new Map<string, Set<string>>()
  readonly #versions = new Map<string, string>()
  readonly #nonces = new Map<string, string>()
  readonly #options: SimulatedProxyOptions
  readonly #roots: readonly string[]
  stream: AdsClientStream | undefined
  responses = 0
  resources = 0
  #isFirst = true

  constructor(options: SimulatedProxyOptions, roots: readonly string[]) {
    this.#options = options
    this.#roots = roots
  }

  /** Opens the next stream: says again what it wants and what it has. */
  connect(client: AdsClient): AdsClientStream {
    const stream = client.open(this.#options.variant)
    this.stream = stream
    this.#isFirst = true
    this.#nonces.clear()
    stream.onResponse = (response) => {
      stream.responses.length = 0
      this.#receive(stream, response)
    }
    for (const typeUrl of this.#roots) this.#ask(stream, typeUrl, [], [])
    for (const [typeUrl, names] of this.#wanted) this.#ask(stream, typeUrl, [...names], [])
    return stream
  }

  #ask(stream: AdsClientStream, typeUrl: string, added: readonly string[], removed: readonly string[]): void {
    const node = this.#isFirst ? { node: { id: this.#options.nodeId } } : {}
    this.#isFirst = false
    if (this.#options.variant === 'sotw') {
      stream.send({ ...node, ...this.#sotw(typeUrl) })
      return
    }
    const isFirstOfType = !this.#nonces.has(typeUrl)
    if (isFirstOfType) this.#nonces.set(typeUrl, '')
    const held = isFirstOfType ? (this.held.get(typeUrl) ?? []) : []
    stream.send({
      ...node,
      type_url: typeUrl,
      resource_names_subscribe: added,
      resource_names_unsubscribe: removed,
      initial_resource_versions: Object.fromEntries([...held].map(([name, { version }]) => [name, version])),
    })
  }

  #sotw(typeUrl: string): AdsRequest {
    return {
      type_url: typeUrl,
      resource_names: [...(this.#wanted.get(typeUrl) ?? [])],
      version_info: this.#versions.get(typeUrl) ?? '',
      response_nonce: this.#nonces.get(typeUrl) ?? '',
    }
  }

  #receive(stream: AdsClientStream, response: AdsResponse): void {
    const { type_url, nonce } = response
    this.responses++
    this.resources += response.resources.length
    this.#nonces.set(type_url, nonce)
    const refusal = this.#options.refuse?.(response)
    const error = refusal === undefined ? {} : { error_detail: { code: 13, message: refusal } }
    if (refusal === undefined) this.#apply(stream, response)
    if (this.#options.variant === 'delta') stream.send({ type_url, response_nonce: nonce, ...error })
    else stream.send({ ...this.#sotw(type_url), ...error })
  }

  #apply(stream: AdsClientStream, response: AdsResponse): void {
    const { type_url } = response
    const before = this.held.get(type_url) ?? new Map<string, HeldByProxy>()
    const isFullSet = this.#options.variant === 'sotw' && this.#roots.includes(type_url)
    const after = isFullSet ? new Map<string, HeldByProxy>() : new Map(before)
    for (const resource of response.resources) {
      if ('resource' in resource) {
        after.set(resource.name, { version: resource.version, value: resource.resource.value })
      } else {
        const name = this.#options.nameOf(type_url, resource.value)
        after.set(name, { version: response.version_info ?? '', value: resource.value })
      }
    }
    for (const name of response.removed_resources ?? []) after.delete(name)
    this.held.set(type_url, after)
    if (response.version_info !== undefined) this.#versions.set(type_url, response.version_info)
    if (this.#roots.includes(type_url)) this.#follow(stream)
  }

  /** Asks for what is referred to now, and no longer for what is not. */
  #follow(stream: AdsClientStream): void {
    const wanted = new Map<string, Set<string>>()
    for (const typeUrl of this.#roots) {
      for (const [name, { value }] of this.held.get(typeUrl) ?? []) {
        for (const [childType, child] of this.#options.children(typeUrl, name, value)) {
          const names = wanted.get(childType)
          if (names) names.add(child)
          else wanted.set(childType, new Set([child]))
        }
      }
    }
    for (const typeUrl of new Set([...wanted.keys(), ...this.#wanted.keys()])) {
      const now = wanted.get(typeUrl) ?? new Set<string>()
      const old = this.#wanted.get(typeUrl) ?? new Set<string>()
      const added = [...now].filter((name) => !old.has(name))
      const removed = [...old].filter((name) => !now.has(name))
      this.#wanted.set(typeUrl, now)
      for (const name of removed) this.held.get(typeUrl)?.delete(name)
      if (added.length > 0 || removed.length > 0) this.#ask(stream, typeUrl, added, removed)
    }
  }
}
