import {
  type BadCase,
  type Expectation,
  gatewayObject,
  manifestOf,
  object,
  refusedByCheck,
  refusedBySchema,
  translated,
} from './bad-case.ts'

const many = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index))

/** Listeners among those of everybody. */
function listenerCase(name: string, attacks: string, listeners: readonly object[], expected: Expectation): BadCase {
  return { name, attacks, ...expected, manifest: '', listeners }
}

/** A Gateway that the schema refuses: together with others it would take their listeners along. */
function gatewayCase(
  name: string,
  attacks: string,
  listeners: readonly object[],
  expected: Expectation,
  spec: object = {},
): BadCase {
  return { name, attacks, ...expected, manifest: manifestOf(gatewayObject(name, listeners, spec)) }
}

const http = (name: string, port: unknown, more: object = {}) => ({ name, port, protocol: 'HTTP', ...more })
const secure = (name: string, port: number, more: object = {}) => ({
  name,
  port,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name: 'healthy' }] },
  ...more,
})

/** Gateways and their listeners. */
export const listenerCases: readonly BadCase[] = [
  listenerCase(
    'listener-protocols',
    'two protocols on one port',
    [http('protocols-a', 9001), secure('protocols-b', 9001)],
    refusedByCheck('Conflicted=True ProtocolConflict'),
  ),
  listenerCase(
    'listener-tcp',
    'any connection and requests on one port',
    [http('tcp-a', 9002), { name: 'tcp-b', port: 9002, protocol: 'TCP' }],
    refusedByCheck('Conflicted=True ProtocolConflict'),
  ),
  listenerCase(
    'listener-own-protocol',
    'a protocol of somebody else',
    [{ name: 'own-protocol', port: 9003, protocol: 'example.com/odd' }],
    refusedByCheck('Accepted=False UnsupportedProtocol'),
  ),
  listenerCase(
    'listener-lower-case',
    'a protocol in another case',
    [{ name: 'lower-case', port: 9004, protocol: 'http' }],
    refusedByCheck('Accepted=False UnsupportedProtocol'),
  ),
  listenerCase(
    'listener-passthrough',
    'TLS that is passed on',
    [{ name: 'passthrough', port: 9005, protocol: 'TLS', tls: { mode: 'Passthrough' } }],
    // Without a route there is nobody to pass it on to.
    translated('"port-9005"', '"missing-backend"'),
  ),
  listenerCase(
    'listener-no-certificate',
    'a certificate that is not there',
    [
      secure('no-certificate', 8443, {
        hostname: 'no-certificate.example.com',
        tls: { certificateRefs: [{ name: 'nowhere' }] },
      }),
    ],
    refusedByCheck('ResolvedRefs=False InvalidCertificateRef', 'Secret "nowhere" not found'),
  ),
  listenerCase(
    'listener-without-tls',
    'HTTPS without TLS',
    [{ name: 'without-tls', port: 8443, protocol: 'HTTPS', hostname: 'without-tls.example.com' }],
    refusedByCheck('ResolvedRefs=False InvalidCertificateRef', 'needs a certificate'),
  ),
  listenerCase(
    'listener-foreign-secret',
    'the private key of somebody else',
    [
      secure('foreign-secret', 8443, {
        hostname: 'foreign-secret.example.com',
        tls: { certificateRefs: [{ name: 'key', namespace: 'healthy' }] },
      }),
    ],
    refusedByCheck('ResolvedRefs=False RefNotPermitted'),
  ),
  listenerCase(
    'listener-config-map',
    'a ConfigMap as certificate',
    [
      secure('config-map', 8443, {
        hostname: 'config-map.example.com',
        tls: { certificateRefs: [{ kind: 'ConfigMap', name: 'a' }] },
      }),
    ],
    refusedByCheck('ResolvedRefs=False InvalidCertificateRef', 'a ConfigMap is not supported'),
  ),
  listenerCase(
    'listener-options',
    'HTTPS with options in the place of certificates',
    [
      {
        name: 'options',
        port: 8443,
        protocol: 'HTTPS',
        hostname: 'options.example.com',
        tls: { options: { 'example.com/a': 'b' } },
      },
    ],
    refusedByCheck('ResolvedRefs=False InvalidCertificateRef'),
  ),
  listenerCase(
    'listener-same-certificate',
    'one certificate 16 times',
    [
      secure('same-certificate', 8443, {
        hostname: 'same-certificate.example.com',
        tls: { certificateRefs: many(16, () => ({ name: 'healthy' })) },
      }),
    ],
    translated('same-certificate.example.com'),
  ),
  listenerCase(
    'listener-wildcards',
    'wildcards that cover each other',
    [
      http('wild-1', 9006, { hostname: '*.example.com' }),
      http('wild-2', 9006, { hostname: '*.a.example.com' }),
      http('wild-3', 9006, { hostname: 'a.example.com' }),
      http('wild-4', 9006),
    ],
    translated('"*.a.example.com"'),
  ),
  listenerCase(
    'listener-secure-wildcards',
    'server names that cover each other',
    [
      secure('secure-wild-1', 8444),
      secure('secure-wild-2', 8444, { hostname: '*.com' }),
      secure('secure-wild-3', 8444, { hostname: '*.example.com' }),
    ],
    translated('"server_names":["*.com"]'),
  ),
  listenerCase(
    'listener-kinds',
    'a kind of route that cannot attach',
    [http('kinds', 9007, { allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] } })],
    refusedByCheck('ResolvedRefs=False InvalidRouteKinds'),
  ),
  listenerCase(
    'listener-selector',
    'a selector that cannot be read',
    [
      http('selector', 9008, {
        allowedRoutes: {
          namespaces: { from: 'Selector', selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
        },
      }),
    ],
    refusedByCheck('Accepted=False UnsupportedValue'),
  ),
  listenerCase(
    'listener-filters',
    'a filter of a listener, which may be what protects it',
    [
      http('filters', 9009, {
        filters: { requests: [{ type: 'ExtensionRef', extensionRef: { group: 'a', kind: 'B', name: 'c' } }] },
      }),
    ],
    refusedByCheck('Accepted=False UnsupportedValue'),
  ),
  listenerCase(
    'listener-prototype',
    'names that every object of JavaScript has',
    [http('constructor', 9010), http('valueof', 9010, { hostname: 'constructor' })],
    translated('"port-9010"'),
  ),
  listenerCase(
    'listener-long-host',
    'the longest hostname, of labels that are too long',
    [http('long-host', 9011, { hostname: `${'a'.repeat(240)}.example.com` })],
    translated('"port-9011"'),
  ),
  gatewayCase(
    'gateway-64',
    '64 listeners on one port',
    many(64, (i) => http(`l${i}`, 9100, { hostname: `l${i}.example.com` })),
    translated('"l63.example.com"'),
  ),
  gatewayCase(
    'gateway-65',
    '65 listeners',
    many(65, (i) => http(`l${i}`, 9100 + i)),
    refusedBySchema('use at most 64'),
  ),
  gatewayCase('gateway-none', 'no listener', [], refusedBySchema('must have at least one item')),
  gatewayCase(
    'gateway-twice',
    'one port and hostname twice',
    [http('a', 80, { hostname: 'a.example.com' }), http('b', 80, { hostname: 'a.example.com' })],
    refusedBySchema('like listener "a"'),
  ),
  gatewayCase(
    'gateway-names',
    'one name twice',
    [http('a', 80), http('a', 81)],
    refusedBySchema('is the name of item 0 already'),
  ),
  gatewayCase(
    'gateway-cases',
    'one hostname in two spellings',
    [http('a', 80, { hostname: 'a.example.com' }), http('b', 80, { hostname: 'A.example.com' })],
    refusedBySchema('is not a hostname'),
  ),
  gatewayCase(
    'gateway-port-text',
    'a port in quotes',
    [http('a', '80')],
    refusedBySchema('"80" is text: remove the quotes'),
  ),
  gatewayCase('gateway-port-zero', 'port 0', [http('a', 0)], refusedBySchema('0 is not a port')),
  gatewayCase('gateway-port-high', 'port 65536', [http('a', 65536)], refusedBySchema('65536 is not a port')),
  gatewayCase('gateway-port-half', 'half a port', [http('a', 80.5)], refusedBySchema('80.5 is not a port')),
  gatewayCase(
    'gateway-name-slash',
    'a listener with slashes in its name',
    [http('a/b', 80)],
    refusedBySchema('is not a section name'),
  ),
  gatewayCase(
    'gateway-prototype',
    'a listener named as what objects descend from',
    [http('__proto__', 80)],
    refusedBySchema('is not a section name'),
  ),
  gatewayCase(
    'gateway-tls-of-http',
    'certificates of HTTP',
    [http('a', 80, { tls: { certificateRefs: [{ name: 'a' }] } })],
    refusedBySchema('is not allowed for protocol HTTP'),
  ),
  gatewayCase(
    'gateway-https-passthrough',
    'HTTPS that is passed on',
    [secure('a', 443, { tls: { mode: 'Passthrough' } })],
    refusedBySchema('Passthrough is not allowed for protocol HTTPS'),
  ),
  gatewayCase(
    'gateway-udp-host',
    'a hostname of UDP',
    [{ name: 'a', port: 53, protocol: 'UDP', hostname: 'a.example.com' }],
    refusedBySchema('is not allowed for protocol UDP'),
  ),
  gatewayCase(
    'gateway-address-type',
    'an address of a type that is not there',
    [http('a', 9101)],
    refusedByCheck('Accepted=False UnsupportedAddress'),
    { addresses: [{ type: 'NamedAddress', value: 'a' }] },
  ),
  gatewayCase(
    'gateway-parameters',
    'parameters that are not there',
    [http('a', 9102)],
    refusedByCheck('Accepted=False InvalidParameters'),
    { infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: 'nowhere' } } },
  ),
  gatewayCase(
    'gateway-client-certificates',
    'client certificates of an authority that is not there',
    [{ name: 'a', port: 9103, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'a' }] } }],
    refusedByCheck('Accepted=False NoValidCACertificate', 'client certificates'),
    {
      tls: {
        frontend: { default: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'a' }] } } },
      },
    },
  ),
  {
    name: 'class-controller',
    attacks: 'a class with a controller that is no name',
    ...refusedBySchema('is not a controller name'),
    manifest: manifestOf(
      object('gateway.networking.k8s.io/v1', 'GatewayClass', { name: 'odd' }, { spec: { controllerName: 'no slash' } }),
    ),
  },
]
