import {
  type BadCase,
  backendObject,
  type Expectation,
  echoEndpoint,
  manifestOf,
  object,
  refusedByCheck,
  refusedBySchema,
  routeObject,
  translated,
} from './bad-case.ts'

const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index))

/** A route to one backend. @param ref of the route; @param objects what it leads to */
function referenceCase(
  name: string,
  attacks: string,
  ref: object,
  objects: readonly object[],
  expected: Expectation,
): BadCase {
  const route = routeObject(name, { rules: [{ backendRefs: [ref] }] })
  return { name, attacks, ...expected, manifest: manifestOf(...objects, route) }
}

const service = (namespace: string, ports: readonly object[] = [{ port: 80 }], spec: object = {}, name = 'web') =>
  object('v1', 'Service', { name, namespace }, { spec: { ports, ...spec } })

function slice(
  namespace: string,
  endpoints: readonly object[],
  more: object = {},
  name = 'web-1',
  labels: object = {},
): object {
  const metadata = { name, namespace, labels: { 'kubernetes.io/service-name': 'web', ...labels } }
  return object('discovery.k8s.io/v1', 'EndpointSlice', metadata, {
    addressType: 'IPv4',
    endpoints,
    ports: [{ port: 8080 }],
    ...more,
  })
}

/** A route to a Service with slices. */
function sliceCase(
  name: string,
  attacks: string,
  slices: readonly object[],
  expected: Expectation,
  ports?: readonly object[],
): BadCase {
  return referenceCase(name, attacks, { name: 'web', port: 80 }, [service(name, ports), ...slices], expected)
}

const addresses = (...list: string[]) => list.map((address) => ({ addresses: [address] }))

const ipCase = (name: string, attacks: string, address: string, expected: Expectation) =>
  endpointCase(name, attacks, [{ ip: { address, port: 80 } }], expected)

function endpointCase(
  name: string,
  attacks: string,
  endpoints: readonly object[],
  expected: Expectation,
  spec: object = {},
): BadCase {
  const ref = { group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'odd' }
  return referenceCase(name, attacks, ref, [backendObject(name, endpoints, 'odd', spec)], expected)
}

const unix = (path: string) => [{ unix: { path } }]
const fqdn = (hostname: string) => [{ fqdn: { hostname, port: 80 } }]

