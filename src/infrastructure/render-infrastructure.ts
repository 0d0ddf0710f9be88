import { renderConfigMap } from './config-map.ts'
import { renderDeployment } from './deployment.ts'
import { renderHorizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts'
import type { Manifest, RenderContext } from './manifest.ts'
import { renderPodDisruptionBudget } from './pod-disruption-budget.ts'
import { renderService } from './service.ts'
import { renderServiceAccount } from './service-account.ts'

/**
 * Everything that has to exist for a Gateway, in the order in which it is created: the address, which takes
 * others the longest, first, and pods after what they mount.
 */
export function renderInfrastructure(context: RenderContext): readonly Manifest[] {
  const manifests = [
    renderService(context),
    renderServiceAccount(context),
    renderConfigMap(context),
    renderDeployment(context),
    renderHorizontalPodAutoscaler(context),
    renderPodDisruptionBudget(context),
  ]
  return manifests.filter((manifest) => manifest !== undefined)
}
