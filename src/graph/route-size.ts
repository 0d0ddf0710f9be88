import { none } from '../base/compact-list.ts'
import type { GRPCRoute, GRPCRouteMatch, GRPCRouteRule } from '../gatewayapi/objects/grpc-route.ts'
import type { HTTPCORSFilter, HTTPExternalAuthFilter, HTTPRouteFilter } from '../gatewayapi/objects/http-filter.ts'
import type { HTTPRoute, HTTPRouteMatch, HTTPRouteRule } from '../gatewayapi/objects/http-route.ts'

/**
 * In bytes. A match is written once for each hostname, with the filters of its rule once for each backend:
 * without a limit, 300 KB that every API server takes would become 4 GB, and end us and Envoy for everybody.
 * The largest ordinary route (128 matches, 16 hostnames, 1 KB for each) needs half of it.
 */
export const maxRouteSize = 4 * 1024 * 1024

/** About what Envoy's form of a match, a backend or a header needs beside what the user wrote. */
const overhead = 64

/**
 * About how many bytes of Envoy's tables a route needs on one listener, found without translating it.
 * Costs the length of the route, not of the tables.
 */
export function estimateRouteSize({ spec }: HTTPRoute | GRPCRoute): number {
  let perHost = 0
  for (const rule of spec.rules ?? none) perHost += sizeOfRule(rule)
  return perHost * Math.max(1, spec.hostnames?.length ?? 0)
}

function sizeOfRule(rule: HTTPRouteRule | GRPCRouteRule): number {
  const { matches = none, filters = none, backendRefs = none } = rule
  const codes = 'retry' in rule ? (rule.retry?.codes?.length ?? 0) : 0
  const own = sizeOfFilters(filters) + codes * 2
  // Each backend does to its share what the rule does, and then what it does itself.
  let shares = 0
  for (const { name, filters: its = none } of backendRefs) shares += overhead + name.length + own + sizeOfFilters(its)
  // A session among several backends has a Route for each of them beside the one that divides.
  const copies = rule.sessionPersistence === undefined ? 1 : 2
  const action = Math.max(own, copies * shares)
  if (matches.length === 0) return sizeOfMatch({}) + action
  let size = 0
  for (const match of matches) size += sizeOfMatch(match) + action
  return size
}

function sizeOfMatch(match: Partial<HTTPRouteMatch> | GRPCRouteMatch): number {
  const { path, queryParams = none } = 'path' in match ? match : {}
  const { service = '', method = '' } = typeof match.method === 'object' ? match.method : {}
  const own = overhead + (path?.value.length ?? service.length + method.length)
  return own + sizeOfTexts(match.headers ?? none) + sizeOfTexts(queryParams)
}

/** Named texts: headers, query parameters. */
function sizeOfTexts(texts: readonly { readonly name: string; readonly value: string }[]): number {
  let size = 0
  for (const { name, value } of texts) size += overhead + name.length + value.length
  return size
}

function sizeOfFilters(filters: readonly HTTPRouteFilter[]): number {
  let size = 0
  for (const filter of filters) size += overhead + sizeOfFilter(filter)
  return size
}

function sizeOfFilter(filter: HTTPRouteFilter): number {
  if (filter.type === 'URLRewrite') return sizeOfPath(filter.urlRewrite)
  if (filter.type === 'RequestRedirect') return sizeOfPath(filter.requestRedirect)
  if (filter.type === 'CORS') return sizeOfCors(filter.cors)
  if (filter.type === 'ExternalAuth') return sizeOfAuth(filter.externalAuth)
  if (filter.type !== 'RequestHeaderModifier' && filter.type !== 'ResponseHeaderModifier') return 0
  const modifier =
    filter.type === 'RequestHeaderModifier' ? filter.requestHeaderModifier : filter.responseHeaderModifier
  const { set = none, add = none, remove = none } = modifier
  return remove.reduce((sum, name) => sum + name.length, sizeOfTexts(set) + sizeOfTexts(add))
}

/** Twice, because a match of a method has its preflights beside it. */
function sizeOfCors({ allowOrigins = [], allowHeaders = [], exposeHeaders = [] }: HTTPCORSFilter): number {
  const origins = allowOrigins.reduce((sum, origin) => sum + overhead + origin.length, 0)
  return 2 * [...allowHeaders, ...exposeHeaders].reduce((sum, name) => sum + name.length, origins)
}

function sizeOfAuth({ backendRef, http, grpc }: HTTPExternalAuthFilter): number {
  const names = [http?.allowedHeaders, http?.allowedResponseHeaders, grpc?.allowedHeaders].flatMap((l) => l ?? [])
  const fixed = 16 * overhead + 2 * backendRef.name.length + (http?.path?.length ?? 0)
  return names.reduce((sum, name) => sum + overhead + name.length, fixed)
}

interface PathChanging {
  readonly path?:
    | { readonly replaceFullPath?: string | undefined; readonly replacePrefixMatch?: string | undefined }
    | undefined
}

function sizeOfPath({ path }: PathChanging): number {
  return (path?.replaceFullPath ?? path?.replacePrefixMatch ?? '').length
}
