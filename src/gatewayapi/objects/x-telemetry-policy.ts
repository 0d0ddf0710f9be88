import { z } from 'zod'
import { Fraction, HTTPHeader } from './http-filter.ts'
import { objectSchema } from './object-meta.ts'
import { BackendObjectReference, experimentalGroup, LocalObjectReference } from './reference.ts'
import { HeaderName } from './scalar.ts'
import { enumSchema, textSchema, uniqueListSchema, withRules } from './schema.ts'

const Mode = enumSchema(['Enabled', 'Disabled', 'ImplementationDefault']).default('ImplementationDefault')

const attributeFields = { Header: 'headerName', Literal: 'literalValue', Attribute: 'attributeKey' } as const

/** What every span says besides what Envoy says by itself. */
export const TelemetryAttribute = withRules(
  z.strictObject({
    name: textSchema({
      what: 'the name of an attribute',
      fix: 'use letters, digits and _.:/-',
      max: 256,
      pattern: /^[a-zA-Z0-9_.:/-]+$/,
    }),
    sourceType: enumSchema(['Header', 'Literal', 'Attribute']),
    headerName: HeaderName.optional(),
    literalValue: textSchema({ what: 'a value', fix: 'shorten it', max: 1024 }).optional(),
    /** One of OpenTelemetry's own attributes, such as http.request.method. */
    attributeKey: textSchema({
      what: 'an attribute of OpenTelemetry',
      fix: 'use lowercase letters, digits and _.-',
      max: 256,
      pattern: /^[a-z0-9_.-]+$/,
    }).optional(),
  }),
  (attribute, complain) => {
    for (const [type, field] of Object.entries(attributeFields) as ['Header', 'headerName'][]) {
      const given = attribute[field] !== undefined
      if (type === attribute.sourceType && !given)
        complain([field], `is required when sourceType is ${attribute.sourceType}: add it`)
      if (type !== attribute.sourceType && given)
        complain([field], `is not allowed when sourceType is ${attribute.sourceType}: remove it`)
    }
  },
)
export type TelemetryAttribute = z.output<typeof TelemetryAttribute>

const onlyEnabled = [
  'provider',
  'samplingRate',
  'parentBasedSampling',
  'serviceName',
  'spanName',
  'attributes',
] as const

/** Traces of requests, by OTLP (GEP-4768). */
export const TelemetryTracing = withRules(
  z.strictObject({
    mode: Mode,
    provider: z
      .strictObject({
        backendRef: BackendObjectReference,
        headers: uniqueListSchema(HTTPHeader, { max: 16 }, (header) => header.name, ['name']).optional(),
      })
      .optional(),
    /** Of requests that nobody traces yet. */
    samplingRate: Fraction.optional(),
    /** Whether what the caller has decided about a trace counts. */
    parentBasedSampling: withRules(
      z.strictObject({ mode: Mode, samplingRate: Fraction.optional() }),
      ({ mode, samplingRate }, complain) => {
        if (mode !== 'Enabled' && samplingRate !== undefined)
          complain(['samplingRate'], `is not allowed when mode is ${mode}: remove it`)
      },
    ).optional(),
    serviceName: textSchema({
      what: 'a service name',
      fix: 'use letters, digits and _.:/-',
      max: 253,
      pattern: /^[a-zA-Z0-9_.:/-]+$/,
    }).optional(),
    spanName: textSchema({
      what: 'a span name',
      fix: 'use letters, digits, _.:/- and single blanks',
      max: 256,
      pattern: /^[a-zA-Z0-9_.:/-]+(?: [a-zA-Z0-9_.:/-]+)*$/,
    }).optional(),
    attributes: uniqueListSchema(TelemetryAttribute, { max: 1024 }, ({ name }) => name, ['name']).optional(),
  }),
  (tracing, complain) => {
    if (tracing.mode === 'Enabled') {
      if (tracing.provider === undefined) complain(['provider'], 'is required when mode is Enabled: say where spans go')
      return
    }
    for (const field of onlyEnabled)
      if (tracing[field] !== undefined) complain([field], `is not allowed when mode is ${tracing.mode}: remove it`)
  },
)
export type TelemetryTracing = z.output<typeof TelemetryTracing>

/** What Gateways tell about their requests (experimental). */
export const XTelemetryPolicy = objectSchema(
  { group: experimentalGroup, versions: ['v1alpha1'], kind: 'XTelemetryPolicy' },
  {
    spec: withRules(
      z.strictObject({
        targetRefs: uniqueListSchema(
          LocalObjectReference,
          { min: 1, max: 16 },
          ({ group, kind, name }) => `${group}/${kind}/${name}`,
        ),
        tracing: TelemetryTracing.optional(),
      }),
      ({ tracing }, complain) => {
        if (tracing === undefined) complain(['tracing'], 'is required: add it')
      },
    ),
  },
)
export type XTelemetryPolicy = z.output<typeof XTelemetryPolicy>
