import { z } from 'zod'
import { Duration, HeaderName } from './scalar.ts'
import { enumSchema, textSchema, withRules } from './schema.ts'

/** Permanent cookies have a date of expiry and need absoluteTimeout. */
const lifetimeType = enumSchema(['Permanent', 'Session']).default('Session')

/**
 * Keeps a client at one backend (GEP-1619, experimental). The shape of 1.7 (`cookie`, `header`) and the
 * one before it (`sessionName`, `cookieConfig`) are read; it leaves validation in the shape of 1.7.
 */
export const SessionPersistence = withRules(
  z.strictObject({
    type: enumSchema(['Cookie', 'Header']).default('Cookie'),
    /** The session ends after this time whatever happens. */
    absoluteTimeout: Duration.optional(),
    cookie: z
      .strictObject({
        name: HeaderName.optional(),
        path: textSchema({ what: 'a cookie path', fix: 'shorten it', min: 0, max: 1024 }).default('/'),
        lifetimeType,
      })
      .optional(),
    header: z.strictObject({ name: HeaderName }).optional(),
    /** Until 1.6: the name of the cookie or of the header. */
    sessionName: HeaderName.optional(),
    /** Until 1.6. */
    cookieConfig: z.strictObject({ lifetimeType }).optional(),
  }),
  (persistence, complain) => {
    const { type, cookie, header, sessionName, cookieConfig, absoluteTimeout } = persistence
    for (const [owner, field] of [
      ['Cookie', 'cookie'],
      ['Header', 'header'],
      ['Cookie', 'cookieConfig'],
    ] as const)
      if (owner !== type && persistence[field] !== undefined)
        complain([field], `is not allowed when type is ${type}: remove it`)
    for (const old of ['sessionName', 'cookieConfig'] as const)
      if (persistence[old] !== undefined && (cookie ?? header) !== undefined)
        complain([old], `is of older releases: use the fields of ${cookie ? 'cookie' : 'header'}`)
    if (type === 'Header' && header === undefined && sessionName === undefined)
      complain(['header'], 'is required when type is Header: add it')
    const lifetime = (cookie ?? cookieConfig)?.lifetimeType
    if (lifetime === 'Permanent' && absoluteTimeout === undefined)
      complain(['absoluteTimeout'], 'is required when cookie.lifetimeType is Permanent: add it')
  },
).transform(({ sessionName, cookieConfig, type, absoluteTimeout, cookie, header }): SessionPersistence => {
  const timeout = absoluteTimeout === undefined ? {} : { absoluteTimeout }
  if (type === 'Header') return { type, ...timeout, header: header ?? { name: sessionName ?? '' } }
  const old = { path: '/', lifetimeType: cookieConfig?.lifetimeType ?? 'Session' }
  return { type, ...timeout, cookie: cookie ?? { ...old, ...(sessionName !== undefined && { name: sessionName }) } }
})

/** As it leaves validation: narrow by `type`. */
export type SessionPersistence =
  | {
      readonly type: 'Cookie'
      readonly absoluteTimeout?: string
      readonly cookie: {
        /** Unique to the rule unless given. */
        readonly name?: string | undefined
        readonly path: string
        readonly lifetimeType: 'Permanent' | 'Session'
      }
    }
  | { readonly type: 'Header'; readonly absoluteTimeout?: string; readonly header: { readonly name: string } }
