import type { KubernetesObject } from '../gatewayapi/kinds.ts'
import { validateObject } from '../gatewayapi/validate-object.ts'
import type { RouteCase, RouteSetCase } from './random-route-set.ts'

/** "m" and "n": routes of both may attach. */
const gatewayNamespace = 'm'

/** Objects as providers hand them over. @throws an error when a random set breaks a rule of the API */
function validate(raw: object): KubernetesObject {
  const { object, errors } = validateObject(raw)
  if (!object) throw new Error(`${errors.map((e) => e.message).join('\n')}\nin\n${JSON.stringify(raw)}`)
  return object
}

/** A Gateway "m/<name>" with the listeners of a set on one port. */
export function buildGateway(name: string, sets: ReadonlyMap<number, RouteSetCase>): KubernetesObject {
  return validate({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: gatewayNamespace },
    spec: {
      gatewayClassName: 'gatewright',
      listeners: [...sets].flatMap(([port, { listeners }]) =>
        listeners.map((listener) => ({
          name: `p${port}-${listener.name}`,
          port,
          protocol: 'HTTP',
          allowedRoutes: { namespaces: { from: 'All' } },
          ...(listener.hostname !== undefined && { hostname: listener.hostname }),
        })),
      ),
    },
  })
}

/** @param suffix tells routes of several sets apart; sorts as the names do */
export function buildRoute(route: RouteCase, gateway: string, port: number, suffix = ''): KubernetesObject {
  const parent = { name: gateway, namespace: gatewayNamespace, port }
  return validate({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: route.kind,
    metadata: {
      name: `${route.name}${suffix}`,
      namespace: route.namespace,
      ...(route.created !== undefined && { creationTimestamp: route.created }),
    },
    spec: {
      parentRefs:
        route.sections === undefined
          ? [parent]
          : route.sections.map((section) => ({ ...parent, sectionName: `p${port}-${section}` })),
      hostnames: route.hostnames,
      rules: route.rules.map(({ service, matches }) => ({
        matches,
        backendRefs: [{ name: service === undefined ? 'gone' : serviceName(service), port: 80 }],
      })),
    },
  })
}

/** Each route has its Services in its own namespace. */
export function buildService(namespace: string, service: number): KubernetesObject {
  return validate({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName(service), namespace },
    spec: { ports: [{ port: 80 }] },
  })
}

export function serviceName(service: number): string {
  return `s${service}`
}
