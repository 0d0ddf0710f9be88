/** The filters of HTTPRoute rules and of their backends (HTTPRouteFilter, GRPCRouteFilter, listener filters). */
import { z } from 'zod'
import { BackendObjectReference, LocalObjectReference } from './reference.ts'
import { HeaderName, HeaderValue, PortNumber, PreciseHostname } from './scalar.ts'
import { enumSchema, integerSchema, joinWords, listSchema, textSchema, uniqueListSchema, withRules } from './schema.ts'

/** One header to set or add. */
export const HTTPHeader = z.strictObject({ name: HeaderName, value: HeaderValue })
export type HTTPHeader = z.output<typeof HTTPHeader>

const HeaderList = uniqueListSchema(HTTPHeader, { max: 16 }, (header) => header.name, ['name'])
const StringSet = (max: number) => uniqueListSchema(z.string(), { max })

/** Changes of request or response headers. Names compare without case. */
export const HTTPHeaderFilter = z.strictObject({
  /** Replaces all values of the name. */
  set: HeaderList.optional(),
  /** Appends to the values of the name. */
  add: HeaderList.optional(),
  remove: StringSet(16).optional(),
})
export type HTTPHeaderFilter = z.output<typeof HTTPHeaderFilter>

const PathText = textSchema({ what: 'a path', fix: 'shorten it', min: 0, max: 1024 })

/** What a redirect or rewrite does to the path. */
export const HTTPPathModifier = withRules(
  z.strictObject({
    type: enumSchema(['ReplaceFullPath', 'ReplacePrefixMatch']),
    replaceFullPath: PathText.optional(),
    /** Only with a single PathPrefix match, whose value it replaces. */
    replacePrefixMatch: PathText.optional(),
  }),
  (modifier, complain) => {
    for (const [type, field] of [
      ['ReplaceFullPath', 'replaceFullPath'],
      ['ReplacePrefixMatch', 'replacePrefixMatch'],
    ] as const) {
      const given = modifier[field] !== undefined
      if (type === modifier.type && !given) complain([field], `is required when type is ${type}: add it`)
      if (type !== modifier.type && given) complain([field], `is not allowed when type is ${modifier.type}: remove it`)
    }
  },
)
export type HTTPPathModifier = z.output<typeof HTTPPathModifier>

/** Answers with a redirect instead of forwarding. What is not given stays as the request has it. */
export const HTTPRequestRedirectFilter = z.strictObject({
  scheme: enumSchema(['http', 'https']).optional(),
  hostname: PreciseHostname.optional(),
  path: HTTPPathModifier.optional(),
  /** Unless given: the well-known port of `scheme`, or else the listener's port. */
  port: PortNumber.optional(),
  statusCode: z
    .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)], {
      error: (issue) => `${String(issue.input)} is not supported: use ${joinWords([301, 302, 303, 307, 308])}`,
    })
    .default(302),
})
export type HTTPRequestRedirectFilter = z.output<typeof HTTPRequestRedirectFilter>

/** Changes the request before it is forwarded. */
export const HTTPURLRewriteFilter = z.strictObject({
  hostname: PreciseHostname.optional(),
  path: HTTPPathModifier.optional(),
})
export type HTTPURLRewriteFilter = z.output<typeof HTTPURLRewriteFilter>

const int32Max = 2147483647

/** A share of requests as a fraction. */
export const Fraction = withRules(
  z.strictObject({ numerator: integerSchema(0, int32Max), denominator: integerSchema(1, int32Max).default(100) }),
  ({ numerator, denominator }, complain) => {
    if (numerator > denominator)
      complain(['numerator'], `${numerator} is more than the denominator: use at most ${denominator}`)
  },
)
export type Fraction = z.output<typeof Fraction>

/** Sends a copy of requests to another backend, whose responses are ignored. All requests unless a share is given. */
export const HTTPRequestMirrorFilter = withRules(
  z.strictObject({
    backendRef: BackendObjectReference,
    percent: integerSchema(0, 100, 'a percentage').optional(),
    fraction: Fraction.optional(),
  }),
  ({ percent, fraction }, complain) => {
    if (percent !== undefined && fraction !== undefined)
      complain(['fraction'], 'is not allowed together with percent: remove one')
  },
)
export type HTTPRequestMirrorFilter = z.output<typeof HTTPRequestMirrorFilter>

/** "*" alone, or a list without it. */
function starOrList<S extends z.ZodType<string>>(item: S, max: number) {
  return withRules(uniqueListSchema(item, { max }), (items, complain) => {
    const star = items.indexOf('*' as z.output<S>)
    if (star >= 0 && items.length > 1) complain([star], '"*" must stand alone: remove it or the others')
  })
}

