import type { Json } from '../envoy/proto-json.ts'
import type { RequestCase } from './random-route-set.ts'

/*
 * How Envoy picks a Route: the virtual host by its domains, then the first Route that matches. Only what
 * tables of whole shares use; a share of less than everything is refused.
 */

type Fields = { readonly [field: string]: Json | undefined }

interface Table {
  readonly virtual_hosts?: ReadonlyArray<{ readonly domains: readonly string[]; readonly routes?: readonly Fields[] }>
}

/** @param table a RouteConfiguration in proto JSON @returns nothing for a request that gets 404 */
export function pickRoute(table: Json, request: RequestCase): Fields | undefined {
  const { virtual_hosts: virtualHosts = [] } = table as unknown as Table
  const host = request.host.toLowerCase().replace(/:\d+$/, '')
  const byDomain = new Map(virtualHosts.flatMap((v) => v.domains.map((domain) => [domain, v] as const)))
  const wildcards = [...byDomain.keys()].filter((d) => d.startsWith('*.') && host.endsWith(d.slice(1)))
  const [longest] = wildcards.sort((a, b) => b.length - a.length)
  const found = byDomain.get(host) ?? (longest === undefined ? undefined : byDomain.get(longest)) ?? byDomain.get('*')
  return found?.routes?.find((route) => matches(route['match'] as unknown as Fields, request))
}

const known = ['path', 'prefix', 'path_separated_prefix', 'safe_regex', 'headers', 'query_parameters', 'grpc']

function matches(match: Fields, request: RequestCase): boolean {
  const unknown = Object.keys(match).filter((field) => !known.includes(field))
  if (unknown.length > 0) throw new Error(`this model of Envoy does not know ${unknown.join(', ')} in a match`)
  if (match['grpc'] !== undefined && !request.grpc) return false
  if (!matchesPath(match, request.path)) return false
  const all: Readonly<Record<string, string>> = { ...request.headers, ':method': request.method }
  const headers = (match['headers'] ?? []) as unknown as readonly { name: string; string_match: Fields }[]
  if (!headers.every((h) => matchesText(h.string_match, all[h.name]))) return false
  const parameters = (match['query_parameters'] ?? []) as unknown as readonly { name: string; string_match: Fields }[]
  return parameters.every((p) => matchesText(p.string_match, request.query.find(([name]) => name === p.name)?.[1]))
}

function matchesPath(match: Fields, path: string): boolean {
  if (match['path'] !== undefined) return path === match['path']
  if (match['prefix'] !== undefined) return path.startsWith(String(match['prefix']))
  if (match['safe_regex'] !== undefined) return matchesText(match, path)
  const prefix = String(match['path_separated_prefix'])
  return path === prefix || path.startsWith(`${prefix}/`)
}

function matchesText(matcher: Fields, text: string | undefined): boolean {
  if (text === undefined) return false
  if (matcher['exact'] !== undefined) return text === matcher['exact']
  const { regex } = matcher['safe_regex'] as unknown as { regex: string }
  return new RegExp(`^(?:${regex})$`).test(text)
}
