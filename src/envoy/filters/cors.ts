import type { HTTPCORSFilter } from '../../gatewayapi/objects/http-filter.ts'
import { envoy } from '../../gen/envoy.js'
import { packAny } from '../any.ts'

type StringMatcher = envoy.type.matcher.v3.StringMatcher
const { Cors, CorsPolicy } = envoy.extensions.filters.http.cors.v3

/** In the chain of every connection manager; does nothing but where a Route has a policy. */
export const corsFilter = { name: 'envoy.filters.http.cors', typedConfig: packAny(Cors, {}) }

/**
 * What a CORS filter means for a Route. A preflight from an origin that is not allowed is answered without
 * `access-control-*` headers: the backend must not answer what the gateway was told to decide.
 */
export function buildCorsPolicy(filter: HTTPCORSFilter): ReturnType<typeof packAny> {
  const {
    allowOrigins = [],
    allowMethods = [],
    allowHeaders = [],
    exposeHeaders = [],
    allowCredentials,
    maxAge,
  } = filter
  // With credentials "*" is no wildcard, and must not be sent.
  const exposed = allowCredentials === true ? exposeHeaders.filter((name) => name !== '*') : exposeHeaders
  return packAny(CorsPolicy, {
    allowOriginStringMatch: allowOrigins.map(buildOriginMatch),
    // "*" alone: Envoy then answers with what the preflight asks for, which also holds with credentials.
    ...(allowMethods.length > 0 && { allowMethods: allowMethods.join(', ') }),
    ...(allowHeaders.length > 0 && { allowHeaders: allowHeaders.join(', ') }),
    ...(exposed.length > 0 && { exposeHeaders: exposed.join(', ') }),
    maxAge: String(maxAge),
    ...(allowCredentials === true && { allowCredentials: { value: true } }),
    forwardNotMatchingPreflights: { value: false },
  })
}

const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' }

/** Browsers write origins in lower case, and without the port that the scheme implies. */
function buildOriginMatch(pattern: string): StringMatcher {
  if (pattern === '*') return { exact: '*' }
  const [, scheme = '', host = '', port = ''] = /^(https?):\/\/(.*?)(?::([0-9]+))?$/.exec(pattern) ?? []
  const implied = port === defaultPorts[scheme]
  if (!host.startsWith('*') && !implied) return { exact: pattern, ignoreCase: true }
  const name = host === '*' ? anyHost : host.replaceAll('.', '\\.').replace('*\\.', labels)
  const suffix = port === '' ? '' : implied ? `(?::${port})?` : `:${port}`
  return { safeRegex: { regex: `(?i)${scheme}://${name}${suffix}` } }
}

/** A name, an IPv4 address, or an IPv6 address in brackets. */
const anyHost = '(?:[a-z0-9._-]+|\\[[0-9a-f:.]+\\])'
/** "*." stands for one label or more (HTTPCORSFilter.allowOrigins). */
const labels = '(?:[a-z0-9_-]+\\.)+'
