import { splitNamespacedName } from '../gatewayapi/object-key.ts'
import { gatewayGroup } from '../gatewayapi/objects/reference.ts'
import type { InfrastructureOptions } from './infrastructure-options.ts'
import { objectLabels } from './labels.ts'
import { infrastructureName } from './names.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

/** The kinds of which objects are made for a Gateway. */
export type InfrastructureKind =
  | 'ServiceAccount'
  | 'ConfigMap'
  | 'Deployment'
  | 'Service'
  | 'HorizontalPodAutoscaler'
  | 'PodDisruptionBudget'

/** Where the API server serves each kind. */
export const infrastructureResources = {
  ServiceAccount: { group: '', version: 'v1', plural: 'serviceaccounts' },
  ConfigMap: { group: '', version: 'v1', plural: 'configmaps' },
  Deployment: { group: 'apps', version: 'v1', plural: 'deployments' },
  Service: { group: '', version: 'v1', plural: 'services' },
  HorizontalPodAutoscaler: { group: 'autoscaling', version: 'v2', plural: 'horizontalpodautoscalers' },
  PodDisruptionBudget: { group: 'policy', version: 'v1', plural: 'poddisruptionbudgets' },
} as const satisfies Readonly<Record<InfrastructureKind, object>>

/** One object as it should be: only the fields that are ours to say. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: InfrastructureKind
  readonly metadata: ManifestMeta
  readonly [field: string]: unknown
}

export interface ManifestMeta {
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: boolean
  readonly blockOwnerDeletion: boolean
}

/** What every renderer is given. */
export interface RenderContext {
  readonly fleet: ProxyFleet
  readonly options: InfrastructureOptions
  /** Certificates (PEM) one of which has signed the control plane's. */
  readonly trustBundle: string
}

/**
 * The head of an object of a Gateway, with which the garbage collector deletes it when the Gateway goes.
 * @param objectName where there is more than one of its kind
 */
export function renderHead(
  { fleet }: Pick<RenderContext, 'fleet'>,
  kind: InfrastructureKind,
  annotations: Readonly<Record<string, string>> = {},
  objectName: string = infrastructureName(fleet),
): Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'> {
  const { group, version } = infrastructureResources[kind]
  const { namespace, name } = splitNamespacedName(fleet.key)
  const all = { ...fleet.annotations, ...annotations }
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: {
      name: objectName,
      namespace,
      labels: objectLabels(fleet),
      ...(Object.keys(all).length > 0 && { annotations: all }),
      ownerReferences: [
        {
          apiVersion: `${gatewayGroup}/v1`,
          kind: 'Gateway',
          name,
          uid: fleet.uid,
          controller: true,
          // true would need the right to update finalizers of Gateways.
          blockOwnerDeletion: false,
        },
      ],
    },
  }
}
