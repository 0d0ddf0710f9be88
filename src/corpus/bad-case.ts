/** Where a case ends, from the outside in. None may end in Envoy. */
export type Layer =
  /** The text of the file is not read. */
  | 'text'
  /** The API's schema refuses the object. */
  | 'schema'
  /** A check of the graph leaves the part out, and a condition says so. */
  | 'check'
  /** It is allowed, and translated so that it does no harm. */
  | 'translation'

/** One configuration that Envoy would refuse, or that would harm it or others, if it came to Envoy as it is. */
export interface BadCase {
  /** Unique; also the namespace and the first label of the hostname that the tenant has to itself. */
  readonly name: string
  /** What it attacks, in one line. */
  readonly attacks: string
  readonly endsIn: Layer
  /** A file of the tenant's. */
  readonly manifest: string | Uint8Array
  /** What the tenant has on the Gateway that is everybody's. */
  readonly listeners?: readonly object[]
  /** Fragments of what the user is told; none when everything is as the user wants it. */
  readonly told: readonly string[]
  /** Fragments of the proto JSON that Envoy gets. */
  readonly sent?: readonly string[]
}

/** What a case says of itself, without its objects. */
export interface Expectation {
  readonly endsIn: Layer
  readonly told: readonly string[]
  readonly sent?: readonly string[]
}

export const refusedText = (...told: string[]): Expectation => ({ endsIn: 'text', told })
export const refusedBySchema = (...told: string[]): Expectation => ({ endsIn: 'schema', told })
/** @param told as "Type=Status Reason" or parts of the message */
export const refusedByCheck = (...told: string[]): Expectation => ({ endsIn: 'check', told })
export const translated = (...sent: string[]): Expectation => ({ endsIn: 'translation', told: [], sent })

/** The Gateway of all cases: HTTP on port 80, and what the cases' listeners add. */
export const sharedGateway = { namespace: 'shared', name: 'edge' }

/** Where every backend of the corpus listens, until a test puts a real one in its place. */
export const backendPort = 65_534

const gatewayApi = 'gateway.networking.k8s.io/v1'

export const echo = { group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'echo' }

export function object(apiVersion: string, kind: string, metadata: object, body: object): object {
  return { apiVersion, kind, metadata, ...body }
}

/** JSON is YAML, and its escapes hold characters that YAML has no other way to write. */
export function manifestOf(...objects: readonly object[]): string {
  return objects.map((o) => `${JSON.stringify(o, undefined, 1)}\n`).join('---\n')
}

export function backendObject(
  namespace: string,
  endpoints: readonly object[],
  name = 'echo',
  spec: object = {},
): object {
  return object('gateway.envoyproxy.io/v1alpha1', 'Backend', { name, namespace }, { spec: { endpoints, ...spec } })
}

export const echoEndpoint = { ip: { address: '127.0.0.1', port: backendPort } }

/** A route of a case to its own echo backend. @param spec instead of, or beside, what a route of the corpus has */
export function routeObject(namespace: string, spec: object, name = 'web'): object {
  const common = {
    parentRefs: [{ namespace: sharedGateway.namespace, name: sharedGateway.name, sectionName: 'http' }],
    hostnames: [`${namespace}.example.com`],
    rules: [{ backendRefs: [echo] }],
  }
  return object(gatewayApi, 'HTTPRoute', { name, namespace }, { spec: { ...common, ...spec } })
}

export function gatewayObject(
  namespace: string,
  listeners: readonly object[],
  spec: object = {},
  name = 'own',
): object {
  return object(
    gatewayApi,
    'Gateway',
    { name, namespace },
    {
      spec: { gatewayClassName: 'gatewright', listeners, ...spec },
    },
  )
}

/** A case that is one route with one rule. @param rule beside its backendRefs */
export function ruleCase(name: string, attacks: string, rule: object, expected: Expectation): BadCase {
  return routeCase(name, attacks, { rules: [{ backendRefs: [echo], ...rule }] }, expected)
}

/** A case that is one route. */
export function routeCase(name: string, attacks: string, spec: object, expected: Expectation): BadCase {
  return {
    name,
    attacks,
    ...expected,
    manifest: manifestOf(backendObject(name, [echoEndpoint]), routeObject(name, spec)),
  }
}

/** A case of one filter. @param filter its type and its fields */
export function filterCase(name: string, attacks: string, filter: object, expected: Expectation): BadCase {
  return ruleCase(name, attacks, { filters: [filter] }, expected)
}
