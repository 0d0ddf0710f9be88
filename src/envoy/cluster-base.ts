import { envoy } from '../gen/envoy.js'
import { buildDuration, packAny } from './any.ts'
import { adsSource } from './config-source.ts'

type Cluster = envoy.config.cluster.v3.Cluster
const { Cluster } = envoy.config.cluster.v3
type ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment
const { CaresDnsResolverConfig } = envoy.extensions.network.dns_resolver.cares.v3

const kibibyte = 1024
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
const dnsResolver = {
  name: 'envoy.network.dns_resolver.cares',
  typedConfig: packAny(CaresDnsResolverConfig, { queryTimeoutSeconds: { value: 1 }, queryTries: { value: 1 } }),
}

/**
 * What clusters of all kinds have in common.
 * @param named endpoints to be looked up by name. Without it they are known by address and come by EDS, so that their changes are not the cluster's.
 */
export function buildClusterBase(name: string, named: ClusterLoadAssignment | undefined): Cluster {
  return {
    name,
    connectTimeout: buildDuration(5000),
    lbPolicy: Cluster.LbPolicy.LEAST_REQUEST,
    circuitBreakers,
    perConnectionBufferLimitBytes: { value: 32 * kibibyte },
    // An endpoint that Kubernetes has removed gets no new requests, whatever a health check last said.
    ignoreHealthOnHostRemoval: true,
    ...(named ? lookUp(named) : askForEndpoints()),
  }
}

function lookUp(named: ClusterLoadAssignment): Cluster {
  return {
    type: Cluster.DiscoveryType.STRICT_DNS,
    dnsLookupFamily: Cluster.DnsLookupFamily.V4_PREFERRED,
    respectDnsTtl: true,
    typedDnsResolverConfig: dnsResolver,
    loadAssignment: named,
  }
}

function askForEndpoints(): Cluster {
  return {
    type: Cluster.DiscoveryType.EDS,
    edsClusterConfig: { edsConfig: { ...adsSource, initialFetchTimeout: buildDuration(2000) } },
  }
}
