import { type BadCase, echo, filterCase, refusedByCheck, refusedBySchema, ruleCase, translated } from './bad-case.ts'

const request = (modifier: object) => ({ type: 'RequestHeaderModifier', requestHeaderModifier: modifier })
const response = (modifier: object) => ({ type: 'ResponseHeaderModifier', responseHeaderModifier: modifier })
const set = (name: string, value: string) => ({ set: [{ name, value }] })
const add = (name: string, value: string) => ({ add: [{ name, value }] })

/** Formats of Envoy as values of the header x-a: they must come to the backend as they are written. */
export const formats: readonly (readonly [name: string, attacks: string, value: string, sent: string])[] = [
  ['percent-alone', 'a lone "%", for which Envoy refuses a table', '100%', '100%%'],
  ['percent-doubled', 'a "%%" that must stay two', '100%%', '100%%%%'],
  ['percent-open', 'an operator without its end', '%REQ(', '%%REQ('],
  [
    'percent-request',
    'an operator that prints a header that a filter before has removed',
    '%REQ(AUTHORIZATION)%',
    '%%REQ(AUTHORIZATION)%%',
  ],
  [
    'percent-environment',
    'an operator that prints the environment of the proxy',
    '%ENVIRONMENT(HOME)%',
    '%%ENVIRONMENT(HOME)%%',
  ],
  ['percent-file', 'an operator that prints a file', '%FILE_CONTENT(/etc/passwd)%', '%%FILE_CONTENT(/etc/passwd)%%'],
  ['percent-unknown', 'an operator that does not exist', '%NO_SUCH_OPERATOR%', '%%NO_SUCH_OPERATOR%%'],
  ['percent-time', 'a format within a format', '%START_TIME(%s%%%3f)%', '%%START_TIME(%%s%%%%%%3f)%%'],
  ['percent-odd', 'seven percent signs', '%%%%%%%', '%%%%%%%%%%%%%%'],
]

const connectionHeaders = [
  'Connection',
  'Transfer-Encoding',
  'Content-Length',
  'Keep-Alive',
  'Upgrade',
  'TE',
  'Trailer',
]

const dropped = (...told: string[]) => refusedByCheck('PartiallyInvalid=True UnsupportedValue', ...told)

