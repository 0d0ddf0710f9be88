import { compareBy, compareStrings } from './base/compare.ts'
import type { PrintedCondition, PrintedStatus } from './cli/offline.ts'
import type { ControlPlane } from './control-plane.ts'
import { splitNamespacedName } from './gatewayapi/object-key.ts'
import { routeKinds } from './graph/route.ts'

/** Every status, in the form that commands print: GatewayClasses, Gateways, ListenerSets, routes, then policies, each by name. */
export function listStatuses({ statuses }: Pick<ControlPlane, 'statuses'>): PrintedStatus[] {
  const printed: PrintedStatus[] = []
  const byName = compareBy<readonly [string, unknown]>((a, b) => compareStrings(a[0], b[0]))
  for (const [key, status] of [...statuses.gatewayClasses.entries()].sort(byName))
    printed.push({
      kind: 'GatewayClass',
      ...splitNamespacedName(key),
      status,
      conditions: about('', status.conditions),
    })
  for (const [kind, collection] of [
    ['Gateway', statuses.gateways],
    ['ListenerSet', statuses.listenerSets],
  ] as const) {
    for (const [key, status] of [...collection.entries()].sort(byName)) {
      const conditions = status.listeners.flatMap((l) => about(`listener ${l.name}`, l.conditions))
      printed.push({
        kind,
        ...splitNamespacedName(key),
        status,
        conditions: [...about('', status.conditions), ...conditions],
      })
    }
  }
  for (const kind of routeKinds) {
    for (const [key, status] of [...statuses.routes[kind].entries()].sort(byName)) {
      const { namespace, name } = splitNamespacedName(key)
      const conditions = status.parents.flatMap(({ parentRef, conditions }) => {
        const section = parentRef.sectionName === undefined ? '' : `/${parentRef.sectionName}`
        return about(`parent ${parentRef.namespace ?? namespace}/${parentRef.name}${section}`, conditions)
      })
      printed.push({ kind, namespace, name, status, conditions })
    }
  }
  for (const [kind, policies] of [
    ['BackendTLSPolicy', statuses.backendTLSPolicies],
    ['XBackend', statuses.xBackends],
    ['XBackendTrafficPolicy', statuses.xBackendTrafficPolicies],
    ['XTelemetryPolicy', statuses.xTelemetryPolicies],
  ] as const) {
    for (const [key, status] of [...policies.entries()].sort(byName)) {
      const conditions = status.ancestors.flatMap(({ ancestorRef: { namespace, name }, conditions }) =>
        about(`ancestor ${namespace}/${name}`, conditions),
      )
      printed.push({ kind, ...splitNamespacedName(key), status, conditions })
    }
  }
  return printed
}

function about(what: string, conditions: readonly PrintedCondition[]): PrintedStatus['conditions'] {
  return conditions.map((condition) => ({ about: what, condition }))
}
