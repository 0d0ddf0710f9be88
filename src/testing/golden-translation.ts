import { Readable } from 'node:stream'
import { silentLogger } from '../base/logger.ts'
import { bindToOwnPorts } from '../bind-to-own-ports.ts'
import { type ControlPlane, createOfflineControlPlane } from '../control-plane.ts'
import { createSink } from '../object-sink.ts'
import { listResources } from '../offline.ts'
import { listStatuses } from '../printed-status.ts'
import { FileProvider } from '../providers/file/file-provider.ts'
import { formatProblem } from '../providers/file/report.ts'
import { testControllerName } from './builders.ts'
import type { GoldenOutput } from './golden-runner.ts'

/**
 * A control plane with the objects of a text, as `gatewright translate -f -` has it.
 * @throws an error when something of the text was not read: a case that is not read shows nothing
 */
export async function loadGolden(yaml: string): Promise<ControlPlane> {
  const controlPlane = createOfflineControlPlane({
    controllerNames: [testControllerName],
    logger: silentLogger,
    rethrow: true,
  })
  bindToOwnPorts(controlPlane)
  const provider = new FileProvider(createSink(controlPlane), {
    paths: ['-'],
    standardInput: Readable.from([yaml]),
    logger: silentLogger,
  })
  const { problems } = await provider.load()
  provider.close()
  if (problems.length > 0) throw new Error(problems.map(formatProblem).join('\n'))
  return controlPlane
}

/** What the files of a case hold. The class of the prelude is in every case and tells nothing. */
export async function translateGolden(yaml: string): Promise<GoldenOutput> {
  const controlPlane = await loadGolden(yaml)
  const statuses = listStatuses(controlPlane)
    .filter(({ kind, name }) => kind !== 'GatewayClass' || name !== 'gatewright')
    .map(({ kind, namespace, name, status }) => ({
      kind,
      ...(namespace !== '' && { namespace }),
      name,
      status: withoutFeatures(status),
    }))
  return { xds: listResources(controlPlane), status: statuses }
}

/** The list of features is the same everywhere and grows with every release. */
function withoutFeatures(status: unknown): unknown {
  const { supportedFeatures: _, ...rest } = status as { supportedFeatures?: unknown }
  return rest
}
