import type { TelemetryAttribute } from '../gatewayapi/objects/x-telemetry-policy.ts'
import { envoy } from '../gen/envoy.js'
import type { KnownAttribute, TracingNode } from '../graph/x-telemetry-policy.ts'
import { packAny } from './any.ts'
import { collectorClusterName } from './names.ts'
import { buildSamplingMetadata, buildTraceSampler, countPerMillion, requestSampler } from './trace-sampler.ts'

type ManagerTracing = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing
type CustomTag = envoy.type.tracing.v3.CustomTag
type VirtualHost = envoy.config.route.v3.VirtualHost
const { Route, Tracing } = envoy.config.route.v3
const { OpenTelemetryConfig } = envoy.config.trace.v3

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
 * In bytes: about twenty of them. They stand in every Route, because edits of a connection manager drain connections,
 * and every Route makes Envoy pay for them again, at every edit of a rule of the table, too. More of them stand in the
 * connection manager (ADR 13).
 */
const maxRouteAttributes = 1024

/** What connection managers say: as little as Envoy lets them (ADR 13). */
export interface ListenerTracing {
  readonly serviceName?: string
  /** Which of a million traces are kept, whoever began them. Absent: callers decide, or virtual hosts. */
  readonly perMillion?: number
  /** Only if there are too many for the tables. */
  readonly attributes?: readonly TelemetryAttribute[]
}

export function planListenerTracing(tracing: TracingNode): ListenerTracing {
  const { serviceName, samplingRate, followsCaller, attributes } = tracing
  return {
    ...(serviceName !== undefined && { serviceName }),
    ...(!followsCaller && { perMillion: countPerMillion(samplingRate) }),
    ...(!fitsRoutes(attributes) && { attributes }),
  }
}

/** @param serviceName what the spans are of, unless the policy says so */
export function buildListenerTracing(tracing: ListenerTracing, serviceName: string): ManagerTracing {
  const { perMillion, attributes = [] } = tracing
  const config = packAny(OpenTelemetryConfig, {
    // Envoy does not ask whether the cluster exists before there is something to send.
    grpcService: { envoyGrpc: { clusterName: collectorClusterName } },
    serviceName: tracing.serviceName ?? serviceName,
    sampler: perMillion === undefined ? requestSampler : buildTraceSampler(perMillion),
  })
  return {
    provider: { name: 'envoy.tracers.opentelemetry', typedConfig: config },
    customTags: attributes.map(buildTag),
  }
}

/** What the tables of a Gateway say. */
export interface TableTracing {
  /** Fields of every virtual host. */
  readonly virtualHost: VirtualHost
  /** Encoded fields that every Route ends with. */
  readonly route: Uint8Array
}

export function buildTableTracing({ samplingRate, followsCaller, spanName, attributes }: TracingNode): TableTracing {
  const customTags = fitsRoutes(attributes) ? attributes.map(buildTag) : []
  const isSilent = spanName === undefined && customTags.length === 0
  const tracing = { ...(spanName !== undefined && { operation: spanName }), customTags }
  return {
    virtualHost: followsCaller ? buildSamplingMetadata(samplingRate) : {},
    route: isSilent ? new Uint8Array() : Route.encode({ tracing }).finish(),
  }
}

function fitsRoutes(attributes: readonly TelemetryAttribute[]): boolean {
  return Tracing.encode({ customTags: attributes.map(buildTag) }).finish().length <= maxRouteAttributes
}

function buildTag({ name, sourceType, ...of }: TelemetryAttribute): CustomTag {
  if (sourceType === 'Header') return { tag: name, requestHeader: { name: of.headerName ?? '' } }
  if (sourceType === 'Literal') return { tag: name, literal: { value: of.literalValue?.toWellFormed() ?? '' } }
  return { tag: name, value: commands[of.attributeKey as KnownAttribute] }
}

/** A Route as the tables of a Gateway have it. @param route encoded, without tracing */
export function traceRoute(route: Uint8Array, tracing: TableTracing | undefined): Uint8Array {
  return tracing && tracing.route.length > 0 ? Buffer.concat([route, tracing.route]) : route
}
