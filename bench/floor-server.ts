import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import type { EnvoyResources } from '../src/envoy/resources.ts'
import { envoy } from '../src/gen/discovery.js'
import { type EnvoyResource, splitResourceKey, typeUrls } from '../src/xds/resource.ts'

const { DeltaDiscoveryRequest, DeltaDiscoveryResponse } = envoy.service.discovery.v3
type Stream = ServerDuplexStream<envoy.service.discovery.v3.DeltaDiscoveryRequest, Uint8Array>

/**
 * What a machine allows: sends bytes that were made beforehand, over the same gRPC library, and does nothing
 * else. It answers each subscription with what it was given, knows no versions, and takes acknowledgements
 * without a look at them. Good for one Envoy that never comes back.
 */
export class FloorServer {
  readonly #server = new Server({ 'grpc.max_send_message_length': -1 })
  readonly #resources: EnvoyResources
  #stream: Stream | undefined

  private constructor(resources: EnvoyResources) {
    this.#resources = resources
    this.#server.addService(
      {
        DeltaAggregatedResources: {
          path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
          requestStream: true,
          responseStream: true,
          requestSerialize: () => Buffer.alloc(0),
          requestDeserialize: (bytes: Buffer) => DeltaDiscoveryRequest.decode(bytes),
          responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      { DeltaAggregatedResources: (stream: Stream) => this.#serve(stream) },
    )
  }

  /** @param resources of one Envoy, as they are while it subscribes */
  static async start(socket: string, resources: EnvoyResources): Promise<FloorServer> {
    const server = new FloorServer(resources)
    await new Promise<void>((resolve, reject) => {
      server.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    return server
  }

  /** @param response of {@link encodeResponse} */
  push(response: Uint8Array): void {
    this.#stream?.write(response)
  }

  close(): void {
    this.#server.forceShutdown()
  }

  #serve(stream: Stream): void {
    this.#stream = stream
    const known = new Set<string>()
    stream.on('error', () => {})
    stream.on('data', (request: envoy.service.discovery.v3.DeltaDiscoveryRequest) => {
      const { typeUrl = '', resourceNamesSubscribe: names = [] } = request
      const isFirst = !known.has(typeUrl)
      known.add(typeUrl)
      if (!isFirst && names.length === 0) return
      const wanted = names.length > 0 ? names : ['*']
      const found = this.#ofType(typeUrl).filter(({ name }) => wanted.some((one) => isAsked(one, name)))
      if (found.length > 0) this.push(encodeResponse(found))
    })
  }

  #ofType(typeUrl: string): EnvoyResource[] {
    const type = resourceTypes.find((each) => typeUrls[each] === typeUrl)
    return type ? [...this.#resources[type].entries()].map(([, resource]) => resource) : []
  }
}

const resourceTypes = ['cluster', 'endpoint', 'secret', 'listener', 'route', 'scopedRoute'] as const

/** A name, everything, or a collection. */
function isAsked(wanted: string, name: string): boolean {
  return wanted === '*' || wanted === name || (wanted.endsWith('/*') && name.startsWith(wanted.slice(0, -1)))
}

/** @param resources of one type, at least one */
export function encodeResponse(resources: readonly EnvoyResource[]): Uint8Array {
  const [first] = resources
  const typeUrl = first?.typeUrl ?? ''
  return DeltaDiscoveryResponse.encode({
    typeUrl,
    nonce: String(performance.now()),
    resources: resources.map(({ name, version, bytes }) => ({
      name,
      version,
      resource: { type_url: typeUrl, value: bytes },
    })),
  }).finish()
}

/** The changed resources of all types since it was called, in the order in which they are to be sent. */
export function watchChanges(resources: EnvoyResources): () => EnvoyResource[][] {
  const changed = resourceTypes.map((type) => {
    const ofType = new Map<string, EnvoyResource>()
    resources[type].subscribe((changes) => {
      for (const { key, after } of changes) if (after) ofType.set(splitResourceKey(key)[1], after)
    })
    return ofType
  })
  return () => {
    const lists = changed.map((ofType) => [...ofType.values()]).filter((list) => list.length > 0)
    for (const ofType of changed) ofType.clear()
    return lists
  }
}
