import { type Manifest, type RenderContext, renderHead } from './manifest.ts'
import { infrastructureName } from './names.ts'

const defaultTarget = 80

/** @returns undefined unless the parameters ask for autoscaling */
export function renderHorizontalPodAutoscaler(context: RenderContext): Manifest | undefined {
  const { maxReplicas, minReplicas = 1, targetCPUUtilization = defaultTarget } = context.fleet.parameters ?? {}
  if (maxReplicas === undefined) return undefined
  return {
    ...renderHead(context, 'HorizontalPodAutoscaler'),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: infrastructureName(context.fleet) },
      minReplicas,
      maxReplicas,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: targetCPUUtilization } },
        },
      ],
    },
  }
}
