import { expect } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import type { KindName, KubernetesObject } from '../gatewayapi/kinds.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { validateObject } from '../gatewayapi/validate-object.ts'
import type { BackendNode } from '../graph/backend.ts'
import { backendKey } from '../graph/backend.ts'
import type { GatewayNode } from '../graph/gateway.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import { createGraph, type Graph, type GraphOptions } from '../graph/graph.ts'
import type { L7RouteNode } from '../graph/l7-route.ts'
import type { ListenerKey, ListenerNode } from '../graph/listener.ts'
import { type PortProgramming, portKey } from '../graph/programming.ts'
import { type RouteKindName, routeKey } from '../graph/route.ts'
import type { RouteAttachment, RouteParentNode } from '../graph/route-attachment.ts'
import { createSink } from '../object-sink.ts'
import { createSources, type WritableSources } from '../sources.ts'
import type { Condition } from '../status/condition.ts'
import type { GatewayStatus } from '../status/gateway.ts'
import type { ApiBundle, GatewayClassStatus } from '../status/gateway-class.ts'
import type { ListenerStatus } from '../status/listener.ts'
import type { ListenerSetStatus } from '../status/listener-set.ts'
import type { RouteParentStatus, RouteStatus } from '../status/route.ts'
import { type BundleKey, createStatuses, type Statuses } from '../status/statuses.ts'

export const testControllerName = 'gatewright.dev/gateway-controller'

/**
 * Objects of a multi-document YAML text, checked and defaulted as providers do it. Namespaced objects
 * that name no namespace are in "default".
 * @throws an error with everything that is wrong: a typing mistake in a test must not pass unseen
 */
export function parseObjects(yaml: string): KubernetesObject[] {
  const objects: KubernetesObject[] = []
  for (const document of parseAllDocuments(yaml)) {
    if (document.errors.length > 0) throw document.errors[0]
    const raw: unknown = document.toJS()
    if (raw === null) continue
    const { object, errors } = validateObject(raw, { defaultNamespace: 'default' })
    if (!object) throw new Error(`${errors.map((e) => e.message).join('\n')}\nin\n${document.toString()}`)
    objects.push(object)
  }
  return objects
}

/** The key of an object among those of its kind. */
export function keyOf(object: KubernetesObject): NamespacedName {
  return namespacedName(object.metadata.namespace, object.metadata.name)
}

/** Sets objects in one batch, as one event of a provider. */
export function applyObjects(
  { scheduler, sources }: { readonly scheduler: Scheduler; readonly sources: WritableSources },
  objects: readonly KubernetesObject[],
): void {
  createSink({ scheduler, sources }).apply(objects.map((object) => ({ kind: object.kind, key: keyOf(object), object })))
}

/** "namespace/name"; without a namespace the name of a cluster-scoped object. */
function key(text: string): NamespacedName {
  return (text.includes('/') ? text : `/${text}`) as NamespacedName
}

/**
 * The graph and the statuses without Envoy: the test says what Envoy has accepted. A throw in a
 * derivation surfaces from the call that caused it.
 */
export class GraphFixture {
  readonly scheduler = new Scheduler({ rethrow: true })
  readonly sources: WritableSources
  readonly graph: Graph
  readonly programming: Source<string, PortProgramming>
  /** What the CRDs say of themselves; nothing, as without a cluster. */
  readonly bundle: Source<BundleKey, ApiBundle> = this.scheduler.source('GatewayApiBundle')
  readonly statuses: Statuses

  constructor(
    yaml = '',
    controllerNames: readonly string[] = [testControllerName],
    options: Omit<GraphOptions, 'controllerNames'> = {},
  ) {
    const { scheduler } = this
    this.sources = createSources(scheduler)
    this.graph = createGraph(scheduler, this.sources, { controllerNames: new Set(controllerNames), ...options })
    this.programming = scheduler.source('PortProgramming')
    this.statuses = createStatuses(scheduler, this.graph, this.programming, {
      controllerName: controllerNames[0] ?? '',
      bundle: this.bundle,
    })
    this.apply(yaml)
  }

