import { z } from 'zod'
import { parseDuration } from '../duration.ts'
import { type HTTPRouteFilter, HTTPRouteFilters } from './http-filter.ts'
import { objectSchema } from './object-meta.ts'
import { filteredBackendRefSchema, gatewayGroup, ParentReferences } from './reference.ts'
import { checkRouteRules } from './route-rule.ts'
import { Duration, HeaderName, HeaderValue, Hostname, SectionName } from './scalar.ts'
import {
  type Complain,
  enumSchema,
  integerSchema,
  listSchema,
  quote,
  textSchema,
  uniqueListSchema,
  withRules,
} from './schema.ts'
import { SessionPersistence } from './session-persistence.ts'

const pathCharacters = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/

function checkPath({ type, value }: { type: string; value: string }, complain: Complain): void {
  if (type === 'RegularExpression') return
  const say = (message: string) => complain(['value'], `${quote(value)} ${message}`)
  if (!value.startsWith('/')) say('must begin with "/"')
  for (const part of ['//', '/./', '/../', '%2f', '%2F', '#'])
    if (value.includes(part)) say(`must not contain "${part}"`)
  for (const end of ['/.', '/..']) if (value.endsWith(end)) say(`must not end with "${end}"`)
  if (!value.includes('#') && !pathCharacters.test(value))
    say("has a character that paths do not have: percent-encode all but letters, digits and -/._~!$&'()*+,;=:@")
}

/** A match of the path. Regular expressions are RE2 and match the whole path. */
export const HTTPPathMatch = withRules(
  z.strictObject({
    type: enumSchema(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
    /** A prefix matches whole segments: "/a" matches "/a" and "/a/b", not "/ab". */
    value: textSchema({ what: 'a path', fix: 'shorten it', min: 0, max: 1024 }).default('/'),
  }),
  checkPath,
)
export type HTTPPathMatch = z.output<typeof HTTPPathMatch>

const ValueMatchType = enumSchema(['Exact', 'RegularExpression']).default('Exact')

/** A match of a header. The name compares without case. */
export const HTTPHeaderMatch = z.strictObject({ type: ValueMatchType, name: HeaderName, value: HeaderValue })
export type HTTPHeaderMatch = z.output<typeof HTTPHeaderMatch>

/** A match of a query parameter. The name compares with case. */
export const HTTPQueryParamMatch = z.strictObject({
  type: ValueMatchType,
  name: HeaderName,
  value: textSchema({ what: 'a value', fix: 'shorten it', max: 1024 }),
})
export type HTTPQueryParamMatch = z.output<typeof HTTPQueryParamMatch>

/** Methods that a match can name. */
export const HTTPMethod = enumSchema(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])
export type HTTPMethod = z.output<typeof HTTPMethod>

/** All parts must match. */
export const HTTPRouteMatch = z.strictObject({
  path: HTTPPathMatch.default({ type: 'PathPrefix', value: '/' }),
  headers: uniqueListSchema(HTTPHeaderMatch, { max: 16 }, (match) => match.name, ['name']).optional(),
  queryParams: uniqueListSchema(HTTPQueryParamMatch, { max: 16 }, (match) => match.name, ['name']).optional(),
  method: HTTPMethod.optional(),
})
export type HTTPRouteMatch = z.output<typeof HTTPRouteMatch>

/** Limits of time; "0s" switches a limit off. */
export const HTTPRouteTimeouts = withRules(
  z.strictObject({
    /** From the request to the end of the response, all tries together. */
    request: Duration.optional(),
    /** For one try. */
    backendRequest: Duration.optional(),
  }),
  ({ request, backendRequest }, complain) => {
    const whole = request === undefined ? 0 : (parseDuration(request) ?? 0)
    const single = backendRequest === undefined ? 0 : (parseDuration(backendRequest) ?? 0)
    if (whole !== 0 && single > whole)
      complain(['backendRequest'], `${backendRequest} is longer than timeouts.request: use at most ${request}`)
  },
)
export type HTTPRouteTimeouts = z.output<typeof HTTPRouteTimeouts>