/** Header modifiers: values are formats for Envoy, and some names are not for tenants to write. */
export const headerCases: readonly BadCase[] = [
  ...formats.map(([name, attacks, value, sent]) =>
    filterCase(name, attacks, request(set('x-a', value)), translated(JSON.stringify(sent).slice(1, -1))),
  ),
  filterCase(
    'percent-metadata',
    'an operator of the old syntax, which Envoy translates before it sees that it is escaped',
    request(set('x-a', '%DYNAMIC_METADATA(["a"])%')),
    dropped('Envoy cannot send "%DYNAMIC_METADATA(" as text'),
  ),
  filterCase(
    'percent-metadata-escape',
    'the environment of the proxy by a format within the JSON of a format',
    request(add('x-a', '%DYNAMIC_METADATA(["\\u0025ENVIRONMENT(HOME)\\u0025"])%')),
    dropped('Envoy cannot send "%DYNAMIC_METADATA(" as text'),
  ),
  filterCase(
    'percent-metadata-lone',
    'a lone "%" in the JSON of a format, for which Envoy refuses a table',
    response(set('x-a', 'a%UPSTREAM_METADATA( ["\\u0025"])%')),
    dropped('Envoy cannot send "%UPSTREAM_METADATA(" as text'),
  ),
  filterCase(
    'percent-state',
    'another operator that Envoy translates',
    request(set('x-a', '%PER_REQUEST_STATE(a)%')),
    dropped('Envoy cannot send "%PER_REQUEST_STATE(" as text'),
  ),
  filterCase(
    'percent-response',
    'a format in a response',
    response(add('x-a', '%RESPONSE_CODE%')),
    translated('%%RESPONSE_CODE%%'),
  ),
  ruleCase(
    'percent-weighted',
    'a format in the filter of one of several backends',
    {
      backendRefs: [
        { ...echo, filters: [request(set('x-a', '%HOSTNAME%'))] },
        { ...echo, weight: 3 },
      ],
    },
    translated('%%HOSTNAME%%'),
  ),
  filterCase(
    'header-name-percent',
    'a format as the name of a header',
    request(set('%REQ(x)%', 'a')),
    refusedBySchema('requestHeaderModifier.set[0].name'),
  ),
  filterCase(
    'header-name-percents',
    'percent signs in a name, which are allowed there',
    request(set('x-%a%', 'a')),
    translated('"key":"x-%a%"'),
  ),
  filterCase(
    'header-pseudo',
    'a pseudo-header',
    request(set(':path', '/admin')),
    refusedBySchema('requestHeaderModifier.set[0].name'),
  ),
  filterCase(
    'header-space',
    'a blank in a name',
    request(add('x a', 'a')),
    refusedBySchema('requestHeaderModifier.add[0].name'),
  ),
  filterCase(
    'header-line-end',
    'a second header in the value of the first',
    response(set('x-a', 'a\r\nset-cookie: b')),
    refusedBySchema('responseHeaderModifier.set[0].value', 'line ends'),
  ),
  filterCase('header-nul', 'a NUL in a value', request(set('x-a', 'a\u0000')), refusedBySchema('control characters')),
  filterCase(
    'header-delete',
    'a DEL in a value',
    request(set('x-a', 'a\u007f')),
    refusedBySchema('control characters'),
  ),
  filterCase('header-tab', 'a tab in a value, which is allowed', request(set('x-a', 'a\tb')), translated('a\\tb')),
  filterCase(
    'header-half-character',
    'half of a surrogate pair in a value',
    request(set('x-a', '\udc00')),
    translated('\ufffd'),
  ),
  filterCase(
    'header-unicode',
    'characters outside of Latin-1',
    request(set('x-a', 'gr\u00fc\u00df \u{1f600}')),
    translated('gr\u00fc\u00df'),
  ),
  filterCase(
    'header-mebibyte',
    'a value of 1 MiB',
    request(set('x-a', 'a'.repeat(2 ** 20))),
    refusedBySchema('too long'),
  ),
  filterCase(
    'header-long-name',
    'a name of 257 characters',
    request(set('x'.repeat(257), 'a')),
    refusedBySchema('too long'),
  ),
  filterCase(
    'header-seventeen',
    '17 headers in one list',
    request({ set: Array.from({ length: 17 }, (_, i) => ({ name: `x-${i}`, value: 'a' })) }),
    refusedBySchema('use at most 16'),
  ),
  filterCase(
    'header-twice',
    'one name twice',
    request({
      set: [
        { name: 'x-a', value: '1' },
        { name: 'x-a', value: '2' },
      ],
    }),
    refusedBySchema('repeats item 0'),
  ),
  filterCase(
    'header-cases',
    'one name in two spellings, set, added and removed at once',
    request({
      set: [
        { name: 'X-A', value: '1' },
        { name: 'x-a', value: '2' },
      ],
      add: [{ name: 'x-A', value: '3' }],
      remove: ['X-a'],
    }),
    translated('"key":"x-a"'),
  ),
  filterCase(
    'header-shouted',
    'a name in capitals, which HTTP/2 does not have',
    request(set('X-SHOUTED', 'a')),
    translated('"key":"x-shouted"'),
  ),
  ...connectionHeaders.map((name) =>
    filterCase(
      `header-${name.toLowerCase()}`,
      `${name}, with which one request can be ended in the middle of another`,
      request({ ...set(name, 'a'), ...add(name, 'b') }),
      dropped('belongs to the connection'),
    ),
  ),
  filterCase(
    'header-response-length',
    'Content-Length of responses',
    response(set('content-length', '1')),
    dropped('belongs to the connection'),
  ),
  filterCase(
    'header-host',
    'Host, which Envoy does not let a table write',
    request(set('Host', 'a.example.com')),
    translated('"host_rewrite_literal":"a.example.com"'),
  ),
  filterCase('header-host-format', 'a format as Host', request(set('Host', '%REQ(x)%')), translated()),
  filterCase(
    'header-host-add',
    'a second Host',
    request(add('host', 'b.example.com')),
    dropped('Host cannot be changed by "add"'),
  ),
  filterCase(
    'header-host-response',
    'Host in a response',
    response(set('Host', 'a')),
    dropped('Host is no header of a response'),
  ),
  ruleCase(
    'header-host-and-rewrite',
    'Host in a modifier together with the hostname of a rewrite (kgateway#14264)',
    {
      filters: [
        request(set('Host', 'a.example.com')),
        { type: 'URLRewrite', urlRewrite: { hostname: 'b.example.com' } },
      ],
    },
    translated('"host_rewrite_literal":"b.example.com"'),
  ),
  filterCase(
    'remove-pseudo',
    'the removal of a pseudo-header, which leaves no request',
    request({ remove: [':path', ':METHOD', ':authority', ':scheme'] }),
    dropped('":path" is not a header name'),
  ),
  filterCase(
    'remove-host',
    'the removal of Host',
    request({ remove: ['Host', 'HOST'] }),
    dropped('Host cannot be changed by "remove"'),
  ),
  filterCase(
    'remove-nothing',
    'the removal of names that are none',
    request({ remove: ['', ' ', 'a b', 'a\r\nb', 'a\u0000', '\ud800', 'é'] }),
    dropped('"a b" is not a header name', '"a\\r\\nb"'),
  ),
  filterCase(
    'remove-mebibytes',
    'the removal of names of 1 MiB each',
    request({ remove: Array.from({ length: 4 }, (_, i) => `x-${i}${'a'.repeat(2 ** 20)}`) }),
    dropped('is not a header name'),
  ),
  filterCase(
    'remove-framing',
    'the removal of headers that frame a message',
    request({ remove: ['Content-Length', 'Transfer-Encoding', 'Connection'] }),
    translated(),
  ),
  filterCase(
    'header-prototype',
    'names that every object of JavaScript has',
    request({
      set: ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'].map((name) => ({ name, value: name })),
      remove: ['isPrototypeOf'],
    }),
    translated('"key":"__proto__"', '"key":"constructor"', '"key":"hasownproperty"'),
  ),
  filterCase(
    'header-envoy',
    'headers by which Envoy is steered',
    request({
      set: [
        { name: 'x-envoy-upstream-rq-timeout-ms', value: '0' },
        { name: 'x-envoy-original-dst-host', value: '127.0.0.1:1' },
      ],
    }),
    translated(),
  ),
]