  /** Applies each text as one batch. */
  apply(...yamls: readonly string[]): this {
    for (const yaml of yamls) applyObjects(this, parseObjects(yaml))
    return this
  }

  remove(kind: KindName, name: string): this {
    createSink(this).apply([{ kind, key: key(name), object: undefined }])
    return this
  }

  bind(gateway: string, binding: Partial<GatewayBinding> = {}): this {
    const whole: GatewayBinding = {
      listenAddress: '127.0.0.1',
      ports: {},
      addresses: [{ type: 'IPAddress', value: '127.0.0.1' }],
      portProblems: {},
      ...binding,
    }
    this.scheduler.batch(() => this.sources.bindings.set(key(gateway), whole))
    return this
  }

  /** What Envoy has made of a port. */
  program(
    gateway: string,
    port: number,
    state: PortProgramming['state'],
    message = '',
    transport: PortProgramming['transport'] = 'TCP',
  ): this {
    const programming = { gateway: key(gateway), port, transport, state, message }
    this.scheduler.batch(() => this.programming.set(portKey(key(gateway), port, transport), programming))
    return this
  }

  gateway(name: string): GatewayNode {
    return present(this.graph.gateways.get(key(name)), `Gateway ${name}`)
  }

  /** @param name "namespace/gateway/listener" */
  listener(name: string): ListenerNode {
    return present(this.graph.listeners.get(name as ListenerKey), `listener ${name}`)
  }

  route(name: string, kind: 'HTTPRoute' | 'GRPCRoute' = 'HTTPRoute'): L7RouteNode {
    return present(this.graph.routes[kind].get(key(name)), `${kind} ${name}`)
  }

  parents(name: string, kind: RouteKindName = 'HTTPRoute'): RouteParentNode[] {
    return [...this.graph.routeParentsByRoute.lookup(routeKey(kind, key(name)))].sort((a, b) => a.index - b.index)
  }

  /** @param listener "namespace/gateway/listener" */
  attachments(listener: string): readonly RouteAttachment[] {
    return this.graph.attachmentsByListener.lookup(listener as ListenerKey)
  }

  backend(kind: 'Service' | 'Backend', name: string, port = 0): BackendNode {
    const [namespace = '', own = ''] = name.split('/')
    const group = kind === 'Service' ? '' : 'gateway.envoyproxy.io'
    const node = this.graph.backends.get(backendKey({ group, kind, namespace, name: own, port }))
    return present(node, `${kind} ${name}:${port}`)
  }

  classStatus(name: string): GatewayClassStatus {
    return present(this.statuses.gatewayClasses.get(key(name)), `status of GatewayClass ${name}`)
  }

  gatewayStatus(name: string): GatewayStatus {
    return present(this.statuses.gateways.get(key(name)), `status of Gateway ${name}`)
  }

  listenerSetStatus(name: string): ListenerSetStatus {
    return present(this.statuses.listenerSets.get(key(name)), `status of ListenerSet ${name}`)
  }

  /** @param name "namespace/gateway/listener" */
  listenerStatus(name: string): ListenerStatus {
    const [namespace, gateway, listener] = name.split('/')
    const { listeners } = this.gatewayStatus(`${namespace}/${gateway}`)
    return present(
      listeners.find((l) => l.name === listener),
      `status of listener ${name}`,
    )
  }

  routeStatus(name: string, kind: RouteKindName = 'HTTPRoute'): RouteStatus | undefined {
    return this.statuses.routes[kind].get(key(name))
  }

  /** The status of a route towards one of its parents, by default the first. */
  parentStatus(name: string, index = 0, kind: RouteKindName = 'HTTPRoute'): RouteParentStatus {
    return present(this.routeStatus(name, kind)?.parents[index], `status.parents[${index}] of ${kind} ${name}`)
  }
}

function present<T>(value: T | undefined, what: string): T {
  expect(value, `${what} is there`).toBeDefined()
  return value as T
}