/** Repeats of a failed request. Failed connections are always repeated when attempts is not 0. */
export const HTTPRouteRetry = z.strictObject({
  /** Status codes that are repeated. */
  codes: uniqueListSchema(integerSchema(400, 599, 'a status code to retry'), { max: 200 }).optional(),
  /** Tries after the first one; 0 means no retry. */
  attempts: integerSchema(0, Number.MAX_SAFE_INTEGER).default(1),
  /** Base interval between tries. */
  backoff: Duration.optional(),
})
export type HTTPRouteRetry = z.output<typeof HTTPRouteRetry>

/** A backend of an HTTPRoute rule, with filters for the requests it gets. */
export const HTTPBackendRef = filteredBackendRefSchema(HTTPRouteFilters)
export type HTTPBackendRef = z.output<typeof HTTPBackendRef>

const defaultMatch: HTTPRouteMatch = { path: { type: 'PathPrefix', value: '/' } }

function usesPrefixReplacement(filter: HTTPRouteFilter): boolean {
  if (filter.type === 'RequestRedirect') return filter.requestRedirect.path?.type === 'ReplacePrefixMatch'
  return filter.type === 'URLRewrite' && filter.urlRewrite.path?.type === 'ReplacePrefixMatch'
}

/** What requests must look like (one match is enough), what is done to them, and where they go. */
export const HTTPRouteRule = withRules(
  z.strictObject({
    name: SectionName.optional(),
    /** At least one after parsing: an empty list means what an absent one does. */
    matches: listSchema(HTTPRouteMatch, { max: 64 }).default([defaultMatch]),
    filters: HTTPRouteFilters.optional(),
    backendRefs: listSchema(HTTPBackendRef, { max: 16 }).optional(),
    timeouts: HTTPRouteTimeouts.optional(),
    retry: HTTPRouteRetry.optional(),
    /** Experimental. */
    sessionPersistence: SessionPersistence.optional(),
  }),
  ({ matches, filters = [], backendRefs = [] }, complain) => {
    const redirect = filters.findIndex((filter) => filter.type === 'RequestRedirect')
    if (redirect >= 0 && backendRefs.length > 0)
      complain(['filters', redirect], 'RequestRedirect is not allowed together with backendRefs: remove one of them')

    if (matches.length === 1 && matches[0]?.path.type === 'PathPrefix') return
    const check = (path: (string | number)[], list: readonly HTTPRouteFilter[]) => {
      for (const [index, filter] of list.entries())
        if (usesPrefixReplacement(filter))
          complain(
            [...path, index],
            'ReplacePrefixMatch needs a rule with exactly one match, of type PathPrefix: split the rule',
          )
    }
    check(['filters'], filters)
    for (const [index, backend] of backendRefs.entries())
      check(['backendRefs', index, 'filters'], backend.filters ?? [])
  },
).transform((rule) => (rule.matches.length > 0 ? rule : { ...rule, matches: [defaultMatch] }))
export type HTTPRouteRule = z.output<typeof HTTPRouteRule>

/** Routes HTTP requests of its hostnames from listeners to backends. */
export const HTTPRoute = objectSchema(
  { group: gatewayGroup, versions: ['v1', 'v1beta1'], kind: 'HTTPRoute' },
  {
    spec: z.strictObject({
      parentRefs: ParentReferences.optional(),
      /** Every host of the listener unless given. */
      hostnames: listSchema(Hostname, { max: 16 }).optional(),
      rules: withRules(listSchema(HTTPRouteRule, { min: 1, max: 16 }), checkRouteRules).default([
        { matches: [defaultMatch] },
      ]),
      /** Experimental. */
      useDefaultGateways: enumSchema(['All', 'None']).optional(),
    }),
  },
)
export type HTTPRoute = z.output<typeof HTTPRoute>
export type { HTTPRouteFilter } from './http-filter.ts'
