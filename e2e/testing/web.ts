import { serverApplication } from './backend.ts'
import { curl, hostOf } from './curl.ts'
import { eventually } from './eventually.ts'
import { gatewayClass, programmedAddress } from './gateway.ts'
import { apply, createNamespace, deleteNamespace, kubectl } from './kubectl.ts'

export const webHost = 'web.example.com'

/** What fault tests put under load: a Gateway, a route, and a backend of several pods. */
export interface Web {
  readonly namespace: string
  readonly address: string
  readonly url: string
  /** Leads all requests to the backend with one more header in the answer, by which the version is seen. */
  setVersion(version: string): Promise<void>
  /** The header that answers carry now. */
  seenVersion(): Promise<string | undefined>
  remove(): Promise<void>
}

export async function createWeb(
  namespace: string,
  { replicas = 2 }: { readonly replicas?: number } = {},
): Promise<Web> {
  await createNamespace(namespace)
  await apply(serverApplication({ name: 'web', port: 80, replicas }), namespace)
  await apply(gatewayYaml('web'), namespace)
  await apply(routeYaml('web', '0'), namespace)
  await kubectl(['-n', namespace, 'rollout', 'status', 'deployment/web', '--timeout=60s'])
  const address = await programmedAddress('web', namespace)
  const url = `http://${hostOf(address)}/`
  const ask = () => curl(url, '-H', `Host: ${webHost}`)
  await eventually('the first 200', 15_000, async () => (await ask()).status === 200)
  return {
    namespace,
    address,
    url,
    setVersion: (version) => apply(routeYaml('web', version), namespace),
    seenVersion: async () => (await ask()).headers['x-version'],
    remove: () => deleteNamespace(namespace),
  }
}

export function gatewayYaml(name: string): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  gatewayClassName: ${gatewayClass}
  listeners: [{name: http, protocol: HTTP, port: 80}]
`
}

export function routeYaml(gateway: string, version: string, name = 'web'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}}
spec:
  parentRefs: [{name: ${gateway}}]
  hostnames: [${webHost}]
  rules:
    - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-version, value: "${version}"}]}}]
      backendRefs: [{name: web, port: 80}]
`
}
