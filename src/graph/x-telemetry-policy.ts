import type { Index, Reads } from '../collections/collection.ts'
import { checkHeaderChange } from '../gatewayapi/http-header.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import type { Fraction } from '../gatewayapi/objects/http-filter.ts'
import { experimentalGroup, gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { TelemetryAttribute, XTelemetryPolicy } from '../gatewayapi/objects/x-telemetry-policy.ts'
import { type BackendIdentity, type BackendKey, identifyBackend } from './backend.ts'
import { type BackendReferenceContext, keyOfReference, resolveBackendReference } from './backend-reference.ts'
import { compareSeniority } from './policy-seniority.ts'
import type { Problem } from './problem.ts'

/** How the proxies of a Gateway trace requests. */
export interface TracingNode {
  /** Whose word this is. */
  readonly policy: NamespacedName
  /** Who gets the spans, by OTLP over gRPC. */
  readonly collector: BackendIdentity
  /** Of every export. */
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string }>
  /** Of traces that begin here. */
  readonly samplingRate: Fraction
  /** A trace that the caller has begun is kept as the caller has decided. */
  readonly followsCaller: boolean
  readonly serviceName?: string
  readonly spanName?: string
  readonly attributes: readonly TelemetryAttribute[]
}

/** An XTelemetryPolicy by itself. */
export interface TelemetryPolicyNode {
  readonly key: NamespacedName
  readonly source: XTelemetryPolicy
  /** Absent: nothing is traced. */
  readonly tracing?: TracingNode
  readonly problems: readonly Problem[]
}

/** By the Gateways that they are about. */
export type TelemetryPolicies = Index<NamespacedName, NamespacedName, TelemetryPolicyNode>

type Tracing = NonNullable<XTelemetryPolicy['spec']['tracing']>

/** The attributes of OpenTelemetry's HTTP conventions that proxies can tell. */
export const knownAttributes = [
  'client.address',
  'client.port',
  'http.request.body.size',
  'http.request.method',
  'http.response.body.size',
  'http.response.status_code',
  'network.peer.address',
  'network.peer.port',
  'server.address',
  'url.path',
  'url.scheme',
  'user_agent.original',
] as const
export type KnownAttribute = (typeof knownAttributes)[number]

const kibibyte = 1024

/**
 * Names and values together. An Envoy sends five spans at once, and collectors refuse what is more than 4 MiB unless
 * they are told otherwise: all traces would be lost. The rest is for what else spans hold.
 */
const maxAttributeBytes = 512 * kibibyte

/** The Gateways that a policy names. */
export function gatewaysOfTelemetry({ source }: Pick<TelemetryPolicyNode, 'source'>): NamespacedName[] {
  return source.spec.targetRefs
    .filter(({ group, kind }) => group === gatewayGroup && kind === 'Gateway')
    .map(({ name }) => namespacedName(source.metadata.namespace, name))
}

/** What it refers to. */
export function telemetryBackendKeysOf({ metadata, spec }: XTelemetryPolicy): BackendKey[] {
  const provider = spec.tracing?.provider
  return provider ? [keyOfReference(provider.backendRef, metadata.namespace)] : []
}

/** Checks a policy. One that cannot be honoured in full traces nothing: half of what was asked for may be too much. */
export function resolveTelemetryPolicy(
  source: XTelemetryPolicy,
  context: BackendReferenceContext,
): TelemetryPolicyNode {
  const { namespace, name } = source.metadata
  const key = namespacedName(namespace, name)
  const problems: Problem[] = []
  for (const [index, { group, kind }] of source.spec.targetRefs.entries()) {
    if (group === gatewayGroup && kind === 'Gateway') continue
    const message = `${kind} of group "${group}" has no telemetry: use a Gateway`
    problems.push({ on: 'Accepted', reason: 'Invalid', message, path: `spec.targetRefs[${index}]` })
  }
  const { tracing } = source.spec
  if (tracing?.mode !== 'Enabled' || !tracing.provider) return { key, source, problems }
  const unsupported = listUnsupported(tracing)
  problems.push(...unsupported)
  const { backendRef, headers = [] } = tracing.provider
  const referrer = { group: experimentalGroup, kind: 'XTelemetryPolicy', namespace } as const
  const resolved = resolveBackendReference(backendRef, referrer, context)
  const collector = 'backend' in resolved ? identifyBackend(resolved.backend, 'GRPCRoute') : resolved
  if ('problem' in collector) {
    problems.push({ ...collector.problem, path: 'spec.tracing.provider.backendRef' })
    return { key, source, problems }
  }
  if (unsupported.length > 0) return { key, source, problems }
  const { samplingRate = { numerator: 1, denominator: 1 }, serviceName, spanName, attributes = [] } = tracing
  const node: TracingNode = {
    policy: key,
    collector,
    headers,
    samplingRate,
    followsCaller: followsCaller(tracing),
    ...(serviceName !== undefined && { serviceName }),
    ...(spanName !== undefined && { spanName }),
    attributes,
  }
  return { key, source, tracing: node, problems }
}

function followsCaller({ parentBasedSampling }: Tracing): boolean {
  return parentBasedSampling?.mode !== 'Disabled'
}

function listUnsupported(tracing: Tracing) {
  const { provider, samplingRate, parentBasedSampling, attributes = [] } = tracing
  const problems: Problem[] = []
  const report = (path: string, message: string) =>
    problems.push({ on: 'Accepted', reason: 'UnsupportedValue', message, path: `spec.tracing.${path}` })
  const followed = parentBasedSampling?.samplingRate
  if (followed && followed.numerator < followed.denominator)
    report('parentBasedSampling.samplingRate', 'less than all of what callers trace is not supported: remove it')
  // Trace ids are compared with whole parts of a million.
  if (samplingRate && !followsCaller(tracing) && isLessThanOneInAMillion(samplingRate))
    report(
      'samplingRate',
      'less than one in a million is not supported where callers do not decide: use more, or let them decide',
    )
  for (const [index, { name, value }] of (provider?.headers ?? []).entries()) {
    const message =
      name.toLowerCase() === 'host'
        ? 'Host says who is asked, which is backendRef: remove it'
        : checkHeaderChange('set', name, 'request', value)
    if (message !== undefined) report(`provider.headers[${index}]`, message)
  }
  const known: readonly string[] = knownAttributes
  for (const [index, { attributeKey }] of attributes.entries()) {
    if (attributeKey === undefined || known.includes(attributeKey)) continue
    const message = `attribute ${attributeKey} is not supported: use one of ${known.join(', ')}`
    report(`attributes[${index}].attributeKey`, message)
  }
  const size = attributes.reduce((sum, { name, literalValue = '' }) => sum + Buffer.byteLength(name + literalValue), 0)
  if (size > maxAttributeBytes)
    report('attributes', `${Math.ceil(size / kibibyte)} KiB are more than collectors take: use at most 512 KiB`)
  return problems
}

function isLessThanOneInAMillion({ numerator, denominator }: Fraction): boolean {
  return numerator > 0 && numerator * 1_000_000 < denominator
}

/** The one policy that holds for a Gateway. */
export function findTelemetryPolicy(
  gateway: NamespacedName,
  reads: Reads,
  policies: TelemetryPolicies,
): TelemetryPolicyNode | undefined {
  return [...reads.lookup(policies, gateway)].sort(compareSeniority)[0]
}
