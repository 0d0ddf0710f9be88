import { z } from 'zod'
import { GRPCRouteFilters } from './http-filter.ts'
import { objectSchema } from './object-meta.ts'
import { filteredBackendRefSchema, gatewayGroup, ParentReferences } from './reference.ts'
import { checkRouteRules } from './route-rule.ts'
import { HeaderName, HeaderValue, Hostname, SectionName } from './scalar.ts'
import { enumSchema, listSchema, quote, textSchema, uniqueListSchema, withRules } from './schema.ts'
import { SessionPersistence } from './session-persistence.ts'

const serviceName = /^\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*$/i
const methodName = /^[A-Za-z_][A-Za-z_0-9]*$/
const GRPCName = textSchema({ what: 'a name', fix: 'shorten it', min: 0, max: 1024 })
const MatchType = enumSchema(['Exact', 'RegularExpression']).default('Exact')

/** A match of the gRPC service, of its method, or of both. Compares with case. */
export const GRPCMethodMatch = withRules(
  z.strictObject({ type: MatchType, service: GRPCName.optional(), method: GRPCName.optional() }),
  ({ type, service, method }, complain) => {
    if (service === undefined && method === undefined) complain([], 'is empty: add service or method')
    if (type !== 'Exact') return
    if (service !== undefined && !serviceName.test(service))
      complain(['service'], `${quote(service)} is not a gRPC service: use a name such as shop.v1.Cart`)
    if (method !== undefined && !methodName.test(method))
      complain(['method'], `${quote(method)} is not a gRPC method: use letters, digits and "_"`)
  },
)
export type GRPCMethodMatch = z.output<typeof GRPCMethodMatch>

/** A match of a header of the request's metadata. The name compares without case. */
export const GRPCHeaderMatch = z.strictObject({ type: MatchType, name: HeaderName, value: HeaderValue })
export type GRPCHeaderMatch = z.output<typeof GRPCHeaderMatch>

/** All parts must match. */
export const GRPCRouteMatch = z.strictObject({
  /** Every service and method unless given. */
  method: GRPCMethodMatch.optional(),
  headers: uniqueListSchema(GRPCHeaderMatch, { max: 16 }, (match) => match.name, ['name']).optional(),
})
export type GRPCRouteMatch = z.output<typeof GRPCRouteMatch>

/** A backend of a GRPCRoute rule, with filters for the requests it gets. */
export const GRPCBackendRef = filteredBackendRefSchema(GRPCRouteFilters)
export type GRPCBackendRef = z.output<typeof GRPCBackendRef>

/** What requests must look like (one match is enough), what is done to them, and where they go. */
export const GRPCRouteRule = z.strictObject({
  name: SectionName.optional(),
  /** Every request unless given. */
  matches: listSchema(GRPCRouteMatch, { max: 64 }).optional(),
  filters: GRPCRouteFilters.optional(),
  backendRefs: listSchema(GRPCBackendRef, { max: 16 }).optional(),
  /** Experimental. */
  sessionPersistence: SessionPersistence.optional(),
})
export type GRPCRouteRule = z.output<typeof GRPCRouteRule>

/** Routes gRPC requests of its hostnames from listeners to backends. */
export const GRPCRoute = objectSchema(
  { group: gatewayGroup, versions: ['v1'], kind: 'GRPCRoute' },
  {
    spec: z.strictObject({
      parentRefs: ParentReferences.optional(),
      hostnames: listSchema(Hostname, { max: 16 }).optional(),
      rules: withRules(listSchema(GRPCRouteRule, { max: 16 }), checkRouteRules).optional(),
      /** Experimental. */
      useDefaultGateways: enumSchema(['All', 'None']).optional(),
    }),
  },
)
export type GRPCRoute = z.output<typeof GRPCRoute>