/** Services, EndpointSlices and Backends. */
export const backendCases: readonly BadCase[] = [
  referenceCase(
    'service-external',
    'an ExternalName that is the admin page of the proxy',
    { name: 'web', port: 80 },
    [service('service-external', [{ port: 80 }], { type: 'ExternalName', externalName: 'localhost' })],
    refusedByCheck('ResolvedRefs=False UnsupportedValue', 'ExternalName'),
  ),
  sliceCase('service-headless', 'a Service without an endpoint', [], translated('"cluster_name"')),
  referenceCase(
    'service-missing',
    'a Service that is not there',
    { name: 'nowhere', port: 80 },
    [],
    refusedByCheck('BackendNotFound', 'Service "nowhere" not found'),
  ),
  referenceCase(
    'service-no-port',
    'a port that the Service does not have',
    { name: 'web', port: 81 },
    [service('service-no-port')],
    refusedByCheck('BackendNotFound', 'has no port 81'),
  ),
  referenceCase(
    'service-port-name',
    'a port by its name',
    { name: 'web', port: 'http' },
    [service('service-port-name')],
    refusedBySchema('is not a port'),
  ),
  referenceCase('service-port-zero', 'port 0', { name: 'web', port: 0 }, [], refusedBySchema('0 is not a port')),
  referenceCase(
    'service-port-high',
    'port 65536',
    { name: 'web', port: 65536 },
    [],
    refusedBySchema('65536 is not a port'),
  ),
  referenceCase('service-without-port', 'no port', { name: 'web' }, [], refusedBySchema('is required for a Service')),
  referenceCase(
    'service-udp',
    'a port of UDP',
    { name: 'web', port: 80 },
    [service('service-udp', [{ port: 80, protocol: 'UDP' }])],
    refusedByCheck('has no port 80'),
  ),
  referenceCase(
    'service-wss',
    'TLS that is not there yet',
    { name: 'web', port: 80 },
    [service('service-wss', [{ port: 80, appProtocol: 'kubernetes.io/wss' }])],
    refusedByCheck('UnsupportedProtocol'),
  ),
  referenceCase(
    'service-odd-name',
    'a name with slashes, line ends and dots',
    { name: '../healthy/web/80\nx', port: 80 },
    [],
    refusedByCheck('BackendNotFound'),
  ),
  referenceCase(
    'service-foreign',
    'a Service of somebody else',
    { name: 'web', namespace: 'healthy', port: 80 },
    [],
    refusedByCheck('RefNotPermitted'),
  ),
  referenceCase(
    'service-unknown-kind',
    'a kind that is no backend',
    { group: 'example.com', kind: 'Lambda', name: 'web' },
    [],
    refusedByCheck('InvalidKind'),
  ),
  referenceCase(
    'service-secret',
    'a Secret as backend',
    { kind: 'Secret', name: 'web', port: 80 },
    [],
    refusedByCheck('InvalidKind'),
  ),
  referenceCase(
    'constructor',
    'names that every object of JavaScript has',
    { name: 'constructor', port: 80 },
    [
      service(
        'constructor',
        [{ port: 80, name: 'tostring', appProtocol: 'constructor' }],
        { selector: { constructor: 'a', toString: 'b' } },
        'constructor',
      ),
    ],
    translated('Service/constructor/constructor/80'),
  ),
  referenceCase(
    'prototype-missing',
    'a Service of a name that every object has, where there is none',
    { name: 'constructor', port: 80 },
    [],
    refusedByCheck('BackendNotFound'),
  ),
  sliceCase(
    'slice-prototype-labels',
    'labels that change a prototype',
    [slice('slice-prototype-labels', addresses('10.0.0.1'), {}, 'web-1', JSON.parse('{"__proto__": "a"}'))],
    refusedBySchema('__proto__'),
  ),
  sliceCase(
    'slice-zone',
    'an address with a zone',
    [slice('slice-zone', addresses('fe80::1%eth0', 'fd00::1'), { addressType: 'IPv6' })],
    translated('"fd00::1"'),
  ),
  sliceCase(
    'slice-mapped',
    'an IPv4 address in the form of IPv6',
    [slice('slice-mapped', addresses('::ffff:10.0.0.1', '::ffff:a00:1'), { addressType: 'IPv6' })],
    translated(),
  ),
  sliceCase(
    'slice-any',
    'addresses that are no host',
    [slice('slice-any', addresses('0.0.0.0', '255.255.255.255', '224.0.0.1'))],
    translated(),
  ),
  sliceCase(
    'slice-any-6',
    'IPv6 addresses that are no host',
    [slice('slice-any-6', addresses('::', 'ff02::1'), { addressType: 'IPv6' })],
    translated(),
  ),
  sliceCase(
    'slice-octal',
    'an address that is another one in octal',
    [slice('slice-octal', addresses('010.0.0.1'))],
    refusedBySchema('is not an IPv4 address'),
  ),
  sliceCase(
    'slice-names',
    'names as endpoints',
    [slice('slice-names', addresses('a.example.com', 'not a name'), { addressType: 'FQDN' })],
    translated(),
  ),
  sliceCase(
    'slice-mixed',
    'an IPv6 address among IPv4',
    [slice('slice-mixed', addresses('10.0.0.1', 'fd00::1'))],
    refusedBySchema('is not an IPv4 address'),
  ),
  sliceCase(
    'slice-twice',
    'one endpoint in several slices and several times',
    many(3, (i) => slice('slice-twice', addresses('10.0.0.1', '10.0.0.1', '10.0.0.2'), {}, `web-${i}`)),
    translated('"10.0.0.2"'),
  ),
  sliceCase(
    'slice-port-zero',
    'port 0',
    [slice('slice-port-zero', addresses('10.0.0.1'), { ports: [{ port: 0 }] })],
    refusedBySchema('0 is not a port'),
  ),
  sliceCase(
    'slice-no-ports',
    'no ports, which means all',
    [slice('slice-no-ports', addresses('10.0.0.1'), { ports: [{}] })],
    translated(),
  ),
  sliceCase(
    'slice-two-ports',
    'two ports of one name',
    [slice('slice-two-ports', addresses('10.0.0.1'), { ports: [{ port: 1 }, { port: 2 }] })],
    translated('"port_value":1'),
  ),
  sliceCase(
    'slice-no-address',
    'an endpoint without an address',
    [slice('slice-no-address', [{ addresses: [] }])],
    refusedBySchema('must have at least one item'),
  ),
  sliceCase(
    'slice-1000',
    '4,000 endpoints',
    many(4, (s) =>
      slice(
        'slice-1000',
        many(1000, (i) => ({ addresses: [`10.${s}.${i >> 8}.${i & 255}`] })),
        {},
        `web-${s}`,
      ),
    ),
    translated('"10.3.3.231"'),
  ),
  sliceCase(
    'slice-1001',
    '1,001 endpoints in a slice',
    [
      slice(
        'slice-1001',
        many(1001, () => ({ addresses: ['10.0.0.1'] })),
      ),
    ],
    refusedBySchema('use at most 1000'),
  ),
  sliceCase(
    'slice-hostnames',
    'endpoints with host names, which change no address',
    [slice('slice-hostnames', [{ addresses: ['10.0.0.1'], hostname: '%REQ(x)%\n', zone: '\u0000' }])],
    translated('"10.0.0.1"'),
  ),
  ipCase('backend-zone', 'an address with a zone', 'fe80::1%lo', translated()),
  ipCase('backend-mapped', 'an IPv4 address in the form of IPv6', '::ffff:10.0.0.1', translated()),
  ipCase('backend-any', 'every address of the machine', '0.0.0.0', translated()),
  ipCase('backend-name', 'a name as address', 'localhost', refusedBySchema('is not an IP address')),
  ipCase('backend-octal', 'an address in octal', '0177.0.0.1', refusedBySchema('is not an IP address')),
  ipCase('backend-integer', 'an address as one number', '2130706433', refusedBySchema('is not an IP address')),
  endpointCase(
    'backend-port-zero',
    'port 0',
    [{ ip: { address: '10.0.0.1', port: 0 } }],
    refusedBySchema('0 is not a port'),
  ),
  endpointCase(
    'backend-twice',
    'one endpoint three times',
    many(3, () => ({ ip: { address: '10.0.0.1', port: 80 } })),
    translated('"10.0.0.1"'),
  ),
  endpointCase('backend-empty-list', 'no endpoint', [], refusedBySchema('must have at least one item')),
  endpointCase(
    'backend-257',
    '257 endpoints',
    many(257, () => echoEndpoint),
    refusedBySchema('use at most 256'),
  ),
  endpointCase('backend-no-address', 'an endpoint of nothing', [{}], refusedBySchema('has no address')),
  endpointCase(
    'backend-two-addresses',
    'an endpoint that is two',
    [{ ...echoEndpoint, ...unix('/a')[0] }],
    refusedBySchema('has several addresses'),
  ),
  endpointCase(
    'backend-mixed',
    'names and addresses',
    [echoEndpoint, ...fqdn('a.example.com')],
    refusedBySchema('mixes fqdn'),
  ),
  endpointCase(
    'unix-long',
    'a path of 108 bytes, for which Linux has no room',
    unix(`/${'a'.repeat(107)}`),
    translated(),
  ),
  endpointCase('unix-longer', 'a path of 109 bytes', unix(`/${'a'.repeat(108)}`), refusedBySchema('too long')),
  endpointCase('unix-wide', 'a path of 60 characters and 119 bytes', unix(`/${'\u00e9'.repeat(59)}`), translated()),
  endpointCase('unix-up', 'a path that leads up', unix('/run/../../etc/a.sock'), translated()),
  endpointCase('unix-nul', 'a NUL in a path', unix('/a\u0000b'), translated()),
  endpointCase('unix-abstract', 'a socket without a file', unix('@a'), translated()),
  endpointCase('unix-relative', 'a path without a slash', unix('a.sock'), translated()),
  endpointCase('unix-half-character', 'half of a surrogate pair in a path', unix('/\ud800'), translated()),
  endpointCase('unix-empty', 'a path of nothing', unix(''), refusedBySchema('must not be empty')),
  endpointCase('fqdn-dot', 'a dot at the end', fqdn('a.invalid.'), translated()),
  endpointCase('fqdn-underscore', 'an underscore', fqdn('a_b.invalid'), refusedBySchema('is not a DNS name')),
  endpointCase('fqdn-address', 'an address as a name', fqdn('10.0.0.1'), translated()),
  endpointCase('fqdn-metadata', 'the metadata service as a name', fqdn('169.254.169.254'), translated()),
  endpointCase('fqdn-wildcard', 'a wildcard', fqdn('*.example.com'), refusedBySchema('is not a DNS name')),
  endpointCase('fqdn-long-label', 'a label that DNS cannot ask for', fqdn(`${'a'.repeat(64)}.invalid`), translated()),
  endpointCase('fqdn-number', 'a name that is a number', fqdn('2130706433'), translated()),
  endpointCase('backend-tls', 'TLS that is not there yet', [echoEndpoint], refusedByCheck('UnsupportedProtocol'), {
    tls: { wellKnownCACertificates: 'System' },
  }),
  endpointCase(
    'backend-dynamic',
    'a backend that goes wherever the client asks',
    [],
    refusedBySchema('DynamicResolver is not supported'),
    { type: 'DynamicResolver', endpoints: undefined },
  ),
]