const CORSOrigin = textSchema({
  what: 'an origin',
  fix: 'use "*", or http:// or https:// and a host with an optional port, such as https://*.example.com',
  max: 253,
  pattern: /^\*$|^https?:\/\/(?:(?:\*\.)?(?:[a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(?::[0-9]{1,5})?$/,
})

/** Cross-origin resource sharing. */
export const HTTPCORSFilter = z.strictObject({
  allowOrigins: starOrList(CORSOrigin, 64).optional(),
  allowCredentials: z.boolean().optional(),
  allowMethods: starOrList(
    enumSchema(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*']),
    9,
  ).optional(),
  allowHeaders: starOrList(HeaderName, 64).optional(),
  exposeHeaders: uniqueListSchema(HeaderName, { max: 64 }).optional(),
  /** Seconds for which the answer to a preflight may be kept. */
  maxAge: integerSchema(1, int32Max).default(5),
})
export type HTTPCORSFilter = z.output<typeof HTTPCORSFilter>

/** Asks another service whether the request may pass (GEP-1494, experimental). */
export const HTTPExternalAuthFilter = withRules(
  z.strictObject({
    protocol: enumSchema(['HTTP', 'GRPC']),
    backendRef: BackendObjectReference,
    grpc: z.strictObject({ allowedHeaders: StringSet(64).optional() }).optional(),
    http: z
      .strictObject({
        path: textSchema({
          what: 'a path',
          fix: "percent-encode other characters than letters, digits and -/._~!$&'()*+,;=:@",
          max: 1024,
          pattern: /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/,
        }).optional(),
        allowedHeaders: StringSet(64).optional(),
        allowedResponseHeaders: StringSet(64).optional(),
      })
      .optional(),
    /** Sends the body along, cut after `maxSize` bytes. */
    forwardBody: z.strictObject({ maxSize: integerSchema(0, int32Max).optional() }).optional(),
  }),
  (filter, complain) => {
    for (const [protocol, field] of [
      ['HTTP', 'http'],
      ['GRPC', 'grpc'],
    ] as const) {
      const given = filter[field] !== undefined
      if (protocol === filter.protocol && !given) complain([field], `is required when protocol is ${protocol}: add it`)
      if (protocol !== filter.protocol && given)
        complain([field], `is not allowed when protocol is ${filter.protocol}: remove it`)
    }
  },
)
export type HTTPExternalAuthFilter = z.output<typeof HTTPExternalAuthFilter>

const payloads = {
  requestHeaderModifier: HTTPHeaderFilter,
  responseHeaderModifier: HTTPHeaderFilter,
  requestMirror: HTTPRequestMirrorFilter,
  requestRedirect: HTTPRequestRedirectFilter,
  urlRewrite: HTTPURLRewriteFilter,
  cors: HTTPCORSFilter,
  externalAuth: HTTPExternalAuthFilter,
  extensionRef: LocalObjectReference,
}

/** One member of the union of filters: its own payload is required, those of other types are refused by name. */
function filterVariant<const T extends string, const F extends keyof typeof payloads>(type: T, field: F) {
  const others = Object.keys(payloads)
    .filter((other) => other !== field)
    .map((other) => [other, z.never({ error: () => `is not allowed when type is ${type}: remove it` }).optional()])
  return z.strictObject({
    ...Object.fromEntries(others),
    type: z.literal(type),
    [field]: payloads[field],
  }) as unknown as z.ZodObject<{ type: z.ZodLiteral<T> } & Record<F, (typeof payloads)[F]>, z.core.$strict>
}

const requestHeaderModifier = filterVariant('RequestHeaderModifier', 'requestHeaderModifier')
const responseHeaderModifier = filterVariant('ResponseHeaderModifier', 'responseHeaderModifier')
const requestMirror = filterVariant('RequestMirror', 'requestMirror')
const extensionRef = filterVariant('ExtensionRef', 'extensionRef')
const externalAuth = filterVariant('ExternalAuth', 'externalAuth')

/** A filter of an HTTPRoute: narrow by `type`. */
export const HTTPRouteFilter = z.discriminatedUnion('type', [
  requestHeaderModifier,
  responseHeaderModifier,
  requestMirror,
  filterVariant('RequestRedirect', 'requestRedirect'),
  filterVariant('URLRewrite', 'urlRewrite'),
  filterVariant('CORS', 'cors'),
  externalAuth,
  extensionRef,
])
export type HTTPRouteFilter = z.output<typeof HTTPRouteFilter>

/** A filter of a GRPCRoute: narrow by `type`. */
export const GRPCRouteFilter = z.discriminatedUnion('type', [
  requestHeaderModifier,
  responseHeaderModifier,
  requestMirror,
  extensionRef,
])
export type GRPCRouteFilter = z.output<typeof GRPCRouteFilter>

/** A filter of a listener (experimental): runs before the route is chosen. */
export const ListenerRequestFilter = z.discriminatedUnion('type', [externalAuth, extensionRef])
export type ListenerRequestFilter = z.output<typeof ListenerRequestFilter>

const once = new Set(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite', 'CORS'])

/** A list of at most 16 filters in which only mirrors, external authorization and extensions may repeat. */
export function filtersSchema<S extends z.ZodType<{ type: string }>>(filter: S) {
  return withRules(listSchema(filter, { max: 16 }), (filters, complain) => {
    if (filters.length < 2) return
    const seen = new Set<string>()
    for (const [index, { type }] of filters.entries()) {
      if (once.has(type) && seen.has(type))
        complain([index], `a second filter of type ${type}: merge it into the first`)
      const rival = type === 'URLRewrite' ? 'RequestRedirect' : type === 'RequestRedirect' ? 'URLRewrite' : undefined
      if (rival !== undefined && seen.has(rival))
        complain([index], `${type} is not allowed together with ${rival}: move it to another rule`)
      seen.add(type)
    }
  })
}

/** The filters of an HTTPRoute rule or of one of its backends. */
export const HTTPRouteFilters = filtersSchema(HTTPRouteFilter)
/** The filters of a GRPCRoute rule or of one of its backends. */
export const GRPCRouteFilters = filtersSchema(GRPCRouteFilter)
