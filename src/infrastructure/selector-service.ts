import { type NamespacedName, namespacedName, splitNamespacedName } from '../gatewayapi/object-key.ts'
import { experimentalGroup } from '../gatewayapi/objects/reference.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import { type SelectorService, selectorServiceName, xBackendUidLabel } from '../graph/selector-service.ts'
import type { Manifest } from './manifest.ts'

/** What is to be made for an XBackend that chooses pods by their labels. */
export interface SelectorServicePlan extends Pick<SelectorService, 'isUsed' | 'isDeleting'> {
  readonly manifest: Manifest
}

export function planSelectorService(service: SelectorService): SelectorServicePlan {
  return { manifest: renderSelectorService(service), isUsed: service.isUsed, isDeleting: service.isDeleting }
}

/** The Service that an XBackend has, or would have if it chose pods by their labels. */
export function locateSelectorService(xBackend: NamespacedName): NamespacedName {
  const { namespace, name } = splitNamespacedName(xBackend)
  return namespacedName(namespace, selectorServiceName(name))
}

/** The uid of the XBackend that a Service was made for, if it was made for one. */
export function readXBackendUid({ metadata }: Service): string | undefined {
  return metadata.labels[xBackendUidLabel]
}

/** The headless Service that makes Kubernetes keep EndpointSlices of the pods of an XBackend. It goes with the XBackend. */
function renderSelectorService({ xBackend, uid, name, matchLabels, port }: SelectorService): Manifest {
  const { namespace, name: owner } = splitNamespacedName(xBackend)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'gatewright', [xBackendUidLabel]: uid },
      ownerReferences: [
        {
          apiVersion: `${experimentalGroup}/v1alpha1`,
          kind: 'XBackend',
          name: owner,
          uid,
          controller: true,
          // true would need the right to update finalizers of XBackends.
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: {
      type: 'ClusterIP',
      // Nobody is to reach the pods by it.
      clusterIP: 'None',
      selector: { ...matchLabels },
      ports: [{ port, protocol: 'TCP', targetPort: port }],
    },
  }
}
