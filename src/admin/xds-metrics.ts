import type { XdsCounters } from '../xds/counters.ts'
import { type MetricFamily, singleMetric } from './metric.ts'

/** What the xDS server counts. */
export function createXdsMetrics(counters: XdsCounters): readonly MetricFamily[] {
  return [
    singleMetric('gauge', 'gatewright_xds_streams_count', 'Proxies that are connected.', () => counters.streams),
    singleMetric(
      'counter',
      'gatewright_xds_streams_opened_total',
      'Streams of proxies that were opened.',
      () => counters.streamsOpened,
    ),
    singleMetric(
      'counter',
      'gatewright_xds_streams_refused_total',
      'Streams that were refused for want of a credential.',
      () => counters.streamsRefused,
    ),
    singleMetric(
      'counter',
      'gatewright_xds_authentication_failures_total',
      'Streams that were sent away because it could not be found out who they are.',
      () => counters.authenticationFailures,
    ),
    singleMetric(
      'counter',
      'gatewright_xds_streams_cut_total',
      'Streams that were cut because the proxy stopped reading.',
      () => counters.streamsCut,
    ),
    singleMetric('counter', 'gatewright_xds_sent_bytes_total', 'Bytes of responses.', () => counters.bytesSent),
    singleMetric(
      'gauge',
      'gatewright_xds_largest_message_bytes',
      'Size of the largest response so far.',
      () => counters.largestMessage,
    ),
    byType('gatewright_xds_responses_total', 'Responses that were sent.', counters.responses),
    byType('gatewright_xds_resources_sent_total', 'Resources that were sent.', counters.resourcesSent),
    byType(
      'gatewright_xds_resources_removed_total',
      'Resources that proxies were told to drop.',
      counters.resourcesRemoved,
    ),
    byType('gatewright_xds_acks_total', 'Responses that a proxy accepted.', counters.acks),
    byType('gatewright_xds_nacks_total', 'Responses that a proxy refused.', counters.nacks),
    singleMetric(
      'counter',
      'gatewright_xds_waits_run_out_total',
      'Tables that were sent although a slow cluster they use was not accepted in time.',
      () => counters.waitsRunOut,
    ),
    singleMetric(
      'counter',
      'gatewright_xds_missing_cluster_subscriptions_total',
      'Streams that did not ask for clusters within 30 s.',
      () => counters.missingClusterSubscriptions,
    ),
  ]
}

function byType(name: string, help: string, counts: ReadonlyMap<string, number>): MetricFamily {
  return {
    name,
    type: 'counter',
    help,
    // "type.googleapis.com/envoy.config.cluster.v3.Cluster" is told as "Cluster".
    *samples() {
      for (const [typeUrl, value] of counts)
        yield { labels: { type: typeUrl.slice(typeUrl.lastIndexOf('.') + 1) }, value }
    },
  }
}
