import {
  type BadCase,
  backendObject,
  type Expectation,
  echoEndpoint,
  manifestOf,
  refusedBySchema,
  refusedText,
  routeObject,
  translated,
} from './bad-case.ts'

/** A route as people write it. @param name of the case */
const route = (name: string, { metadata = '', spec = '' } = {}) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
  namespace: ${name}
${metadata}
spec:
  parentRefs: [{name: edge, namespace: shared, sectionName: http}]
  hostnames: [${name}.example.com]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: echo}]}]
${spec}
`

/** A text beside the backend of the case. */
function textCase(name: string, attacks: string, text: string | Uint8Array, expected: Expectation): BadCase {
  return { name, attacks, ...expected, manifest: text }
}

const withBackend = (name: string, text: string) => `${manifestOf(backendObject(name, [echoEndpoint]))}---\n${text}`
const weight = (text: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {rules: [{backendRefs: [{name: a, port: 80, weight: ${text}}]}]}
`
const named = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: odd-names}\nspec: {ports: [{port: 80}]}\n`

const laughs = Array.from(
  { length: 12 },
  (_, i) => `a${i}: &a${i} [${i === 0 ? '"lol"' : Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`,
)

/** Texts: what YAML allows and nobody means, and what no parser should follow. */
export const textCases: readonly BadCase[] = [
  textCase(
    'text-mark',
    'a byte order mark',
    `\ufeff${withBackend('text-mark', route('text-mark'))}`,
    translated('"text-mark.example.com"'),
  ),
  textCase(
    'text-carriage-returns',
    'line ends of Windows',
    withBackend('text-carriage-returns', route('text-carriage-returns')).replaceAll('\n', '\r\n'),
    translated('"text-carriage-returns.example.com"'),
  ),
  textCase('text-utf-16', 'UTF-16', Buffer.from(`\ufeff${route('text-utf-16')}`, 'utf16le'), refusedText()),
  textCase(
    'text-bytes',
    'bytes that are no UTF-8',
    Buffer.concat([Buffer.from(route('text-bytes')), Buffer.from([0xff, 0xfe, 0xc3, 0x28])]),
    refusedText(),
  ),
  textCase('text-nul', 'a NUL', `${route('text-nul')}  \u0000\n`, refusedText()),
  textCase(
    'text-binary',
    '64 KiB of every byte',
    Buffer.from(Uint8Array.from({ length: 65_536 }, (_, i) => (i * 7 + (i >> 8)) & 255)),
    refusedText(),
  ),
  textCase(
    'text-tab',
    'a tab as indentation',
    route('text-tab', { spec: '\tuseDefaultGateways: None' }),
    refusedText('not valid YAML'),
  ),
  textCase(
    'text-unclosed',
    'a bracket that is not closed',
    route('text-unclosed', { spec: '  x: [' }),
    refusedText('not valid YAML'),
  ),
  textCase('text-deep', '100,000 lists inside of each other', '['.repeat(100_000), refusedText('nested too deeply')),
  textCase('text-laughs', 'aliases of aliases, a billion in all', `${laughs.join('\n')}\n`, refusedText('aliases')),
  textCase('text-circle', 'an alias of itself', 'apiVersion: v1\nkind: List\nitems: &a [*a]\n', refusedText()),
  textCase(
    'text-merge',
    'merge keys',
    withBackend(
      'text-merge',
      route('text-merge', { spec: '  <<: {hostnames: [healthy.example.com], useDefaultGateways: None}' }),
    ),
    translated('"text-merge.example.com"'),
  ),
  textCase(
    'text-duplicate',
    'one field twice',
    route('text-duplicate', { spec: '  hostnames: [healthy.example.com]' }),
    refusedText('the same field is given twice'),
  ),
  textCase(
    'text-tag',
    'a tag that makes code',
    withBackend('text-tag', route('text-tag', { metadata: '  annotations: {a: !!js/function "function () {}"}' })),
    translated('"text-tag.example.com"'),
  ),
  textCase(
    'text-prototype',
    'a field that changes a prototype',
    route('text-prototype', { spec: '  __proto__: {polluted: true}\n  constructor: {prototype: {polluted: true}}' }),
    refusedBySchema('unknown field "spec.__proto__"', 'unknown field "spec.constructor"'),
  ),
  textCase(
    'text-merge-prototype',
    'a prototype by a merge key',
    route('text-merge-prototype', { spec: '  <<: {__proto__: {polluted: true}}' }),
    refusedBySchema('__proto__'),
  ),
  textCase(
    'text-yes',
    'yes, which is text',
    'apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: text-yes}\nimmutable: yes\n',
    refusedBySchema('immutable: "yes" is not true or false'),
  ),
  textCase('text-name-date', 'a date as name', named('2024-01-02'), translated()),
  textCase(
    'text-name-number',
    'a number as name',
    named('123'),
    refusedBySchema('metadata.name: must be text: put quotes around 123'),
  ),
  textCase('text-name-true', 'true as name', named('true'), refusedBySchema('metadata.name: must be text')),
  textCase('text-name-null', 'null as name', named('null'), refusedBySchema('metadata.name: is required')),
  textCase('text-name-exponent', 'a number that is infinite', named('1e999'), refusedBySchema('metadata.name')),
  textCase('text-name-slash', 'a name that is a path', named('../../etc'), refusedBySchema('metadata.name')),
  textCase(
    'text-octal',
    'a number in octal, which is 511 or 777',
    weight('0o1777777777'),
    refusedBySchema('is not a weight'),
  ),
  textCase('text-infinite', 'infinity as a number', weight('.inf'), refusedBySchema('is not a weight')),
  textCase('text-nan', 'what is no number', weight('.nan'), refusedBySchema('is not a weight')),
  textCase('text-exponent', 'a number beyond all numbers', weight('1e400'), refusedBySchema('is not a weight')),
  textCase('text-64-bits', 'a number of 64 bits', weight('18446744073709551617'), refusedBySchema('is not a weight')),
  textCase('text-scalar', 'a text that is no object', 'just words\n', refusedBySchema('is not an object')),
  textCase(
    'text-list',
    'a list of objects, as no tool writes it',
    `[${JSON.stringify(routeObject('text-list', {}))}]`,
    refusedBySchema('is not an object'),
  ),
  textCase(
    'text-kind-list',
    'lists of lists of lists of lists of lists',
    JSON.stringify(
      Array.from({ length: 40 }).reduce((inner: object) => ({ apiVersion: 'v1', kind: 'List', items: [inner] }), {}),
    ),
    refusedBySchema(),
  ),
  textCase(
    'text-unknown-field',
    'a typing mistake that would open a route to all hosts',
    route('text-unknown-field').replace('hostnames', 'hostname'),
    refusedBySchema('did you mean hostnames'),
  ),
  textCase(
    'text-unknown-kind',
    'a kind that is prototype of all',
    'apiVersion: constructor\nkind: __proto__\nmetadata: {name: a}\n',
    { ...refusedText('is left aside'), endsIn: 'text' },
  ),
  textCase(
    'text-documents',
    '10,000 documents',
    Array.from(
      { length: 10_000 },
      (_, i) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: text-documents-${i}}\n`,
    ).join('---\n'),
    translated(),
  ),
  textCase(
    'text-9-mebibytes',
    'a file of 9 MiB',
    `# ${'a'.repeat(9 * 2 ** 20)}\n${route('text-9-mebibytes')}`,
    refusedText('split it into files'),
  ),
]
