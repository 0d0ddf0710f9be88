import type { TelemetryAttribute } from '../gatewayapi/objects/x-telemetry-policy.ts'
import { envoy } from '../gen/envoy.js'
import type { KnownAttribute, TracingNode } from '../graph/x-telemetry-policy.ts'
import { packAny } from './any.ts'
import { clusterName } from './names.ts'

type Tracing = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing
type Extension = envoy.config.core.v3.TypedExtensionConfig
const { OpenTelemetryConfig } = envoy.config.trace.v3
const { ParentBasedSamplerConfig, TraceIdRatioBasedSamplerConfig } = envoy.extensions.tracers.opentelemetry.samplers.v3
const { DenominatorType } = envoy.type.v3.FractionalPercent

/** Commands of Envoy's formatter. A host may bring its port along, which is then told, too. */
const commands: Readonly<Record<KnownAttribute, string>> = {
  'client.address': '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  'client.port': '%DOWNSTREAM_REMOTE_PORT%',
  'http.request.body.size': '%BYTES_RECEIVED%',
  'http.request.method': '%REQ(:METHOD)%',
  'http.response.body.size': '%BYTES_SENT%',
  'http.response.status_code': '%RESPONSE_CODE%',
  'network.peer.address': '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
  'network.peer.port': '%DOWNSTREAM_DIRECT_REMOTE_PORT%',
  'server.address': '%REQ(:AUTHORITY)%',
  'url.path': '%PATH(NQ)%',
  'url.scheme': '%REQ(:SCHEME)%',
  'user_agent.original': '%REQ(USER-AGENT)%',
}

/**
 * Traces of requests. They are of the connection manager, so that a change of them drains connections.
 * @param serviceName what the spans are of, unless the policy says so
 */
export function buildTracing(tracing: TracingNode, serviceName: string): Tracing {
  const { collector, spanName } = tracing
  const config = packAny(OpenTelemetryConfig, {
    grpcService: {
      envoyGrpc: {
        clusterName: clusterName(collector),
        authority: `${collector.target.name}.${collector.target.namespace}`,
      },
      initialMetadata: tracing.headers.map(({ name, value }) => ({
        key: name.toLowerCase(),
        value: value.toWellFormed(),
      })),
    },
    serviceName: tracing.serviceName ?? serviceName,
    sampler: buildSampler(tracing),
  })
  return {
    provider: { name: 'envoy.tracers.opentelemetry', typedConfig: config },
    ...(spanName !== undefined && { operation: spanName }),
    customTags: tracing.attributes.map(buildTag),
  }
}

/** Decides by the trace, so that all proxies on the way of one decide alike. */
function buildSampler({ perMillion, followsCaller }: TracingNode): Extension {
  const ratio: Extension = {
    name: 'envoy.tracers.opentelemetry.samplers.trace_id_ratio_based',
    typedConfig: packAny(TraceIdRatioBasedSamplerConfig, {
      samplingPercentage: { numerator: perMillion, denominator: DenominatorType.MILLION },
    }),
  }
  if (!followsCaller) return ratio
  return {
    name: 'envoy.tracers.opentelemetry.samplers.parent_based',
    typedConfig: packAny(ParentBasedSamplerConfig, { wrappedSampler: ratio }),
  }
}

function buildTag({ name, sourceType, ...of }: TelemetryAttribute): envoy.type.tracing.v3.CustomTag {
  if (sourceType === 'Header') return { tag: name, requestHeader: { name: of.headerName ?? '' } }
  if (sourceType === 'Literal') return { tag: name, literal: { value: of.literalValue?.toWellFormed() ?? '' } }
  return { tag: name, value: commands[of.attributeKey as KnownAttribute] }
}
