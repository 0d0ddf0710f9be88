import { envoy } from '../gen/envoy.js'
import { type BackendNode, identityOf } from '../graph/backend.ts'
import type { CertificateNode } from '../graph/certificate.ts'
import { buildDuration, packAny } from './any.ts'
import { buildNamedAssignment } from './cluster-load-assignment.ts'
import { adsSource } from './config-source.ts'
import { clusterName, clusterStatName } from './names.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

type Cluster = envoy.config.cluster.v3.Cluster
const { Cluster } = envoy.config.cluster.v3
const { CaresDnsResolverConfig } = envoy.extensions.network.dns_resolver.cares.v3
const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3

const kibibyte = 1024
export const connectTimeout = buildDuration(5000)
const unlimited = { value: 0xffffffff }

/**
 * The limits of a proxy in front of one Service are the Service's business: Envoy's own defaults
 * (1,024 connections, 3 retries) would fail requests without telling anybody why.
 */
export const circuitBreakers = {
  thresholds: [
    { maxConnections: unlimited, maxPendingRequests: unlimited, maxRequests: unlimited, maxRetries: unlimited },
  ],
}

/**
 * A DNS server that does not answer would hold back the acknowledgement of every cluster for more
 * than 40 s with Envoy's defaults.
 */
export const dnsResolver = {
  name: 'envoy.network.dns_resolver.cares',
  typedConfig: packAny(CaresDnsResolverConfig, { queryTimeoutSeconds: { value: 1 }, queryTries: { value: 1 } }),
}

/**
 * The cluster of a resolved backend. Endpoints known by address come by EDS, so that their changes are not the cluster's.
 * @param certificate that the proxies show, where TLS is spoken
 */
export function buildCluster(backend: BackendNode, certificate?: CertificateNode): Uint8Array {
  const identity = identityOf(backend)
  const name = clusterName(identity)
  const http2 = backend.protocol === 'h2c'
  const base: Cluster = {
    name,
    altStatName: clusterStatName(identity),
    connectTimeout,
    lbPolicy: Cluster.LbPolicy.LEAST_REQUEST,
    circuitBreakers: buildCircuitBreakers(backend),
    perConnectionBufferLimitBytes: { value: 32 * kibibyte },
    // An endpoint that Kubernetes has removed gets no new requests, whatever a health check last said.
    ignoreHealthOnHostRemoval: true,
    ...(backend.tls && {
      transportSocket: buildUpstreamTls(backend.tls, { certificate, protocols: [http2 ? 'h2' : 'http/1.1'] }),
    }),
    ...(http2 && { typedExtensionProtocolOptions: { [httpOptions]: http2Options } }),
  }
  if (backend.endpoints.type !== 'dns')
    return Cluster.encode({
      ...base,
      type: Cluster.DiscoveryType.EDS,
      edsClusterConfig: { edsConfig: { ...adsSource, initialFetchTimeout: buildDuration(2000) } },
    }).finish()
  return Cluster.encode({
    ...base,
    type: Cluster.DiscoveryType.STRICT_DNS,
    dnsLookupFamily: Cluster.DnsLookupFamily.V4_PREFERRED,
    respectDnsTtl: true,
    typedDnsResolverConfig: dnsResolver,
    loadAssignment: buildNamedAssignment(name, backend.endpoints.endpoints),
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
