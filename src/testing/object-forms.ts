import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import {
  gatewayClassYaml,
  gatewayYaml,
  grpcRouteYaml,
  httpRouteYaml,
  listenerSetYaml,
  namespaceYaml,
  parseObjects,
  referenceGrantYaml,
  serviceYaml,
  tlsSecretYaml,
} from './builders.ts'
import { issueCertificate } from './certificates.ts'

/* Objects of every kind that refer to each other, each in several forms, for tests of random histories. */

const [first, second] = [issueCertificate({ dnsNames: ['a.test'] }), issueCertificate({ dnsNames: ['b.test'] })]
const [authority, other] = ['one', 'two'].map((commonName) => issueCertificate({ commonName, isAuthority: true }))

const experimental = 'gateway.networking.x-k8s.io'
const http = '{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}'
const picky =
  '{name: http, port: 80, protocol: HTTP, hostname: "*.shop.test", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {open: "yes"}}}}}'
const https = '{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: vault}]}}'
const clash = '{name: clash, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: vault}]}}'
const filtered =
  '{name: http, port: 80, protocol: HTTP, filters: {requests: [{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: web, port: 80}}}]}}'
const pass = '{name: pass, port: 443, protocol: TLS, hostname: pass.test, tls: {mode: Passthrough}}'
const end = '{name: end, port: 443, protocol: TLS, hostname: "*.end.test", tls: {certificateRefs: [{name: cert}]}}'
const tcp = '{name: tcp, port: 9000, protocol: TCP}'
const udp = '{name: udp, port: 9000, protocol: UDP}'
const sets = '  allowedListeners: {namespaces: {from: Same}}'
const shown = '  tls: {backend: {clientCertificateRef: {name: cert, namespace: vault}}}'
const verified =
  '  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}}'
const toEdge = '  parentRefs: [{name: edge, namespace: shop}]\n'
const toXBackend = `{group: ${experimental}, kind: XBackend, name: pods}`
const toBackend = '{group: gateway.envoyproxy.io, kind: Backend, name: far}'

