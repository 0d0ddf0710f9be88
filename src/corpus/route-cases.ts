import {
  type BadCase,
  backendObject,
  echo,
  echoEndpoint,
  filterCase,
  manifestOf,
  refusedByCheck,
  refusedBySchema,
  routeCase,
  routeObject,
  ruleCase,
  sharedGateway,
  translated,
} from './bad-case.ts'

const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index))
const hostnames = (...names: string[]) => ({ hostnames: names })
const timeouts = (request: unknown, backendRequest?: unknown) => ({ timeouts: { request, backendRequest } })
const weights = (...list: number[]) => ({ backendRefs: list.map((weight) => ({ ...echo, weight })) })
const mirror = (requestMirror: object) => ({ type: 'RequestMirror', requestMirror })
const refuseHost = (...told: string[]) => refusedBySchema('spec.hostnames[0]', ...told)
const parent = { namespace: sharedGateway.namespace, name: sharedGateway.name }

/** Matches, hostnames, weights, mirrors, timeouts, sizes and parents of routes. */
export const routeCases: readonly BadCase[] = [
  ruleCase(
    'match-header-cases',
    'one header in two spellings',
    {
      matches: [
        {
          headers: [
            { name: 'X-A', value: '1' },
            { name: 'x-a', value: '2' },
          ],
        },
      ],
    },
    translated('"exact":"1"'),
  ),
  ruleCase(
    'match-pseudo-header',
    'a match of a pseudo-header',
    { matches: [{ headers: [{ name: ':authority', value: 'a' }] }] },
    refusedBySchema('headers[0].name'),
  ),
  ruleCase(
    'match-host',
    'a match of Host, which is a pseudo-header for Envoy',
    { matches: [{ headers: [{ name: 'Host', value: 'match-host.example.com' }] }] },
    translated('"name":"host"'),
  ),
  ruleCase(
    'match-method',
    'a method that nobody knows',
    { matches: [{ method: 'BREW' }] },
    refusedBySchema('"BREW" is not supported'),
  ),
  ruleCase(
    'match-connect',
    'CONNECT, for which Envoy has a matcher of its own',
    { matches: [{ method: 'CONNECT' }] },
    translated('"exact":"CONNECT"'),
  ),
  ruleCase(
    'match-query-nul',
    'NUL and half a character in a query',
    { matches: [{ queryParams: [{ name: 'a', value: '\u0000\ud800' }] }] },
    translated(),
  ),
  ruleCase(
    'match-query-long',
    'a query value of 1,025 characters',
    { matches: [{ queryParams: [{ name: 'a', value: 'a'.repeat(1025) }] }] },
    refusedBySchema('too long'),
  ),
  ruleCase(
    'match-prototype',
    'names that every object of JavaScript has',
    {
      matches: [
        {
          headers: [
            { name: '__proto__', value: 'a' },
            { name: 'constructor', value: 'b' },
          ],
          queryParams: [
            { name: 'toString', value: 'c' },
            { name: '__proto__', value: 'd' },
          ],
        },
      ],
    },
    translated('"name":"__proto__"', '"name":"toString"'),
  ),
  ruleCase(
    'match-65',
    '65 matches',
    { matches: many(65, (i) => ({ path: { value: `/${i}` } })) },
    refusedBySchema('use at most 64'),
  ),
  routeCase(
    'match-129',
    '129 matches in several rules',
    { rules: many(3, (r) => ({ matches: many(43, (i) => ({ path: { value: `/${r}/${i}` } })) })) },
    refusedBySchema('129 matches'),
  ),
  routeCase('route-17-rules', '17 rules', { rules: many(17, () => ({})) }, refusedBySchema('use at most 16')),
  routeCase(
    'route-largest',
    '16 hostnames, 128 matches of 32 long parts each, 16 backends: 80 MB of tables',
    {
      hostnames: many(16, (i) => `h${i}.route-largest.example.com`),
      rules: many(16, (r) => ({
        matches: many(8, (i) => ({
          path: { type: 'RegularExpression', value: `/${r}/${i}/${'a'.repeat(1000)}` },
          headers: many(16, (h) => ({ name: `x-${h}${'y'.repeat(240)}`, value: `${i}${'v'.repeat(1000)}` })),
          queryParams: many(16, (q) => ({ name: `q-${q}`, value: `${i}${'v'.repeat(1000)}` })),
        })),
        backendRefs: many(16, (i) => ({ ...echo, weight: i })),
      })),
    },
    refusedByCheck('Accepted=False UnsupportedValue', 'MiB of configuration'),
  ),
  routeCase(
    'route-bomb',
    'a filter that 64 matches, 16 backends and 16 hostnames multiply: 1 GB of tables from 70 KB',
    {
      hostnames: many(16, (i) => `h${i}.route-bomb.example.com`),
      rules: [
        {
          matches: many(64, (i) => ({ path: { value: `/${i}` } })),
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: { set: many(16, (i) => ({ name: `x-${i}`, value: 'a'.repeat(4000) })) },
            },
          ],
          backendRefs: many(16, () => echo),
        },
      ],
    },
    refusedByCheck('Accepted=False UnsupportedValue', 'MiB of configuration'),
  ),
  routeCase(
    'route-large',
    '16 hostnames, 16 rules of 8 matches with patterns, 16 backends: about the largest route that is accepted',
    {
      hostnames: many(16, (i) => `h${i}.route-large.example.com`),
      rules: many(16, (r) => ({
        matches: many(8, (i) => ({
          path: { type: 'RegularExpression', value: `/${r}/${i}/[a-z]{1,100}` },
          headers: [{ name: 'x-a', type: 'RegularExpression', value: `(?:${i}|${r})[^/]{100}` }],
        })),
        backendRefs: many(16, (i) => ({ ...echo, weight: i })),
      })),
    },
    translated('h15.route-large.example.com'),
  ),
  routeCase('host-address', 'an IPv4 address', hostnames('127.0.0.1'), refuseHost('is an IP address')),
  routeCase('host-address-6', 'an IPv6 address', hostnames('[::1]'), refuseHost('is not a hostname')),
  routeCase('host-capitals', 'capitals', hostnames('Host-Capitals.example.com'), refuseHost('is not a hostname')),
  routeCase('host-dot', 'a dot at the end', hostnames('host-dot.example.com.'), refuseHost('is not a hostname')),
  routeCase(
    'host-idn',
    'letters outside of ASCII',
    hostnames('b\u00fccher.example.com'),
    refuseHost('is not a hostname'),
  ),
  routeCase(
    'host-punycode',
    'a name in punycode',
    hostnames('xn--bcher-kva.example.com'),
    translated('xn--bcher-kva.example.com'),
  ),
  routeCase('host-star', 'all hosts of everybody', hostnames('*'), refuseHost('is not a hostname')),
  routeCase(
    'host-inner-star',
    'a wildcard in the middle',
    hostnames('a.*.example.com'),
    refuseHost('is not a hostname'),
  ),
  routeCase('host-two-stars', 'two wildcards', hostnames('*.*.example.com'), refuseHost('is not a hostname')),
  routeCase('host-part-star', 'a wildcard of a part', hostnames('*a.example.com'), refuseHost('is not a hostname')),
  routeCase('host-port', 'a port', hostnames('host-port.example.com:80'), refuseHost('is not a hostname')),
  routeCase(
    'host-underscore',
    'an underscore',
    hostnames('host_underscore.example.com'),
    refuseHost('is not a hostname'),
  ),
  routeCase('host-line-end', 'a line end', hostnames('host-line-end.example.com\n'), refuseHost('is not a hostname')),
  routeCase('host-long', '254 characters', hostnames(`${'a.'.repeat(126)}aa`), refuseHost('too long')),
  routeCase(
    'host-long-label',
    'a label of 200 characters',
    hostnames(`${'a'.repeat(200)}.example.com`),
    translated(`"${'a'.repeat(200)}.example.com"`),
  ),
  routeCase('host-empty', 'a hostname of nothing', hostnames(''), refuseHost('must not be empty')),
  routeCase(
    'host-17',
    '17 hostnames',
    hostnames(...many(17, (i) => `h${i}.example.com`)),
    refusedBySchema('use at most 16'),
  ),
  routeCase(
    'host-twice',
    'one hostname three times',
    hostnames(...many(3, () => 'host-twice.example.com')),
    translated('"host-twice.example.com"'),
  ),
  routeCase(
    'host-clash',
    'hosts and wildcards that cover each other',
    hostnames('a.clash.example.com', '*.clash.example.com', '*.a.clash.example.com', 'clash.example.com'),
    translated('"*.a.clash.example.com"'),
  ),
  routeCase(
    'host-of-another',
    'the hostname and path of another tenant',
    hostnames('healthy.example.com'),
    translated(),
  ),
  {
    name: 'host-16-by-10',
    attacks: 'the same 16 hostnames in each of 10 routes',
    ...translated('h15.by.example.com'),
    manifest: manifestOf(
      backendObject('host-16-by-10', [echoEndpoint]),
      ...many(10, (r) =>
        routeObject('host-16-by-10', hostnames(...many(16, (i) => `h${i}.by.example.com`)), `web-${r}`),
      ),
    ),
  },
  ruleCase('weight-none', 'no share for anybody', weights(0, 0), translated('"status":500')),
  ruleCase(
    'weight-largest',
    'the largest sum of weights',
    weights(...many(16, () => 1_000_000)),
    translated('"weight":1000000'),
  ),
  ruleCase(
    'weight-too-large',
    'a weight above a million',
    weights(1_000_001),
    refusedBySchema('1000001 is not a weight'),
  ),
  ruleCase('weight-overflow', 'a weight above 32 bits', weights(2 ** 32 + 1), refusedBySchema('is not a weight')),
  ruleCase('weight-negative', 'a weight below 0', weights(-1), refusedBySchema('-1 is not a weight')),
  ruleCase('weight-fraction', 'a part of a weight', weights(0.5), refusedBySchema('0.5 is not a weight')),
  ruleCase(
    'weight-millionth',
    'a share that is less than Envoy can count, with a path of its own',
    {
      backendRefs: [
        {
          ...echo,
          weight: 1,
          filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/b' } } }],
        },
        ...many(15, () => ({ ...echo, weight: 1_000_000 })),
      ],
    },
    translated(),
  ),
  ruleCase('backends-17', '17 backends', { backendRefs: many(17, () => echo) }, refusedBySchema('use at most 16')),
  filterCase(
    'mirror-missing',
    'a mirror to a Service that is not there',
    mirror({ backendRef: { name: 'nowhere', port: 80 } }),
    refusedByCheck('ResolvedRefs=False BackendNotFound', 'Service "nowhere" not found'),
  ),
  filterCase(
    'mirror-foreign',
    'a mirror into the namespace of somebody else',
    mirror({ backendRef: { name: 'web', namespace: 'healthy', port: 80 } }),
    refusedByCheck('ResolvedRefs=False RefNotPermitted', 'add a ReferenceGrant'),
  ),
  filterCase(
    'mirror-twice-told',
    'percent and fraction',
    mirror({ backendRef: echo, percent: 50, fraction: { numerator: 1 } }),
    refusedBySchema('not allowed together with percent'),
  ),
  filterCase(
    'mirror-by-zero',
    'a fraction of 0',
    mirror({ backendRef: echo, fraction: { numerator: 1, denominator: 0 } }),
    refusedBySchema('denominator'),
  ),
  filterCase(
    'mirror-more',
    'more than all',
    mirror({ backendRef: echo, fraction: { numerator: 3, denominator: 2 } }),
    refusedBySchema('more than the denominator'),
  ),
  filterCase(
    'mirror-little',
    'a share that rounds to nothing',
    mirror({ backendRef: echo, fraction: { numerator: 1, denominator: 2147483647 } }),
    translated(),
  ),
  ruleCase(
    'mirror-sixteen',
    '16 mirrors to where the request goes',
    { filters: many(16, () => mirror({ backendRef: echo })) },
    translated('request_mirror_policies'),
  ),
  ruleCase('timeout-none', 'no limit', timeouts('0s'), translated('"timeout":"0s"')),
  ruleCase('timeout-small', 'a millisecond', timeouts('1ms'), translated('"timeout":"0.001s"')),
  ruleCase(
    'timeout-huge',
    'the longest duration that can be written',
    timeouts('99999h99999h99999h99999h'),
    translated(),
  ),
  ruleCase(
    'timeout-crossed',
    'a try that lasts longer than the whole',
    timeouts('1s', '2s'),
    refusedBySchema('is longer than timeouts.request'),
  ),
  ruleCase('timeout-negative', 'a negative duration', timeouts('-1s'), refusedBySchema('is not a duration')),
  ruleCase(
    'timeout-digits',
    'a duration with more digits than Go reads',
    timeouts('999999999999h'),
    refusedBySchema('is not a duration'),
  ),
  ruleCase('timeout-number', 'a number as duration', timeouts(5), refusedBySchema('must be text')),
  filterCase(
    'filter-unknown',
    'a filter that protects, and that is not known',
    { type: 'ExtensionRef', extensionRef: { group: 'example.com', kind: 'Auth', name: 'a' } },
    refusedByCheck('ResolvedRefs=False InvalidKind', 'answered with 500'),
  ),
  filterCase(
    'filter-cors',
    'CORS with a pattern as origin',
    { type: 'CORS', cors: { allowOrigins: ['https://(.*)'] } },
    refusedBySchema('is not an origin'),
  ),
  filterCase(
    'filter-auth',
    'authorization by a service that does not exist',
    { type: 'ExternalAuth', externalAuth: { protocol: 'GRPC', grpc: {}, backendRef: { name: 'a', port: 1 } } },
    refusedByCheck('ResolvedRefs=False BackendNotFound', 'Service "a" not found'),
  ),
  ruleCase(
    'retry-codes',
    'status codes to retry that are none',
    { retry: { codes: [200, 1000] } },
    refusedBySchema('is not a status code to retry'),
  ),
  ruleCase(
    'retry-attempts',
    'more tries than 32 bits hold',
    { retry: { attempts: 4294967297 } },
    translated('"num_retries":4294967295'),
  ),
  routeCase(
    'parents-two-answers',
    'two parents, of which one refuses',
    {
      parentRefs: [
        { ...parent, sectionName: 'http' },
        { ...parent, sectionName: 'closed' },
      ],
    },
    refusedByCheck('Accepted=False NotAllowedByListeners'),
  ),
  routeCase(
    'parents-33',
    '33 parents',
    { parentRefs: many(33, (i) => ({ ...parent, sectionName: `s${i}` })) },
    refusedBySchema('use at most 32'),
  ),
  routeCase('parents-twice', 'one parent twice', { parentRefs: [parent, parent] }, refusedBySchema('repeats item 0')),
  routeCase(
    'parent-section',
    'a listener that is not there',
    { parentRefs: [{ ...parent, sectionName: 'nowhere' }] },
    refusedByCheck('Accepted=False NoMatchingParent'),
  ),
  routeCase(
    'parent-slash',
    'a parent whose name has slashes and line ends',
    { parentRefs: [{ name: '../shared/edge\nshared' }] },
    translated(),
  ),
]
