import { envoy } from '../gen/envoy.js'
import { type BackendNode, identityOf } from '../graph/backend.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { packAny } from './any.ts'
import { buildClusterBase, circuitBreakers } from './cluster-base.ts'
import { buildNamedAssignment } from './cluster-load-assignment.ts'
import { clusterName, clusterStatName } from './names.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

const { Cluster } = envoy.config.cluster.v3
const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3

/**
 * The cluster of a resolved backend.
 * @param certificate that the proxies show, where TLS is spoken
 */
export function buildCluster(backend: BackendNode, certificate?: CertificateNode): Uint8Array {
  const identity = identityOf(backend)
  const name = clusterName(identity)
  const http2 = backend.protocol === 'h2c'
  const { endpoints } = backend
  const named = endpoints.type === 'dns' ? buildNamedAssignment(name, endpoints.endpoints) : undefined
  return Cluster.encode({
    ...buildClusterBase(name, named),
    altStatName: clusterStatName(identity),
    circuitBreakers: buildCircuitBreakers(backend),
    ...(backend.tls && {
      transportSocket: buildUpstreamTls(backend.tls, { certificate, protocols: [http2 ? 'h2' : 'http/1.1'] }),
    }),
    ...(http2 && { typedExtensionProtocolOptions: { [httpOptions]: http2Options } }),
  }).finish()
}

/** A budget stands in place of a number of retries. */
function buildCircuitBreakers({ retryBudget }: BackendNode): typeof circuitBreakers {
  if (!retryBudget) return circuitBreakers
  const { percent, atLeast } = retryBudget
  const budget = { budgetPercent: { value: percent }, minRetryConcurrency: { value: atLeast } }
  return { thresholds: circuitBreakers.thresholds.map((threshold) => ({ ...threshold, retryBudget: budget })) }
}

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const http2Options = packAny(HttpProtocolOptions, { explicitHttpConfig: { http2ProtocolOptions: {} } })
