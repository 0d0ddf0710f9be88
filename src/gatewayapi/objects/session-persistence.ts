import { z } from 'zod'
import { Duration, HeaderName } from './scalar.ts'
import { enumSchema, textSchema, withRules } from './schema.ts'

/** Keeps a client at one backend (GEP-1619, experimental; the shape of 1.7). */
export const SessionPersistence = withRules(
  z.strictObject({
    type: enumSchema(['Cookie', 'Header']).default('Cookie'),
    /** The session ends after this time whatever happens. */
    absoluteTimeout: Duration.optional(),
    cookie: z
      .strictObject({
        name: HeaderName.optional(),
        path: textSchema({ what: 'a cookie path', fix: 'shorten it', min: 0, max: 1024 }).default('/'),
        /** Permanent cookies have a date of expiry and need absoluteTimeout. */
        lifetimeType: enumSchema(['Permanent', 'Session']).default('Session'),
      })
      .optional(),
    header: z.strictObject({ name: HeaderName }).optional(),
  }),
  (persistence, complain) => {
    for (const [type, field] of [
      ['Cookie', 'cookie'],
      ['Header', 'header'],
    ] as const) {
      const given = persistence[field] !== undefined
      if (type === persistence.type && !given) complain([field], `is required when type is ${type}: add it`)
      if (type !== persistence.type && given)
        complain([field], `is not allowed when type is ${persistence.type}: remove it`)
    }
    if (persistence.cookie?.lifetimeType === 'Permanent' && persistence.absoluteTimeout === undefined)
      complain(['absoluteTimeout'], 'is required when cookie.lifetimeType is Permanent: add it')
  },
)
export type SessionPersistence = z.output<typeof SessionPersistence>