function object(apiVersion: string, kind: string, name: string, content: string, metadata = ''): string {
  const [first = '', second] = name.split('/')
  const head = second === undefined ? `name: ${first}` : `name: ${second}, namespace: ${first}`
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {${head}${metadata}}\n${content}\n---\n`
}

const stream = (kind: string, name: string, spec: string) =>
  object('gateway.networking.k8s.io/v1', kind, name, `spec:\n${spec}`)
const xBackend = (spec: string) =>
  object(`${experimental}/v1alpha1`, 'XBackend', 'shop/pods', `spec: {port: {number: 8080}, ${spec}}`)
const backendTls = (name: string, target: string, validation: string, created = '2026-01-01T00:00:00Z') =>
  object(
    'gateway.networking.k8s.io/v1',
    'BackendTLSPolicy',
    `shop/${name}`,
    `spec: {targetRefs: [${target}], validation: {hostname: web.test, ${validation}}}`,
    `, creationTimestamp: '${created}'`,
  )
const ofService = (name: string) => `{group: "", kind: Service, name: ${name}}`
const byConfigMap = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'
const byBundle = 'caCertificateRefs: [{group: certificates.k8s.io, kind: ClusterTrustBundle, name: bundle}]'
const traffic = (name: string, spec: string) =>
  object(`${experimental}/v1alpha1`, 'XBackendTrafficPolicy', `shop/${name}`, `spec: {${spec}}`)
const telemetry = (name: string, tracing: string) =>
  object(
    `${experimental}/v1alpha1`,
    'XTelemetryPolicy',
    `shop/${name}`,
    `spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}], tracing: {${tracing}}}`,
  )
const slice = (service: string, address: string, protocol = 'TCP') =>
  object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    `shop/${service}-1`,
    `addressType: IPv4\nendpoints: [{addresses: [${address}]}]\nports: [{port: 8080, protocol: ${protocol}}]`,
    `, labels: {kubernetes.io/service-name: ${service}}`,
  )
const configMap = (name: string, text: string) =>
  object('v1', 'ConfigMap', name, `data: {ca.crt: ${JSON.stringify(text)}}`)
const bundle = (text = '') =>
  object('certificates.k8s.io/v1beta1', 'ClusterTrustBundle', 'bundle', `spec: {trustBundle: ${JSON.stringify(text)}}`)

/** For each object that may be there: the forms that it may have. */
export const objectForms: readonly (readonly KubernetesObject[])[] = [
  [gatewayClassYaml, gatewayClassYaml.replace('gatewright.dev/', 'other.test/')],
  [
    gatewayYaml('shop/edge', `[${http}]`),
    gatewayYaml('shop/edge', `[${picky}, ${https}]`),
    gatewayYaml('shop/edge', `[${http}, ${clash}]`),
    gatewayYaml('shop/edge', `[${https}]`, { spec: verified }),
    gatewayYaml('shop/edge', `[${http}, ${https}, ${tcp}, ${udp}]`, { spec: `${sets}\n${shown}` }),
    gatewayYaml('shop/edge', `[${filtered}, ${pass}, ${end}, ${tcp}]`, { spec: sets }),
  ],
  [gatewayYaml('shop/inner', `[${http}]`)],
  [
    listenerSetYaml('shop/set', 'edge', `[${picky.replace('name: http', 'name: own')}]`),
    listenerSetYaml('shop/set', 'edge', `[${tcp.replace('9000', '9001')}, ${clash}]`),
    listenerSetYaml('shop/set', 'inner', `[${tcp}]`),
  ],
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  hostnames: [a.shop.test]\n  rules: [{backendRefs: [{name: web, port: 81}, {name: safe, namespace: vault, port: 80}]}]`,
    `  parentRefs: [{name: edge, sectionName: https}, {name: inner}]\n  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  rules: [{matches: [{path: {type: RegularExpression, value: "("}}]}]`,
    `  parentRefs: [{name: edge}, {kind: ListenerSet, name: set}]\n  rules: [{backendRefs: [${toXBackend}, ${toBackend}]}]`,
  ].map((spec) => httpRouteYaml('shop/web', spec)),
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]`,
    `${toEdge}  rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: safe, namespace: vault, port: 80}}}]}]`,
  ].map((spec) => httpRouteYaml('billing/pay', spec)),
  // A route of another kind with a name that is there already.
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  hostnames: [a.shop.test]\n  rules: [{matches: [{method: {service: a.B}}], backendRefs: [{name: safe, namespace: vault, port: 80}, ${toXBackend}]}]`,
  ].map((spec) => grpcRouteYaml('shop/web', spec)),
  [
    `${toEdge}  hostnames: [pass.test]\n  rules: [{backendRefs: [{name: web, port: 80}]}]`,
    `${toEdge}  hostnames: ["*.end.test", x.end.test]\n  rules: [{backendRefs: [{name: web, port: 80, weight: 2}, ${toXBackend}]}]`,
  ].map((spec) => stream('TLSRoute', 'shop/web', spec)),
  [
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 80}, {name: safe, namespace: vault, port: 80}]}]`,
    `  parentRefs: [{kind: ListenerSet, name: set}]\n  rules: [{backendRefs: [${toXBackend}]}]`,
  ].map((spec) => stream('TCPRoute', 'shop/web', spec)),
  [stream('TCPRoute', 'shop/late', `${toEdge}  rules: [{backendRefs: [${toBackend}]}]`)],
  [
    `${toEdge}  rules: [{backendRefs: [{name: names, port: 53}]}]`,
    `${toEdge}  rules: [{backendRefs: [{name: web, port: 53}]}]`,
  ].map((spec) => stream('UDPRoute', 'shop/web', spec)),
  [serviceYaml('shop/web'), serviceYaml('shop/web', '[{port: 81}]')],
  [serviceYaml('shop/names', '[{port: 53, protocol: UDP}]')],
  [serviceYaml('vault/safe')],
  // What stands for the pods of the XBackend, and is somebody else's.
  [serviceYaml('shop/pods-xbackend').replace('name: pods', 'labels: {gatewright.dev/xbackend-uid: x}, name: pods')],
  [slice('web', '10.0.0.1'), slice('web', '10.0.0.2')],
  [slice('names', '10.0.1.1', 'UDP')],
  [slice('pods-xbackend', '10.0.2.1')],
  [
    xBackend('type: ExternalHostname, externalHostname: {hostname: api.test}'),
    xBackend(
      `type: EndpointSelector, endpointSelector: {matchLabels: {app: x}}, tls: {mode: ClientAndServer, clientCertificateRef: {name: cert}, validation: {hostname: a.test, ${byConfigMap}}}`,
    ),
    xBackend(
      'type: EndpointSelector, endpointSelector: {matchLabels: {app: x}}, sessionPersistence: {type: Cookie, cookie: {}}',
    ),
    xBackend('type: EndpointSelector, endpointSelector: {matchLabels: {app: x}}, protocol: TCP'),
  ],
  [
    object(
      'gateway.envoyproxy.io/v1alpha1',
      'Backend',
      'shop/far',
      'spec: {endpoints: [{ip: {address: 10.9.9.9, port: 80}}]}',
    ),
    object(
      'gateway.envoyproxy.io/v1alpha1',
      'Backend',
      'shop/far',
      'spec: {endpoints: [{fqdn: {hostname: far.test, port: 80}}]}',
    ),
  ],
  [
    backendTls('tls', ofService('web'), byConfigMap),
    backendTls('tls', `${ofService('web')}, ${ofService('names')}`, byBundle),
    backendTls('tls', ofService('web'), 'wellKnownCACertificates: System'),
  ],
  [backendTls('rival', ofService('web'), byBundle, '2025-01-01T00:00:00Z')],
  [
    traffic('traffic', `targetRefs: [${ofService('web')}], sessionPersistence: {type: Cookie, cookie: {}}`),
    traffic(
      'traffic',
      `targetRefs: [{group: ${experimental}, kind: XBackend, name: pods}, ${ofService('web')}], retryConstraint: {budget: {percent: 20, interval: 10s}}`,
    ),
  ],
  [traffic('later', `targetRefs: [${ofService('web')}], retryConstraint: {}`)],
  [
    telemetry('traces', 'mode: Enabled, provider: {backendRef: {name: web, port: 80}}'),
    telemetry('traces', `mode: Enabled, provider: {backendRef: ${toXBackend}}`),
    telemetry(
      'traces',
      'mode: Enabled, provider: {backendRef: {name: web, port: 80}}, samplingRate: {numerator: 1, denominator: 4}, spanName: x, attributes: [{name: a, sourceType: Literal, literalValue: b}]',
    ),
    telemetry(
      'traces',
      'mode: Enabled, provider: {backendRef: {name: web, port: 80}, headers: [{name: a, value: b}]}, serviceName: x, parentBasedSampling: {mode: Disabled}',
    ),
    telemetry('traces', 'mode: Disabled'),
  ],
  [telemetry('more-traces', 'mode: Disabled')],
  [
    referenceGrantYaml('vault/g', ['HTTPRoute/shop', 'GRPCRoute/shop', 'Gateway/shop'], ['Service', 'Secret']),
    referenceGrantYaml('vault/g', ['HTTPRoute/billing'], ['Service']),
    referenceGrantYaml('vault/g', ['TCPRoute/shop', 'ListenerSet/shop'], ['Service', 'Secret']),
  ],
  [referenceGrantYaml('shop/g', ['HTTPRoute/billing'], ['Service/web'])],
  [
    tlsSecretYaml('vault/cert', first.certificate, first.privateKey),
    tlsSecretYaml('vault/cert', second.certificate, second.privateKey),
    tlsSecretYaml('vault/cert', first.certificate, second.privateKey),
  ],
  [
    tlsSecretYaml('shop/cert', first.certificate, first.privateKey),
    tlsSecretYaml('shop/cert', second.certificate, second.privateKey),
  ],
  [
    configMap('shop/ca', authority?.certificate ?? ''),
    configMap('shop/ca', other?.certificate ?? ''),
    configMap('shop/ca', 'none'),
  ],
  [bundle(authority?.certificate), bundle(other?.certificate)],
  [namespaceYaml('shop', '{open: "yes"}'), namespaceYaml('shop')],
  [namespaceYaml('billing', '{open: "yes"}')],
].map((yamls) => yamls.flatMap((yaml) => parseObjects(yaml)))
