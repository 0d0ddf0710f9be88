import { compareBy, compareStrings } from './base/compare.ts'
import { silentLogger } from './base/logger.ts'
import { bindToOwnPorts } from './bind-to-own-ports.ts'
import type { OfflineResult, PrintedResource, TranslateOffline } from './cli/offline.ts'
import { type ControlPlane, createOfflineControlPlane } from './control-plane.ts'
import { renderResource } from './envoy/proto-json.ts'
import { createSink } from './object-sink.ts'
import { listStatuses } from './printed-status.ts'
import { FileProvider } from './providers/file/file-provider.ts'
import { formatProblem } from './providers/file/report.ts'

/** Translates manifests once, with every listener bound to its own port. */
export const translateOffline: TranslateOffline = async (paths, controllerNames): Promise<OfflineResult> => {
  const controlPlane = createOfflineControlPlane({ controllerNames, logger: silentLogger, rethrow: true })
  bindToOwnPorts(controlPlane)
  const provider = new FileProvider(createSink(controlPlane), { paths, logger: silentLogger })
  const report = await provider.load()
  provider.close()
  return {
    problems: report.problems.map((p) => ({ severity: p.severity, text: formatProblem(p) })),
    statuses: listStatuses(controlPlane),
    resources: listResources(controlPlane),
  }
}

const types = ['listener', 'route', 'cluster', 'endpoint', 'secret'] as const

const collectionsOf = {
  listener: ['listener'],
  route: ['route', 'scopedRoute'],
  cluster: ['cluster'],
  endpoint: ['endpoint'],
  secret: ['secret'],
} as const

/** Every Envoy resource as proto JSON, by Gateway, type and name. */
export function listResources({ resources }: Pick<ControlPlane, 'resources'>): PrintedResource[] {
  return types
    .flatMap((type) =>
      collectionsOf[type]
        .flatMap((name) => [...resources[name].entries()])
        .map(([, resource]) => ({
          type,
          gateway: resource.scope,
          name: resource.name,
          resource: renderResource(resource),
          sources: resource.sources,
        })),
    )
    .sort(
      compareBy(
        (a, b) => compareStrings(a.gateway, b.gateway),
        (a, b) => types.indexOf(a.type) - types.indexOf(b.type),
        (a, b) => compareStrings(a.name, b.name),
      ),
    )
}
