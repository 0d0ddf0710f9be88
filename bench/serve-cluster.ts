import type { FakeApiServer } from '../src/testing/fake-api-server.ts'

/** Namespace of the routes, their Gateway and its proxy. */
export const benchNamespace = 'shop'

/** What an API server adds to every object, and nobody here reads: about a kilobyte. */
function makeMetadata(name: string, labels: object = {}) {
  const owned = (manager: string, fields: object) => ({
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
  })
  const leaf = { 'f:type': {}, 'f:value': {} }
  return {
    namespace: benchNamespace,
    name,
    labels: { app: name, team: `team-${name.length % 7}`, ...labels },
    annotations: { 'example.com/revision': '1', 'example.com/source': `deploy/${name}.yaml` },
    managedFields: [
      owned('deployer', {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {}, 'f:team': {} }, 'f:annotations': { '.': {} } },
        'f:spec': { 'f:hostnames': {}, 'f:parentRefs': {}, 'f:rules': { '.': {}, 'k:{"path":"/"}': leaf } },
      }),
      owned('controller', { 'f:status': { '.': {}, 'f:parents': { '.': {}, 'k:{"name":"web"}': leaf } } }),
    ],
  }
}

export function putRoute(server: FakeApiServer, index: number, revision: number): void {
  const header = { name: 'x-revision', value: String(revision) }
  server.put({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: makeMetadata(`route-${index}`),
    spec: {
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
      hostnames: [`host-${index}.example.com`],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [header] } }],
          backendRefs: [{ group: '', kind: 'Service', name: `service-${index}`, port: 80, weight: 1 }],
        },
      ],
    },
  })
}

export function putSlice(server: FakeApiServer, index: number, last: number): void {
  const targetRef = { kind: 'Pod', namespace: benchNamespace, name: `pod-${index}`, uid: `uid-of-pod-${index}` }
  server.put({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: makeMetadata(`service-${index}-a`, { 'kubernetes.io/service-name': `service-${index}` }),
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      { addresses: [`192.0.2.${last}`], conditions: { ready: true, serving: true, terminating: false }, targetRef },
    ],
  })
}

function putService(server: FakeApiServer, index: number): void {
  server.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: makeMetadata(`service-${index}`),
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.96.${index >> 8}.${index & 255}`,
      clusterIPs: [`10.96.${index >> 8}.${index & 255}`],
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      selector: { app: `service-${index}` },
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
    },
    status: { loadBalancer: {} },
  })
}

/** One Gateway "web", and HTTPRoutes that have a Service and an EndpointSlice each. */
export function putCluster(server: FakeApiServer, routes: number, systemNamespace: string): void {
  for (const name of [benchNamespace, systemNamespace])
    server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: {} } })
  const apiVersion = 'gateway.networking.k8s.io/v1'
  server.put({
    apiVersion,
    kind: 'GatewayClass',
    metadata: { name: 'gatewright' },
    spec: { controllerName: 'gatewright.dev/gateway-controller' },
  })
  server.put({
    apiVersion,
    kind: 'Gateway',
    metadata: { namespace: benchNamespace, name: 'web' },
    spec: { gatewayClassName: 'gatewright', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  })
  for (let index = 0; index < routes; index++) putRouteWithBackend(server, index)
}

/** An HTTPRoute, with a Service and an EndpointSlice of its own. */
export function putRouteWithBackend(server: FakeApiServer, index: number): void {
  putService(server, index)
  putSlice(server, index, 1)
  putRoute(server, index, 0)
}

/** As a load balancer does: before, nobody knows where the Gateway can be reached. */
export function assignAddress(server: FakeApiServer): boolean {
  return server.assignAddress(benchNamespace, 'web-gatewright')
}

/** Routes whose status says that their Gateway serves them. */
export function countServedRoutes(server: FakeApiServer): number {
  return server.list('HTTPRoute').filter(({ status }) => JSON.stringify(status ?? '').includes('"Accepted"')).length
}
