import { z } from 'zod'
import { parseDuration } from '../duration.ts'
import { objectSchema } from './object-meta.ts'
import { experimentalGroup, LocalObjectReference } from './reference.ts'
import { Duration } from './scalar.ts'
import { integerSchema, quote, uniqueListSchema } from './schema.ts'
import { SessionPersistence } from './session-persistence.ts'

const hour = 3_600_000

/** A duration between limits in milliseconds. */
function intervalSchema(shortest: number) {
  return Duration.refine(
    (text) => {
      const length = parseDuration(text) ?? 0
      return length >= shortest && length <= hour
    },
    { error: (issue) => `${quote(issue.input)} is not allowed: use ${shortest >= 1000 ? '1s' : '1ms'} to 1h` },
  )
}

/** How retries to a backend are kept from making a bad hour worse (GEP-3388). */
export const RetryConstraint = z.strictObject({
  /** The share of active requests that may be retries. */
  budget: z
    .strictObject({
      percent: integerSchema(0, 100, 'a percentage').default(20),
      interval: intervalSchema(1000).default('10s'),
    })
    .default({ percent: 20, interval: '10s' }),
  /** Retries that are allowed whatever their share is. */
  minRetryRate: z
    .strictObject({
      count: integerSchema(1, 1_000_000).optional(),
      interval: intervalSchema(1).optional(),
    })
    .default({ count: 10, interval: '1s' }),
})
export type RetryConstraint = z.output<typeof RetryConstraint>

/** How traffic to backends is handled, whatever routes lead there (experimental). */
export const XBackendTrafficPolicy = objectSchema(
  { group: experimentalGroup, versions: ['v1alpha1'], kind: 'XBackendTrafficPolicy' },
  {
    spec: z.strictObject({
      targetRefs: uniqueListSchema(
        LocalObjectReference,
        { min: 1, max: 16 },
        ({ group, kind, name }) => `${group}/${kind}/${name}`,
      ),
      retryConstraint: RetryConstraint.optional(),
      sessionPersistence: SessionPersistence.optional(),
    }),
  },
)
export type XBackendTrafficPolicy = z.output<typeof XBackendTrafficPolicy>
