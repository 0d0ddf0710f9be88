import { selectorLabels } from './labels.ts'
import { type Manifest, type RenderContext, renderHead } from './manifest.ts'

/** @returns undefined where a single pod may be all there is, unless the parameters ask for a budget */
export function renderPodDisruptionBudget(context: RenderContext): Manifest | undefined {
  const { replicas, minReplicas, maxUnavailable } = context.fleet.parameters ?? {}
  if (maxUnavailable === undefined && (replicas ?? minReplicas ?? 1) < 2) return undefined
  return {
    ...renderHead(context, 'PodDisruptionBudget'),
    spec: {
      maxUnavailable: maxUnavailable ?? 1,
      selector: { matchLabels: selectorLabels(context.fleet) },
      // A proxy that cannot become ready must not keep its node from being drained.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}