/** Conditions as "Type=Status Reason", in their order. */
export function summarize(conditions: readonly Condition[]): string[] {
  return conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`)
}

export function findCondition(conditions: readonly Condition[], type: string): Condition {
  return present(
    conditions.find((c) => c.type === type),
    `condition ${type} among ${summarize(conditions).join(', ')}`,
  )
}

/** A GatewayClass of ours, "gatewright". */
export const gatewayClassYaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gatewright}
spec: {controllerName: ${testControllerName}}
---
`

/** A Gateway of class "gatewright". @param listeners the list, as flow or block YAML */
export function gatewayYaml(name: string, listeners: string, { generation = 1, spec = '' } = {}): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {${metadata(name)}, generation: ${generation}}
spec:
  gatewayClassName: gatewright
  listeners: ${listeners}
${spec}
---
`
}

/** An HTTPRoute. @param spec lines of its spec, indented by two */
export function httpRouteYaml(name: string, spec: string, { generation = 1, created = '' } = {}): string {
  const time = created === '' ? '' : `, creationTimestamp: '${created}'`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {${metadata(name)}, generation: ${generation}${time}}
spec:
${spec}
---
`
}

/** A GRPCRoute. @param spec lines of its spec, indented by two */
export function grpcRouteYaml(
  name: string,
  spec: string,
  options: { generation?: number; created?: string } = {},
): string {
  return httpRouteYaml(name, spec, options).replace('kind: HTTPRoute', 'kind: GRPCRoute')
}

/** A ListenerSet. @param parent name of a Gateway; @param listeners as of {@link gatewayYaml} */
export function listenerSetYaml(
  name: string,
  parent: string,
  listeners: string,
  { generation = 1, created = '' } = {},
): string {
  const time = created === '' ? '' : `, creationTimestamp: '${created}'`
  const [first = '', second] = parent.split('/')
  const ref = second === undefined ? `name: ${first}` : `name: ${second}, namespace: ${first}`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {${metadata(name)}, generation: ${generation}${time}}
spec:
  parentRef: {${ref}}
  listeners: ${listeners}
---
`
}

export function serviceYaml(name: string, ports = '[{port: 80, targetPort: 8080}]'): string {
  return `
apiVersion: v1
kind: Service
metadata: {${metadata(name)}}
spec: {ports: ${ports}}
---
`
}

/**
 * A Backend with these ports of 127.0.0.1.
 * @param more fields of its spec, in flow YAML after a comma
 */
export function loopbackBackendYaml(name: string, ports: readonly number[], more = ''): string {
  return `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {${metadata(name)}}
spec: {endpoints: [${ports.map((port) => `{ip: {address: 127.0.0.1, port: ${port}}}`).join(', ')}]${more}}
---
`
}

/** @param labels flow YAML */
export function namespaceYaml(name: string, labels = '{}'): string {
  return `
apiVersion: v1
kind: Namespace
metadata: {name: ${name}, labels: ${labels}}
---
`
}

/** @param from "Kind/namespace"; @param to "Kind" or "Kind/name" */
export function referenceGrantYaml(name: string, from: readonly string[], to: readonly string[]): string {
  const fromEntries = from.map((text) => {
    const [kind, namespace] = text.split('/')
    return `{group: gateway.networking.k8s.io, kind: ${kind}, namespace: ${namespace}}`
  })
  const toEntries = to.map((text) => {
    const [kind, object] = text.split('/')
    const group = kind === 'Backend' ? 'gateway.envoyproxy.io' : '""'
    return `{group: ${group}, kind: ${kind}${object === undefined ? '' : `, name: ${object}`}}`
  })
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {${metadata(name)}}
spec:
  from: [${fromEntries.join(', ')}]
  to: [${toEntries.join(', ')}]
---
`
}

export function tlsSecretYaml(name: string, certificate: string, privateKey: string): string {
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return `
apiVersion: v1
kind: Secret
metadata: {${metadata(name)}}
type: kubernetes.io/tls
data: {tls.crt: "${encode(certificate)}", tls.key: "${encode(privateKey)}"}
---
`
}

/** "namespace/name" or "name" in namespace default, as fields of metadata. */
function metadata(text: string): string {
  const [first = '', second] = text.split('/')
  return second === undefined ? `name: ${first}` : `name: ${second}, namespace: ${first}`
}
