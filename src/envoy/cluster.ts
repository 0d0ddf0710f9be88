import type { HTTPHeader } from '../gatewayapi/objects/http-filter.ts'
import { envoy } from '../gen/envoy.js'
import { type BackendNode, identityOf } from '../graph/backend.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { packAny } from './any.ts'
import { buildClusterBase, circuitBreakers } from './cluster-base.ts'
import { buildNamedAssignment } from './cluster-load-assignment.ts'
import { buildUpstreamHeaders } from './filters/upstream-headers.ts'
import { clusterName, clusterStatName } from './names.ts'
import { withWriter } from './spare-writer.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

const { Cluster } = envoy.config.cluster.v3
const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3

export interface ClusterOptions {
  /** Its own unless given. */
  readonly name?: string
  /** That the proxies show, where TLS is spoken. */
  readonly certificate?: CertificateNode | undefined
  /** Of every request to it, where HTTP/2 is spoken. */
  readonly headers?: readonly HTTPHeader[]
}

/** The cluster of a resolved backend. */
export function buildCluster(backend: BackendNode, options: ClusterOptions = {}): Uint8Array {
  const identity = identityOf(backend)
  const { name = clusterName(identity), certificate, headers = [] } = options
  const altStatName = clusterStatName(identity)
  const http2 = backend.protocol === 'h2c'
  const { endpoints, tls, retryBudget } = backend
  if (!http2 && !tls && !retryBudget && endpoints.type !== 'dns') return encodePlainCluster(name, altStatName)
  const named = endpoints.type === 'dns' ? buildNamedAssignment(name, endpoints.endpoints) : undefined
  return Cluster.encode({
    ...buildClusterBase(name, named),
    altStatName,
    circuitBreakers: buildCircuitBreakers(backend),
    ...(tls && { transportSocket: buildUpstreamTls(tls, { certificate, protocols: [http2 ? 'h2' : 'http/1.1'] }) }),
    ...(http2 && { typedExtensionProtocolOptions: { [httpOptions]: buildHttp2Options(headers) } }),
  }).finish()
}

/** What all clusters have but for their names, which stand before it and within it. */
const { ignoreHealthOnHostRemoval, ...base } = buildClusterBase('', undefined)
const afterName = Cluster.encode(base).finish()
const afterStatName = Cluster.encode({ ignoreHealthOnHostRemoval }).finish()

/** Nearly all clusters are alike: what they have in common is encoded once. */
function encodePlainCluster(name: string, altStatName: string): Uint8Array {
  return withWriter((writer) => {
    const end = Cluster.encode({ name }, writer).pos
    const names = Cluster.encode({ altStatName }, writer).finish(true)
    return Buffer.concat([names.subarray(0, end), afterName, names.subarray(end), afterStatName])
  })
}

/** A budget stands in place of a number of retries. */
function buildCircuitBreakers({ retryBudget }: BackendNode): typeof circuitBreakers {
  if (!retryBudget) return circuitBreakers
  const { percent, atLeast } = retryBudget
  const budget = { budgetPercent: { value: percent }, minRetryConcurrency: { value: atLeast } }
  return { thresholds: circuitBreakers.thresholds.map((threshold) => ({ ...threshold, retryBudget: budget })) }
}

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const http2Only = { explicitHttpConfig: { http2ProtocolOptions: {} } }
const http2Options = packAny(HttpProtocolOptions, http2Only)

function buildHttp2Options(headers: readonly HTTPHeader[]): typeof http2Options {
  return headers.length === 0
    ? http2Options
    : packAny(HttpProtocolOptions, { ...http2Only, httpFilters: buildUpstreamHeaders(headers) })
}
