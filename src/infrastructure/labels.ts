import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import { infrastructureName, labelValue } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/** GEP-1762: whose infrastructure an object is. */
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name'
export const gatewayClassNameLabel = 'gateway.networking.k8s.io/gateway-class-name'
/**
 * The uid of the Gateway: our own objects are watched by the presence of this label. It is none that others
 * know, because users do re-apply our Services with labels of theirs (`app.kubernetes.io/managed-by: Helm`).
 */
export const gatewayUidLabel = 'gatewright.dev/gateway-uid'

type Strings = Readonly<Record<string, string>>

/** What finds the pods of a Deployment, whose selector cannot be changed, so this never may. */
export function selectorLabels(fleet: Pick<ProxyFleet, 'key' | 'className'>): Strings {
  return {
    [gatewayNameLabel]: labelValue(splitNamespacedName(fleet.key).name),
    [gatewayClassNameLabel]: labelValue(fleet.className),
  }
}

/**
 * What finds the pods of a Gateway, also those of another class of ours that it had until now: while one Deployment
 * takes over from the other, each Service leads to the pods of both.
 */
export function podLabels({ key, uid }: Pick<ProxyFleet, 'key' | 'uid'>): Strings {
  return { [gatewayNameLabel]: labelValue(splitNamespacedName(key).name), [gatewayUidLabel]: uid }
}

/** Labels of every object and pod: the Gateway's own choice, except for those that we find objects by. */
export function objectLabels(fleet: ProxyFleet): Strings {
  return {
    'app.kubernetes.io/name': infrastructureName(fleet),
    'app.kubernetes.io/instance': labelValue(splitNamespacedName(fleet.key).name),
    'app.kubernetes.io/component': 'proxy',
    'app.kubernetes.io/managed-by': 'gatewright',
    ...fleet.labels,
    ...selectorLabels(fleet),
    [gatewayUidLabel]: fleet.uid,
  }
}
