import { renderConfigMap } from './config-map.ts'
import { renderDeployment } from './deployment.ts'
import { renderHorizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts'
import type { Manifest, RenderContext } from './manifest.ts'
import { renderPodDisruptionBudget } from './pod-disruption-budget.ts'
import { renderServices } from './service.ts'
import { renderServiceAccount } from './service-account.ts'
import { planServices, type ServicePlan } from './service-plan.ts'

/**
 * Everything that has to exist for a Gateway: the address, which takes others the longest, first, and pods after
 * what they mount.
 * @param services those that it is to have; unless given, as if it had none yet
 */
export function renderInfrastructure(
  context: RenderContext,
  services: readonly ServicePlan[] = planServices(context.fleet, []),
): readonly Manifest[] {
  const manifests = [
    ...renderServices(context, services),
    renderServiceAccount(context),
    renderConfigMap(context),
    renderDeployment(context),
    renderHorizontalPodAutoscaler(context),
    renderPodDisruptionBudget(context),
  ]
  return manifests.filter((manifest) => manifest !== undefined)
}
