import type { KubernetesObject } from '../src/gatewayapi/kinds.ts'
import { HTTPRoute } from '../src/gatewayapi/objects/http-route.ts'
import { gatewayClassYaml, gatewayYaml, parseObjects, serviceYaml } from '../src/testing/builders.ts'

export const hostOf = (index: number): string => `host-${index}.example.com`

/** Gateway "web" with port 8080, and Service "echo" with one endpoint. */
export function makeGatewayObjects(address: string, port: number): KubernetesObject[] {
  return parseObjects(`${gatewayClassYaml}${gatewayYaml('web', '[{name: http, protocol: HTTP, port: 8080}]')}
${serviceYaml('echo')}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-a, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
endpoints: [{addresses: [${address}]}]
ports: [{port: ${port}}]
`)
}

/** A route with a host of its own; another revision is another content. */
export function makeHostRoute(index: number, revision = 0): HTTPRoute {
  const header = { name: 'x-revision', value: String(revision) }
  return makeRouteOf(index, revision, [
    {
      matches: [{ path: { type: 'PathPrefix', value: '/' } }],
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [header] } }],
      backendRefs: [{ name: 'echo', port: 80 }],
    },
  ])
}

/** A route with a host of its own and these rules, as they stand in YAML. */
export function makeRouteOf(index: number, revision: number, rules: readonly object[]): HTTPRoute {
  return HTTPRoute.parse({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `route-${index}`, namespace: 'default', generation: revision + 1 },
    spec: {
      parentRefs: [{ name: 'web' }],
      hostnames: [hostOf(index)],
      rules,
    },
  })
}

/** Of the rule at a position; all are of one length, so that nothing but the order of rules decides. */
export const rulePath = (position: number): string => `/rule-${String(position).padStart(5, '0')}`

/** As many as the API allows in one route. */
const rulesOfRoute = 16

/** Routes for the host of index 0 that have so many rules together, in the order in which Envoy looks at them. */
export function makeRuleRoutes(rules: number): HTTPRoute[] {
  const positions = Array.from({ length: rules }, (_, position) => position)
  return Array.from({ length: Math.ceil(rules / rulesOfRoute) }, (_, index) =>
    HTTPRoute.parse({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: `rules-${String(index).padStart(5, '0')}`, namespace: 'default', generation: 1 },
      spec: {
        parentRefs: [{ name: 'web' }],
        hostnames: [hostOf(0)],
        rules: positions.slice(index * rulesOfRoute, (index + 1) * rulesOfRoute).map((position) => ({
          matches: [{ path: { type: 'PathPrefix', value: rulePath(position) } }],
          backendRefs: [{ name: 'echo', port: 80 }],
        })),
      },
    }),
  )
}
