import { type BadCase, filterCase, refusedBySchema, routeCase, ruleCase, translated } from './bad-case.ts'

const rewrite = (urlRewrite: object) => ({ type: 'URLRewrite', urlRewrite })
const full = (replaceFullPath: string) => ({ type: 'ReplaceFullPath', replaceFullPath })
const prefix = (replacePrefixMatch: string) => ({ type: 'ReplacePrefixMatch', replacePrefixMatch })
const redirectCase = (
  name: string,
  attacks: string,
  requestRedirect: object,
  expected: Parameters<typeof routeCase>[3],
  matches?: object[],
) =>
  routeCase(
    name,
    attacks,
    { rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect }], ...(matches && { matches }) }] },
    expected,
  )
const at = (value: string) => [{ path: { type: 'PathPrefix', value } }]

/** Rewrites and redirects: their texts are substitutions, formats or parts of a URL for Envoy. */
export const pathCases: readonly BadCase[] = [
  filterCase(
    'rewrite-group-one',
    'a reference to a group that is not there',
    rewrite({ path: full('/\\1') }),
    translated('"substitution":"/\\\\\\\\1"'),
  ),
  filterCase('rewrite-group-nine', 'a reference to the ninth group', rewrite({ path: full('\\9') }), translated()),
  filterCase('rewrite-backslash', 'a lone backslash', rewrite({ path: full('/a\\') }), translated()),
  filterCase(
    'rewrite-prefix-group',
    'a reference in the place of a prefix',
    rewrite({ path: prefix('/\\1') }),
    translated(),
  ),
  filterCase('rewrite-percent', 'a lone "%" in a path', rewrite({ path: full('/100%') }), translated()),
  filterCase('rewrite-format', 'a format in a path', rewrite({ path: prefix('/%REQ(authorization)%') }), translated()),
  filterCase(
    'rewrite-line-end',
    'a second request in the path of the first',
    rewrite({ path: full('/a HTTP/1.1\r\nHost: b\r\n\r\n') }),
    translated('%0D%0A'),
  ),
  filterCase('rewrite-nul', 'a NUL in a path', rewrite({ path: prefix('/a\u0000b') }), translated('%00')),
  filterCase(
    'rewrite-half-character',
    'half of a surrogate pair in a path',
    rewrite({ path: full('/\ud800') }),
    translated('%EF%BF%BD'),
  ),
  filterCase('rewrite-query', 'a query and a fragment in a path', rewrite({ path: full('/a?b=c#d') }), translated()),
  filterCase('rewrite-empty', 'a path of nothing', rewrite({ path: full('') }), translated('"substitution":"/"')),
  ruleCase(
    'rewrite-prefix-empty',
    'nothing in the place of a prefix',
    { matches: at('/a.b+c'), filters: [rewrite({ path: prefix('') })] },
    translated('regex_rewrite'),
  ),
  filterCase(
    'rewrite-long',
    'a path of 1,025 characters',
    rewrite({ path: full('a'.repeat(1025)) }),
    refusedBySchema('too long'),
  ),
  ruleCase(
    'rewrite-prefix-of-exact',
    'a prefix to replace where none is matched',
    { matches: [{ path: { type: 'Exact', value: '/a' } }], filters: [rewrite({ path: prefix('/b') })] },
    refusedBySchema('exactly one match'),
  ),
  filterCase(
    'rewrite-both',
    'two replacements at once',
    rewrite({ path: { ...full('/a'), ...prefix('/b') } }),
    refusedBySchema('not allowed when type is'),
  ),
  filterCase(
    'rewrite-host-format',
    'a format as hostname',
    rewrite({ hostname: '%REQ(x)%' }),
    refusedBySchema('urlRewrite.hostname'),
  ),
  filterCase(
    'rewrite-host-port',
    'a port in a hostname',
    rewrite({ hostname: 'a.example.com:80' }),
    refusedBySchema('urlRewrite.hostname'),
  ),
  filterCase(
    'rewrite-host-line-end',
    'a line end after a hostname',
    rewrite({ hostname: 'a.example.com\n' }),
    refusedBySchema('urlRewrite.hostname'),
  ),
  redirectCase(
    'redirect-host-format',
    'a format as hostname of a redirect',
    { hostname: '%ENVIRONMENT(X)%' },
    refusedBySchema('requestRedirect.hostname'),
  ),
  redirectCase(
    'redirect-host-wildcard',
    'a wildcard to be sent to',
    { hostname: '*.example.com' },
    refusedBySchema('requestRedirect.hostname'),
  ),
  redirectCase(
    'redirect-line-end',
    'a header in the path of a redirect',
    { path: full('/a\r\nset-cookie: b=c') },
    translated('%0D%0A'),
  ),
  redirectCase(
    'redirect-format',
    'a format in the path of a redirect',
    { path: full('/%RESPONSE_CODE%') },
    translated(),
  ),
  redirectCase(
    'redirect-relative',
    'a path that is a host for a browser',
    { path: full('//evil.example.com/') },
    translated('path_redirect'),
  ),
  redirectCase(
    'redirect-prefix-group',
    'a reference in the prefix of a redirect',
    { path: prefix('/\\9') },
    translated(),
    at('/a'),
  ),
  redirectCase(
    'redirect-status',
    'a status that is no redirect',
    { statusCode: 305 },
    refusedBySchema('305 is not supported'),
  ),
  redirectCase('redirect-status-text', 'a status in quotes', { statusCode: '301' }, refusedBySchema('statusCode')),
  redirectCase('redirect-port-high', 'port 65536', { port: 65536 }, refusedBySchema('65536 is not a port')),
  redirectCase('redirect-port-zero', 'port 0', { port: 0 }, refusedBySchema('0 is not a port')),
  redirectCase(
    'redirect-mixed',
    'the port of one scheme with the other',
    { scheme: 'https', port: 80, statusCode: 308 },
    translated('"port_redirect":80'),
  ),
  redirectCase(
    'redirect-scheme',
    'a scheme that runs code',
    { scheme: 'javascript' },
    refusedBySchema('"javascript" is not supported'),
  ),
  redirectCase(
    'redirect-loop',
    'a redirect to itself',
    { hostname: 'redirect-loop.example.com', port: 80 },
    translated('"host_redirect":"redirect-loop.example.com"'),
  ),
  redirectCase('redirect-nothing', 'a redirect that changes nothing', {}, translated('"redirect"')),
  routeCase(
    'redirect-and-backend',
    'a redirect and a backend',
    { rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: {} }], backendRefs: [{ name: 'a', port: 1 }] }] },
    refusedBySchema('RequestRedirect is not allowed together with backendRefs'),
  ),
  routeCase(
    'redirect-and-rewrite',
    'a redirect and a rewrite',
    { rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: {} }, rewrite({ hostname: 'a' })] }] },
    refusedBySchema('not allowed together with RequestRedirect'),
  ),
  ruleCase('path-relative', 'a path without its slash', { matches: at('a') }, refusedBySchema('must begin with "/"')),
  ruleCase('path-up', 'a path that leads up', { matches: at('/a/../b') }, refusedBySchema('must not contain "/../"')),
  ruleCase(
    'path-escaped-slash',
    'an escaped slash',
    { matches: at('/a%2fb') },
    refusedBySchema('must not contain "%2f"'),
  ),
  ruleCase('path-half-escape', 'an escape that is none', { matches: at('/a%zz') }, refusedBySchema('percent-encode')),
  ruleCase('path-question', 'a query in a path', { matches: at('/a?b') }, refusedBySchema('percent-encode')),
  ruleCase(
    'path-exact-empty',
    'an exact path of nothing',
    { matches: [{ path: { type: 'Exact', value: '' } }] },
    refusedBySchema('must begin with "/"'),
  ),
  ruleCase(
    'path-slash-end',
    'prefixes that differ in their last slash',
    { matches: [...at('/a'), ...at('/a/'), ...at('/')] },
    translated('"path_separated_prefix":"/a"'),
  ),
]
