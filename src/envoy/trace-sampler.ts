import type { Fraction } from '../gatewayapi/objects/http-filter.ts'
import { envoy, type google } from '../gen/envoy.js'
import { packAny } from './any.ts'

type Extension = envoy.config.core.v3.TypedExtensionConfig
type Expr = google.api.expr.v1alpha1.Expr
type VirtualHost = envoy.config.route.v3.VirtualHost
const { CELSamplerConfig, ParentBasedSamplerConfig, TraceIdRatioBasedSamplerConfig } =
  envoy.extensions.tracers.opentelemetry.samplers.v3
const { DenominatorType } = envoy.type.v3.FractionalPercent

const million = 1_000_000

/** What {@link buildTraceSampler} asks for. */
export function countPerMillion({ numerator, denominator }: Fraction): number {
  return Math.round((numerator / denominator) * million)
}

/** Decides by the trace, whoever began it, so that all proxies on its way that do so decide alike. */
export function buildTraceSampler(perMillion: number): Extension {
  return {
    name: 'envoy.tracers.opentelemetry.samplers.trace_id_ratio_based',
    typedConfig: packAny(TraceIdRatioBasedSamplerConfig, {
      samplingPercentage: { numerator: perMillion, denominator: DenominatorType.MILLION },
    }),
  }
}

/** Where virtual hosts say which traces are kept that begin with them. */
const metadataKey = 'gatewright.tracing'
const thresholdKey = 'sampled_below'

/**
 * Keeps a trace that a caller has begun as the caller decided, and one that begins here if the request's id comes
 * before the threshold of its virtual host: the same for all rates. A request without a virtual host begins no trace.
 *
 * Envoy's own decision by `Route.tracing` does not do: Envoy 1.40 keeps what the caller keeps only where it would keep
 * it itself, and knows ten thousand rates.
 */
export const requestSampler: Extension = {
  name: 'envoy.tracers.opentelemetry.samplers.parent_based',
  typedConfig: packAny(ParentBasedSamplerConfig, {
    wrappedSampler: {
      name: 'envoy.tracers.opentelemetry.samplers.cel',
      typedConfig: packAny(CELSamplerConfig, { expression: { parsedExpr: { expr: buildComparison() } } }),
    },
  }),
}

/** `request.id < xds.virtual_host_metadata.filter_metadata[metadataKey][thresholdKey]`. Envoy parses no text here. */
function buildComparison(): Expr {
  let count = 0
  const build = (kind: Expr): Expr => ({ id: ++count, ...kind })
  const name = (of: string) => build({ identExpr: { name: of } })
  const text = (of: string) => build({ constExpr: { stringValue: of } })
  const select = (operand: Expr, field: string) => build({ selectExpr: { operand, field } })
  const call = (operator: string, ...args: Expr[]) => build({ callExpr: { function: operator, args } })
  const metadata = select(select(name('xds'), 'virtual_host_metadata'), 'filter_metadata')
  const threshold = call('_[_]', call('_[_]', metadata, text(metadataKey)), text(thresholdKey))
  return call('_<_', select(name('request'), 'id'), threshold)
}

/** What {@link requestSampler} looks up. */
export function buildSamplingMetadata(rate: Fraction): VirtualHost {
  const fields = { [thresholdKey]: { stringValue: buildThreshold(rate) } }
  return { metadata: { filterMetadata: { [metadataKey]: { fields } } } }
}

/** Those of a UUID before its version; a rate is a fraction of numbers of 31. */
const thresholdBits = 48

/**
 * What the ids of this share of requests are before. They are random UUIDs; whoever is believed may bring another, and
 * if all are kept, it is, too.
 */
export function buildThreshold({ numerator, denominator }: Fraction): string {
  if (numerator >= denominator) return '~'
  const below = (BigInt(numerator) << BigInt(thresholdBits)) / BigInt(denominator)
  const digits = below.toString(16).padStart(thresholdBits / 4, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}`
}
