import { credentials } from '@grpc/grpc-js'
import protobuf from 'protobufjs/minimal.js'
import { type Json, renderResource } from '../envoy/proto-json.ts'
import { typeUrls } from '../xds/resource.ts'
import { AdsClient, type AdsClientStream, SimulatedProxy } from './ads-client.ts'

export interface ClusterProxyOptions {
  /** Of the xDS server, e.g. "127.0.0.1:18000". */
  readonly address: string
  /** PEM, as the ConfigMap of the Gateway has it. */
  readonly trust: string
  readonly serverName: string
  readonly token: string
  /** namespace/pod */
  readonly nodeId: string
}

/** A proxy pod as the control plane sees it: TLS, a token, delta ADS. It keeps what it has over reconnections. */
export class ClusterProxy {
  readonly #proxy: SimulatedProxy
  #client: AdsClient | undefined
  #stream: AdsClientStream | undefined
  #last: Omit<ClusterProxyOptions, 'nodeId'> | undefined

  constructor(nodeId: string) {
    const children = rememberChildren()
    this.#proxy = new SimulatedProxy({ variant: 'delta', nodeId, children, nameOf: () => '' }, [
      typeUrls.cluster,
      typeUrls.listener,
    ])
  }

  /** Opens a stream; the one before is closed. */
  connect(options: Omit<ClusterProxyOptions, 'nodeId'>): AdsClientStream {
    const { address, trust, serverName, token } = options
    this.close()
    this.#last = options
    this.#client = new AdsClient(address, {
      token,
      credentials: credentials.createSsl(Buffer.from(trust)),
      channelOptions: { 'grpc.ssl_target_name_override': serverName },
    })
    this.#stream = this.#proxy.connect(this.#client)
    return this.#stream
  }

  /** As after a connection that broke: the same token, to the same address. */
  reopen(): void {
    if (this.#last) this.connect(this.#last)
  }

  /** Names of what it has, by type. */
  names(type: keyof typeof typeUrls): string[] {
    return [...(this.#proxy.held.get(typeUrls[type])?.keys() ?? [])].sort()
  }

  /** How many it has of a type. */
  count(type: keyof typeof typeUrls): number {
    return this.#proxy.held.get(typeUrls[type])?.size ?? 0
  }

  /** The bytes of all that it has of a type, as text. */
  text(type: keyof typeof typeUrls): string {
    return [...(this.#proxy.held.get(typeUrls[type])?.values() ?? [])].map(({ value }) => value.toString()).join('\n')
  }

  /** Responses that came, over all streams. */
  get responses(): number {
    return this.#proxy.responses
  }

  /** Resources in them. */
  get resources(): number {
    return this.#proxy.resources
  }

  get isConnected(): boolean {
    return this.#stream !== undefined && this.#stream.status === undefined
  }

  close(): void {
    this.#stream?.cancel()
    this.#client?.close()
  }
}

type Children = readonly (readonly [typeUrl: string, name: string])[]

/** Looks into each resource once: whoever measures the server does not want to measure this. */
function rememberChildren() {
  const known = new WeakMap<Buffer, Children>()
  return (typeUrl: string, name: string, bytes: Buffer): Children => {
    const children = known.get(bytes) ?? listChildren(typeUrl, name, bytes)
    known.set(bytes, children)
    return children
  }
}

/** DiscoveryType of envoy.config.cluster.v3.Cluster, which is its field 2. */
const eds = 3

/** Reads this one field: to render thousands of clusters takes as long as to make them. */
function readClusterType(bytes: Buffer): number {
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 2) return reader.int32()
    reader.skipType(tag & 7)
  }
  return 0
}

/** Clusters have endpoints, and listeners route by tables; where these are divided, all of them are asked for. */
function listChildren(typeUrl: string, name: string, bytes: Buffer): Children {
  if (typeUrl === typeUrls.cluster) return readClusterType(bytes) === eds ? [[typeUrls.endpoint, name]] : []
  const resource = renderResource({ typeUrl, bytes })
  const tables = findTexts(resource, 'route_config_name').map((table) => [typeUrls.route, table] as const)
  return hasField(resource, 'scoped_rds') ? [...tables, [typeUrls.scopedRoute, '*']] : tables
}

function hasField(value: Json, field: string): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, inner]) => name === field || hasField(inner, field))
}

/** The values of a field wherever it is. */
function findTexts(value: Json, field: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    name === field && typeof inner === 'string' ? [inner] : findTexts(inner, field),
  )
}
